"""Precision of products: what each kind rounds on which device, and how far a step strays by it."""

import functools
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import SingleDeviceSharding

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
from jaxvec.cli import main, make_parser
from jaxvec.cli.models import make_model, set_defaults
from jaxvec.models.products import KINDS, einsum
from jaxvec.models.tables import take
from tests.conftest import topic_accuracy

KEY = jax.random.key(0)
ROUNDING = {"float32": 2.0**-24, "tf32": 2.0**-11, "bfloat16": 2.0**-8}
COARSE = ["tf32", "bfloat16"]
MODELS = {"sgns": SkipGram, "cbow": CBOW, "softmax": Softmax, "glove": GloVe}
V, D, B, M, X, N = 40, 24, 3, 8, 12, 10


def normal(seed, *shape, scale=1.0):
    return jnp.asarray(np.random.default_rng(seed).normal(0, scale, shape), jnp.float32)


def nearest(x, kind):
    """Each number rounded to the kind's bits, by NumPy in float64; ties to even."""
    fraction, exponent = np.frexp(np.asarray(x, np.float64))
    steps = 1 / ROUNDING[kind]
    return np.ldexp(np.round(fraction * steps) / steps, exponent)


def batches():
    """For each model its loss and curvature of gathered vectors, and such vectors: about 1 long."""
    rng = np.random.default_rng(0)

    def ids(*shape):
        return jnp.asarray(rng.integers(0, V, shape), jnp.int32)

    weights = jnp.asarray(rng.integers(0, 2, (B, M, X)), jnp.float32)
    negative = jnp.full((B, M), 0.5, jnp.float32)
    counts = jnp.asarray(rng.integers(0, 9, (B, X)), jnp.float32)
    scale = D**-0.5
    inner, outer, words = (normal(i, B, n, D, scale=scale) for i, n in enumerate((M, X + N, V)))
    contexts, centers = normal(3, B, X, D, scale=scale), normal(4, B, M + N, D, scale=scale)
    blocks = ids(B, M), ids(B, X), ids(B, N), weights, negative
    biases = normal(5, B), normal(6, B, X)
    row = inner[:, 0]
    return {
        "sgns": (sgns, sgns.Blocks(*blocks), sgns.Params(inner, outer)),
        "cbow": (cbow, cbow.Blocks(*blocks), sgns.Params(contexts, centers)),
        "softmax": (softmax, softmax.Blocks(*blocks[:2], weights), sgns.Params(inner, words[0])),
        "glove": (glove, glove.Chunks(ids(B), ids(B, X), counts),
                  glove.Params(row, contexts, *biases)),
    }  # fmt: skip


def step(name, kind):
    """The loss of a batch and its gradient, a step of SGD but for the rate."""
    module, batch, vectors = batches()[name]
    value = jax.value_and_grad(lambda vectors: module.rows_loss(vectors, batch, products=kind))
    return jax.jit(value)(vectors)


def products_in(function, *arguments, platform):
    """The precision and the algorithm of each product, as the platform's compiler is given them."""
    lowered = jax.jit(function).trace(*arguments).lower(lowering_platforms=(platform,))
    lines = [line for line in lowered.as_text().splitlines() if "dot_general" in line]
    assert lines
    return [
        line.split("lhs_precision_type = ")[1].split(",")[0]
        if "algorithm" in line
        else line.split("precision = [")[1].split(",")[0]
        for line in lines
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_operands_are_rounded_and_their_products_summed_in_float32(kind):
    a, b = normal(0, 3, 5, 100), normal(1, 3, 7, 100)
    result = np.asarray(einsum("bmd,bkd->bmk", a, b, kind), np.float64)
    true = np.einsum("bmd,bkd->bmk", *(np.asarray(x, np.float64) for x in (a, b)))
    rounded = np.einsum("bmd,bkd->bmk", nearest(a, kind), nearest(b, kind))
    sizes = np.einsum("bmd,bkd->bmk", *(abs(np.asarray(x, np.float64)) for x in (a, b)))
    assert (abs(result - rounded) <= 100 * 2.0**-24 * sizes).all()
    u = ROUNDING[kind]
    assert (abs(result - true) <= (2 * u + u * u + 100 * 2.0**-24) * sizes).all()
    if kind in COARSE:  # and it is no finer than it says
        assert abs(result - true).max() > u / 50 * sizes.max()


@pytest.mark.parametrize("kind", COARSE)
def test_gradients_are_products_of_the_same_kind_and_stay_in_float32(kind):
    a, b, outer = normal(0, 3, 5, 100), normal(1, 3, 7, 100), normal(2, 3, 5, 7)

    def total(a, b):
        return jnp.sum(outer * einsum("bmd,bkd->bmk", a, b, kind))

    found = jax.jit(jax.grad(total, (0, 1)))(a, b)
    a, b, outer = (nearest(x, kind) for x in (a, b, outer))
    expected = np.einsum("bmk,bkd->bmd", outer, b), np.einsum("bmk,bmd->bkd", outer, a)
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-5)
        assert ours.dtype == jnp.float32
        assert (nearest(ours, kind) != np.asarray(ours)).any()


