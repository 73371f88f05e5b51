import subprocess
import sys
from pathlib import Path

import pytest

from jaxvec.cli import processor

CPU = "processor\t: 0\nvendor_id\t: {}\ncpu family\t: {}\nmodel\t\t: {}\nmodel name\t: AMD EPYC\n\n"


@pytest.mark.parametrize(
    ("vendor", "family", "model", "slow"),
    [
        ("AuthenticAMD", 25, 17, True),  # Genoa
        ("AuthenticAMD", 25, 0x61, True),  # Raphael
        ("AuthenticAMD", 25, 1, False),  # Milan, a Zen 3
        ("AuthenticAMD", 25, 0x50, False),  # Cezanne, a Zen 3
        ("AuthenticAMD", 26, 17, False),  # a Zen 5
        ("GenuineIntel", 25, 17, False),
        ("AuthenticAMD", 25, "unknown", False),
    ],
)
def test_numpy_sorts_by_avx2_where_avx512_is_slow(tmp_path, vendor, family, model, slow):
    """NumPy must not be imported yet, so in a process of its own."""
    (tmp_path / "cpuinfo").write_text(CPU.format(vendor, family, model) * 2)
    script = f"""
import os
from processor import avoid_slow_sorts  # as jaxvec.cli imports NumPy
os.environ.pop("NPY_DISABLE_CPU_FEATURES", None)
avoid_slow_sorts({str(tmp_path / "none")!r})
assert "NPY_DISABLE_CPU_FEATURES" not in os.environ
avoid_slow_sorts({str(tmp_path / "cpuinfo")!r})
print(os.environ.get("NPY_DISABLE_CPU_FEATURES"))
"""
    found = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True,
        cwd=Path(processor.__file__).parent,
    )  # fmt: skip
    assert found.stdout.strip() == ("X86_V4 AVX512_ICL" if slow else "None")


def test_numpy_that_is_imported_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.delenv("NPY_DISABLE_CPU_FEATURES", raising=False)
    (tmp_path / "cpuinfo").write_text(CPU.format("AuthenticAMD", 25, 17))
    processor.avoid_slow_sorts(tmp_path / "cpuinfo")
    assert "NPY_DISABLE_CPU_FEATURES" not in processor.os.environ


def test_numpy_takes_the_names_of_features():
    """Whether or not this processor has them, in words that this NumPy knows."""
    numpy = pytest.importorskip("numpy", minversion="2.4")
    assert numpy
    subprocess.run(
        [sys.executable, "-W", "error", "-c", "import numpy"], check=True,
        env={**processor.os.environ, "NPY_DISABLE_CPU_FEATURES": processor._AVX512},
    )  # fmt: skip


def test_counting_does_not_wait_for_jax():
    script = "import sys; from jaxvec.cli import cooccur; print('jax' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert found.stdout.strip() == "False", found.stderr
