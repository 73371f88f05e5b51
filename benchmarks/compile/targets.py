"""Devices to compile for, their figures, and whether their compilers are installed."""

import dataclasses
import fnmatch
import importlib.util
import math
import re
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Any

INSTALL = "pip install 'jaxvec[aot]'"


@dataclasses.dataclass(frozen=True)
class Figures:
    """What a chip can do at most, from its maker's data sheet; `launch` and `row` are our own
    estimates."""

    products: dict[str, float]  # FLOP/s without sparsity, by type
    bandwidth: float  # of the main memory, bytes/s
    memory: int  # bytes
    cache: int  # bytes: L2 of a GPU; 0 where the compiler places the data on the chip itself
    links: float  # to other chips, bytes/s, both ways together
    launch: float = 0.0  # seconds a kernel
    row: float = 0.0  # seconds that a TPU takes to move a row of a table, one after the other
    clock: float = 0.0  # Hz, for the compiler's cycles; 0 where it counts none


@dataclasses.dataclass(frozen=True)
class Target:
    """A device to compile for."""

    name: str
    about: str
    figures: Figures
    config: str = ""  # of a GPU, as XLA's target configuration
    chips: tuple[int, ...] = ()  # of a TPU: the least topology, by its sides

    @property
    def gpu(self) -> bool:
        """Whether it is an NVIDIA GPU; else a TPU."""
        return bool(self.config)

    def topology(self, chips: int) -> Any:
        """A description with at least `chips` compile-only devices.

        Args:
          chips: how many the program is for.

        Raises:
          ValueError: if no topology has that number.
        """
        from jax.experimental import topologies

        if self.gpu:
            shape = f"1x1x{chips}"
            return topologies.get_topology_desc(
                shape, platform="cuda", target_config=self.config, topology=shape
            )
        name = f"{self.name}:{'x'.join(map(str, sides(self.chips, chips)))}"
        return topologies.get_topology_desc(platform="tpu", topology_name=name)


def sides(least: tuple[int, ...], chips: int) -> tuple[int, ...]:
    """The sides of the smallest topology with `chips` chips: the least one, the last of its
    shortest sides doubled until there are enough.

    Args:
      least: sides of the smallest topology.
      chips: how many are needed.

    Raises:
      ValueError: if more are needed than one side, and no doubling gives that number.

    >>> sides((2, 2), 1), sides((2, 2), 8), sides((2, 2, 1), 16)
    ((2, 2), (2, 4), (2, 2, 4))
    """
    found = list(least)
    while math.prod(found) < chips:
        shortest = max(i for i, side in enumerate(found) if side == min(found))
        found[shortest] *= 2
    if chips > math.prod(least) and math.prod(found) != chips:
        raise ValueError(f"a mesh of {chips} chips: give {math.prod(found)}, a power of two")
    return tuple(found)


def _gpu(name: str, about: str, figures: Figures, sms: int, capability: str, **numbers) -> Target:
    fields = {
        "threads_per_block_limit": 1024,
        "threads_per_warp": 32,
        "shared_memory_per_block": 49152,
        "threads_per_core_limit": 2048,
        "core_count": sms,
        "block_dim_limit_x": 2147483647,
        "block_dim_limit_y": 65535,
        "block_dim_limit_z": 65535,
        "memory_bandwidth": int(figures.bandwidth),
        "l2_cache_size": figures.cache,
        "device_memory_size": figures.memory,
        "registers_per_core_limit": 65536,
        "registers_per_block_limit": 65536,
        **numbers,
    }
    lines = "\n".join(f"  {name}: {value}" for name, value in fields.items())
    return Target(name, about, figures, config=(
        f"gpu_device_info {{\n{lines}\n  cuda_compute_capability {{ {capability} }}\n}}\n"
        'platform_name: "CUDA"\ndnn_version_info { major: 9 minor: 10 patch: 0 }\n'
        f'device_description_str: "{about}"\n'
    ))  # fmt: skip


