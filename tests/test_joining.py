"""Both tables as one, `Result.vectors("joined")`, against a slow reference, and from the shell."""

import jax
import numpy as np
import pytest
from jax.sharding import AxisType, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec import CBOW, Corpus, GloVe, SkipGram, WordVectors, fit
from jaxvec.cli import main
from jaxvec.cooccurrence import count
from jaxvec.train.joining import PASSES, joined

KEY = jax.random.key(1)
SMALL = SkipGram(vector_size=16, window=2, sample=0)


def reference(first, second):
    """One word at a time, and NumPy's own SVD: the table up to the signs of its columns."""
    sides = []
    for table in (first, second):
        table = np.asarray(table, np.float64)
        mean = sum(row for row in table) / len(table)
        rows = [row - mean for row in table]
        sides.append([row / np.sqrt(row @ row) if row.any() else row for row in rows])
    both = np.array([np.concatenate(pair) for pair in zip(*sides, strict=True)])
    directions = np.linalg.svd(both, full_matrices=False)[2][: first.shape[1]]
    return both @ directions.T


def made(first, second, size=None):
    size = size or len(first)
    starts = range(0, len(first), size)
    pairs = [(first[start : start + size], second[start : start + size]) for start in starts]
    return np.concatenate(list(joined(lambda: iter(pairs), len(first))))


def same_but_for_signs(ours, theirs):
    signs = np.sign((ours * theirs).sum(axis=0))
    np.testing.assert_allclose(ours, theirs * signs, atol=1e-9)


@pytest.fixture
def tables():
    rng = np.random.default_rng(0)
    widths = np.linspace(1, 3, 6)  # no two directions as wide as each other
    first, second = (rng.standard_normal((5000, 6)) * widths + 2 for _ in range(2))
    return first.astype(np.float32), second.astype(np.float32)


def test_as_the_formula_says(tables):
    same_but_for_signs(made(*tables), reference(*tables))


@pytest.mark.parametrize("size", [2048, 4096])
def test_the_same_bits_in_parts(tables, size):
    assert np.array_equal(made(*tables, size), made(*tables))


def test_reads_the_tables_as_often_as_it_says(tables):
    calls = []
    list(joined(lambda: calls.append(0) or iter([tables]), 5000))
    assert len(calls) == PASSES


def test_the_mean_and_the_lengths_of_a_table_make_no_difference(tables):
    first, second = (table.astype(np.float64) for table in tables)
    moved = made(first + 7, 3 * second)
    np.testing.assert_allclose(moved, made(first, second), atol=1e-9)


def test_a_word_at_the_mean_and_fewer_words_than_directions():
    first = np.array([[0.0, 0, 0], [1, 0, 0], [-1, 0, 0]])
    table = made(first, np.zeros((3, 3)))
    np.testing.assert_allclose(np.abs(table), np.abs(first), atol=1e-12)


def test_a_copy_of_one_table_changes_no_cosine(tables):
    """Twice the same table has no more directions than one."""
    table = tables[0].astype(np.float64)
    alone = table - table.mean(axis=0)
    alone /= np.linalg.norm(alone, axis=1, keepdims=True)
    ours = made(table, table)[:200]
    np.testing.assert_allclose(ours @ ours.T, 2 * alone[:200] @ alone[:200].T, atol=1e-9)


@pytest.mark.parametrize("model", [SMALL, CBOW(vector_size=16, sample=0), GloVe(vector_size=16)])
def test_of_a_result(topic_corpus, model):
    data = count(topic_corpus, window=5) if isinstance(model, GloVe) else topic_corpus
    result = fit(data, model, key=KEY, epochs=1)
    vectors = result.vectors("joined")
    ours = vectors.vectors
    assert ours.dtype == np.float32
    assert vectors.index_to_key == result.vectors().index_to_key
    expected = reference(np.asarray(result.params.input), np.asarray(result.params.output))
    np.testing.assert_allclose(ours @ ours.T, expected @ expected.T, atol=1e-5)
    assert np.array_equal(ours, result.vectors("joined").vectors)


def test_of_tables_in_shards_and_in_a_file(topic_corpus, tmp_path):
    options = {"key": KEY, "epochs": 1, "workers": 1}
    whole = fit(topic_corpus, SMALL, **options).vectors("joined")
    mesh = jax.make_mesh((2,), ("rows",), (AxisType.Auto,), devices=jax.devices()[:2])
    shards = fit(topic_corpus, SMALL, **options, sharding=NamedSharding(mesh, P("rows", None)))
    assert np.array_equal(shards.vectors("joined").vectors, whole.vectors)
    assert np.array_equal(shards.vectors("joined", folder=tmp_path).vectors, whole.vectors)
    shards.sent("joined", whole=True)


def test_from_the_shell(tmp_path, monkeypatch, topic_documents, topic_corpus):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    command = ["train", "text.txt", "-o", "v.npz", "--min-count", "1", "--epochs", "1",
               "--vector-size", "16", "--vectors", "joined"]  # fmt: skip
    assert main(command) == 0
    corpus = Corpus.from_files("text.txt", min_count=1)
    result = fit(corpus, SkipGram(vector_size=16), key=KEY, epochs=1)
    assert np.array_equal(WordVectors.load("v.npz").vectors, result.vectors("joined").vectors)


def test_not_of_a_factorization(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("a b c")
    assert main(["train", "text.txt", "--model", "ppmi-svd", "--vectors", "joined"]) == 2
    assert "--vectors joined is for models that are trained" in capsys.readouterr().err
