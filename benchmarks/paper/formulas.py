"""Bytes, FLOPs and network of a step of skip-gram with damped SGD, as formulas.

Letters: `B` blocks a step, `M` tokens, `X` = M + 2 · window contexts and `N` negatives of a block,
`D` vector size, `V` vocabulary, `W` workers, `n` chips that hold a worker's tables together. A step
has R = B (M + X + N) rows and L = B M (X + N) pairs. A number is 4 bytes.
"""

import functools
from typing import Literal, NamedTuple

import numpy as np

Split = Literal["rows", "dim", "exchange"]
NUMBER = 4
STEPS = 64  # of a draw


class Step(NamedTuple):
    """The size of a step.

    Attributes:
      words: `V`.
      dim: `D`.
      blocks: `B`.
      tokens: `M`.
      contexts: `X`.
      negatives: `N`.
    """

    words: int
    dim: int
    blocks: int = 256
    tokens: int = 32
    contexts: int = 42
    negatives: int = 32

    @property
    def rows(self) -> int:
        """R = B (M + X + N).

        >>> Step(words=1000, dim=100, blocks=256).rows
        27136
        """
        return self.blocks * (self.tokens + self.contexts + self.negatives)

    @property
    def pairs(self) -> int:
        """L = B M (X + N)."""
        return self.blocks * self.tokens * (self.contexts + self.negatives)


class Layout(NamedTuple):
    """How the tables lie on the chips.

    Attributes:
      workers: `W`, each with tables of its own. After each segment, a round, the first rows are
        merged, and after every second all; or all after each, if a worker's are split by rows.
      chips: `n`, of a worker.
      split: of a worker's tables over its chips: by "rows" or "dim", as XLA compiles the step, each
        chip at the same blocks; or "exchange", which is not built: by rows, each chip at `B` blocks
        of its own, for which it asks the others for rows and sends them gradients. None for one
        chip.
    """

    workers: int = 1
    chips: int = 1
    split: Split | None = None

    @property
    def rounds(self) -> int:
        """Segments of each worker between merges of all rows."""
        return 2 if self.workers > 1 and self.split in (None, "dim") else 1


class Work(NamedTuple):
    """What a chip does in a step.

    Attributes:
      tokens: that its worker takes in the step.
      gathered: rows read from tables; as many are added to.
      least: bytes of tables, text and draws that it must move if all else stays on the chip.
      moved: bytes of its main memory, with each intermediate result written and read again.
      products: FLOPs of matrix products.
      payload: bytes that a collective of the worker's chips adds up, or exchanges.
    """

    tokens: int
    gathered: int
    least: int
    moved: int
    products: int
    payload: int


def work(step: Step, layout: Layout) -> Work:
    """What a chip does in a step.

    Bytes of main memory: 4 (8 R d + 5 L), for rows of `d` numbers. The gather reads and writes
    them, the logits read them, the two gradients read them and write as many, and the sum reads the
    gradient and the row, and writes it: 8. Logits are written and read, slopes written and read
    twice: 5. An all-reduce reads and writes once more what it adds up.

    Args:
      step: its size.
      layout: of the tables.

    Raises:
      ValueError: if `n` chips have no split, or one has.

    >>> one = work(Step(words=67_867, dim=128), Layout())
    >>> one.products, one.least, one.payload
    (465567744, 42344448, 0)
    >>> work(Step(words=10_000_000, dim=512), Layout(chips=16, split="rows")).payload
    55574528
    """
    split, n = layout.split, layout.chips
    if (split is None) != (n == 1):
        raise ValueError(f"{n} chips with split {split!r}: more than one chip, and only then")
    dim = step.dim // n if split == "dim" else step.dim
    rows, pairs = step.rows, step.pairs
    vectors = {None: 8, "dim": 8, "rows": 10, "exchange": 12}[split] * rows * dim
    products = 6 * pairs * dim
    payload = {None: 0, "rows": rows * dim, "dim": pairs, "exchange": 2 * rows * dim}[split]
    blocks, texts = step.blocks, step.contexts + step.negatives
    drawn = rows + blocks * (step.contexts + 2 * step.tokens + step.negatives + texts)
    noise = 2 * blocks * step.negatives
    damping = 4 * rows  # weights of each row added up, read, and cleared
    return Work(
        tokens=step.blocks * step.tokens * (n if split == "exchange" else 1),
        gathered=rows,
        least=NUMBER * (3 * rows * dim + drawn + noise + damping),
        moved=NUMBER * (vectors + (7 if split == "dim" else 5) * pairs + drawn + noise + damping),
        products=products,
        payload=NUMBER * payload,
    )


def merged(step: Step, layout: Layout, *, head: bool = False) -> int:
    """Bytes that a chip adds up in a merge of `W` workers; 0 for one worker.

    Of each row its change and the square of that: 2 V (D + 1) / n numbers. Split by dimensions
    each chip has the squares of all rows, and sums them over the worker's chips too: 2 V (D / n +
    2). The head is a 16th of the rows, at least 4,096, in pieces of 2,048.

    Args:
      step: its size.
      layout: of the tables.
      head: only of the first rows, as after a round; 0 if all are merged there.
    """
    if layout.workers == 1 or (head and layout.rounds == 1):
        return 0
    rows = min(step.words, -(-max(step.words // 16, 4096) // 2048) * 2048) if head else step.words
    if layout.split == "dim":
        return NUMBER * 2 * rows * (step.dim // layout.chips + 2)
    return NUMBER * 2 * rows * (step.dim + 1) // layout.chips


def memory(step: Step, layout: Layout, segment: int) -> int:
    """Bytes that a chip holds: its part of two tables, and of the snapshot of a worker who merges;
    and whole on each chip the noise and subsampling tables, 3 V, the weights of the damping, 2 V,
    and ids and documents of a call's segments.

    Args:
      step: its size.
      layout: of the tables.
      segment: tokens of a segment.
    """
    tables = 2 * step.words * step.dim // layout.chips
    copies = 2 if layout.workers > 1 else 1
    return NUMBER * (copies * tables + 5 * step.words + 2 * layout.rounds * segment)


def ring(payload: float, chips: int) -> float:
    """Bytes that each of `n` chips sends so that all have a sum: 2 (n - 1) / n of it.

    Args:
      payload: bytes of the sum.
      chips: `n`.

    >>> ring(100, 1), ring(100, 4)
    (0.0, 150.0)
    """
    return 2 * payload * (chips - 1) / chips


def segment_tokens(words: int, workers: int, most: int = 1 << 23) -> int:
    """The tokens of a segment, as `TokenSegments.for_workers` cuts a long text.

    Args:
      words: `V`.
      workers: `W`.
      most: of one worker.
    """
    return most if workers == 1 else max((1 << 20) // workers, 5 * words)


@functools.cache
def kept(words: int, sample: float) -> float:
    """The share of a text that subsampling keeps, if its words follow Zipf's law: Σ p min(1, √(t/p)
    + t/p) for p ∝ 1 / rank.

    Args:
      words: `V`.
      sample: `t`; 0 keeps all.

    >>> kept(1000, 0)
    1.0
    """
    if not sample:
        return 1.0
    shares = 1 / np.arange(1, words + 1)
    shares /= shares.sum()
    keep = np.minimum(1, np.sqrt(sample / shares) + sample / shares)
    return float((shares * keep).sum())
