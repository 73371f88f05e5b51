import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse

from jaxvec import Corpus, Vocab, cooccurrence
from jaxvec.cooccurrence import host, settings, stretch, windows
from jaxvec.cooccurrence import matrix as table
from jaxvec.storage import arrays as storage_arrays
from jaxvec.storage import runs
from tests import reference


def corpora():
    rng = np.random.default_rng(0)
    many = [[f"w{i}" for i in rng.zipf(1.4, rng.integers(1, 30)).clip(max=40)] for _ in range(80)]
    return {
        "documents": many,
        "one document": [[word for document in many for word in document]],
        "one word": [["a"]],
        "two words": [["a", "b"]],
        "repeated": [["a"] * 5],
        "shorter than the window": [["a", "b", "c"], ["c"]],
    }


@pytest.mark.parametrize("name", corpora())
@pytest.mark.parametrize("window", [1, 3, 10])
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("distance_weighting", [True, False])
def test_equals_the_obvious_way(name, window, symmetric, distance_weighting):
    documents = corpora()[name]
    corpus = Corpus.from_documents(documents, min_count=1)
    cells = cooccurrence.count(
        corpus, window=window, symmetric=symmetric, distance_weighting=distance_weighting
    )
    ids = [[corpus.vocab[word] for word in document] for document in documents]
    expected = reference.cooccurrences(ids, window, symmetric, distance_weighting)
    matrix = cells.matrix().tocoo()
    found = dict(zip(zip(matrix.row, matrix.col, strict=True), matrix.data, strict=True))
    assert found == pytest.approx(dict(expected), rel=1e-6)
    assert cells.indices.dtype == np.int32
    assert cells.data.dtype == np.float32


@pytest.fixture
def in_pieces(monkeypatch):
    """Few pairs are counted at a time, and few cells merged, so that a small text has many."""
    monkeypatch.setattr(settings, "_TOKENS", 16)
    monkeypatch.setattr(settings, "_INTERVAL", 20)
    monkeypatch.setattr(host, "_PART", 7)
    monkeypatch.setattr(windows, "_TAKEN", 24)
    monkeypatch.setattr(runs, "_STRIDE", 2)


@pytest.mark.usefixtures("in_pieces")
@pytest.mark.parametrize("way", ["in memory", "in files", "on the device"])
@pytest.mark.parametrize("name", corpora())
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("distance_weighting", [True, False])
def test_pieces_make_the_same_cells(tmp_path, name, way, symmetric, distance_weighting):
    corpus = Corpus.from_documents(corpora()[name], min_count=1)
    where = {
        "in memory": {},
        "in files": {"memory": 64 << 20, "path": tmp_path / "cells"},
        "on the device": {"on_device": True},
    }[way]
    options = {"symmetric": symmetric, "distance_weighting": distance_weighting}
    found = cooccurrence.count(corpus, window=4, **options, **where)
    ids = list(corpus.documents())
    expected = reference.cooccurrences(ids, 4, symmetric, distance_weighting)
    matrix = found.matrix().tocoo()
    cells = dict(zip(zip(matrix.row, matrix.col, strict=True), matrix.data, strict=True))
    assert cells == pytest.approx(dict(expected), rel=1e-6)
    assert all(np.all(np.diff(row) > 0) for row in np.split(found.indices, found.indptr[1:-1]))
    if way == "in files":
        assert [file.name for file in tmp_path.iterdir()] == ["cells"]


@pytest.mark.parametrize("way", ["rows of many pairs", "of few", "of both", "documents by number"])
@pytest.mark.parametrize("name", corpora())
@pytest.mark.parametrize("symmetric", [True, False])
@pytest.mark.parametrize("distance_weighting", [True, False])
def test_each_way_makes_the_same_cells(monkeypatch, name, way, symmetric, distance_weighting):
    """Of a small text, rows would all be frequent, and documents all parted by no word."""
    if way != "rows of many pairs":
        monkeypatch.setattr(host, "_DENSE", 1e-3 if way == "of few" else 0.3)
        monkeypatch.setattr(host, "_PAIRS", 300)
    if way == "documents by number":
        monkeypatch.setattr(stretch, "_APART", 0)
    corpus = Corpus.from_documents(corpora()[name], min_count=1)
    options = {"symmetric": symmetric, "distance_weighting": distance_weighting}
    found = cooccurrence.count(corpus, window=4, **options).matrix().tocoo()
    expected = reference.cooccurrences(list(corpus.documents()), 4, symmetric, distance_weighting)
    cells = dict(zip(zip(found.row, found.col, strict=True), found.data, strict=True))
    assert cells == pytest.approx(dict(expected), rel=1e-6)


