"""Tables in shards on host devices: which part each device has, and what memory the run takes."""

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path

import numpy as np

from jaxvec import Corpus, Vocab

_SENTENCE = 1000  # tokens


def add_parser(suites) -> None:
    """Adds the suite to a parser's subparsers."""
    parser = suites.add_parser("shards", help=__doc__)
    parser.add_argument("--words", type=int, default=2_000_000, help="V (default: %(default)s)")
    parser.add_argument("--vector-size", type=int, default=300, help="D (default: %(default)s)")
    parser.add_argument("--tokens", type=int, default=1 << 18, help="(default: %(default)s)")
    parser.add_argument("--devices", type=int, default=8, help="of the host (default: %(default)s)")
    parser.add_argument("--blocks", type=int, default=8, help="a step (default: %(default)s)")
    parser.add_argument("--shard", choices=["rows", "dim"], default="rows")
    parser.add_argument("--folder", default=None, help="for the checkpoint and the vectors")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains an epoch, saves a checkpoint and writes the vectors.

    Args:
      options: of the suite.
    """
    import jax  # here, as the other suites need not start it

    import jaxvec
    from jaxvec.train.workers import shared_out

    os.environ.setdefault("NPROC", "1")
    jax.config.update("jax_num_cpu_devices", options.devices)
    corpus = zipf_corpus(options.words, options.tokens)
    model = jaxvec.SkipGram(vector_size=options.vector_size, blocks=options.blocks)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        checkpoints = jaxvec.Checkpoints(Path(folder) / "run", {})
        since = time.perf_counter()
        result = jaxvec.fit(
            corpus, model, key=jax.random.key(0), epochs=1,
            sharding=shared_out(options.shard), checkpoints=checkpoints,
        )  # fmt: skip
        checkpoints.close()
        fitted = time.perf_counter() - since
        held = _bytes_by_device(jax.tree.leaves((result.params, result.opt_state)))
        since = time.perf_counter()
        result.vectors(folder=folder).save(Path(folder) / "vectors.npz")
        written = time.perf_counter() - since
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(result)
    for device, size in held.items():
        print(f"{device}: {size / 1e9:.3f} GB")
    print(
        f"tables and state {sum(held.values()) / 1e9:.2f} GB, peak RSS {peak / 1e9:.2f} GB, "
        f"{(peak - sum(held.values())) / 1e9:.2f} GB more; fit and checkpoint {fitted:.0f} s, "
        f"vectors written in {written:.0f} s, {result.history[0].words_per_second:,.0f} words/s"
    )


def zipf_corpus(words: int, tokens: int) -> Corpus:
    """A text of independent words with Zipf's frequencies, cut from one in which all occur.

    Args:
      words: `V`.
      tokens: of the text.
    """
    rng = np.random.default_rng(0)
    counts = np.maximum(5, 10_000_000 / np.arange(1, words + 1)).astype(np.int64)
    vocab = Vocab([f"w{i}" for i in range(words)], counts)
    ids = np.searchsorted(np.cumsum(counts), rng.integers(counts.sum(), size=tokens), "right")
    offsets = np.append(np.arange(0, tokens, _SENTENCE), tokens)
    return Corpus(vocab, ids.astype(np.int32), offsets, raw_words=tokens)


def _bytes_by_device(arrays: list) -> dict[str, int]:
    held: dict[str, int] = {}
    for array in arrays:
        for shard in array.addressable_shards:
            held[str(shard.device)] = held.get(str(shard.device), 0) + shard.data.nbytes
    return held
