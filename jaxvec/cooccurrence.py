"""Co-occurrence counts: how often words stand near each other, as a sparse matrix.

Counting is a sort. For each distance the pairs of a text are two shifted slices of it;
pair and distance are packed into one integer, the integers are sorted, and each run of
equal pairs is a cell.
"""

import os

import numpy as np
from scipy import sparse

from jaxvec.files import load_arrays, save_arrays
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab


class Cooccurrence:
    """The nonzero cells of the `V` × `V` matrix of counts, row by row, as `scipy` has them.

    Attributes:
      vocab: the vocabulary.
      indptr: int64[V + 1], row `i` has the cells ``indptr[i]:indptr[i + 1]``.
      indices: int32[N], the column of each cell, rising within a row.
      data: float32[N], its count.
      settings: how it was counted.
    """

    def __init__(
        self,
        vocab: Vocab,
        indptr: np.ndarray,
        indices: np.ndarray,
        data: np.ndarray,
        *,
        settings: dict[str, int | bool],
    ):
        self.vocab = vocab
        self.indptr = indptr
        self.indices = indices
        self.data = data
        self.settings = settings

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        return f"Cooccurrence of {len(self.vocab):,} words, {len(self):,} cells"

    def matrix(self) -> sparse.csr_array:
        """The counts as a `scipy.sparse` matrix, [V, V]."""
        shape = len(self.vocab), len(self.vocab)
        return sparse.csr_array((self.data, self.indices, self.indptr), shape=shape)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an uncompressed ``.npz`` with the cells and the vocabulary."""
        save_arrays(
            path,
            kind=np.array("cooccurrence"),
            indptr=self.indptr,
            indices=self.indices,
            data=self.data,
            **self.vocab.to_arrays(),
            **{f"setting_{name}": np.array(value) for name, value in self.settings.items()},
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> "Cooccurrence":
        """Reads what `save` wrote; the cells stay on disk until used, unless `mmap` is False.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it holds no counts.
        """
        arrays = load_arrays(path, mapped=mmap)
        if str(arrays.get("kind")) != "cooccurrence":
            raise ValueError(f"{path} is not a saved co-occurrence count")
        vocab = Vocab.from_arrays(arrays)
        settings = {
            name.removeprefix("setting_"): value.item()
            for name, value in arrays.items()
            if name.startswith("setting_")
        }
        return cls(vocab, arrays["indptr"], arrays["indices"], arrays["data"], settings=settings)


def count(
    corpus: Corpus, *, window: int = 10, symmetric: bool = True, distance_weighting: bool = True
) -> Cooccurrence:
    """Counts which words stand within `window` words of each other in the same document.

    Two words d apart add 1/d to the cell whose row is the left word and whose column is
    the right one; if `symmetric`, to its mirror image too, so that a word that follows
    itself counts twice. The cells are those of GloVe's ``cooccur``.

    Args:
      corpus: the text.
      window: the farthest distance.
      symmetric: count each pair both ways.
      distance_weighting: add 1/d; or 1 for each pair.

    Needs about 20 bytes for each token and distance at its peak: for 17 million tokens and
    a window of 10, under 4 GB.

    Raises:
      ValueError: if `window` is below 1, or so many words and distances do not fit 63 bits.

    >>> corpus = Corpus.from_documents(["a b a"], min_count=1)
    >>> count(corpus, window=2).matrix().toarray().tolist()
    [[1.0, 2.0], [2.0, 0.0]]
    """
    if window < 1:
        raise ValueError(f"window must be at least 1; got {window}")
    asked, size = window, len(corpus.vocab)
    window = max(1, min(window, int(np.diff(corpus.offsets).max()) - 1))  # none is farther
    id_bits, distance_bits = (size - 1).bit_length(), (window - 1).bit_length()
    if 2 * id_bits + distance_bits > 63:
        raise ValueError(
            f"{size} words and a window of {window} do not fit into 63 bits: "
            "raise min_count or lower the window"
        )
    keys = _pair_keys(corpus, window, symmetric, id_bits, distance_bits)
    keys.sort()
    pairs, sums = _sum_runs(keys, window, distance_bits, distance_weighting)
    del keys
    upper = sparse.csr_array(
        (
            sums,
            (pairs & ((1 << id_bits) - 1)).astype(np.int32),
            np.searchsorted(pairs, np.arange(size + 1) << id_bits),
        ),
        shape=(size, size),
    )
    cells = upper + upper.T if symmetric else upper
    cells = sparse.csr_array(cells)
    cells.sort_indices()
    return Cooccurrence(
        corpus.vocab,
        cells.indptr.astype(np.int64),
        cells.indices.astype(np.int32),
        cells.data.astype(np.float32),
        settings={
            "window": asked,
            "symmetric": symmetric,
            "distance_weighting": distance_weighting,
        },
    )


def _pair_keys(
    corpus: Corpus, window: int, symmetric: bool, id_bits: int, distance_bits: int
) -> np.ndarray:
    """(left, right, d - 1) of each pair as an int64; the lower id first if `symmetric`."""
    ids = np.asarray(corpus.ids)
    lengths = np.diff(corpus.offsets)
    total = sum(int(np.maximum(lengths - d, 0).sum()) for d in range(1, window + 1))
    keys = np.empty(total, np.int64)
    one_document = len(lengths) == 1
    docs = None if one_document else np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    start = 0
    for d in range(1, min(window, len(ids) - 1) + 1):
        left, right = ids[:-d], ids[d:]
        if docs is not None:
            same = docs[:-d] == docs[d:]
            left, right = left[same], right[same]
        out = keys[start : start + len(left)]
        if symmetric:
            np.minimum(left, right, out=out, casting="unsafe")
            out <<= id_bits
            out |= np.maximum(left, right)
        else:
            out[:] = left
            out <<= id_bits
            out |= right
        out <<= distance_bits
        out |= d - 1
        start += len(left)
    return keys


def _sum_runs(
    keys: np.ndarray, window: int, distance_bits: int, distance_weighting: bool
) -> tuple[np.ndarray, np.ndarray]:
    """The pairs of sorted keys, each once, and the sums of their weights in float64."""
    pairs = keys >> distance_bits
    first = np.flatnonzero(np.concatenate([[True], pairs[1:] != pairs[:-1]])[: len(pairs)])
    pairs = pairs[first]
    if not distance_weighting:
        return pairs, np.diff(np.append(first, len(keys))).astype(np.float64)
    if not len(keys):
        return pairs, np.zeros(0)
    keys &= (1 << distance_bits) - 1  # in place: the distances alone
    weights = 1 / np.arange(1, window + 1)
    return pairs, np.add.reduceat(weights[keys], first)
