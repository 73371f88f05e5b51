import numpy as np
import pytest

from jaxvec import Corpus, Vocab, cooccurrence
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


def test_bad_window_and_too_many_bits():
    corpus = Corpus.from_documents([["a", "b"]], min_count=1)
    with pytest.raises(ValueError, match="window must be at least 1"):
        cooccurrence.count(corpus, window=0)
    assert len(cooccurrence.count(corpus, window=2**31 - 1)) == 2  # no farther than there is
    words = [f"w{i}" for i in range(70_000)]
    with pytest.raises(ValueError, match="63 bits"):
        cooccurrence.count(_wide(words), window=2**31 - 1)
