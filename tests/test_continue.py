"""Runs that go on from others: with more words, with some of them frozen."""

import dataclasses
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxvec import (
    CBOW,
    Corpus,
    GloVe,
    SkipGram,
    Vocab,
    WordVectors,
    cooccurrence,
    fit,
    load_run,
    save_run,
)
from jaxvec.cli import main
from jaxvec.train.contracts import State
from tests.conftest import topic_accuracy

KEY = jax.random.key(0)
MODELS = {
    "sgns": SkipGram(vector_size=16, window=3, sample=0),
    "cbow": CBOW(vector_size=16, window=3, sample=0),
    "glove": GloVe(vector_size=16, x_max=20),
}
OPTIMIZERS = [("sgns", None), ("sgns", "adam"), ("sgns", "adagrad"), ("cbow", None),
              ("glove", None), ("glove", "adam")]  # fmt: skip


def data(name, corpus):
    return cooccurrence.count(corpus, window=3) if name == "glove" else corpus


@pytest.fixture(scope="module")
def texts(topic_documents):
    """Earlier text without three of the topics, and later text of all."""
    new = {f"t{t}" for t in (1, 4, 6)}
    old = [d for d in topic_documents if not any(word[:2] in new for word in d)]
    return old, topic_documents


def test_extended_vocabulary():
    before = Vocab.from_counts({"a": 9, "b": 5, "rare": 2}, min_count=1, unk="<unk>")
    after = before.extended({"b": 6, "c": 7, "d": 1, "rare": 1}, min_count=5)
    assert after.words == ["<unk>", "b", "a", "c", "rare"]
    assert after.counts.tolist() == [1, 11, 9, 7, 3]
    assert (after.specials, after.unk) == (1, "<unk>")
    assert before.counts.tolist() == [0, 9, 5, 2]


def test_extended_corpus(texts):
    old, new = texts
    before = Corpus.from_documents(old, min_count=1)
    after = Corpus.from_documents(iter(new), min_count=1, extend=before.vocab)
    both = Corpus.from_documents([*old, *new], min_count=1)
    assert after.vocab.words == both.vocab.words
    assert after.vocab.counts.tolist() == both.vocab.counts.tolist()
    assert [after.vocab.decode(d) for d in after.documents()] == new
    with pytest.raises(ValueError, match="extend does not go with max_size"):
        Corpus.from_documents(new, extend=before.vocab, max_size=10)


@pytest.mark.parametrize(("name", "optimizer"), OPTIMIZERS)
def test_words_go_on_from_where_they_were(texts, name, optimizer):
    """At a rate of next to nothing: old words as they were, new ones as they begin."""
    model = MODELS[name]
    before = Corpus.from_documents(texts[0], min_count=1)
    after = Corpus.from_documents(texts[1], min_count=1, extend=before.vocab)
    options = {"key": KEY, "optimizer": optimizer, "workers": 1}
    if name != "glove" or optimizer:
        options["learning_rate"] = 1e-20
    first = fit(data(name, before), model, **options | {"epochs": 2, "learning_rate": None})
    kept = jax.tree.map(np.array, State(first.params, first.opt_state))
    off = {"spectral_start": False} if name == "glove" else {"spectral_words": 0}
    random = dataclasses.replace(model, **off)
    begun = fit(data(name, after), random, epochs=1, **options)
    result = fit(data(name, after), model, epochs=1, start=first, **options)
    places = {word: i for i, word in enumerate(before.vocab.words)}
    old = [i for i, word in enumerate(after.vocab.words) if word in places]
    new = [i for i, word in enumerate(after.vocab.words) if word not in places]
    was = [places[after.vocab.words[i]] for i in old]
    assert 0 < len(new) < len(old)
    if name == "glove" and optimizer is None:  # whose rate is in its state
        assert result.history[0].loss < begun.history[0].loss
        return
    for theirs, mine, fresh in zip(
        jax.tree.leaves(kept.params),
        jax.tree.leaves(result.params),
        jax.tree.leaves(begun.params),
        strict=True,
    ):
        np.testing.assert_allclose(np.array(mine)[old], theirs[was], atol=1e-7)
        np.testing.assert_allclose(np.array(mine)[new], np.array(fresh)[new], atol=1e-7)
    if optimizer == "adagrad":  # sums only grow
        for theirs, mine in zip(
            jax.tree.leaves(kept.opt_state), jax.tree.leaves(result.opt_state), strict=True
        ):
            if mine.ndim:
                assert (np.array(mine)[old] >= theirs[was] - 1e-6).all()
    if optimizer == "adam":  # which counts its steps
        steps = [int(leaf) for run in (first, result) for leaf in jax.tree.leaves(run.opt_state)
                 if not leaf.ndim]  # fmt: skip
        assert steps[1] > steps[0] > 0


