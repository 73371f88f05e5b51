"""`Cooccurrence`: co-occurrence counts as a sparse matrix, in memory or memory-mapped."""

import os

import numpy as np
from scipy import sparse

from jaxvec.messages.kinds import kind
from jaxvec.storage.arrays import load_arrays, release, save_arrays, still_whole
from jaxvec.storage.door import reading
from jaxvec.storage.fields import field, scalar
from jaxvec.storage.runs import MOST_SUM
from jaxvec.text.vocab import Vocab

_CELLS = 1 << 20  # cells that are checked together


class Cooccurrence:
    """The `V` × `V` matrix of counts with `N` nonzero cells, in SciPy's compressed sparse rows.

    Attributes:
      vocab: the vocabulary.
      indptr: int64[V + 1], row `i` has the cells ``indptr[i]:indptr[i + 1]``.
      indices: int32[N], the column of each cell, rising within a row.
      data: float32[N], the count of each cell.
      settings: the options of `count`.

    Arrays in another order are brought into this canonical form in a copy: columns sorted within
    each row, duplicate cells added up, zeros dropped. The caller's arrays stay unchanged.

    Args:
      vocab: the vocabulary.
      indptr: integers [V + 1].
      indices: integers [M], in any order within a row.
      data: numbers [M].
      settings: the options of `count`; for information.

    Raises:
      TypeError: if `vocab` is no Vocab.
      ValueError: if the arrays do not describe such a matrix, or a count is negative, NaN or
        above 2^61, the most that counting adds up to.

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
        if not isinstance(vocab, Vocab):
            raise TypeError(f"vocab must be a Vocab, such as corpus.vocab; got {kind(vocab)}")
        self.vocab = vocab
        self.indptr, self.indices, self.data = _canonical(vocab, indptr, indices, data)
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
        """Writes an uncompressed ``.npz`` with the arrays, the settings and the vocabulary."""
        _save(path, self.vocab, self.settings, self.indptr, self.indices, self.data)

    def moved_to(self, path: str | os.PathLike[str]) -> "Cooccurrence":
        """Saves the counts, and returns them memory-mapped from the file, as `written` does.

        Args:
          path: the file.
        """
        cells = self.indptr, self.indices, self.data
        return written(path, self.vocab, *cells, settings=self.settings)

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = True) -> "Cooccurrence":
        """Reads a file that `save` wrote.

        Args:
          path: the file.
          mmap: memory-map the arrays, so that cells are read from disk as they are used.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if it is no file of counts, or a count is bad.
        """
        arrays = load_arrays(path, mapped=mmap)
        with reading(path, "a saved co-occurrence count"):
            if scalar(arrays, "kind", "U") != "cooccurrence":
                raise ValueError(f"it is a saved {arrays['kind']}")
            vocab = Vocab.from_arrays(arrays)
            settings = {
                name.removeprefix("setting_"): scalar(arrays, name, "i8 b1")
                for name in arrays
                if name.startswith("setting_")
            }
            kinds = {"indptr": "i u", "indices": "i u", "data": "i u f"}
            cells = (field(arrays, name, kind) for name, kind in kinds.items())
            return cls(vocab, *cells, settings=settings)


def written(
    path: str | os.PathLike[str],
    vocab: Vocab,
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
    *,
    settings: dict[str, int | bool],
) -> Cooccurrence:
    """Writes counts as `Cooccurrence.save` does, and returns them memory-mapped from the file. They
    are not checked as `Cooccurrence.load` does: they were just counted.

    Args:
      path: the file.
      vocab: the vocabulary.
      indptr, indices, data: as `Cooccurrence` has them, in canonical form, which is not checked.
      settings: the options of `count`.
    """
    _save(path, vocab, settings, indptr, indices, data)
    names = ("indptr", "indices", "data")
    arrays = load_arrays(path, mapped=True, names=names, partly=names)
    counts = Cooccurrence.__new__(Cooccurrence)
    counts.vocab, counts.settings = vocab, settings
    counts.indptr, counts.indices, counts.data = (arrays[name] for name in names)
    return counts


def _save(
    path: str | os.PathLike[str],
    vocab: Vocab,
    settings: dict[str, int | bool],
    indptr: np.ndarray,
    indices: np.ndarray,
    data: np.ndarray,
) -> None:
    save_arrays(
        path,
        kind=np.array("cooccurrence"),
        indptr=indptr,
        indices=indices,
        data=data,
        **vocab.to_arrays(),
        **{f"setting_{name}": np.array(value) for name, value in settings.items()},
    )


def _canonical(vocab: Vocab, indptr, indices, data) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(indptr, indices, data) in canonical form and dtype; the same arrays if they are so already.

    Raises:
      ValueError: as `Cooccurrence`.
    """
    indptr, indices, data = map(np.asanyarray, (indptr, indices, data))
    shapes = indptr.shape, indices.shape, data.shape
    if shapes != ((len(vocab) + 1,), data.shape, (data.size,)):
        raise ValueError(
            f"counts of {len(vocab)} words need indptr [{len(vocab) + 1}], and indices and data of "
            f"one length; got {', '.join(str(list(shape)) for shape in shapes)}"
        )
    for name, array, kinds in (("indptr", indptr, "iu"), ("indices", indices, "iu"),
                               ("data", data, "iuf")):  # fmt: skip
        if array.size and array.dtype.kind not in kinds:
            expected = "integers" if "f" not in kinds else "real numbers"
            raise ValueError(f"{name} of counts must be {expected}; got {array.dtype}")
    if indptr[0] or indptr[-1] != len(data) or (indptr[1:] < indptr[:-1]).any():
        raise ValueError(f"indptr must rise from 0 to the number of cells, {len(data)}")
    indptr = indptr.astype(np.int64, copy=False)
    if not _is_canonical(vocab, indptr, indices, data):
        shape = len(vocab), len(vocab)
        parts = data.astype(np.float64), np.array(indices), indptr.copy()
        matrix = sparse.csr_array(parts, shape=shape)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        indptr, indices, data = matrix.indptr.astype(np.int64), matrix.indices, matrix.data
        _is_canonical(vocab, indptr, indices, data)  # raises for a sum beyond float32
    return indptr, indices.astype(np.int32, copy=False), _float32(data)


