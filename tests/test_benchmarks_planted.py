"""The planted text, what is asked of it, and the traffic of training on it."""

import types

import jax
import numpy as np
import pytest
from scipy import stats

from benchmarks.suite import quality, sizes, traffic
from benchmarks.suite.planted import NEUTRAL, plant
from jaxvec import WordVectors, cooccurrence, fit
from jaxvec.train.cells import CellSegments
from jaxvec.train.segments import TokenSegments

KEY = jax.random.key(3)
TOKENS, WORDS = 300_000, 1500


@pytest.fixture(scope="module")
def text():
    return plant(KEY, TOKENS, WORDS, strength=1.2, topics=16, attributes=4)


@pytest.fixture(scope="module")
def asked(text):
    return quality.exam(text)


def named(text, table):
    return WordVectors(text.corpus.vocab.words, table)


@pytest.mark.parametrize(("exponent", "strength"), [(1.0, 0.0), (1.0, 1.5), (0.7, 1.2)])
def test_words_follow_zipfs_law_whatever_is_planted(exponent, strength):
    found = plant(KEY, TOKENS, WORDS, exponent=exponent, strength=strength)
    expected = np.arange(1, WORDS + 1) ** -exponent
    expected /= expected.sum()
    np.testing.assert_allclose(found.unigram, expected)
    shares = found.corpus.vocab.counts / TOKENS
    for part in np.array_split(np.arange(WORDS), [10, 50, 100, 300, 700]):
        assert shares[part].sum() == pytest.approx(expected[part].sum(), rel=0.03)
    slope = stats.linregress(np.log(np.arange(1, 401)), np.log(shares[:400])).slope
    assert slope == pytest.approx(-exponent, abs=0.04)


def test_a_key_decides_everything(text):
    again = plant(KEY, TOKENS, WORDS, strength=1.2, topics=16, attributes=4)
    for one, other in zip([text.corpus.ids, *text.truth], [again.corpus.ids, *again.truth],
                          strict=True):  # fmt: skip
        np.testing.assert_array_equal(one, other)
    other = plant(jax.random.key(4), TOKENS, WORDS, strength=1.2, topics=16, attributes=4)
    assert (other.corpus.ids != text.corpus.ids).mean() > 0.5
    assert (other.truth.topic != text.truth.topic).mean() > 0.5


def test_a_corpus_is_whole(text):
    corpus = text.corpus
    assert len(corpus) == TOKENS
    assert len(corpus.vocab) == WORDS
    assert corpus.ids.dtype == np.int32
    np.testing.assert_array_equal(corpus.vocab.counts, np.bincount(corpus.ids, minlength=WORDS))
    assert np.diff(corpus.offsets).max() == 1000
    assert corpus.offsets[-1] == TOKENS
    assert plant(KEY, 2500, 100).corpus.offsets.tolist() == [0, 1000, 2000, 2500]
    topic, attribute = text.truth.topic, text.truth.attribute
    assert (topic[:NEUTRAL] == -1).all()
    assert not text.truth.latent[:NEUTRAL].any()
    classes = topic[NEUTRAL:] * 4 + attribute[NEUTRAL:]  # each once in 64 words
    assert all(len(set(classes[i : i + 64])) == 64 for i in range(0, 1400, 64))


def test_how_often_words_stand_together_is_what_was_planted(text):
    """Against counts: log(x_ij x / x_i x_j) rises with the latent product."""

    def correlation(planted):
        ids = np.arange(NEUTRAL, 250)
        counts = cooccurrence.count(planted.corpus, window=10, distance_weighting=False)
        full = counts.matrix().toarray()
        ratio = full * full.sum() / np.outer(full.sum(0), full.sum(1))
        i, j = np.triu_indices(len(ids), 1)
        seen, latent = ratio[np.ix_(ids, ids)][i, j], text.truth.latent[ids]
        return stats.spearmanr(seen, (latent @ latent.T)[i, j]).statistic

    assert correlation(text) > 0.4
    nothing = plant(KEY, TOKENS, WORDS, strength=0.0, topics=16, attributes=4)
    assert abs(correlation(nothing)) < 0.03


