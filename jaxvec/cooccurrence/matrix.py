"""`Cooccurrence`: counts of which words stand near each other, in memory or in a file."""

import os

import numpy as np
from scipy import sparse

from jaxvec.storage.arrays import load_arrays, release, save_arrays
from jaxvec.text.vocab import Vocab

_CELLS = 1 << 20  # looked at together


class Cooccurrence:
    """The nonzero cells of the `V` × `V` matrix of counts, row by row, as `scipy` has them.

    Attributes:
      vocab: the vocabulary.
      indptr: int64[V + 1], row `i` has the cells ``indptr[i]:indptr[i + 1]``.
      indices: int32[N], the column of each cell, rising within a row.
      data: float32[N], its count.
      settings: how it was counted.

    Cells of 0 are dropped, and those that do not rise within a row are put in order, equal ones
    added up: in a copy, for the arrays that are given stay as they are.

    Raises:
      ValueError: if the arrays do not describe such a matrix, or a count is negative, NaN or
        beyond float32.

    >>> vocab = Vocab(["a", "b"], [2, 1])
    >>> Cooccurrence(vocab, [0, 2, 2], [1, 0], [3.0, 0.0], settings={}).matrix().toarray().tolist()
    [[0.0, 3.0], [0.0, 0.0]]
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
        self.indptr, self.indices, self.data = _sound(vocab, indptr, indices, data)
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
          ValueError: if it holds no counts, or bad ones.
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
        cells = (arrays.get(name, np.zeros(0)) for name in ("indptr", "indices", "data"))
        try:
            return cls(vocab, *cells, settings=settings)
        except ValueError as error:
            raise ValueError(f"{path}: {error}") from None


def _sound(vocab: Vocab, indptr, indices, data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The arrays of a matrix in their dtypes: as they are if its cells rise and none is 0."""
    indptr, indices, data = map(np.asanyarray, (indptr, indices, data))
    shapes = indptr.shape, indices.shape, data.shape
    if shapes != ((len(vocab) + 1,), data.shape, (data.size,)):
        raise ValueError(
            f"counts of {len(vocab)} words need indptr [{len(vocab) + 1}], and as many indices as "
            f"data; got {', '.join(str(list(shape)) for shape in shapes)}"
        )
    for name, array, kinds in (("indptr", indptr, "iu"), ("indices", indices, "iu"),
                               ("data", data, "iuf")):  # fmt: skip
        if array.size and array.dtype.kind not in kinds:
            raise ValueError(f"{name} of counts must be real numbers, of places whole; got "
                             f"{array.dtype}")  # fmt: skip
    if indptr[0] or indptr[-1] != len(data) or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"indptr must rise from 0 to the number of cells, {len(data)}")
    indptr = indptr.astype(np.int64, copy=False)
    if not _check(vocab, indptr, indices, data):
        shape = len(vocab), len(vocab)
        parts = data.astype(np.float64), np.array(indices), indptr.copy()
        matrix = sparse.csr_array(parts, shape=shape)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        indptr, indices, data = matrix.indptr.astype(np.int64), matrix.indices, matrix.data
        _check(vocab, indptr, indices, data)  # the sums
    return indptr, indices.astype(np.int32, copy=False), _float32(data)


def _float32(numbers: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return numbers.astype(np.float32, copy=False)


def _check(vocab: Vocab, indptr: np.ndarray, indices: np.ndarray, data: np.ndarray) -> bool:
    """Whether all cells rise within their rows and are above 0; ValueError for a bad one."""
    sound = True
    for start in range(0, len(data), _CELLS):
        stop = min(start + _CELLS, len(data))
        columns, exact = indices[start:stop], data[start:stop]
        counts = _float32(exact)
        bad = ~(np.isfinite(counts) & (counts >= 0) & ((counts > 0) == (exact > 0)))
        bad |= (columns < 0) | (columns >= len(vocab))
        if bad.any():
            cell = start + int(bad.argmax())
            row = int(np.searchsorted(indptr, cell, "right")) - 1
            raise ValueError(
                f"cell {cell} of the counts, in the row of {vocab.words[row]!r}, has column "
                f"{indices[cell]} and count {data[cell]}: expected a column from 0 to "
                f"{len(vocab) - 1}, and a count that is positive and finite as float32, or 0"
            )
        before = max(start - 1, 0)
        falls = np.flatnonzero(indices[before + 1 : stop] <= indices[before : stop - 1])
        begins = indptr[np.searchsorted(indptr, before + 1) : np.searchsorted(indptr, stop)]
        sound &= bool(counts.all() and np.isin(falls + before + 1, begins).all())
        release(indices)
        release(data)
    return sound
