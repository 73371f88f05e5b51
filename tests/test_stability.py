import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from benchmarks.stability import LONGEST_ROW, STEPS, longest_row, train, zipf_corpus
from jaxvec import CBOW, Corpus, GloVe, SkipGram, Softmax, cooccurrence, fit, optim, sampling, sgns
from jaxvec.models import subwords
from jaxvec.text.ngrams import hashed
from jaxvec.train.contracts import State
from jaxvec.train.epoch import evaluate_segment
from jaxvec.train.stability import MOST_GROWTH, settled, stable
from jaxvec.train.watch import DivergedError, NonFiniteError, Watch

KEY = jax.random.key(0)


@pytest.mark.parametrize("setting", [one for one in STEPS if one.times == 2], ids=str)
def test_twice_the_usual_rate_learns_with_rows_of_bounded_length(topic_corpus, setting):
    """On small text, where each step holds a word many more times than on large."""
    corpus = topic_corpus
    if setting.words is not None:
        corpus = zipf_corpus(min(setting.words, 5_000), 50_000)
    small = setting._replace(model={**setting.model, "vector_size": 16, "spectral_words": 0})
    result = train(corpus, small, 0)
    assert longest_row(result) < LONGEST_ROW
    assert result.history[0].loss < 0.98 * result.model.untrained_loss(corpus)


def test_usual_settings_are_plain_sgd(topic_corpus):
    counts = np.full(60_000, 100)
    assert stable(SkipGram(), counts, 0.03)[1] == 0
    assert stable(SkipGram(block_negatives=16), counts, 0.03)[1] == 0.1
    assert stable(SkipGram(blocks=64), np.array([1000, 1000]), 0.03)[1] == 1
    model, damping = stable(SkipGram(), topic_corpus.vocab.counts, 0.03)
    assert model.step_tokens < 128
    assert damping == 0


def growth(model, rate: float = 0.03) -> float:
    return (rate * model.step_norm) ** 2


@pytest.mark.parametrize(
    ("model", "negatives"),
    [
        (SkipGram(), 32), (SkipGram(window=2, negative=1), 32), (SkipGram(window=10), 64),
        (SkipGram(shrink_windows=False), 64), (SkipGram(window=25), 160),
        (SkipGram(negative=25), 160), (SkipGram(window=25, negative=25), 672),
        (CBOW(window=25), 32),
        (CBOW(negative=25), 160), (CBOW(window=25, cbow_mean=False), 160),
    ],
)  # fmt: skip
def test_a_negative_stands_for_no_more_than_a_pair(model, negatives):
    assert model.negatives == negatives
    assert model.negative * model.pairs_a_token / model.negatives <= 1


@pytest.mark.parametrize(
    "model",
    [SkipGram(), SkipGram(window=10), CBOW(window=4), CBOW(window=4, cbow_mean=False),
     SkipGram(window=3, negative=9, block_negatives=7, shrink_windows=False)],
)  # fmt: skip
def test_step_norm_bounds_a_blocks_weights(model, topic_corpus):
    """The matrix of a block's pair weights, windows of the mean width, by its singular values."""
    size, window = model.block_tokens, model.window
    offsets = np.abs(np.arange(size + 2 * window) - window - np.arange(size)[:, None])
    if model.shrink_windows:  # how likely a drawn window is to reach so far
        near = np.clip(1 - (offsets - 1) / window, 0, 1) * (offsets > 0)
    else:
        near = ((offsets > 0) & (offsets <= window)).astype(float)
    if isinstance(model, CBOW) and model.cbow_mean:
        near /= near.sum(axis=1, keepdims=True)
    share = model.negative / model.negatives * near.sum(axis=1, keepdims=True)
    weights = np.hstack([near, np.broadcast_to(share, (size, model.negatives))])
    norm = np.linalg.norm(weights, 2)
    assert norm <= model.step_norm * (1 + 1e-9)
    assert norm > 0.9 * model.step_norm


def test_wide_windows_are_damped_where_negatives_do_not_suffice():
    counts = np.full(60_000, 100)
    for model in (SkipGram(window=10), SkipGram(shrink_windows=False), CBOW(window=25)):
        assert growth(model) <= MOST_GROWTH
        assert stable(model, counts, 0.03) == (model_of(model, counts), 0.0)
    for model in (SkipGram(window=25), SkipGram(negative=25), SkipGram(window=10, negative=10)):
        assert growth(model) > MOST_GROWTH
        assert stable(model, counts, 0.03)[1] == 0.1


