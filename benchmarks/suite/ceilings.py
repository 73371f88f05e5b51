"""The ceilings of JAX's default device, measured and checked."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import jax

from benchmarks.suite import dense, rows, table
from benchmarks.suite.figures import Figure
from benchmarks.suite.kernels import Kernel, measure
from benchmarks.suite.machine import memory_available
from benchmarks.suite.timing import Timer

VOCABULARIES = (68_000, 1_000_000, 4_000_000)
"""Rows of the tables: about text8's vocabulary; and two whose tables no cache holds."""

IDS = ("uniform", "zipf")
_MIB = 1 << 20


class Sizes(NamedTuple):
    """How large the kernels are.

    Attributes:
      copies: bytes of the buffers that are copied.
      streamed: bytes that a call copies, by repeats; at most 64 of them.
      sides: of square matrices.
      batch: of small products.
      vocabularies: rows of the tables.
      rows: ids of a chunk.
      called: ids of a call, all chunks together.
      keys: sorted.
      words: of random bits.
      launches: kernels in a program.
    """

    copies: tuple[int, ...]
    streamed: int
    sides: tuple[int, ...]
    batch: int
    vocabularies: tuple[int, ...]
    rows: tuple[int, ...]
    called: int
    keys: tuple[int, ...]
    words: tuple[int, ...]
    launches: int


QUICK = Sizes(
    copies=(1 << 18, 1 << 26), streamed=1 << 26, sides=(512,), batch=64, vocabularies=(68_000,),
    rows=(4096,), called=1 << 14, keys=(1 << 16,), words=(1 << 16,), launches=64,
)  # fmt: skip
CPU = Sizes(
    copies=tuple(1 << n for n in (16, 18, 20, 22, 24, 26, 28)), streamed=1 << 28,
    sides=(512, 2048), batch=256, vocabularies=VOCABULARIES, rows=(4096, 1 << 16),
    called=1 << 16, keys=(1 << 16, 1 << 20), words=(1 << 16, 1 << 20), launches=64,
)  # fmt: skip
ACCELERATOR = Sizes(
    copies=(*CPU.copies, 1 << 30), streamed=1 << 30,
    sides=(2048, 8192), batch=4096, vocabularies=VOCABULARIES, rows=(4096, 1 << 16, 1 << 20),
    called=1 << 20, keys=(1 << 16, 1 << 20, 1 << 24), words=(1 << 20, 1 << 24), launches=64,
)  # fmt: skip


def sizes(quick: bool) -> Sizes:
    """The sizes for JAX's default device.

    Args:
      quick: in seconds, of CPU sizes.
    """
    if quick:
        return QUICK
    return CPU if jax.default_backend() == "cpu" else ACCELERATOR


def precisions() -> tuple[str, ...]:
    """The precisions of products that the default device has: tf32 from NVIDIA's Ampere on."""
    capability = getattr(jax.devices()[0], "compute_capability", "0")
    has_tf32 = jax.default_backend() == "gpu" and _number(capability) >= 8
    return ("float32", *(["tf32"] if has_tf32 else []), "bf16")


def kernels(sizes: Sizes) -> Iterator[Kernel]:
    """The kernels, each made when it is asked for.

    Args:
      sizes: how large.
    """
    from jaxvec.optim.writeback import STRATEGIES

    yield dense.call(waits=True)
    yield dense.call(waits=False)
    yield dense.launch(sizes.launches)
    for size in sizes.copies:
        yield dense.copy(size, max(1, min(64, sizes.streamed // size)))
    for precision in precisions():
        for side in sizes.sides:
            yield dense.product(side, precision)
        yield dense.product(32, precision, batch=sizes.batch, inner=rows.WIDTH, wide=74)
    for count in sizes.keys:
        yield dense.sort(count)
    for count in sizes.words:
        yield dense.random_bits(count)
    for words in sizes.vocabularies:
        for ids in IDS:
            for count in sizes.rows:
                yield rows.gather(ids, words, count, max(1, sizes.called // count))
        for name, strategy in STRATEGIES.items():
            for ids in IDS if name == "scatter" else ("zipf",):
                for count in sizes.rows:
                    chunks = max(1, sizes.called // count)
                    yield rows.scatter_add(name, strategy, ids, words, count, chunks)


def run(
    sizes: Sizes, timer: Timer, tell: Callable[[str], None]
) -> tuple[dict[str, Figure], list[str]]:
    """Measures the ceilings.

    Args:
      sizes: how large.
      timer: how.
      tell: called with a line for each figure.

    Returns:
      Figures by name, and a line for each kind of size that was left out.
    """
    fitting, notes = fit(sizes, memory_available())
    found = {}
    for kernel in kernels(fitting):
        figure = measured(kernel, timer)
        found[figure.name] = figure
        tell(table.one_line(figure))
    return found, notes


def measured(kernel: Kernel, timer: Timer) -> Figure:
    """The figure of a ceiling; one without a value, marked, if the device cannot do it.

    Args:
      kernel: what to measure.
      timer: how.
    """
    try:
        return measure(kernel, timer)
    except (jax.errors.JaxRuntimeError, NotImplementedError, ValueError) as error:
        why = str(error).strip().splitlines()[0]
        settings = {"what": kernel.what, **kernel.settings}
        return Figure(kernel.name, math.nan, kernel.unit, settings=settings, marks=(why,))


def fit(sizes: Sizes, memory: int | None) -> tuple[Sizes, list[str]]:
    """The sizes without tables and buffers that take more than a sixth of the memory.

    Args:
      sizes: wanted.
      memory: bytes; None if nobody knows.

    Returns:
      Sizes, and a line about what was left out.
    """
    if memory is None:
        return sizes, []
    most = memory // 6
    tables = tuple(v for v in sizes.vocabularies if 4 * rows.WIDTH * v <= most)
    buffers = tuple(r for r in sizes.rows if 4 * rows.WIDTH * r <= most)
    copies = tuple(size for size in sizes.copies if size <= most)
    left = [f"V={v:,}" for v in sizes.vocabularies if v not in tables]
    left += [f"{r:,} rows" for r in sizes.rows if r not in buffers]
    left += [f"copy of {dense.binary(c)}" for c in sizes.copies if c not in copies]
    note = f"left out, for {memory / 1e9:.1f} GB of memory: {', '.join(left)}"
    fitting = sizes._replace(vocabularies=tables, rows=buffers, copies=copies)
    return fitting, [note] if left else []


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # an architecture's name
        return 0.0
