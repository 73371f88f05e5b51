from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from threadpoolctl import threadpool_limits

from jaxvec import Corpus, WordVectors, cooccurrence, ppmi
from jaxvec.cli import main
from jaxvec.cooccurrence import Cooccurrence
from tests.conftest import topic_accuracy


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


def reference(counts, cds, shift):
    """Cell by cell, as it is written."""
    x = counts.matrix().toarray().astype(float)
    noise = [column.sum() ** cds if column.any() else 0.0 for column in x.T]
    found = np.zeros_like(x)
    for w, c in np.argwhere(x > 0):
        probability = x[w, c] / x.sum()
        chance = x[w].sum() / x.sum() * noise[c] / sum(noise)
        found[w, c] = max(0.0, np.log(probability / chance) - np.log(shift))
    return found


@pytest.mark.parametrize(("cds", "shift"), [(1.0, 1.0), (0.75, 1.0), (0.0, 1.0), (0.75, 5.0)])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("held", [7, 1 << 22])
def test_matrix_is_its_formula(topic_corpus, monkeypatch, cds, shift, symmetric, held):
    monkeypatch.setattr(ppmi, "_CELLS", held)
    counts = cooccurrence.count(topic_corpus, window=3, symmetric=symmetric)
    found = ppmi.matrix(counts, cds=cds, shift=shift)
    assert found.dtype == np.float32
    assert (found.data > 0).all()
    np.testing.assert_allclose(found.toarray(), reference(counts, cds, shift), atol=1e-5)


def test_words_without_cells(tmp_path):
    """Rows and columns that are empty, at the ends and between."""
    vocab = Corpus.from_documents(["a b c d e f"], min_count=1).vocab
    x = sparse.csr_array(([2.0, 1.0, 3.0], ([1, 1, 3], [1, 4, 3])), shape=(6, 6))
    counts = Cooccurrence(vocab, x.indptr, x.indices, x.data.astype(np.float32), settings={})
    counts.save(tmp_path / "counts")
    for each in (counts, Cooccurrence.load(tmp_path / "counts")):
        np.testing.assert_allclose(
            ppmi.matrix(each).toarray(), reference(counts, 0.75, 1), atol=1e-6
        )
    for which, known in [("input", [1, 3]), ("output", [1, 3, 4]), ("sum", [1, 3, 4])]:
        vectors = ppmi.vectors(counts, vector_size=5, which=which)
        assert np.flatnonzero(vectors.vectors.any(axis=1)).tolist() == known
        assert np.isfinite(vectors.vectors).all()


def test_a_shift_takes_its_logarithm(cells):
    plain, shifted = (ppmi.matrix(cells, shift=k).toarray() for k in (1, 2))
    np.testing.assert_allclose(shifted, np.maximum(plain - np.log(2), 0), atol=1e-5)
    assert 0 < (shifted > 0).sum() < (plain > 0).sum()


def test_svd_is_numpys(cells):
    matrix = ppmi.matrix(cells)
    u, s, vt = np.linalg.svd(matrix.toarray())
    for size in (1, 8, 99):
        found = ppmi.svd(matrix, size, iterations=30)
        np.testing.assert_allclose(found.s, s[:size], rtol=1e-4, atol=1e-4)
        best = (u[:, :size] * s[:size]) @ vt[:size]
        np.testing.assert_allclose((found.u * found.s) @ found.v.T, best, atol=0.01)
        np.testing.assert_allclose(found.u.T @ found.u, np.eye(size), atol=1e-4)
    usual = ppmi.svd(matrix, 8)
    np.testing.assert_allclose(usual.s, s[:8], rtol=0.01)


def test_svd_of_low_rank():
    rng = np.random.default_rng(0)
    dense = rng.random((200, 3)) @ rng.random((3, 200))
    found = ppmi.svd(sparse.csr_array(dense.astype(np.float32)), 10)
    np.testing.assert_allclose((found.u * found.s) @ found.v.T, dense, rtol=1e-4)
    assert (found.s[3:] == 0).all()
    table = ppmi.weighted(found, eigenvalue_weighting=0)
    np.testing.assert_allclose(np.linalg.norm(table, axis=0), [1] * 3 + [0] * 7, atol=1e-4)


@pytest.mark.parametrize("p", [0, 0.5, 1])
def test_weights_and_tables(cells, p):
    factors = ppmi.svd(ppmi.matrix(cells), 8)
    tables = {
        which: ppmi.weighted(factors, eigenvalue_weighting=p, which=which)
        for which in ("input", "output", "sum")
    }
    np.testing.assert_allclose(tables["input"], factors.u * factors.s**p, rtol=1e-5)
    np.testing.assert_allclose(tables["output"], factors.v * factors.s**p, rtol=1e-5)
    np.testing.assert_allclose(tables["input"] + tables["output"], tables["sum"], atol=1e-5)
    vectors = ppmi.vectors(cells, vector_size=8, eigenvalue_weighting=p, which="output")
    assert np.array_equal(vectors.vectors, tables["output"])
    assert np.array_equal(vectors.counts, cells.vocab.counts)


def test_separates_the_topics_and_tells_how_much_it_explains(cells):
    vectors = ppmi.vectors(cells, vector_size=16)
    assert topic_accuracy(vectors) > 0.9
    matrix = ppmi.matrix(cells)
    squares = np.linalg.svd(matrix.toarray(), compute_uv=False) ** 2
    share = squares[:16].sum() / squares.sum()
    assert vectors.metadata["explained"] == pytest.approx(share, rel=0.01)
    assert vectors.metadata["positive_cells"] == matrix.nnz


