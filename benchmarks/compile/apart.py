"""Compiles in a process of its own: JAX's platforms are chosen by its environment, once."""

import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.compile.report import Report
from benchmarks.compile.targets import TARGETS, missing

_ROOT = Path(__file__).parents[2]
_NOISE = re.compile(  # of compilers that look for a device, and find none
    r"^\s*$|All log messages before absl::InitializeLog|Could not find cuda drivers"
    r"|Logging before InitGoogle|could not determine TPU|=== Source Location Trace"
    r"|^learning/\S+\.cc:\d+$"
)


class MissingCompilerError(RuntimeError):
    """A compiler is not installed; the message says what to install."""


class CompilationError(RuntimeError):
    """A compiler failed; the message is its output."""


def compiled(target: str, *, folder: str | os.PathLike | None = None, **settings) -> Report:
    """Compiles a training program for a device that need not be there, and reads the result.

    Args:
      target: a name out of `targets.TARGETS`.
      folder: where to keep the program's text, and what else the compiler writes; None for
        nowhere.
      settings: the fields of `programs.Settings`, by name.

    Raises:
      ValueError: if there is no such target, or the settings do not go together.
      MissingCompilerError: if its compiler is not installed, or of another version than jax's.
      CompilationError: if it fails.
    """
    if target not in TARGETS:
        raise ValueError(f"target must be one of {', '.join(TARGETS)}; got {target!r}")
    lacking = missing(TARGETS[target])
    if lacking:
        raise MissingCompilerError(lacking)
    if folder is not None:
        Path(folder).mkdir(parents=True, exist_ok=True)
        return _compiled({"target": target, **settings}, Path(folder))
    with tempfile.TemporaryDirectory() as scratch:
        return _compiled({"target": target, **settings}, Path(scratch))


def _compiled(settings: dict, folder: Path) -> Report:
    job = json.dumps({"settings": settings, "folder": str(folder.resolve())})
    command = [sys.executable, "-m", "benchmarks.compile.child", job]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=_ROOT,
        env=environment(settings["target"], folder.resolve(), settings.get("flags") or ""),
    )  # fmt: skip
    said = [line for line in done.stderr.splitlines() if not _NOISE.search(line)]
    if done.returncode:
        raise CompilationError("\n".join(said) or f"the compiler ended with {done.returncode}")
    if said:
        print("\n".join(said), file=sys.stderr)
    found = json.loads(done.stdout.splitlines()[-1])
    if "error" in found:
        raise ValueError(found["error"])
    return Report(**found)


def environment(target: str, folder: Path, flags: str = "") -> dict[str, str]:
    """The environment of a process that compiles.

    No device but the CPU's starts, no compiled program is kept or taken from a cache, and XLA
    for GPUs measures nothing (it cannot) and writes what it makes.

    Args:
      target: a name out of `targets.TARGETS`.
      folder: where XLA writes.
      flags: more of XLA's.
    """
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    found = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "JAX_PLATFORMS": "cpu",
        "JAX_ENABLE_COMPILATION_CACHE": "false",
        "TPU_SKIP_MDS_QUERY": "1",
        "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
        "XLA_FLAGS": flags,
    }
    if TARGETS[target].gpu:
        found["XLA_FLAGS"] = (
            f"--xla_gpu_autotune_level=0 --xla_dump_to={folder} "
            f"--xla_dump_hlo_module_re=jit_train_.* {flags}"
        )
    return found