def test_sums_do_not_stop_where_those_of_bfloat16_would():
    """Ones added up in bfloat16 stop at 256."""
    ones = jnp.ones((4, 4096), jnp.float32)
    assert (einsum("id,jd->ij", ones, ones, "bfloat16") == 4096).all()
    gradient = jax.grad(lambda a: einsum("di,dj->ij", a, ones.T, "bfloat16").sum())(ones.T)
    assert (gradient == 4).all()
    back = jax.grad(lambda a: einsum("i,kj->kj", a, ones, "bfloat16").sum())(jnp.ones(1))
    assert back.tolist() == [4 * 4096]


@pytest.mark.parametrize("kind", COARSE)
def test_derivatives_of_all_modes(kind):
    a, b = normal(0, 2, 9), normal(1, 3, 9)

    def f(a):
        return jnp.sum(jnp.sin(einsum("id,jd->ij", a, b, kind)))

    def exact(a):
        return jnp.sum(jnp.sin(jnp.einsum("id,jd->ij", a, b)))

    near = {"rtol": 0, "atol": 20 * ROUNDING[kind]}
    _, along = jax.jvp(f, (a,), (a,))
    np.testing.assert_allclose(along, jax.jvp(exact, (a,), (a,))[1], **near)
    np.testing.assert_allclose(jax.hessian(f)(a), jax.hessian(exact)(a), **near)
    many = jax.vmap(jax.grad(f))(jnp.stack([a, -a]))
    np.testing.assert_array_equal(many[1], jax.grad(f)(-a))


@pytest.mark.parametrize("dtype", [jnp.bfloat16, jnp.float16])
@pytest.mark.parametrize("kind", KINDS)
def test_narrow_operands_have_a_result_in_float32(kind, dtype):
    a = normal(0, 3, 50).astype(dtype)
    found = einsum("id,jd->ij", a, a, kind)
    assert found.dtype == jnp.float32
    assert jax.grad(lambda a: einsum("id,jd->ij", a, a, kind).sum())(a).dtype == dtype
    np.testing.assert_allclose(
        found, nearest(a, kind) @ nearest(a, kind).T, rtol=0, atol=50 * 2.0**-20
    )