def model_of(model, counts):
    """As `stable` chooses its blocks at a tiny rate."""
    return stable(model, counts, 1e-6)[0]


@pytest.mark.parametrize(
    ("rule", "scale"),
    [
        ("sgd", 1.0), ("adagrad", None), (optax.sgd(0.03), 0.03), (optax.adam(0.03), None),
        (optax.sgd(0.003, momentum=0.9), 0.03), (optax.adagrad(0.1), None),
        (optax.sgd(0.003, momentum=0.9, nesterov=True), 0.03), (optax.sign_sgd(0.1), None),
        (optax.chain(optax.clip(1.0), optax.sgd(0.1)), 0.1), (optax.rmsprop(0.01), None),
        (optax.sgd(optax.linear_schedule(0.0, 0.05, 100)), 0.05), (optax.set_to_zero(), None),
    ],
)  # fmt: skip
def test_rules_like_sgd_are_known_by_their_steps(rule, scale):
    counts = np.full(60_000, 100)
    rate = 0.03 if rule == "sgd" else 1.0
    model, damping, found = settled(SkipGram(), counts, rule, rate)
    assert found == pytest.approx(1.0 if scale is None else scale, rel=1e-4)
    assert (model == SkipGram()) == (scale is None)  # blocks are chosen for rules like SGD alone
    assert (damping == 0) == (scale is None or scale * rate < 0.04)


def test_an_optax_sgd_is_held_stable_like_the_named_one(topic_corpus):
    """At a rate that needs damping: the same vectors, up to rounding."""
    model = SkipGram(vector_size=8, window=20, sample=0)
    options = {"key": KEY, "epochs": 1, "learning_rate": 1.0, "min_learning_rate": 1.0}
    named = fit(topic_corpus, model, **options | {"learning_rate": 0.3, "min_learning_rate": 0.3})
    given = fit(topic_corpus, model, optimizer=optax.sgd(0.3), **options)
    assert named.model == given.model
    np.testing.assert_allclose(named.params.input, given.params.input, rtol=0.02, atol=1e-3)
    assert longest_row(given) < 20


def test_momentum_that_adds_up_to_too_much_is_refused(topic_corpus):
    with pytest.raises(ValueError, match=r"add up to 0.3 times a constant gradient.* to 0.13 of"):
        fit(topic_corpus, key=KEY, optimizer=optax.sgd(0.03, momentum=0.9))


@pytest.mark.parametrize(
    ("optimizer", "rate"), [("adam", 30.0), ("adagrad", 300.0), (optax.lion(1.0), 5.0)]
)
def test_a_run_that_diverges_ends_with_advice(topic_corpus, optimizer, rate):
    model = SkipGram(vector_size=8, window=3, sample=0)
    with pytest.raises(DivergedError, match=r"diverged.*(lower the learning rate)"):
        fit(topic_corpus, model, key=KEY, optimizer=optimizer, learning_rate=rate)


def test_vectors_that_are_given_may_be_mended(topic_corpus):
    """Their first segment's loss may be above the loss of untrained vectors."""
    model = SkipGram(vector_size=8, window=3, sample=0)
    start = jax.tree.map(lambda t: 1.5 * jnp.ones_like(t), model.init(KEY, len(topic_corpus.vocab)))
    options = {"key": KEY, "optimizer": "adagrad", "epochs": 5}
    losses = [r.loss for r in fit(topic_corpus, model, start=State(start, None), **options).history]
    assert losses[0] > model.untrained_loss(topic_corpus) > losses[-1]


def test_a_start_that_is_worse_than_none_is_no_divergence():
    """A few words that are all together, for which the spectral start is poor."""
    corpus = Corpus.from_documents(
        ["the cat sat on the mat", "a dog ran in the park"] * 20, min_count=1
    )
    model = SkipGram(vector_size=8, window=2)
    frozen = fit(corpus, model, key=KEY, epochs=1, freeze=corpus.vocab.words)
    assert frozen.history[0].loss > model.untrained_loss(corpus)
    losses = [report.loss for report in fit(corpus, model, key=KEY, epochs=2).history]
    assert losses[0] > model.untrained_loss(corpus)
    assert losses[1] < losses[0]


