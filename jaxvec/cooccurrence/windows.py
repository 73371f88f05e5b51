"""Sums of the words around the centers of a row: one for each word of the vocabulary."""

import threading

import numpy as np
from scipy import sparse

from jaxvec.cooccurrence.settings import Settings
from jaxvec.cooccurrence.stretch import Stretch

_TAKEN = 1 << 18  # words whose windows are looked up at a time, all of them together


class Windows:
    """The words that are counted for a center, from `W` before it, if symmetric, to `W` after it.

    Attributes:
      window: W, the largest distance.
      weights: the different ones, int64, in units (see `settings`).
      index: the weight of distance d is weights[index[d - 1]], int64[W].
      bits: the width of such an index.
      width: S, how many words a window has, its center among them if symmetric.
      at_once: centers whose windows are summed at a time.

    Args:
      window: W.
      settings: the options of `count`.
      words: V.
    """

    def __init__(self, window: int, settings: Settings, words: int):
        self.window = window
        self.weights = settings.weights(window)
        weighted = len(self.weights) > 1
        self.index = np.arange(window) if weighted else np.zeros(window, np.int64)
        self.bits = (len(self.weights) - 1).bit_length()
        self._before = window if settings.symmetric else -1  # words before the center
        around = self.weights[self.index]
        if settings.symmetric:  # the center itself has the weight 0
            around = np.concatenate([around[::-1], [0], around])
        self.width = len(around)
        self.at_once = max(1, _TAKEN // self.width)
        dtype = np.int32 if self.at_once * int(around.sum()) < 1 << 31 else np.int64
        self._tiled = np.tile(around.astype(dtype), self.at_once)
        self._words = words
        self._buffers = threading.local()  # reused: the first use of memory is slow

    def sums(self, text: Stretch, centers: np.ndarray, tokens: np.ndarray) -> np.ndarray:
        """The sums of k rows, integers [k, V + 1]; of no word, V, they are 0.

        The result is overwritten by the next call in the same thread.

        Args:
          text: the text.
          centers: places, one row after the other. If they are more than `at_once`, k is 1.
          tokens: how many are of each row, int64[k], all above 0.
        """
        shape = len(tokens), self._words + 1
        held = getattr(self._buffers, "sums", None)
        if held is None or held.shape != shape:
            held = self._buffers.sums = np.empty(shape, self._tiled.dtype)
        total = held
        for at in range(0, len(centers), self.at_once):
            some = centers[at : at + self.at_once]
            words = text.around(some, self._before, self.width).reshape(-1)
            ends = np.append(0, np.cumsum(tokens * self.width)).clip(max=len(words))
            row = self._tiled[: len(words)], words, ends.astype(np.int32)
            sparse.csr_array(row, shape).toarray(out=held)  # adds up the weights of equal words
            if len(centers) > self.at_once:
                total = total + held if at else held.astype(np.int64)
        total[:, -1] = 0
        return total