@pytest.mark.parametrize("order", ["frequent words first", "frequent words anywhere"])
@pytest.mark.parametrize("symmetric", [True, False])
def test_frequent_rows_among_rare_ones(monkeypatch, order, symmetric):
    """Rows of both kinds, in several blocks and tasks, with sums of a row in several steps."""
    for module, name, value in (
        (host, "_DENSE", 0.1), (host, "_PART", 70), (host, "_SUMS", 200), (host, "_TASKS", 2),
        (host, "_PAIRS", 300), (windows, "_TAKEN", 500),
    ):  # fmt: skip
        monkeypatch.setattr(module, name, value)
    words = corpora()["one document"][0]
    vocab = Corpus.from_documents([words], min_count=1).vocab
    if order == "frequent words anywhere":
        names = sorted(vocab.words, key=lambda word: word[::-1])
        vocab = Vocab(names, [vocab.counts[vocab[word]] for word in names])
    corpus = Corpus.from_documents([words], vocab=vocab)
    text = stretch.stretch(corpus, 0, len(corpus), 6)
    counting = host._Counting(text, 6, settings.Settings(6, symmetric, True), len(vocab), 2)
    rows = counting._frequent
    assert len(rows) > 2
    assert (rows[-1] == len(rows) - 1) == (order == "frequent words first")
    assert min(len(counting._first) - 1, len(counting._parts), len(counting._tasks())) > 1
    assert counting._tokens.max() > counting._windows.at_once
    found = cooccurrence.count(corpus, window=6, symmetric=symmetric).matrix().tocoo()
    expected = reference.cooccurrences(list(corpus.documents()), 6, symmetric, True)
    cells = dict(zip(zip(found.row, found.col, strict=True), found.data, strict=True))
    assert cells == pytest.approx(dict(expected), rel=1e-6)


@pytest.mark.usefixtures("in_pieces")
@pytest.mark.parametrize("symmetric", [True, False])
def test_a_window_wider_than_a_stretch(symmetric):
    corpus = Corpus.from_documents(corpora()["one document"], min_count=1)
    found = cooccurrence.count(corpus, window=40, symmetric=symmetric).matrix().tocoo()
    expected = reference.cooccurrences(list(corpus.documents()), 40, symmetric, True)
    cells = dict(zip(zip(found.row, found.col, strict=True), found.data, strict=True))
    assert cells == pytest.approx(dict(expected), rel=1e-6)


def test_places_beyond_int32_are_not_made(monkeypatch):
    """Documents are then told by their numbers: the cells are the same."""
    corpus = Corpus.from_documents(corpora()["documents"], min_count=1)
    assert stretch.stretch(corpus, 0, len(corpus), 4).documents is None
    expected = cooccurrence.count(corpus, window=4)
    monkeypatch.setattr(stretch, "_MOST_PLACES", len(corpus) + 100)
    assert stretch.stretch(corpus, 0, len(corpus), 4).documents is not None
    assert not (cooccurrence.count(corpus, window=4).matrix() != expected.matrix()).nnz


@pytest.mark.parametrize("window", [10, 30])
def test_keys_of_many_words_take_64_bits(window):
    rng = np.random.default_rng(0)
    words = 70_000
    ids = np.concatenate([rng.permutation(words), rng.zipf(1.3, words).clip(max=words) - 1])
    vocab = Vocab([f"w{i}" for i in range(words)], np.bincount(ids, minlength=words))
    offsets = np.array([0, 50_000, 50_001, len(ids)])
    corpus = Corpus(vocab, ids.astype(np.int32), offsets, raw_words=len(ids))
    found = cooccurrence.count(corpus, window=window).matrix()
    expected = sparse.csr_array((words, words))
    documents = np.searchsorted(offsets, np.arange(len(ids)), "right")
    for d in range(1, window + 1):
        same = documents[d:] == documents[:-d]
        pair = ids[:-d][same], ids[d:][same]
        expected += sparse.coo_array((np.full(len(pair[0]), 1 / d), pair), shape=(words, words))
    expected = expected + expected.T
    assert found.nnz == expected.nnz
    assert abs(found - expected).max() < 1e-6 * expected.max()


def test_sums_of_many_pairs_are_exact():
    """As float32 sums of one at a time are not."""
    corpus = Corpus.from_documents([["a", "b", "b"] * 100_000], min_count=1)
    exact = sum((300_000 - d if d % 3 == 0 else 0) / d for d in range(1, 11)) / 3
    for on_device in (False, True):
        matrix = cooccurrence.count(corpus, window=10, on_device=on_device).matrix().toarray()
        assert matrix[1, 1] == pytest.approx(2 * exact, rel=1e-6)