def test_bad_sizes_are_refused():
    with pytest.raises(ValueError, match="words must be at least 2; got 1"):
        plant(KEY, 100, 1)
    with pytest.raises(TypeError, match="tokens must be a whole number"):
        plant(KEY, 1e6, 100)
    with pytest.raises(ValueError, match="strength must be from 0 to 10; got -1"):
        plant(KEY, 100, 100, strength=-1)
    with pytest.raises(ValueError, match="too few for an analogy; draw more tokens"):
        quality.exam(plant(KEY, 1000, 100))


def test_a_perfect_score_is_of_the_latent_vectors_alone(text, asked):
    latent = text.truth.latent
    perfect = asked(named(text, latent))
    assert perfect["recovery"] == pytest.approx(100)
    assert perfect["analogies"] > 90
    turned = latent @ stats.ortho_group.rvs(latent.shape[1], random_state=0) * 7
    turned *= np.random.default_rng(0).uniform(0.5, 2, (WORDS, 1))
    assert asked(named(text, turned.astype(np.float32))) == pytest.approx(perfect, abs=0.2)
    untrained = np.random.default_rng(0).normal(size=(WORDS, 100)).astype(np.float32)
    blank = asked(named(text, untrained))
    assert abs(blank["recovery"]) < 1.5
    assert blank["analogies"] < 5
    assert asked(named(text, np.ones((WORDS, 5), np.float32)))["recovery"] == 0
    wrong = latent.copy()
    wrong[200] = np.nan
    with pytest.raises(ValueError, match="the vector of 'w200', at place 200, holds NaN"):
        named(text, wrong)


def test_the_order_of_words_does_not_matter(text, asked):
    order = np.random.default_rng(0).permutation(WORDS)
    words = [text.corpus.vocab.words[i] for i in order]
    mixed = WordVectors(words, text.truth.latent[order])
    assert asked(mixed) == pytest.approx(asked(named(text, text.truth.latent)), abs=0.1)


def test_questions_are_of_two_topics_and_two_attributes(text, asked):
    ids = np.array([text.corpus.vocab[word] for word in asked.words])
    assert (text.unigram[ids] * TOKENS >= quality.LEAST).all()
    assert ids.min() == NEUTRAL
    a, b, c = ids[asked.questions].T
    topic, attribute = text.truth.topic, text.truth.attribute
    assert (topic[a] == topic[b]).all()
    assert (attribute[a] == attribute[c]).all()
    assert (attribute[a] != attribute[b]).all()
    assert (topic[a] != topic[c]).all()
    np.testing.assert_array_equal(asked.wanted, topic[c] * 4 + attribute[b])
    assert len(asked.questions) == quality.QUESTIONS


def test_scores_on_files_are_those_of_evaluate(tmp_path):
    rows = np.array([[1, 0, 0], [1, 1, 0], [1, 0, 1], [1, 1, 1.5]], np.float32)
    vectors = WordVectors(["a", "b", "c", "d"], rows)
    pairs, questions = tmp_path / "pairs.txt", tmp_path / "questions.txt"
    pairs.write_text("a\tb\t1\na\tc\t2\nb\tc\t3\n")
    questions.write_text(": s\na b c d\n")
    found = quality.files(str(questions), [str(pairs)], None)(vectors)
    assert found["analogies"] == 100
    assert list(found) == ["analogies", "pairs"]
    assert list(quality.files(None, [str(pairs)], None)(vectors)) == ["pairs"]


def products(function, *arguments):
    """The FLOPs of a function's matrix products, from its traced shapes."""
    return products_of(jax.make_jaxpr(function)(*arguments).jaxpr)


def products_of(jaxpr):
    total = 0
    for equation in jaxpr.eqns:
        if equation.primitive.name == "cond":  # by platform: each branch has the same products
            total += products_of(equation.params["branches"][-1].jaxpr)
        if equation.primitive.name == "dot_general":
            (contracted, _), _ = equation.params["dimension_numbers"]
            length = np.prod([equation.invars[0].aval.shape[axis] for axis in contracted])
            total += 2 * equation.outvars[0].aval.size * int(length)
    return total


def vectors_of(model, batch, words):
    params = model.init(KEY, words)
    return jax.tree.map(lambda table, ids: table[ids], params, model.rows(batch))