def test_a_rule_is_tried_on_tables_as_they_are(topic_corpus):
    """Labels by table; momentum with a softmax; strict types; what asks for a loss is refused."""
    counts = topic_corpus.vocab.counts
    labels = sgns.Params("fast", "slow")
    rule = optax.partition({"fast": optax.sgd(0.05), "slow": optax.sgd(0.01)}, labels)
    assert settled(SkipGram(), counts, rule, 1.0)[2] == pytest.approx(0.05)
    momentum = optax.sgd(1e-3, momentum=0.9)
    assert settled(Softmax(), counts, momentum, 1.0)[2] == pytest.approx(0.01, rel=1e-4)
    with jax.numpy_dtype_promotion("strict"):
        settled(SkipGram(), counts, optax.adam(0.01), 1.0)
    with pytest.raises(ValueError, match="gets gradients, state and parameters alone"):
        settled(SkipGram(), counts, optax.lbfgs(), 1.0)


def test_rows_that_grow_without_bound_are_told():
    watch = Watch(4.0, jnp.ones((3, 2)))
    watch.rows(jnp.full((3, 2), 70.0), 0)
    with pytest.raises(
        DivergedError, match=r"epoch 2 made a vector of length 101.8, .*shorter than"
    ):
        watch.rows({"a": jnp.zeros((3, 2)), "b": jnp.full((3, 2), 72.0)}, 1)
    with pytest.raises(NonFiniteError, match="not finite"):
        watch.rows(jnp.array([[jnp.nan]]), 1)
    with pytest.raises(ValueError, match="to begin with have numbers that are not finite"):
        Watch(4.0, jnp.array([[jnp.nan]]))
    Watch(4.0, jnp.full((3, 2), 50.0)).rows(jnp.full((3, 2), 72.0), 0)


def test_rows_of_ngrams_may_be_longer():
    """By fastText's settings one had a length of 115 after 3 epochs, and no vector more than 11."""
    few = jnp.ones((3, 2))
    watch = Watch(4.0, subwords.Params(few, few, few))
    watch.rows(subwords.Params(few, few, 200 * few), 2)
    with pytest.raises(DivergedError, match=r"length 1131, where usual ones are shorter than 1000"):
        watch.rows(subwords.Params(few, few, 800 * few), 2)


def test_the_loss_of_vectors_that_are_zero(topic_corpus):
    """As models compute it of tables of zeros."""
    counts = cooccurrence.count(topic_corpus, window=3)
    for model, data in [
        (SkipGram(8, sample=0, negative=3), topic_corpus), (CBOW(8, sample=0), topic_corpus),
        (Softmax(8, sample=0), topic_corpus), (GloVe(8, x_max=10), counts),
    ]:  # fmt: skip
        segments, _ = model.segments(data, 0.0, KEY)
        zeros = jax.tree.map(jnp.zeros_like, model.init(KEY, len(data.vocab)))
        constants = model.constants(data)
        steps = evaluate_segment(model, zeros, constants, segments.epoch(KEY)(0), KEY)
        assert sum(steps.loss) / sum(steps.weight) == pytest.approx(
            model.untrained_loss(data), rel=0.15 if data is counts else 1e-3
        )


@pytest.mark.parametrize("blocks", [None, 64])
def test_two_words_are_learned(blocks):
    """The best is the loss of knowing how frequent each of the two is."""
    corpus = zipf_corpus(2, 30_000)
    model = SkipGram(vector_size=16, sample=0, blocks=blocks)
    report = fit(corpus, model, key=KEY, epochs=3, learning_rate=0.07).history[-1]
    p = corpus.vocab.counts / len(corpus)
    q = sampling.noise_distribution(corpus.vocab.counts)
    best = -(p * np.log(p / (p + 5 * q)) + 5 * q * np.log(5 * q / (p + 5 * q))).sum()
    assert 0.99 * best < report.loss < 1.1 * best


