"""Vectors of texts, beside loops over their words."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import WordVectors, texts
from jaxvec.cli import main
from jaxvec.vectors.subwords import Subwords

WORDS = [f"w{i}" for i in range(50)]


@pytest.fixture(scope="module")
def wv():
    table = np.random.default_rng(0).normal(size=(50, 8)) + 1
    return WordVectors(WORDS, table, counts=np.arange(50, 0, -1) ** 2)


def documents(count=300, most=30):
    rng = np.random.default_rng(1)
    return [[f"w{i}" for i in rng.zipf(1.3, rng.integers(1, most)) if i < 99] for _ in range(count)]


def obvious(wv, docs, weight=lambda word: 1.0):
    found = np.zeros((len(docs), wv.vector_size))
    for i, words in enumerate(docs):
        rows = [weight(word) * wv[word].astype(float) for word in words if word in wv]
        found[i] = np.mean(rows, axis=0) if rows else 0
    return found


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(texts, "_TOKENS", 64)
    monkeypatch.setattr(texts, "_TEXTS", 16)


@pytest.mark.filterwarnings("ignore:.* no known word")
@pytest.mark.parametrize("weighting", [None, "sif", "idf", "array"])
def test_equals_a_loop(wv, weighting, small_batches):
    docs = documents()
    docs[7] = ["w3"] * 500  # longer than a batch
    docs[9] = []
    total = wv.counts.sum()
    df = {word: sum(word in set(words) for words in docs) for word in WORDS}
    weight = {
        None: lambda word: 1.0,
        "sif": lambda word: 1e-3 / (1e-3 + wv.get_vecattr(word, "count") / total),
        "idf": lambda word: np.log((1 + len(docs)) / (1 + df[word])) + 1,
        "array": lambda word: float(word[1:]),
    }[weighting]
    given = np.arange(50) if weighting == "array" else weighting
    found = texts.encode(wv, iter(docs), weighting=given)
    assert (found.dtype, found.shape) == (np.float32, (300, 8))
    assert np.allclose(found, obvious(wv, docs, weight), atol=1e-5, rtol=1e-5)
    strings = texts.encode(wv, [" ".join(words) for words in docs], weighting=given)
    assert np.array_equal(found, strings)
    weights = texts.idf_weights(wv, docs)
    assert np.allclose(weights, [np.log(301 / (1 + df[word])) + 1 for word in WORDS])


@pytest.mark.filterwarnings("ignore:.* no known word")
@pytest.mark.parametrize("weighting", [None, "sif", "idf", "array"])
def test_unknown_words_have_what_ngrams_make_of_them(wv, weighting, small_batches):
    rows = Subwords(np.random.default_rng(2).normal(size=(99, 8)).astype(np.float32), 4, 5)
    some = WordVectors(WORDS[:9], wv.vectors[:9], counts=wv.counts[:9], subwords=rows)
    docs = [[*words, "a", "\ud800"] for words in documents()]  # of which there are no n-grams
    docs[7], docs[9] = ["a"], ["w30"]
    known = {word for words in docs for word in words if some.has_vector_for(word)}
    assert "w30" in known
    assert not {"a", "\ud800"} & known
    df = {word: sum(word in set(words) for words in docs) for word in known}
    count = dict(zip(some.index_to_key, some.counts / some.counts.sum(), strict=True))
    given = np.arange(1.0, 10.0) if weighting == "array" else weighting
    weight = {
        None: lambda word: 1.0,
        "sif": lambda word: 1e-3 / (1e-3 + count.get(word, 0)),
        "idf": lambda word: np.log((1 + len(docs)) / (1 + df[word])) + 1,
        "array": lambda word: dict(zip(WORDS, range(1, 10), strict=False)).get(word, 9),
    }[weighting]
    expected = np.zeros((len(docs), 8))
    for i, words in enumerate(docs):
        found = [weight(word) * some[word] for word in words if word in known]
        expected[i] = np.mean(found, axis=0) if found else 0
    found = texts.encode(some, docs, weighting=given)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5, rtol=1e-5)
    assert not found[7].any()
    some.subwords = None
    plain = texts.encode(some, docs, weighting=given)
    assert not plain[9].any()
    some.subwords = rows
    np.testing.assert_array_equal(texts.encode(some, docs, weighting=given, ngrams=False), plain)


def test_texts_that_ngrams_know_are_not_told_of(wv, tmp_path, capsys):
    rows = Subwords(np.ones((9, 8), np.float32), 4, 5)
    some = WordVectors(WORDS, wv.vectors, subwords=rows)
    with pytest.warns(UserWarning, match="1 of 3 texts have no known word"):
        texts.encode(some, ["unheard", "w1", "a"])
    file, output = (str(tmp_path / name) for name in ("v.npz", "o.npz"))
    some.save(file)
    (tmp_path / "t.txt").write_text("unheard\nw1\na\n")
    command = ["encode", file, "--lines", str(tmp_path / "t.txt"), "-o", output, "--force"]
    for options, empty in (([], 1), (["--no-ngrams"], 2)):
        assert main([*command, *options]) == 0
        assert f"warning: {empty} of 3 texts have no known word" in capsys.readouterr().err
        assert (~np.load(output)["vectors"].any(1)).sum() == empty


@pytest.mark.filterwarnings("ignore:.* no known word")
def test_batches_are_of_few_shapes(wv):
    texts.encode(wv, documents(5))
    before = texts.segment_means._cache_size()
    for count in (200, 230, 250, 199):
        texts.encode(wv, documents(count))
    assert texts.segment_means._cache_size() <= before + 2


def test_texts_without_a_known_word_are_zero_and_told(wv):
    with pytest.warns(UserWarning, match="2 of 3 texts have no known word: their vectors are 0"):
        found = texts.encode(wv, ["", "unheard of", "w1 w2"], remove_components=1)
    assert not found[:2].any()
    assert np.isfinite(found).all()
    with pytest.warns(UserWarning, match="1 of 1"):
        assert not texts.encode(wv, ["x"]).any()
    assert texts.encode(wv, []).shape == (0, 8)


def test_removed_directions(wv):
    docs = documents(100, 20)
    plain = obvious(wv, docs)
    _, _, right = np.linalg.svd(plain)
    directions = texts.components(plain.astype(np.float32), 3)
    assert np.allclose(np.abs(np.sum(directions * right[:3], axis=1)), 1, atol=1e-4)
    found = texts.encode(wv, docs, remove_components=2)
    expected = plain - plain @ right[:2].T @ right[:2]
    assert np.allclose(found, expected, atol=1e-4)
    same = texts.encode(wv, docs, remove_components=directions[:2])
    assert np.allclose(found, same, atol=1e-5)
    moved = wv.vectors - wv.vectors.mean(0)
    _, _, right = np.linalg.svd(moved)
    top = moved - moved @ right[:1].T @ right[:1]
    assert np.allclose(texts.all_but_the_top(wv.vectors, 1), top, atol=1e-4)


def test_differentiable_in_the_table():
    ids, places = jnp.array([0, 1, 1, 2, 0]), jnp.array([0, 0, 0, 1, 2])
    weights = jnp.array([1.0, 0.5, 2.0])

    def loss(table):
        return jnp.square(texts.segment_means(table, ids, places, 2, weights)).sum()

    table = jax.random.normal(jax.random.key(0), (3, 4))
    found, step = jax.grad(loss)(table), 1e-2
    for at in np.ndindex(3, 4):
        expected = (loss(table.at[at].add(step)) - loss(table.at[at].add(-step))) / (2 * step)
        assert found[at] == pytest.approx(float(expected), abs=2e-3)


@pytest.mark.parametrize(
    ("given", "options", "error", "message"),
    [
        ("one text", {}, ValueError, "not a string"),
        ([b"w1"], {}, TypeError, "must be a string or a list of words"),
        ([["w1", b"w2"]], {}, TypeError, "words must be strings"),
        (["w1"], {"weighting": "tfidf"}, ValueError, 'must be "sif", "idf"'),
        (["w1"], {"weighting": [1.0]}, ValueError, r"weights must be \[50\]; got \[1\]"),
        (["w1"], {"remove_components": -1}, ValueError, "must be at least 1"),
        (["w1"], {"remove_components": 1.5}, TypeError, "must be a whole number"),
        (["w1"], {"remove_components": 2}, ValueError, r"2 directions of vectors \[1, 8\]: 1 at"),
        (["w1"], {"remove_components": np.ones((1, 3))}, ValueError, r"must be \[k, 8\]"),
        (["w1"], {"tokenizer": "nonsense"}, ValueError, "nonsense"),
    ],
)
def test_bad_texts(wv, given, options, error, message):
    with pytest.raises(error, match=message):
        texts.encode(wv, given, **options)


def test_sif_needs_counts():
    with pytest.raises(ValueError, match=r"needs the counts of words.*fvocab"):
        texts.encode(WordVectors(["a"], [[1.0]]), ["a"], weighting="sif")
    for bad in ({"a": 0}, {"counts": [0]}):
        with pytest.raises(ValueError, match="must be above 0"):
            texts.sif_weights(**{"counts": [1], **bad})


def test_command_line(wv, tmp_path, capsys):
    file, lines, output = (str(tmp_path / name) for name in ("v.npz", "t.txt", "o.npz"))
    wv.save(file)
    (tmp_path / "t.txt").write_text("W1, w2\n\nw3 w3 w9\n")
    options = ["--tokenizer", "basic_english", "--weighting", "sif", "--remove-components", "1"]
    command = ["encode", file, "--lines", lines, "-o", output, *options]
    assert main(command) == 0
    told = capsys.readouterr().err
    assert "warning: 1 of 3 texts have no known word" in told
    assert f"3 vectors of 8 numbers are in {output}" in told
    with pytest.warns(UserWarning, match="1 of 3"):
        expected = texts.encode(wv, ["w1 w2", "", "w3 w3 w9"], weighting="sif", remove_components=1)
    assert np.array_equal(np.load(output)["vectors"], expected)
    assert main(command) == 2
    assert "exists; --force overwrites it" in capsys.readouterr().err
    (tmp_path / "t.txt").write_text("")
    assert main([*command, "--force"]) == 2
    assert "has no line" in capsys.readouterr().err
    assert main(["encode", file, "--lines", lines, "-o", str(tmp_path / "o.txt")]) == 2
    assert "must end in .npz" in capsys.readouterr().err
