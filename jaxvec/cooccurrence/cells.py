"""`Cooccurrence`: counts of which words stand near each other, in memory or in a file."""

import os

import numpy as np
from scipy import sparse

from jaxvec.files import load_arrays, save_arrays
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