def _float32(numbers: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore", under="ignore"):
        return numbers.astype(np.float32, copy=False)


def _is_canonical(vocab: Vocab, indptr: np.ndarray, indices: np.ndarray, data: np.ndarray) -> bool:
    """Whether columns rise within each row and all counts are above 0.

    Raises:
      ValueError: for a column outside the vocabulary, or a bad count.
    """
    canonical = True
    for start in range(0, len(data), _CELLS):
        stop = min(start + _CELLS, len(data))
        still_whole(indices, data)
        columns, exact = indices[start:stop], data[start:stop]
        counts = _float32(exact)
        bad = ~((exact >= 0) & (counts <= MOST_SUM) & ((counts > 0) == (exact > 0)))
        bad |= (columns < 0) | (columns >= len(vocab))
        if bad.any():
            cell = start + int(bad.argmax())
            row = int(np.searchsorted(indptr, cell, "right")) - 1
            raise ValueError(
                f"cell {cell} of the counts, in the row of {vocab.words[row]!r}, has column "
                f"{indices[cell]} and count {data[cell]}: expected a column from 0 to "
                f"{len(vocab) - 1}, and a count that is 0, or positive as float32 and at most "
                f"{MOST_SUM}"
            )
        before = max(start - 1, 0)
        falls = np.flatnonzero(indices[before + 1 : stop] <= indices[before : stop - 1])
        begins = indptr[np.searchsorted(indptr, before + 1) : np.searchsorted(indptr, stop)]
        canonical &= bool(counts.all() and np.isin(falls + before + 1, begins).all())
        release(indices)
        release(data)
    return canonical
