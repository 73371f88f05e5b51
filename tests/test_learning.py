"""Every model, with every optimizer it is named with, learns what a text has to teach."""

import dataclasses

import jax
import numpy as np
import pytest

from jaxvec import CBOW, Corpus, GloVe, SkipGram, Softmax, WordVectors, cooccurrence, fit, recipes
from tests.conftest import topic_accuracy

KEY = jax.random.key(0)
SMALL = {"vector_size": 16, "window": 3, "sample": 0}
WORD2VEC, FASTTEXT = recipes.get("word2vec"), recipes.get("fasttext-sgns")
RANDOM = {**SMALL, "spectral_words": 0}  # the spectral start knows the topics before any step
MODELS = {  # each with a loss that it is known to reach
    "sgns": (SkipGram(**RANDOM), 2.1),
    "sgns, 16 blocks": (SkipGram(**RANDOM, blocks=16), 2.1),
    "sgns, 64 blocks": (SkipGram(**RANDOM, blocks=64), 2.1),
    "cbow": (CBOW(**RANDOM), 1.9),
    "cbow by sums": (CBOW(**RANDOM, cbow_mean=False), 2.05),
    "cbow, 16 blocks": (CBOW(**RANDOM, blocks=16), 1.9),
    "softmax": (Softmax(**SMALL), 3.75),
    "sampled softmax": (Softmax(**SMALL, sampled=32), 3.75),
    "glove": (GloVe(vector_size=16, x_max=20.0), 0.25),
    "word2vec": (dataclasses.replace(WORD2VEC.model, vector_size=16, sample=0), 1.9),
    "fasttext": (dataclasses.replace(FASTTEXT.model, vector_size=16, sample=0), 2.1),
}
DEFAULT = {}
TRAININGS = [  # model, what else `fit` takes
    ("sgns", DEFAULT), ("sgns", {"optimizer": "adagrad"}),
    ("sgns", {"optimizer": "row_adagrad"}), ("sgns", {"optimizer": "adam"}),
    ("sgns", {"workers": 2}), ("sgns", {"workers": 3, "optimizer": "row_adagrad"}),
    ("sgns", {"workers": 4, "optimizer": "adam"}),
    ("sgns, 16 blocks", DEFAULT), ("sgns, 64 blocks", DEFAULT),
    ("sgns, 64 blocks", {"learning_rate": 0.06}),
    ("cbow", DEFAULT), ("cbow by sums", DEFAULT), ("cbow, 16 blocks", DEFAULT),
    ("softmax", DEFAULT), ("softmax", {"optimizer": "sgd"}),
    ("softmax", {"optimizer": "sgd", "learning_rate": 0.1}),
    ("sampled softmax", DEFAULT), ("sampled softmax", {"optimizer": "sgd"}),
    ("sampled softmax", {"workers": 2}),
    ("glove", DEFAULT), ("glove", {"optimizer": "glove_adagrad"}),
    ("glove", {"optimizer": "adagrad"}), ("glove", {"optimizer": "adam"}),
    ("glove", {"workers": 2}),
    ("word2vec", WORD2VEC.fit), ("fasttext", FASTTEXT.fit),
]  # fmt: skip


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    """A fifth of each document's words are of any topic: GloVe learns from what occurs alone."""
    rng = np.random.default_rng(0)
    own, any_topic = rng.integers(0, 8, (600, 1)), rng.integers(0, 8, (600, 40))
    topics = np.where(rng.random((600, 40)) < 0.8, own, any_topic)
    words = rng.integers(0, 12, (600, 40))
    documents = [[f"t{t}w{w}" for t, w in zip(*both, strict=True)]
                 for both in zip(topics, words, strict=True)]  # fmt: skip
    return Corpus.from_documents(documents, min_count=1)


@pytest.fixture(scope="module")
def cells(corpus):
    return cooccurrence.count(corpus, window=5)


def name(value) -> str:
    return value if isinstance(value, str) else " ".join(f"{k}={v}" for k, v in value.items())


@pytest.mark.parametrize(("model", "options"), TRAININGS, ids=name)
def test_learns_the_topics(corpus, cells, model, options):
    """Where it starts from it does not know them: a `fit` that trains nothing fails."""
    model, known = MODELS[model]
    data = cells if isinstance(model, GloVe) else corpus
    result = fit(data, model, key=KEY, **{**options, "epochs": 10})
    first, last = result.history[0], result.history[-1]
    start = WordVectors(data.vocab.words, np.asarray(model.init(KEY, len(data.vocab)).input))
    assert topic_accuracy(start) < 0.3 < 0.9 < topic_accuracy(result.vectors())
    assert last.loss < min(known, first.loss)
    if model.loss_unit == "word":
        assert first.pairs == len(corpus)  # each word has a neighbor
