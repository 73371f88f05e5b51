"""Shared by the suites: options, runs in subprocesses, scores, tables, the machine."""

import argparse
import importlib.util
import json
import os
import platform
import re
import resource
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def source(text: str) -> str:
    """Parses the path of a file to read, which must exist."""
    from jaxvec.storage.files import existing

    try:
        return str(existing(text))
    except (FileNotFoundError, ValueError) as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def target(text: str) -> str:
    """Parses the path of a file to write; fails before the measurements if it cannot be."""
    from jaxvec.storage.files import writable

    try:
        path = writable(text)
    except FileNotFoundError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
        raise argparse.ArgumentTypeError(f"cannot write {text}")
    return str(path)


def need(*modules: str) -> None:
    """Exits, before the measurements, if a module is not installed."""
    for module in modules:
        if importlib.util.find_spec(module) is None:
            raise SystemExit(f"this suite needs the package {module}, which is not installed")


def add_options(parser: argparse.ArgumentParser, epochs: int) -> None:
    """Adds the options of suites that train on a corpus.

    Args:
      parser: of the suite.
      epochs: the default.
    """
    add = parser.add_argument
    add("corpus", type=source, help="plain text, words separated by white space")
    add(
        "--analogies",
        type=source,
        metavar="F",
        help="analogies in the format of questions-words.txt",
    )
    add("--pairs", nargs="*", type=source, default=[], metavar="F",
        help="word pairs with human similarity scores")  # fmt: skip
    add("--restrict-vocab", type=int, default=30_000, help="default: %(default)s")
    add("--rounds", type=int, default=1, help="runs of each, alternating (default: %(default)s)")
    add("--vector-size", type=int, default=100)
    add("--min-count", type=int, default=5)
    add("--epochs", type=int, default=epochs)
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")


def run_apart(module: str, job: dict) -> dict:
    """Runs ``python -m module JOB`` and returns the JSON that its last line prints.

    Args:
      module: its `__main__` part takes the job as JSON.
      job: the settings of the run.
    """
    command = [sys.executable, "-m", module, json.dumps(job)]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def scores(path: Path, options: argparse.Namespace) -> dict[str, float]:
    """Scores the vectors of a file by `jaxvec.evaluate`.

    Args:
      path: of the vectors.
      options: with `analogies`, `restrict_vocab` and `pairs`.
    """
    from jaxvec import WordVectors, evaluate

    vectors, found = WordVectors.load(path), {}
    if options.analogies:
        for name, limit in [("analogies", options.restrict_vocab), ("analogies, full", None)]:
            answers = evaluate.analogies(vectors, options.analogies, restrict_vocab=limit)
            found[name] = round(100 * answers.accuracy, 2)
    for file in options.pairs:
        found[Path(file).stem] = round(evaluate.pairs(vectors, file).spearman, 4)
    return found


def report(rows: list[dict], settings: dict, path: str | None) -> None:
    """Prints a table, and writes it with settings and machine as JSON.

    Args:
      rows: a dictionary per row, with the same keys.
      settings: of the suite.
      path: of the JSON file; None for none.
    """
    print("| " + " | ".join(rows[0]) + " |")
    print("|" + "---|" * len(rows[0]))
    for row in rows:
        print("| " + " | ".join(str(value) for value in row.values()) + " |")
    if path:
        everything = {"settings": settings, "machine": machine(), "runs": rows}
        Path(path).write_text(json.dumps(everything, indent=1) + "\n")


def machine() -> dict[str, str]:
    """Processor, device, cores and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.exists() else []
    packages = ("jax", "jaxlib", "numpy", "gensim", "jaxvec")
    import jax

    from jaxvec.storage.pool import cores

    return {
        "python": platform.python_version(),
        "device": jax.devices()[0].device_kind,
        "cores": str(cores()),
        "processor": names[0] if names else platform.processor(),
        **{name: _version(name) for name in packages},
    }


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:  # few suites need gensim
        return "not installed"


def peak_memory() -> float:
    """Peak memory of this process, GiB.

    From the kernel if it tells: after a fork, getrusage includes the parent's peak.
    """
    status = Path("/proc/self/status")
    if status.exists():
        kib = int(re.findall(r"VmHWM:\s+(\d+)", status.read_text())[0])
    else:
        kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(kib / 2**20, 2)