def test_the_traffic_of_skip_gram_is_that_of_its_batches(text):
    model = sizes.skip_gram(vector_size=24, window=3, blocks=4, block_tokens=16)
    corpus = text.corpus
    segment, constants = TokenSegments(corpus).epoch(KEY)(0), model.constants(text.corpus)
    plan = model.plan(constants, KEY, segment)
    bits = jax.random.bits(KEY, model.bits(), np.uint32)
    batch = model.batch(constants, plan, bits, 0)
    vectors = vectors_of(model, batch, WORDS)
    counted = traffic.skip_gram(model, corpus, epochs=2)
    steps = traffic.kept_tokens(model, corpus) / model.step_tokens
    assert int(plan.steps) == pytest.approx(steps, rel=0.01)
    gathered = sum(table.nbytes for table in jax.tree.leaves(vectors))
    assert counted.gather_bytes / 2 / steps == pytest.approx(gathered)
    assert counted.scatter_bytes == counted.gather_bytes
    assert counted.table_rows == WORDS
    flops = products(jax.grad(lambda v: model.rows_loss(v, batch).sum()), vectors)
    assert counted.flops / 2 / steps == pytest.approx(flops)
    of_step = (counted.random_bits / 2 - 32 * len(corpus)) / steps
    assert of_step == pytest.approx(32 * bits.size)
    assert counted.launches == pytest.approx(2 * steps * traffic.CHAIN)
    halved = traffic.skip_gram(model, corpus, epochs=2, workers=2)
    assert halved.launches == pytest.approx(counted.launches / 2)
    assert halved.gather_bytes == counted.gather_bytes


def test_the_traffic_of_glove_is_that_of_its_batches(text):
    cells = cooccurrence.count(text.corpus, window=2)
    model = sizes.glove(vector_size=24, chunk_cells=8)
    chunks = traffic.glove_chunks(model, cells.indptr)
    segments, _ = CellSegments.split(cells, model.chunk_cells, model.step_chunks, 0.0, KEY)
    (part,) = segments.parts[0]
    assert len(part.words) == chunks
    assert np.count_nonzero(part.counts) == len(cells)
    counted = traffic.glove(model, len(cells), chunks, WORDS, epochs=1)
    state = fit(cells, model, key=KEY, epochs=1, workers=1)
    rows = [leaf for leaf in jax.tree.leaves((state.params, state.opt_state)) if leaf.ndim]
    row = sum(table.nbytes for table in rows) / WORDS / 2  # of one side
    assert counted.gather_bytes == (len(cells) + chunks) * row == counted.scatter_bytes
    constants, segment = model.constants(cells), segments.epoch(KEY)(0)
    bits = jax.random.bits(KEY, model.bits(), np.uint32)
    batch = model.batch(constants, model.plan(constants, KEY, segment), bits, 0)
    vectors = vectors_of(model, batch, WORDS)
    flops = products(jax.grad(lambda v: model.rows_loss(v, batch).sum()), vectors)
    of_cell = flops / batch.chunks.counts.size  # padding among them
    assert counted.flops == pytest.approx(len(cells) * of_cell)
    assert counted.launches == -(-chunks // model.step_chunks) * traffic.CHAIN
    assert counted.stream_bytes == 8 * len(cells) + 4 * chunks


@pytest.mark.parametrize(
    ("backend", "products", "setting", "found"),
    [
        ("cpu", None, None, "float32"), ("gpu", None, None, "tf32"), ("tpu", None, None, "bf16"),
        ("gpu", "float32", None, "float32"), ("gpu", "bfloat16", "highest", "bf16"),
        ("tpu", None, "highest", "float32"), ("gpu", None, "tensorfloat32", "tf32"),
    ],
)  # fmt: skip
def test_the_precision_of_products(backend, products, setting, found, monkeypatch):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    with jax.default_matmul_precision(setting):
        assert traffic.precision(types.SimpleNamespace(products=products)) == found


def test_the_pairs_of_a_text(text):
    counted = cooccurrence.count(text.corpus, window=4, distance_weighting=False)
    assert traffic.pairs(text.corpus, 4) == counted.data.sum(dtype=np.float64) / 2
    moved = traffic.counting(text.corpus, 4, len(counted))
    assert moved.sorted_keys == 2 * traffic.pairs(text.corpus, 4)