_MIB, _GB, _TERA = 1 << 20, 10**9, 1e12
_LAUNCH = 2e-6
_ROW = 5e-8
_HOPPER = {"float32": 67 * _TERA, "tf32": 495 * _TERA, "bfloat16": 989 * _TERA}
_AMPERE = {"float32": 19.5 * _TERA, "tf32": 156 * _TERA, "bfloat16": 312 * _TERA}
_HOPPER_CORE: dict[str, Any] = {
    "capability": "major: 9 feature_extension: ACCELERATED_FEATURES",
    "sms": 132,
    "fpus_per_core": 128,
    "clock_rate_ghz": 1.98,
    "shared_memory_per_core": 233472,
    "shared_memory_per_block_optin": 232448,
}
_AMPERE_CORE: dict[str, Any] = {
    "capability": "major: 8",
    "sms": 108,
    "fpus_per_core": 64,
    "clock_rate_ghz": 1.41,
    "shared_memory_per_core": 167936,
    "shared_memory_per_block_optin": 166912,
}


def _tpu(name: str, chips: tuple[int, ...], *, bf16: float, bandwidth: float, memory: int,
         links: int, clock: float) -> Target:  # fmt: skip
    figures = Figures(
        {"bfloat16": bf16 * _TERA},
        bandwidth * _GB,
        memory * _GB,
        0,
        links * _GB,
        clock=clock,
        row=_ROW,
    )
    return Target(name, f"TPU {name}", figures, chips=chips)


_ALL = [
    _gpu("h100", "NVIDIA H100 80GB HBM3",
         Figures(_HOPPER, 3.35232 * _TERA, 84_942_979_072, 50 * _MIB, 900 * _GB, _LAUNCH),
         **_HOPPER_CORE),
    _gpu("h200", "NVIDIA H200",
         Figures(_HOPPER, 4.8 * _TERA, 150_000_000_000, 50 * _MIB, 900 * _GB, _LAUNCH),
         **_HOPPER_CORE),
    _gpu("a100", "NVIDIA A100-SXM4-80GB",
         Figures(_AMPERE, 2.039 * _TERA, 85_000_000_000, 40 * _MIB, 600 * _GB, _LAUNCH),
         **_AMPERE_CORE),
    _tpu("v5e", (2, 2), bf16=197, bandwidth=820, memory=17, links=200, clock=1.5e9),
    _tpu("v6e", (2, 2), bf16=918, bandwidth=1640, memory=34, links=448, clock=1.75e9),
    _tpu("v5p", (2, 2, 1), bf16=459, bandwidth=2765, memory=95, links=600, clock=1.75e9),
    _tpu("v4", (2, 2, 1), bf16=275, bandwidth=1228, memory=32, links=300, clock=1.05e9),
]  # fmt: skip
TARGETS = {target.name: target for target in _ALL}


def missing(target: Target) -> str | None:
    """What hinders compiling for a target, one line that says what to install; None for nothing.

    Args:
      target: the device.
    """
    packages = ["jax-cuda12-plugin", "jax-cuda12-pjrt"] if target.gpu else ["libtpu"]
    for package in packages:
        wanted = _wanted(package)
        try:
            found = version(package)
        except PackageNotFoundError:
            return f"the compiler for {target.about} is not installed: {INSTALL}"
        if not fnmatch.fnmatch(found, wanted):
            return (
                f"jax {version('jax')} asks for {package} {wanted}, and {found} is installed: "
                f"{INSTALL}"
            )
    if target.gpu and assembler() is None:
        return f"ptxas, the assembler for {target.about}, is not installed: {INSTALL}"
    return None


def _wanted(package: str) -> str:
    """The version of a package that jax asks for, as a pattern."""
    for line in requires("jax") or ():
        found = re.match(rf"{re.escape(package)}(?:\[.*?\])?==([\w.*]+);", line)
        if found:
            return found[1]
    return version("jax")


def assembler() -> Path | None:
    """The path of ptxas of the package nvidia-cuda-nvcc-cu12; None if it is not there."""
    spec = importlib.util.find_spec("nvidia")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        path = Path(folder) / "cuda_nvcc" / "bin" / "ptxas"
        if path.exists():
            return path
    return None
