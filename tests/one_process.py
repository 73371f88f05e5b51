"""One of several processes that train together, for `test_processes`; it also has what they train.

python -m tests.one_process COORDINATOR PROCESSES PROCESS OUTPUT
"""

import sys

import jax
import numpy as np
import optax
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec import Corpus, GloVe, SkipGram, cooccurrence, fit, optim, use_cores


def documents():
    rng = np.random.default_rng(0)
    return [[f"w{i}" for i in rng.zipf(1.5, 40) % 64] for _ in range(600)]


def trained() -> dict[str, np.ndarray]:
    """The vectors of the same runs in one process and in two: with strata, and with shards."""
    corpus = Corpus.from_documents(documents(), min_count=1)
    counts = cooccurrence.count(corpus, window=3)
    options = {"key": jax.random.key(1), "epochs": 2, "progress": False}
    strata = fit(counts, GloVe(vector_size=8), workers=2, valid=0.1, **options)
    mesh = jax.make_mesh((2,), ("rows",), devices=jax.devices()[:2])
    rows = NamedSharding(mesh, P("rows", None))
    own = optim.row_sparse(optax.sgd(0.001))
    shards = fit(corpus, SkipGram(vector_size=8), sharding=rows, optimizer=own, **options)
    assert shards.params.input.sharding.shard_shape(shards.params.input.shape)[0] == 32
    return {
        "strata": strata.vectors().vectors,
        "held out": np.array([report.valid_loss for report in strata.history]),
        "shards": shards.vectors().vectors,
    }


def refused() -> str:
    """What `fit` says if each process brings data of its own."""
    text = [f"a{jax.process_index()} b c d"] * 50
    try:
        fit(Corpus.from_documents(text, min_count=1), SkipGram(), key=jax.random.key(0))
    except ValueError as error:
        return str(error)
    return ""


def main(coordinator: str, processes: str, process: str, output: str) -> None:
    use_cores(1)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.distributed.initialize(coordinator, int(processes), int(process))
    np.savez(output, refused=refused(), **trained())


if __name__ == "__main__":
    main(*sys.argv[1:])
