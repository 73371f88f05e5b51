"""The machine: device, driver, versions, flags, commit, clocks, power and load."""

import os
import platform
import re
import shutil
import subprocess
from importlib.metadata import distributions
from pathlib import Path

import jax

PACKAGES = re.compile(r"(jax|jaxlib|jaxvec|numpy|optax|libtpu.*|(jax|rocm)-(cuda|rocm).*)")
"""Packages whose versions matter: jax's plugins among them."""

FLAGS = re.compile(
    r"XLA_\w+|JAX_\w+|LIBTPU_INIT_ARGS|CUDA_VISIBLE_DEVICES|NVIDIA_TF32_OVERRIDE|NPROC"
)
"""Variables of the environment that change programs or their speed."""

_SMI = (
    "name", "driver_version", "clocks.sm", "clocks.max.sm", "clocks.mem", "clocks.max.mem",
    "power.draw", "power.limit", "temperature.gpu", "clocks_throttle_reasons.active",
)  # fmt: skip


def describe() -> dict:
    """What is known of the machine before the benchmark runs; a key is None where it is not."""
    from jaxvec.storage.pool import cores

    device = jax.devices()[0]
    return {
        "device": device.device_kind,
        "platform": device.platform,
        "devices": jax.device_count(),
        "device_memory": memory_available(),
        "driver": driver(),
        "platform_version": " ".join(device.client.platform_version.split()),
        "processor": processor(),
        "cores": cores(),
        "caches": caches(),
        "memory": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": platform.platform(),
        "python": platform.python_version(),
        "packages": packages(),
        "flags": {k: v for k, v in sorted(os.environ.items()) if FLAGS.fullmatch(k)},
        "matmul_precision": jax.config.jax_default_matmul_precision,
        "commit": commit(),
        "before": state(),
    }


def state() -> dict:
    """What changes while it runs: clocks, power, throttling, load of the machine."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {"load": load, "processor_mhz": processor_mhz(), "gpus": gpus()}


def busy(described: dict) -> list[str]:
    """A line if other work shared the machine when the run began: its times are too long.

    Args:
      described: of `describe`.

    >>> busy({"cores": 2, "before": {"load": 3.5}})
    ['other work shares the machine: load 3.5 on 2 cores before the run']
    """
    load, cores = described["before"]["load"], described["cores"]
    if load is None or load < cores / 2:
        return []
    return [f"other work shares the machine: load {load:.1f} on {cores} cores before the run"]


def memory_available() -> int | None:
    """Bytes that arrays on the default device may take: on a CPU, those free; None if untold."""
    device = jax.devices()[0]
    limit = (device.memory_stats() or {}).get("bytes_limit")
    if limit is not None or device.platform != "cpu":
        return limit
    meminfo = Path("/proc/meminfo")
    if not meminfo.exists():
        return None
    return int(re.findall(r"MemAvailable:\s+(\d+)", meminfo.read_text())[0]) * 1024


def packages() -> dict[str, str]:
    """The versions of jax, its plugins and what else matters, of those installed."""
    names = ((one.metadata["Name"] or "", one.version) for one in distributions())
    return dict(sorted((n, v) for n, v in names if PACKAGES.fullmatch(n.lower())))


def commit() -> str | None:
    """The commit of the checkout that runs, with "changed" if files differ from it; None for files
    that git does not keep."""
    git = ("git", "-C", str(Path(__file__).parent))
    if _output(*git, "ls-files", "--error-unmatch", Path(__file__).name) is None:
        return None
    found = _output(*git, "rev-parse", "HEAD")
    changed = _output(*git, "status", "--porcelain", "--untracked-files=no")
    return f"{found}, changed" if found and changed else found


def driver() -> str | None:
    """The version of NVIDIA's driver, None on other machines."""
    cards = gpus()
    if cards:
        return cards[0].get("driver_version")
    version = Path("/proc/driver/nvidia/version")
    found = (
        re.search(r"Module.*?\s(\d+[\d.]+)\s", version.read_text()) if version.exists() else None
    )
    return found[1] if found else None


def gpus() -> list[dict[str, str]]:
    """What nvidia-smi says of each card: clocks, power, temperature; empty without it."""
    if not shutil.which("nvidia-smi"):
        return []
    text = _output("nvidia-smi", f"--query-gpu={','.join(_SMI)}", "--format=csv,noheader")
    rows = [[cell.strip() for cell in line.split(",")] for line in (text or "").splitlines()]
    return [dict(zip(_SMI, row, strict=True)) for row in rows if len(row) == len(_SMI)]


def processor() -> str:
    """The CPU's name, with family and model: names in virtual machines are short."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    fields = dict(re.findall(r"^(model name|cpu family|model)\s*: (.*)$", text, re.MULTILINE))
    if "model name" not in fields:
        return platform.processor() or platform.machine()
    name, known = fields["model name"], "cpu family" in fields and "model" in fields
    return f"{name}, family {fields['cpu family']} model {fields['model']}" if known else name


def processor_mhz() -> float | None:
    """The highest clock of any core now, as the kernel tells it."""
    cpuinfo = Path("/proc/cpuinfo")
    text = cpuinfo.read_text() if cpuinfo.exists() else ""
    return max((float(mhz) for mhz in re.findall(r"^cpu MHz\s*: (\S+)", text, re.M)), default=None)


def caches() -> dict[str, str]:
    """The caches of the first core: {"L2": "1024K"}; empty where the kernel does not tell."""
    found = {}
    for one in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((one / name).read_text().strip() for name in ("level", "type", "size"))
        if kind != "Instruction":
            found[f"L{level}"] = size
    return found


def _output(*command: str) -> str | None:
    """What a command prints; None if it fails or is not there."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