def test_same_seed_same_bits(cells):
    one, again, other = (
        ppmi.vectors(cells, vector_size=16, seed=seed).vectors for seed in (1, 1, 2)
    )
    assert np.array_equal(one, again)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cds": -1}, "cds must be 0 or positive; got -1"),
        ({"shift": 0.5}, "shift must be at least 1; got 0.5"),
        ({"shift": 1e9, "vector_size": 9}, "nothing to learn from"),
        ({"vector_size": 100}, "from 1 to 99, as there are 99 words; got 100"),
        ({"vector_size": 9, "which": "both"}, "'input', 'output' or 'sum'; got 'both'"),
        ({"vector_size": 9, "eigenvalue_weighting": -1}, "eigenvalue_weighting must be"),
    ],
)
def test_bad_options(cells, options, message):
    with pytest.raises(ValueError, match=message):
        ppmi.vectors(cells, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"vector_size": "5"}, "vector_size must be a whole number; got the string '5'"),
        ({"vector_size": 5.0}, "vector_size must be a whole number; got the number"),
        ({"cds": "1"}, "cds must be a number; got the string '1'"),
        ({"shift": None}, "shift must be a number; got None"),
        ({"eigenvalue_weighting": "1"}, "eigenvalue_weighting must be a number"),
    ],
)
def test_options_of_another_type(cells, options, message):
    with pytest.raises(TypeError, match=message):
        ppmi.vectors(cells, **{"vector_size": 9} | options)


def test_the_matrix_is_sparse():
    with pytest.raises(TypeError, match=r"write scipy.sparse.csr_array\(matrix\)"):
        ppmi.svd(np.eye(3), 2)


@pytest.fixture
def folder(tmp_path, monkeypatch, topic_documents):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    return tmp_path


def test_command(folder, capsys):
    Path("p.txt").write_text("t1w1\tt1w2\t3\nt1w1\tt2w2\t1\nt1w1\tt3w2\t2\n")
    command = ["train", "--model", "ppmi-svd", "--vector-size", "16", "--cds", "1", "--shift", "2",
               "--eigenvalue-weighting", "0", "--vectors", "sum"]  # fmt: skip
    scored = ["--probe", "t1w1", "--pairs", "p.txt"]
    assert main([*command, "text.txt", "-o", "a.npz", *scored]) == 0
    messages = capsys.readouterr().err
    assert "cells of positive PMI; 16 dimensions explain " in messages
    assert "p.txt: Spearman" in messages
    assert "t1w1: t1w" in messages
    assert main(["cooccur", "text.txt", "-o", "counts"]) == 0
    assert main([*command, "counts", "-o", "b.npz"]) == 0
    assert main(["cooccur", "text.txt", "-o", "c.bin", "--save-vocab", "vocab.txt"]) == 0
    assert main([*command, "c.bin", "--vocab", "vocab.txt", "-o", "c.npz"]) == 0
    first, *others = (WordVectors.load(f"{name}.npz") for name in "abc")
    for other in others:
        np.testing.assert_allclose(other.vectors, first.vectors, atol=1e-3)
    options = {"cds": 1, "shift": 2, "eigenvalue_weighting": 0, "which": "sum"}
    made = ppmi.vectors(Cooccurrence.load("counts"), vector_size=16, **options)
    assert np.array_equal(made.vectors, others[0].vectors)
    assert first.metadata["run"]["window"] == 10
    assert first.metadata["explained"] == pytest.approx(made.metadata["explained"])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--epochs", "3"], "--epochs is for models that are trained, not ppmi-svd"),
        (["--min-learning-rate", "0"], "--min-learning-rate is for models that are trained"),
        (["--valid", "0.1"], "--valid is for models that are trained"),
        (["--checkpoint", "run"], "--checkpoint is for models that are trained"),
        (["--save-run", "run"], "--save-run is for models that are trained"),
        (["--negative", "5"], "--negative is for --model sgns, cbow or pv-dbow, not ppmi-svd"),
        (["--header"], "--header is for --model glove, not ppmi-svd"),
        (["--shift", "0"], "argument --shift: expected a finite number of at least 1, not '0'"),
        (["--probe", "nothing"], "'nothing' is not in the vocabulary"),
        (["--pairs", "none.txt"], "none.txt"),
        (["--vector-size", "100"], "vector_size must be from 1 to 99"),
    ],
)
def test_bad_commands(folder, capsys, options, message):
    try:
        status = main(["train", "text.txt", "--model", "ppmi-svd", "-o", "v.npz", *options])
    except SystemExit as exit:
        status = exit.code
    assert status == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert [path.name for path in folder.iterdir()] == ["text.txt"]


def test_its_options_are_for_it_alone(folder, capsys):
    assert main(["train", "text.txt", "--model", "glove", "--cds", "1", "-o", "v.npz"]) == 2
    assert "--cds is for --model ppmi-svd, not glove" in capsys.readouterr().err


def test_threads_of_blas_do_not_change_the_bits():
    cells = sparse.random_array((4000, 4000), density=0.002, rng=0, dtype=np.float32).tocsr()
    found = []
    for threads in (1, 2):
        with threadpool_limits(threads):
            found.append(ppmi.svd(cells, 50, iterations=1))
    for one, two in zip(*found, strict=True):
        np.testing.assert_array_equal(one, two)