@pytest.mark.parametrize("name", MODELS)
def test_without_a_kind_a_cpu_has_the_bits_of_float32(name):
    for ours, theirs in zip(
        jax.tree.leaves(step(name, "float32")), jax.tree.leaves(step(name, None)), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("kind", COARSE)
@pytest.mark.parametrize("name", MODELS)
def test_a_coarse_step_follows_the_float32_step(name, kind):
    """Each table's gradient is off by at most 2u of its norm, u the rounding of an operand."""
    (loss, exact), (coarse_loss, coarse) = step(name, "float32"), step(name, kind)
    u = ROUNDING[kind]
    assert 0 < abs(coarse_loss - loss) <= 2 * u * abs(loss)
    for table, ours, theirs in zip(exact._fields, coarse, exact, strict=True):
        off = np.linalg.norm(ours - theirs) / np.linalg.norm(theirs)
        assert 0 < off <= 2 * u, table


def test_no_row_of_a_skip_gram_step_strays_further_than_its_products_can():
    """A center's gradient is Σ w σ u over vectors u at weights w. The logit is off by at most
    2u |v||u|, so σ by a quarter of it; then σ and the vector are rounded."""
    _, batch, vectors = batches()["sgns"]
    u = ROUNDING["bfloat16"] * 1.01
    (_, exact), (_, coarse) = step("sgns", "float32"), step("sgns", "bfloat16")
    v, others = (np.asarray(x, np.float64) for x in vectors)
    logits = np.einsum("bmd,bkd->bmk", v, others)
    logits[..., :X] *= -1
    noise = np.broadcast_to(batch.negative_weights[..., None], (B, M, N))
    weights = np.concatenate([batch.weights, noise], axis=2)
    lengths, others = np.linalg.norm(v, axis=2), np.linalg.norm(others, axis=2)
    pull = 1 / (1 + np.exp(-logits))
    off = u / 2 * lengths[..., None] * others[:, None] + 2 * u * pull
    bound = np.einsum("bmk,bmk,bk->bm", weights, off, others)
    strayed = np.linalg.norm(coarse.input - exact.input, axis=2)
    assert (strayed <= bound).all()
    assert (strayed > bound / 1000).any()


PLATFORMS = {  # what the compiler is asked for, by kind
    "cpu": {"float32": "HIGHEST", "tf32": "HIGHEST", "bfloat16": "HIGHEST"},
    "cuda": {"float32": "HIGHEST", "tf32": "tf32", "bfloat16": "bf16"},
    "tpu": {"float32": "HIGHEST", "tf32": "HIGHEST", "bfloat16": "bf16"},
}


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("name", MODELS)
def test_every_product_of_a_step_is_of_the_chosen_kind(name, platform):
    """Of loss, gradient and curvature, whatever `jax.default_matmul_precision` says."""
    module, batch, vectors = batches()[name]
    asked = [None, *KINDS] if name == "sgns" else KINDS
    for kind in asked:

        def both(vectors, kind=kind):
            bends = getattr(module, "rows_curvature", lambda *_, **__: None)
            loss = jax.value_and_grad(lambda v: module.rows_loss(v, batch, products=kind))
            return loss(vectors), bends(vectors, batch, products=kind)

        for setting in ("bfloat16", "float32"):
            with jax.default_matmul_precision(setting):
                found = set(products_in(both, vectors, platform=platform))
            if kind is None:  # the setting, bfloat16 being the lowest
                assert found == {{"bfloat16": "DEFAULT", "float32": "HIGHEST"}[setting]}
            else:
                expected = {PLATFORMS[platform][kind]}
                if name == "cbow":  # has products of vectors with vectors, rounded and in float32
                    expected.add("HIGHEST")
                assert found == expected, (kind, setting)
    assert set(products_in(lambda v: module.rows_loss(v, batch), vectors, platform=platform)) == {
        "DEFAULT"
    }


@pytest.fixture(scope="module")
def runs(topic_corpus):
    """Skip-gram of each kind, trained on the topics by one worker."""
    return {
        kind: fit(
            topic_corpus, SkipGram(vector_size=16, products=kind), key=KEY, epochs=2, workers=1
        )
        for kind in ("float32", "bfloat16")
    }


def test_a_whole_run_learns_as_well(runs):
    exact, coarse = runs["float32"], runs["bfloat16"]
    for ours, theirs in zip(coarse.params, exact.params, strict=True):
        assert ours.dtype == jnp.float32
        assert (nearest(ours, "bfloat16") != np.asarray(ours)).mean() > 0.9
        assert (np.asarray(ours) != np.asarray(theirs)).mean() > 0.9
    assert coarse.history[-1].loss == pytest.approx(exact.history[-1].loss, rel=0.01)
    right, exactly_right = (topic_accuracy(run.vectors()) for run in (coarse, exact))
    assert right > 0.9
    assert right >= exactly_right - 0.05


def test_workers_and_sweeps_have_the_kind_too(topic_corpus, runs):
    model = runs["bfloat16"].model
    (swept, _) = sweep(topic_corpus, model, key=jnp.stack([KEY, jax.random.key(1)]), epochs=2)
    alone = runs["bfloat16"].params.input
    away = np.linalg.norm(np.asarray(runs["float32"].params.input) - alone)
    assert np.linalg.norm(np.asarray(swept.params.input) - alone) < away / 3
    several = fit(topic_corpus, model, key=KEY, epochs=2, workers=2)
    expected = pytest.approx(runs["bfloat16"].history[-1].loss, rel=0.05)
    assert several.history[-1].loss == expected


@pytest.mark.parametrize("name", MODELS)
def test_an_unknown_kind(name):
    expected = "products must be one of float32, tf32, bfloat16, or None for the device's own; got "
    for wrong in ("half", 16, ["tf32"]):
        with pytest.raises(ValueError, match=expected):
            MODELS[name](products=wrong)
    module, batch, vectors = batches()[name]
    with pytest.raises(ValueError, match=f"{expected}'bf16'"):
        module.rows_loss(vectors, batch, products="bf16")


def test_the_flag(capsys):
    options = make_parser("train").parse_args(["train", "text.txt", "--products", "bfloat16"])
    set_defaults(options)
    assert make_model(options).products == "bfloat16"
    assert "products" in options.identity
    with pytest.raises(SystemExit) as exit:
        main(["train", "text.txt", "--products", "half"])
    *_, told = capsys.readouterr().err.splitlines()
    assert exit.value.code == 2
    assert "--products" in told
    assert "bfloat16" in told


@pytest.mark.parametrize("name", MODELS)
def test_a_models_option_is_that_of_its_products(name, topic_corpus):
    data = cooccurrence.count(topic_corpus, window=3) if name == "glove" else topic_corpus
    model = MODELS[name](products="bfloat16")
    segments, _ = model.segments(data, 0.0, KEY)
    constants, segment = model.constants(data), segments.epoch(KEY)(0)

    def first_step(params, constants, segment, bits):
        plan = model.plan(constants, KEY, segment)
        batch = model.batch(constants, plan, bits, jnp.int32(0))
        vectors = take(params, model.rows(batch))
        bends = getattr(model, "rows_curvature", lambda *_: None)
        gradient = jax.grad(lambda vectors: model.rows_loss(vectors, batch).sum())(vectors)
        return gradient, bends(vectors, batch)

    params, bits = model.init(KEY, len(topic_corpus.vocab)), jnp.zeros(model.bits(), jnp.uint32)
    found = products_in(first_step, params, constants, segment, bits, platform="tpu")
    assert set(found) - {"HIGHEST"} == {"bf16"}


UNITS = {None: "tf32.tf32", "tf32": "tf32.tf32", "bfloat16": "bf16.bf16", "float32": None}


def units_of_an_h100() -> None:
    """Prints for each of `UNITS` what the tensor cores multiply in a step compiled for an H100."""
    from benchmarks.compile.targets import TARGETS

    (device, *_) = TARGETS["h100"].topology(1).devices
    _, batch, vectors = batches()["sgns"]

    def there(x):
        return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=SingleDeviceSharding(device))

    for kind in UNITS:
        loss = functools.partial(sgns.rows_loss, products=kind)
        lowered = jax.jit(jax.grad(loss)).lower(*jax.tree.map(there, (vectors, batch)))
        with tempfile.TemporaryDirectory() as folder:
            lowered.compile({"xla_gpu_autotune_level": 0, "xla_dump_to": folder})
            ptx = "".join(path.read_text() for path in Path(folder).glob("*.ptx"))
        assert ptx
        print(json.dumps([kind, *sorted(set(re.findall(r"mma\S*\.f32\.(\w+\.\w+)\.f32", ptx)))]))


def test_compiled_for_an_h100_a_step_has_tensor_cores_of_its_kind():
    """In a process of its own: the compiler's plugin must be there when JAX starts."""
    targets = pytest.importorskip("benchmarks.compile.targets")
    if lacking := targets.missing(targets.TARGETS["h100"]):
        pytest.skip(lacking)
    done = subprocess.run(
        [sys.executable, "-c", "from tests.test_products import units_of_an_h100 as f; f()"],
        cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=False,
        env={**os.environ, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": ""},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert found == [[kind, *([unit] if unit else [])] for kind, unit in UNITS.items()]