@pytest.mark.parametrize("name", MODELS)
def test_the_same_vocabulary_goes_on_as_from_its_state(topic_corpus, name):
    first = fit(data(name, topic_corpus), MODELS[name], key=KEY, epochs=1)
    state = jax.tree.map(np.array, State(first.params, first.opt_state))
    runs = [
        fit(data(name, topic_corpus), MODELS[name], key=KEY, epochs=1, start=start)
        for start in (state, first)
    ]
    for ours, theirs in zip(*(jax.tree.leaves(run[:2]) for run in runs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_new_words_are_learned(texts):
    before = Corpus.from_documents(texts[0], min_count=1)
    after = Corpus.from_documents(texts[1], min_count=1, extend=before.vocab)
    options = {"key": KEY, "learning_rate": 0.05}
    first = fit(before, MODELS["sgns"], epochs=6, **options)
    result = fit(after, MODELS["sgns"], epochs=6, start=first, **options)
    assert len(result.vectors()) > len(first.vectors())
    assert topic_accuracy(result.vectors()) > 0.9


@pytest.mark.parametrize(
    ("name", "optimizer", "workers"), [*((*pair, 1) for pair in OPTIMIZERS), ("sgns", None, 2)]
)
def test_frozen_words_stay(topic_corpus, name, optimizer, workers):
    words = ["the", "t1w3", "t2w5"]
    options = {"key": KEY, "optimizer": optimizer, "workers": workers}
    first = fit(data(name, topic_corpus), MODELS[name], epochs=1, **options)
    kept = jax.tree.map(np.array, first.params)
    result = fit(
        data(name, topic_corpus), MODELS[name], epochs=1, start=first, freeze=words, **options
    )
    mask = np.isin(topic_corpus.vocab.words, words)
    for before, after in zip(jax.tree.leaves(kept), jax.tree.leaves(result.params), strict=True):
        np.testing.assert_array_equal(np.array(after)[mask], before[mask])
        changed = (np.array(after) != before).reshape(len(mask), -1).any(1)
        assert changed[~mask].all()


def test_frozen_with_damping(topic_corpus):
    """Steps so large that SGD is damped."""
    model = SkipGram(vector_size=16, sample=0, blocks=32, spectral_words=0)
    result = fit(topic_corpus, model, key=KEY, epochs=1, freeze=topic_corpus.vocab.words[:50])
    init_key, *_ = jax.random.split(KEY, 3)
    start = model.init(init_key, len(topic_corpus.vocab))
    assert np.array_equal(result.params.input[:50], start.input[:50])
    assert not np.isclose(result.params.input[50:], start.input[50:]).all(1).any()


@pytest.mark.parametrize(("name", "optimizer"), OPTIMIZERS)
def test_a_saved_run_goes_on_as_the_run_itself(topic_corpus, tmp_path, name, optimizer):
    options = {"key": KEY, "optimizer": optimizer, "epochs": 1}
    first = fit(data(name, topic_corpus), MODELS[name], **options)
    save_run(first, tmp_path / "run")
    saved = load_run(tmp_path / "run")
    assert (saved.model, saved.history) == (first.model, first.history)
    assert np.array_equal(saved.vectors().vectors, first.vectors().vectors)
    runs = [
        fit(data(name, topic_corpus), MODELS[name], start=start, **options)
        for start in (first, saved)
    ]
    for ours, theirs in zip(*(jax.tree.leaves(run[:2]) for run in runs), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_a_run_of_numpy_numbers_is_saved(topic_corpus, tmp_path):
    def run(whole, real):
        model = SkipGram(whole(4), window=whole(3), negative=whole(2), sample=real(1e-3))
        result = fit(topic_corpus, model, key=KEY, epochs=whole(1), learning_rate=real(0.03))
        save_run(result, tmp_path / "run")
        return load_run(tmp_path / "run")

    plain, numpy = run(int, float), run(np.int64, np.float64)
    assert numpy.model == plain.model
    assert np.array_equal(numpy.params.input, plain.params.input)


def test_from_the_shell(topic_documents, texts, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for file, documents in zip(("old.txt", "new.txt"), texts, strict=True):
        Path(file).write_text("\n".join(map(" ".join, documents)))
    options = ["--vector-size", "16", "--epochs", "1", "--window", "3"]
    assert main(["train", "old.txt", "-o", "old.npz", "--save-run", "old.run", *options]) == 0
    command = ["train", "new.txt", "--start", "old.run", *options]
    assert main([*command, "-o", "new.npz", "--freeze-known"]) == 0
    old, new = WordVectors.load("old.npz"), WordVectors.load("new.npz")
    assert f"{len(old)} of {len(new)} words are frozen" in capsys.readouterr().err
    assert set(old.index_to_key) < set(new.index_to_key)
    assert np.array_equal(new[old.index_to_key], old.vectors)
    Path("some").write_text("the\nt0w3\n")
    assert main([*command, "-o", "some.npz", "--freeze", "some"]) == 0
    some = WordVectors.load("some.npz")
    fast = [word for word in old.index_to_key if np.array_equal(some[word], old[word])]
    assert sorted(fast) == ["t0w3", "the"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--start", "no"], "no such file: no"),
        (["--start", "text"], "not an .npz archive"),
        (["--start", "v.npz"], "v.npz is not a saved run"),
        (["--start", "run", "--vector-size", "9"], "give --vector-size 4"),
        (
            ["--start", "run", "--model", "cbow", "--optimizer", "adam"],
            "another model or optimizer",
        ),
        (["--freeze-known"], "needs --start or --init"),
        (["--freeze", "words"], "'nowhere' is not in the vocabulary"),
        (["--save-run", "text"], "also an input"),
        (["--start", "run", "-o", "run"], "cannot tell a format"),
    ],
)
def test_bad_options(tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("a b c d e f\n" * 20)
    Path("words").write_text("a\nnowhere\n")
    command = ["train", "text", "--epochs", "1", "--vector-size", "4"]
    assert main([*command, "-o", "v.npz", "--save-run", "run"]) == 0
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    capsys.readouterr()
    assert main([*command, "-o", "w.npz", *options]) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("jaxvec train: ")
    assert message in last
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_what_does_not_fit(topic_corpus):
    first = fit(topic_corpus, MODELS["sgns"], key=KEY, epochs=1)
    with pytest.raises(ValueError, match="of another model or optimizer"):
        fit(topic_corpus, SkipGram(vector_size=8), key=KEY, start=first)
    with pytest.raises(ValueError, match="of another model or optimizer"):
        fit(topic_corpus, MODELS["sgns"], key=KEY, start=first, optimizer="adam")
    with pytest.raises(ValueError, match=r"optimizer: expected \d arrays; got \d"):
        fit(topic_corpus, MODELS["sgns"], key=KEY, start=first, optimizer="adagrad")
    others = Corpus.from_documents(["x y z"] * 9, min_count=1)
    with pytest.raises(ValueError, match="no word of the vocabulary"):
        fit(others, MODELS["sgns"], key=KEY, start=first)
    with pytest.raises(KeyError, match="nowhere"):
        fit(topic_corpus, MODELS["sgns"], key=KEY, freeze=["nowhere"])
    with pytest.raises(ValueError, match="freeze needs dense=False"):
        fit(topic_corpus, MODELS["sgns"], key=KEY, freeze=["the"], dense=True)