def test_damped_step_is_its_formula():
    rng = np.random.default_rng(0)
    params = sgns.Params(*(jnp.asarray(rng.normal(size=(6, 3)), jnp.float32) for _ in range(2)))
    rows = sgns.Params(jnp.array([[1, 4, 1]]), jnp.array([[0, 0, 5, 0]]))
    gradients = jax.tree.map(lambda i: jnp.asarray(rng.normal(size=(*i.shape, 3))), rows)
    curvature = jax.tree.map(lambda i: jnp.asarray(rng.random(i.shape)), rows)
    optimizer = optim.damped_sgd(0.1)
    found, _, _ = optimizer.update(
        params, optimizer.init(params), optimizer.scratch(params), rows, gradients, 0.5, curvature
    )
    for table, ids, g, h, new in zip(params, rows, gradients, curvature, found, strict=True):
        total, bend = np.zeros((6, 3)), np.zeros((6, 1))
        np.add.at(total, ids[0], g[0])
        np.add.at(bend[:, 0], ids[0], h[0])
        np.testing.assert_allclose(
            new, table - 0.5 * total / (1 + 0.1 * 0.5 * bend), rtol=1e-5, atol=1e-6
        )


def test_curvature_bounds_the_second_derivative():
    rng = np.random.default_rng(0)
    params = sgns.Params(*(jnp.asarray(rng.normal(0, 2, (30, 4)), jnp.float32) for _ in range(2)))
    blocks = sgns.Blocks(
        centers=jnp.asarray(rng.integers(0, 30, (2, 3))),
        contexts=jnp.asarray(rng.integers(0, 30, (2, 5))),
        negatives=jnp.asarray(rng.integers(0, 30, (2, 6))),
        weights=jnp.asarray(rng.integers(0, 2, (2, 3, 5)), jnp.float32),
        negative_weights=jnp.asarray(rng.random((2, 3)), jnp.float32),
    )
    vectors = sgns.take(params, sgns.rows(blocks))
    bounds = sgns.rows_curvature(vectors, blocks)
    hessian = jax.jit(jax.hessian(sgns.rows_loss))(vectors, blocks)
    for name in ("input", "output"):
        own = getattr(getattr(hessian, name), name)
        for index in np.ndindex(getattr(bounds, name).shape):
            block = own[index][:, index[0], index[1]]
            sharpest = np.linalg.eigvalsh(block).max()
            assert sharpest <= getattr(bounds, name)[index] * (1 + 1e-4) + 1e-5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"learning_rate": 1e-300}, "learning_rate must be from 1e-30 to 1e.30, .*; got 1e-300"),
        ({"learning_rate": 1e39, "optimizer": "adam"}, "must be from 1e-30 .*; got 1e.39"),
        ({"learning_rate": lambda p: 1e300 * p}, "highest rate of a schedule must be from 1e-30"),
        ({"learning_rate": lambda p: 0.0}, "rate of a schedule must be from 1e-30 .* got 0"),
    ],
)
def test_rates_beyond_float32_are_refused(topic_corpus, options, message):
    with pytest.raises(ValueError, match=message):
        fit(topic_corpus, SkipGram(vector_size=8), key=KEY, **options)


@pytest.mark.parametrize(("kind", "buckets"), [(SkipGram, 1), (SkipGram, 20), (CBOW, 1)])
def test_few_buckets_learn(topic_corpus, kind, buckets):
    """A row that all words share gets the gradient of each: plain SGD diverged there."""
    model = kind(vector_size=8, subwords=(3, 5), buckets=buckets, spectral_words=0)
    result = fit(topic_corpus, model, key=KEY, epochs=2)
    assert result.history[-1].loss < 0.95 * result.model.untrained_loss(topic_corpus)
    assert np.linalg.norm(result.vectors().vectors, axis=1).max() < LONGEST_ROW


def test_words_are_moved_by_those_that_share_their_rows():
    words, share = ["cat", "cats", "at", "dog", "a"], np.array([0.4, 0.1, 0.2, 0.2, 0.1])
    for buckets in (1, 7, 100_000):
        model = SkipGram(subwords=(3, 4), buckets=buckets)
        rows = [[("own", word), *hashed([word], 3, 4, buckets).ids.tolist()] for word in words]
        moved = [
            np.mean([sum(s * other.count(row) for s, other in zip(share, rows, strict=True))
                     for row in mine]) for mine in rows
        ]  # fmt: skip
        np.testing.assert_allclose(model.moved_share(share, words), moved)
    np.testing.assert_array_equal(SkipGram().moved_share(share, words), share)
    counts = np.full(5, 1000)
    few, many = (stable(SkipGram(subwords=(3, 4), buckets=b), counts, 0.001, words)[0].step_tokens
                 for b in (1, 100_000))  # fmt: skip
    assert few < many
