"""Options of what is context of what, and of what subsampling leaves out."""

import dataclasses
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import CBOW, Corpus, SkipGram, Softmax, WordVectors, fit, optim
from jaxvec.cli import main
from jaxvec.text.tokenize import alphanumeric
from jaxvec.train.segments import TokenSegments
from tests.compiled import KEY, SMALL, compiled, copies_in_loops
from tests.conftest import topic_accuracy


@pytest.fixture(scope="module")
def documents():
    rng = np.random.default_rng(0)
    return [[f"w{i}" for i in rng.integers(0, 20, rng.integers(1, 40))] for _ in range(40)]


@pytest.mark.parametrize("symmetric", [True, False])
def test_pairs_are_the_obvious_ones(documents, symmetric):
    corpus = Corpus.from_documents(documents, min_count=1)
    model = dataclasses.replace(
        SMALL, shrink_windows=False, blocks=3, block_tokens=16, sample=0, symmetric=symmetric
    )
    expected, start = np.zeros((20, 20)), 0
    for document in documents:
        for i, j in itertools.permutations(range(len(document)), 2):
            if abs(i - j) <= 3 and (symmetric or j > i):
                expected[corpus.ids[start + i], corpus.ids[start + j]] += 1
        start += len(document)
    assert np.array_equal(pairs(model, corpus), expected)


def pairs(model, corpus):
    """How often the batches of an epoch pair each center with each context: float64[V, V]."""
    constants = model.constants(corpus)
    plan = model.plan(constants, KEY, TokenSegments(corpus).epoch(KEY)(0))
    bits = jax.random.bits(KEY, (int(plan.steps), *model.bits()))
    found = np.zeros((len(corpus.vocab), len(corpus.vocab)))
    for t in range(int(plan.steps)):
        batch = model.expanded(model.batch(constants, plan, bits[t], t))
        centers = np.broadcast_to(batch.centers[:, :, None], batch.weights.shape)
        contexts = np.broadcast_to(batch.contexts[:, None, :], batch.weights.shape)
        np.add.at(found, (centers, contexts), batch.weights)
    return found


@pytest.mark.parametrize(
    "model",
    [SkipGram(spectral_words=0), CBOW(spectral_words=0), Softmax()],
    ids=lambda m: type(m).__name__,
)
def test_every_model_learns_with_every_option(topic_corpus, model):
    model = dataclasses.replace(
        model, vector_size=16, window=3, sample=0, symmetric=False, shrink_windows=False
    )
    result = fit(topic_corpus, model, key=KEY, epochs=5, optimizer="adam", max_norm=3.0)
    assert result.history[-1].loss < 0.95 * result.history[0].loss
    assert topic_accuracy(result.vectors()) > 0.8


def test_the_next_word_is_what_is_predicted():
    """In a text that goes round in a circle the next word is certain, the one before is not."""
    corpus = Corpus.from_documents([["a", "b", "c", "d"] * 50] * 20, min_count=1)
    model = Softmax(vector_size=8, window=1, symmetric=False, sample=0)
    result = fit(corpus, model, key=KEY, epochs=5)
    for word, following in zip("abcd", "bcda", strict=True):
        (found,) = result.predict_output_word([word], topn=1)
        assert found[0] == following
        assert found[1] > 0.95


@pytest.mark.parametrize("inner", [optax.sgd(1.0), optax.adam(1.0)])
def test_bounded_is_the_update_and_the_projection_of_what_it_touched(inner):
    rng = np.random.default_rng(0)
    params = {"table": jnp.asarray(rng.normal(0, 2, (9, 4)), jnp.float32), "bias": jnp.ones(9)}
    rows = {"table": jnp.array([[1, 3], [3, 8]]), "bias": jnp.array([1, 3])}
    gradients = jax.tree.map(lambda p, r: 3 * p[r], params, rows)
    free, held = (
        rule.update(params, rule.init(params), rule.scratch(params), rows, gradients, 0.1)[0]
        for rule in (optim.row_sparse(inner), optim.bounded(optim.row_sparse(inner), 1.5))
    )
    expected = np.array(free["table"])
    for row in (1, 3, 8):
        expected[row] *= min(1, 1.5 / np.linalg.norm(expected[row]))
    np.testing.assert_allclose(held["table"], expected, rtol=1e-6)
    assert np.array_equal(held["bias"], free["bias"])
    assert np.linalg.norm(expected, axis=1).max() > 1.5  # of rows not touched


