"""The logical traffic of training and counting: bytes, operations and random bits, as formulas.

Logical is what the algorithm moves whatever the caches and compilers make of it. A step of SGD
gathers each row that a batch reads, each occurrence, and adds to as many. So a block of skip-gram
moves M + X + N rows of D numbers both ways, and multiplies M by X + N vectors three times: for the
logits, and for the gradients of either side.

Letters: `B` blocks a step, `M` tokens, `X` = M + 2W contexts and `N` negatives of a block, `D`
vector size; `R` chunks a step of up to `L` cells.
"""

import math
from typing import Any, Literal

import jax
import numpy as np

from benchmarks.suite.limits import Traffic
from jaxvec import Corpus, GloVe, SkipGram

NUMBER = 4  # bytes of a float32, an int32, 32 random bits
CHAIN = 4  # kernels of a step that wait for each other: gather, logits, gradients, write-back
_SEGMENT_BYTES = 2 * NUMBER  # of a token: its id and its document


def skip_gram(model: SkipGram, corpus: Corpus, epochs: int, workers: int = 1) -> Traffic:
    """The traffic of training on a corpus by SGD.

    Subsampling reads 32 random bits and the token's id and document, and writes the kept ones; a
    step reads them again.

    Args:
      model: as `Result.model` has it, with its blocks.
      corpus: the text.
      epochs: how often it is read.
      workers: how many share the steps, so that fewer follow each other.
    """
    kept = kept_tokens(model, corpus)
    blocks = kept / model.block_tokens
    rows = blocks * rows_of_block(model)
    contexts = model.block_tokens + 2 * model.window
    read = (len(corpus) + kept + blocks * contexts) * _SEGMENT_BYTES
    block_bits = 2 * model.negatives + model.block_tokens
    steps = kept / model.step_tokens / workers
    return Traffic(
        gather_bytes=epochs * rows * model.vector_size * NUMBER,
        scatter_bytes=epochs * rows * model.vector_size * NUMBER,
        stream_bytes=epochs * read,
        table_rows=len(corpus.vocab),
        flops=epochs * blocks * flops_of_block(model),
        precision=precision(model),
        random_bits=epochs * 32 * (len(corpus) + blocks * block_bits),
        launches=epochs * steps * CHAIN,
    )


def precision(model: Any) -> Literal["float32", "tf32", "bf16"]:
    """Of a model's products: as it says itself, or what JAX does on its default device.

    Args:
      model: its `products` name a kind, if it has them.
    """
    kind = getattr(model, "products", None) or jax.config.jax_default_matmul_precision
    if kind in (None, "default", "fastest"):
        kind = {"gpu": "tf32", "tpu": "bf16"}.get(jax.default_backend())
    if kind in ("bf16", "bfloat16"):
        return "bf16"
    return "tf32" if kind in ("tf32", "tensorfloat32") else "float32"


def kept_tokens(model: SkipGram, corpus: Corpus) -> float:
    """The expected number of tokens that subsampling keeps in an epoch.

    Args:
      model: with `sample`.
      corpus: the text.
    """
    counts = corpus.vocab.counts
    return float((counts * model.keep_probability(counts)).sum())


def rows_of_block(model: SkipGram) -> int:
    """M + X + N: rows that a block gathers, and adds to."""
    return 2 * model.block_tokens + 2 * model.window + model.negatives


def flops_of_block(model: SkipGram) -> int:
    """3 · 2 · M (X + N) D."""
    others = model.block_tokens + 2 * model.window + model.negatives
    return 6 * model.block_tokens * others * model.vector_size


def glove(model: GloVe, cells: int, chunks: int, words: int, epochs: int) -> Traffic:
    """The traffic of training GloVe on counts by row-wise AdaGrad, on one worker.

    A row of a table is its vector, its bias, and an accumulator for either: D + 3 numbers.

    Args:
      model: as it was trained.
      cells: of the counts.
      chunks: that they make.
      words: `V`.
      epochs: iterations.
    """
    rows = epochs * (cells + chunks)
    return Traffic(
        gather_bytes=rows * (model.vector_size + 3) * NUMBER,
        scatter_bytes=rows * (model.vector_size + 3) * NUMBER,
        stream_bytes=epochs * (cells * 2 + chunks) * NUMBER,
        table_rows=words,
        flops=epochs * 6 * cells * model.vector_size,
        precision=precision(model),
        launches=epochs * math.ceil(chunks / model.step_chunks) * CHAIN,
    )


def glove_chunks(model: GloVe, indptr: np.ndarray) -> int:
    """How many chunks of up to `L` cells the rows of a matrix make.

    Args:
      model: with `chunk_cells`.
      indptr: of the counts, int[V + 1].
    """
    return int((-(-np.diff(indptr) // model.chunk_cells)).sum())


def counting(corpus: Corpus, window: int, cells: int) -> Traffic:
    """The traffic of counting pairs on a device: keys of two int32 are made, sorted and summed.

    Args:
      corpus: the text.
      window: `W`.
      cells: that were found; each has a key and a count.
    """
    found = pairs(corpus, window)
    return Traffic(
        stream_bytes=(2 * len(corpus) + 2 * 2 * found + 3 * cells) * NUMBER,
        sorted_keys=2 * found,
    )


def pairs(corpus: Corpus, window: int) -> int:
    """How many pairs of words stand up to `window` apart in a document.

    Args:
      corpus: the text.
      window: `W`.
    """
    lengths = np.diff(corpus.offsets)
    return sum(int(np.maximum(lengths - d, 0).sum()) for d in range(1, window + 1))
