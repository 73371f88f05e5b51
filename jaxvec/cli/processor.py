"""Settings of NumPy that depend on the processor, made before it is imported."""

import os
import sys
from pathlib import Path

_FEATURES = "NPY_DISABLE_CPU_FEATURES"  # NumPy reads it once, when it is imported
_AVX512 = "X86_V4 AVX512_ICL"  # as NumPy 2.4 and newer call it; older ones are left as they are
_ZEN_4 = (range(0x10, 0x20), range(0x60, 0x80), range(0xA0, 0xB0))  # models of AMD's family 25


def avoid_slow_sorts(cpuinfo: str | os.PathLike[str] = "/proc/cpuinfo") -> None:
    """Has NumPy sort by AVX2 on an AMD Zen 4, where its AVX-512 takes 5 times as long.

    Does nothing on another processor, if NumPy is imported already, or if the environment has
    `NPY_DISABLE_CPU_FEATURES`.

    Args:
      cpuinfo: the file in which the system describes its processors.
    """
    if "numpy" in sys.modules or _FEATURES in os.environ or not Path(cpuinfo).exists():
        return
    first = Path(cpuinfo).read_text(errors="replace").split("\n\n")[0]
    pairs = [line.partition(":") for line in first.splitlines()]
    about = {name.strip(): value.strip() for name, _, value in pairs}
    if about.get("vendor_id") != "AuthenticAMD" or about.get("cpu family") != "25":
        return
    model = about.get("model", "")
    if model.isdigit() and any(int(model) in models for models in _ZEN_4):
        os.environ[_FEATURES] = _AVX512