def test_max_norm(topic_corpus):
    options = {"key": KEY, "epochs": 4}
    free = fit(topic_corpus, SMALL, **options)
    assert np.linalg.norm(free.params.input, axis=1).max() > 1
    result = fit(topic_corpus, SMALL, **options, max_norm=1.0, freeze=["the"])
    for table in result.params:
        assert 0.99 < np.linalg.norm(table, axis=1).max() < 1 + 1e-5
    loose = fit(topic_corpus, SMALL, **options, max_norm=1e6)
    assert np.array_equal(loose.params.input, free.params.input)
    assert optim.bounded(optim.damped_sgd(), 2.0) is optim.bounded(optim.damped_sgd(), 2.0)


def test_max_norm_copies_no_table(topic_corpus):
    text = compiled(topic_corpus, optim.bounded(optim.row_sparse(optax.adam(1.0)), 1.0))
    assert copies_in_loops(text, len(topic_corpus.vocab), SMALL.vector_size) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_norm": 0.0}, "max_norm must be a positive number; got 0"),
        ({"max_norm": 1.0, "dense": True}, "max_norm needs dense=False"),
        ({"report_every": 0}, "report_every must be at least 1; got 0"),
    ],
)
def test_bad_arguments(topic_corpus, options, message):
    with pytest.raises(ValueError, match=message):
        fit(topic_corpus, SMALL, key=KEY, **options)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's 3.5 @-@ x_y <unk>", "it s 3 5 x y unk"),
        ("CAFÉ au lait, 東京!", "café au lait 東京"),
        ("... --", ""),
    ],
)
def test_alphanumeric(text, words):
    assert alphanumeric(text) == words.split()


def test_nearest_by_dot_product():
    rng = np.random.default_rng(0)
    wv = WordVectors([f"w{i}" for i in range(50)], rng.normal(size=(50, 6)))
    products = wv.vectors @ wv["w7"]
    order = [i for i in np.argsort(-products) if i != 7]
    found = wv.most_similar_dot("w7", topn=5)
    assert [word for word, _ in found] == [f"w{i}" for i in order[:5]]
    np.testing.assert_allclose([score for _, score in found], products[order[:5]], rtol=1e-6)
    few = wv.most_similar_dot("w7", topn=50, restrict_vocab=10)
    assert [word for word, _ in few] == [f"w{i}" for i in order if i < 10]
    of_vector = wv.most_similar_dot(wv["w7"], topn=6)
    assert [pair for pair in of_vector if pair[0] != "w7"][:5] == found
    with pytest.raises(KeyError, match="'w77' is not in the vocabulary"):
        wv.most_similar_dot("w77")


def test_on_the_command_line(tmp_path, monkeypatch, topic_documents, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    command = ["train", "text.txt", "-o", "v.npz", "--vector-size", "8", "--epochs", "1",
               "--no-symmetric", "--max-norm", "0.01", "--tokenizer", "alphanumeric"]  # fmt: skip
    assert main(command) == 0
    model = SkipGram(vector_size=8, symmetric=False)
    corpus = Corpus.from_files("text.txt", tokenizer="alphanumeric")
    result = fit(corpus, model, key=jax.random.key(1), epochs=1, max_norm=0.01)
    assert np.array_equal(WordVectors.load("v.npz").vectors, result.vectors().vectors)
    capsys.readouterr()
    assert main(["similar", "v.npz", "t1w1", "--dot", "--topn", "1"]) == 0
    ((word, product),) = result.vectors().most_similar_dot("t1w1", topn=1)
    assert capsys.readouterr().out == f"t1w1\n  {product:6.3f}  {word}\n"
