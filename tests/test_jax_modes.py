"""JAX's modes: 64 bits, strict promotion, a mesh or a transfer guard of the caller's."""

import ast
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export
from jax.experimental import checkify

from jaxvec import (
    CBOW,
    GloVe,
    SkipGram,
    Softmax,
    cbow,
    cooccurrence,
    fit,
    glove,
    sgns,
    softmax,
    sweep,
)
from jaxvec.models.checks import check_ids
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import State

ROOT = Path(__file__).parent.parent
KEY = jax.random.key(0)
IDS = jnp.array([[1, 2], [3, 0]])
BATCHES = {
    "sgns": (sgns, sgns.Batch(IDS[0], IDS[1], IDS, jnp.ones(2))),
    "cbow": (cbow, cbow.Batch(IDS[0], IDS, IDS, jnp.ones((2, 2)))),
    "softmax": (softmax, softmax.Batch(IDS[0], IDS[1], jnp.ones(2))),
    "glove": (glove, glove.Batch(IDS[0], IDS[1], jnp.ones(2))),
}


def small_corpus() -> Corpus:
    words = np.random.default_rng(0).zipf(1.3, (60, 30)).clip(max=40)
    return Corpus.from_documents([[f"w{i}" for i in row] for row in words], min_count=1)


def numeric_core() -> dict[str, list]:
    """Losses, pairs and dtypes of each model, and words drawn by themselves."""
    from flax import nnx

    from jaxvec import nn, sampling

    corpus = small_corpus()
    cells = cooccurrence.count(corpus, window=3)
    small = {"vector_size": 8, "window": 2}
    random = {**small, "spectral_words": 0}
    runs = {
        "skip-gram": (corpus, SkipGram(**small), {"freeze": ["w1"], "max_norm": 1.0}),
        "cbow": (corpus, CBOW(**random, sample=1e-2), {"optimizer": "adam"}),
        "softmax": (corpus, Softmax(**small), {"optimizer": "row_adagrad"}),
        "glove": (cells, GloVe(vector_size=8), {}),
    }
    found = {}
    for name, (data, model, options) in runs.items():
        result = fit(data, model, key=KEY, epochs=1, workers=1, **options)
        (report,) = result.history
        types = {str(leaf.dtype) for leaf in jax.tree.leaves(result.params)}
        found[name] = [report.loss, report.pairs, *types]
    results = sweep(corpus, SkipGram(**random), key=jax.random.split(KEY, 2), epochs=1)
    found["sweep"] = [result.history[0].loss for result in results]
    table = sampling.alias_table(corpus.vocab.counts)
    found["drawn"] = sampling.negatives(KEY, (20,), len(corpus.vocab), table).tolist()
    found["evenly"] = sampling.negatives(KEY, (20,), 40).tolist()
    module = nn.SkipGramNeg(len(corpus.vocab), 4, noise=corpus.vocab.counts, rngs=nnx.Rngs(0))
    found["module"] = [float(module.loss(IDS[0], IDS[1])), *module.draw_noise(2, 3)[0].tolist()]
    return found


def test_64_bits_and_strict_promotion_train_the_same():
    code = "import json; from tests.test_jax_modes import numeric_core as f; print(json.dumps(f()))"
    modes = {"JAX_ENABLE_X64": "1", "JAX_NUMPY_DTYPE_PROMOTION": "strict"}
    with subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code], cwd=ROOT, env={**os.environ, **modes},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        usual = numeric_core()
        output, errors = process.communicate()
    assert process.returncode == 0, errors[-2000:]
    strict = json.loads(output)
    assert strict.keys() == usual.keys()
    for name, values in usual.items():
        for ours, theirs in zip(strict[name], values, strict=True):
            assert ours == (pytest.approx(theirs, 1e-4) if isinstance(theirs, float) else theirs)


def test_random_bits_name_their_size():
    """`jax.random.bits` and `randint` give 64 bits in 64-bit mode, unless they are told."""
    for path in (ROOT / "jaxvec").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if not isinstance(node, ast.Call):
                continue
            name, places = ast.unparse(node.func), {"bits": 3, "randint": 5}
            if name.startswith("jax.random.") and (least := places.get(name.split(".")[-1])):
                told = len(node.args) >= least or any(k.arg == "dtype" for k in node.keywords)
                assert told, f"{path.name}:{node.lineno}: {ast.unparse(node)}"


def test_a_mesh_and_a_transfer_guard_of_the_callers():
    corpus, small = small_corpus(), SkipGram(vector_size=4, window=2, spectral_words=0)
    mesh = jax.make_mesh((2,), ("x",), (jax.sharding.AxisType.Explicit,), devices=jax.devices()[:2])
    with jax.set_mesh(mesh):
        key = jax.random.key(0)
    with jax.set_mesh(mesh), jax.transfer_guard("disallow"):
        guarded = fit(corpus, small, key=key, epochs=1, workers=2)
        swept = sweep(corpus, small, key=KEY, epochs=1)
    free = fit(corpus, small, key=KEY, epochs=1, workers=2)
    assert guarded.history[0].loss == free.history[0].loss
    assert np.isfinite(swept[0].history[0].loss)


@pytest.mark.parametrize("as_run", [False, True])
def test_coarse_tables_are_no_start(as_run):
    corpus, small = small_corpus(), SkipGram(vector_size=4, spectral_words=0)
    tables = small.init(KEY, len(corpus.vocab))
    coarse = jax.tree.map(lambda table: table.astype(jnp.bfloat16), tables)
    start = State(coarse, None)
    if as_run:
        start = fit(corpus, small, key=KEY, epochs=1)._replace(params=coarse)
    with pytest.raises(ValueError, match="arrays of bfloat16, and training is in float32"):
        fit(corpus, small, key=KEY, epochs=1, start=start)


@pytest.mark.parametrize("name", BATCHES)
def test_losses_can_be_exported(name):
    pytest.importorskip("flatbuffers")
    module, batch = BATCHES[name]
    params = module.init(KEY, 5, 3)
    written = export.export(jax.jit(module.loss))(params, batch).serialize()
    loss = export.deserialize(written).call(params, batch)
    assert float(loss) == pytest.approx(float(module.loss(params, batch)), rel=1e-5)


@pytest.mark.parametrize("name", BATCHES)
def test_ids_out_of_range_are_found(name):
    module, batch = BATCHES[name]
    params = module.init(KEY, 5, 3)

    @checkify.checkify
    @jax.jit
    def checked(params, batch):
        check_ids(batch, len(params.input))
        return module.loss(params, batch)

    error, loss = checked(params, batch)
    assert error.get() is None
    assert float(loss) == float(module.loss(params, batch))
    for wrong in (5, -1):
        error, _ = checked(params, batch._replace(contexts=batch.contexts.at[1].set(wrong)))
        assert f".contexts: id {wrong} is out of range of 5 words" in error.get()
    with pytest.raises(ValueError, match="is out of range of 5 words"):
        check_ids(batch._replace(contexts=batch.contexts + 5), 5)