def test_merging_keys_too_large_to_carry_a_place():
    keys = np.array([2**62, 3, 2**61])
    ordered, sums = runs.sort_by_key(keys, np.array([1, 2, 3], np.float32))
    assert ordered.tolist() == [3, 2**61, 2**62]
    assert sums.tolist() == [2, 3, 1]


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_killed_leaves_nothing(tmp_path):
    """Neither a part of the counts nor what waited in temporary files."""
    script = f"""
from jaxvec import Corpus, cooccurrence
import sys, time
from jaxvec.cooccurrence import pairs, settings
settings._TOKENS = 100
def wait(*arguments):
    print("counted", flush=True)
    time.sleep(60)
pairs.merge = wait
corpus = Corpus.from_documents([["a", "b"] * 5000], min_count=1)
cooccurrence.count(corpus, memory=64 << 20, path={str(tmp_path / "cells")!r})
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"counted\n"
        process.send_signal(signal.SIGKILL)
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("in_pieces")
def test_many_runs_need_few_open_files(tmp_path):
    if not Path("/proc/self/fd").exists():
        pytest.skip("counts open files as Linux shows them")
    import resource

    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in rng.integers(0, 300, 3000)]
    corpus = Corpus.from_documents([words], min_count=1)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(
        resource.RLIMIT_NOFILE, (len(list(Path("/proc/self/fd").iterdir())) + 20, hard)
    )
    try:
        cooccurrence.count(corpus, memory=64 << 20, path=tmp_path / "cells")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_memory_needs_a_path_and_enough(tmp_path):
    corpus = Corpus.from_documents([["a", "b"]], min_count=1)
    with pytest.raises(ValueError, match="needs a path"):
        cooccurrence.count(corpus, memory=1 << 30)
    with pytest.raises(ValueError, match="memory must be at least 67108864; got 1048576"):
        cooccurrence.count(corpus, memory=1 << 20, path=tmp_path / "cells")
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*none"):
        cooccurrence.count(_wide(["a", "b"]), window=2, path=tmp_path / "none" / "cells")


def test_numpy_numbers_are_numbers(tmp_path):
    corpus = Corpus.from_documents(corpora()["documents"], min_count=np.int64(1))
    expected = cooccurrence.count(corpus, window=3)
    for number in (np.int64(3), np.int32(3), np.uint8(3)):
        found = cooccurrence.count(corpus, window=number, path=tmp_path / "cells")
        assert found.settings == expected.settings
        assert (found.matrix() != expected.matrix()).nnz == 0


def _wide(words):
    """A corpus so large, by its own account, that pairs and distances need over 63 bits."""
    vocab = Vocab(words, np.ones(len(words), int))
    return Corpus(vocab, np.zeros(1, np.int32), np.array([0, 2**31]), raw_words=1)


@pytest.mark.parametrize("mmap", [True, False])
def test_saved_and_loaded(tmp_path, mmap):
    corpus = Corpus.from_documents(corpora()["documents"], min_count=2, unk="<unk>")
    cells = cooccurrence.count(corpus, window=4, symmetric=False)
    cells.save(tmp_path / "cells")
    again = cooccurrence.Cooccurrence.load(tmp_path / "cells", mmap=mmap)
    for name in ("indptr", "indices", "data"):
        assert np.array_equal(getattr(again, name), getattr(cells, name))
    assert again.settings == {"window": 4, "symmetric": False, "distance_weighting": True}
    assert again.vocab.words == corpus.vocab.words
    assert again.vocab.unk == "<unk>"
    with pytest.raises(ValueError, match="not a saved corpus"):
        Corpus.load(tmp_path / "cells")


@pytest.mark.parametrize(
    "options", [{"window": "2"}, {"window": 2.5}, {"window": True}, {"memory": "1GB", "path": "c"}]
)
def test_numbers_are_whole(options):
    corpus = Corpus.from_documents([["a", "b"]], min_count=1)
    with pytest.raises(TypeError, match=f"{next(iter(options))} must be a whole number; got"):
        cooccurrence.count(corpus, **options)


def test_bad_window_and_too_many_bits():
    corpus = Corpus.from_documents([["a", "b"]], min_count=1)
    with pytest.raises(ValueError, match="window must be at least 1"):
        cooccurrence.count(corpus, window=0)
    assert len(cooccurrence.count(corpus, window=2**31 - 1)) == 2  # no farther than there is
    words = [f"w{i}" for i in range(70_000)]
    with pytest.raises(ValueError, match="63 bits"):
        cooccurrence.count(_wide(words), window=2**31 - 1)


VOCAB = Vocab(["a", "b", "c"], [3, 2, 1])


def cells_of(indptr, indices, data):
    return cooccurrence.Cooccurrence(VOCAB, indptr, indices, data, settings={})


@pytest.mark.parametrize("at_a_time", [2, 1 << 20])
def test_zeros_are_dropped_and_cells_put_in_order(monkeypatch, tmp_path, at_a_time):
    monkeypatch.setattr(table, "_CELLS", at_a_time)
    data = np.array([0.0, 2.0, 1.0, 0.0, 2**24, 1.0, 1.0])
    given = np.array([0, 4, 4, 7]), np.array([0, 2, 1, 1, 0, 0, 0]), data
    cells = cells_of(*given)
    assert cells.indptr.tolist() == [0, 2, 2, 3]
    assert cells.indices.tolist() == [1, 2, 0]
    assert cells.data.tolist() == [1, 2, 2**24 + 2]  # not summed in float32
    assert (cells.data.dtype, cells.indices.dtype) == (np.float32, np.int32)
    assert data[0] == 0
    storage_arrays.save_arrays(
        tmp_path / "zeros", kind=np.array("cooccurrence"), indptr=given[0], indices=given[1],
        data=data.astype(np.float32), **VOCAB.to_arrays(),
    )  # fmt: skip
    loaded = cooccurrence.Cooccurrence.load(tmp_path / "zeros")
    assert loaded.indices.tolist() == [1, 2, 0]


def test_the_vocabulary_is_one():
    with pytest.raises(TypeError, match=r"vocab must be a Vocab, .*; got a list"):
        cooccurrence.Cooccurrence(["a"], [0, 1], [0], [1.0], settings={})


def test_sound_cells_are_not_copied(tmp_path):
    cells_of(*map(np.array, ([0, 2, 2, 3], [0, 2, 1], [1.0, 2, 3]))).save(tmp_path / "cells")
    cells = cooccurrence.Cooccurrence.load(tmp_path / "cells")
    assert all(isinstance(a, np.memmap) for a in (cells.indptr, cells.indices, cells.data))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0, 1e300, 1e-300])
def test_bad_counts_are_refused(tmp_path, bad):
    arrays = [0, 1, 1, 2], [2, 0], np.array([1.0, bad])
    with pytest.raises(ValueError, match="cell 1 of the counts, in the row of 'c', has column 0"):
        cells_of(*arrays)
    arrays = dict(zip(("indptr", "indices", "data"), map(np.array, arrays), strict=True))
    storage_arrays.save_arrays(
        tmp_path / "bad", kind=np.array("cooccurrence"), **arrays, **VOCAB.to_arrays()
    )
    with pytest.raises(ValueError, match=r"bad is not a saved .*: cell 1 of the counts"):
        cooccurrence.Cooccurrence.load(tmp_path / "bad")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        (([0, 1, 1], [0], [1.0]), r"need indptr \[4\].*got \[3\], \[1\], \[1\]"),
        (([0, 1, 1, 2], [0], [1.0]), "must rise from 0 to the number of cells, 1"),
        (([0, 1, 0, 1], [0], [1.0]), "must rise"),
        (([0, 1, 1, 1], [3], [1.0]), "has column 3 .* from 0 to 2"),
        (([0, 1, 1, 1], [-1], [1.0]), "has column -1"),
        (([0, 1, 1, 1], [0.5], [1.0]), "indices .* got float64"),
        (([0, 1, 1, 1], [0], [1j]), "data .* got complex128"),
    ],
)
def test_arrays_of_no_matrix_are_refused(arrays, message):
    with pytest.raises(ValueError, match=message):
        cells_of(*arrays)


def test_counts_that_are_written_are_mapped_without_being_read_again(tmp_path, monkeypatch):
    corpus = Corpus.from_documents(["a b a c"], min_count=1)
    inside = cooccurrence.count(corpus, window=2)
    checks = []
    monkeypatch.setattr(table, "_is_canonical", lambda *_: checks.append(1) or True)
    written = cooccurrence.count(corpus, window=2, path=tmp_path / "cells")
    assert not checks
    monkeypatch.undo()
    loaded = cooccurrence.Cooccurrence.load(tmp_path / "cells")
    for name in ("indptr", "indices", "data"):
        assert isinstance(getattr(written, name), np.memmap)
        for other in (inside, loaded):
            np.testing.assert_array_equal(getattr(written, name), getattr(other, name))
    assert (written.settings, written.vocab.words) == (loaded.settings, loaded.vocab.words)
