"""A stretch of text as it is counted: its words, and no word between its documents."""

from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from jaxvec.storage.arrays import release, still_whole
from jaxvec.text.corpus import Corpus

_APART = 2  # documents are parted by V if this makes the text at most three times as long
_MOST_PLACES = 1 << 31  # which are int32


class Stretch(NamedTuple):
    """Text of which the first `n` tokens are centers, and `W` places or more around each."""

    ids: np.ndarray  # int32[P]; V, no word, at both ends and, without `documents`, between them
    documents: np.ndarray | None  # int32[P], numbers of documents; None if V parts them
    places: np.ndarray | None  # of the tokens in `ids`, int32[N], rising; None if none are apart
    first: int  # place of the first token; without `places` the others follow it
    n: int

    def tokens(self, start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """The places and ids of tokens, int32[n] each.

        Args:
          start, stop: numbers of tokens; there may be fewer than `stop`.
        """
        if self.places is None:
            ids = self.ids[self.first + start : min(self.first + stop, len(self.ids) - self.first)]
            return np.arange(self.first + start, self.first + start + len(ids), dtype=np.int32), ids
        places = self.places[start:stop]
        return places, self.ids[places]

    def around(self, centers: np.ndarray, before: int, width: int) -> np.ndarray:
        """The words around centers, int32[n, width], V for none.

        Args:
          centers: places, [n].
          before: of the first word: this many places before its center.
          width: how many words.
        """
        words = _windows(self.ids, centers - before, width)
        if self.documents is not None:
            documents = _windows(self.documents, centers - before, width)
            words[documents != self.documents[centers, None]] = self.ids[0]
        return words

    def apart(self, places: np.ndarray, window: int) -> np.ndarray:
        """Numbers that differ as places do in a document, and by more than W between documents.

        Args:
          places: [n].
          window: W.
        """
        if self.documents is None:
            return places
        return places + window * self.documents[places].astype(np.int64)


def stretch(corpus: Corpus, start: int, stop: int, window: int) -> Stretch:
    """The text of some centers, and `window` tokens more.

    Args:
      corpus: the text.
      start, stop: the centers, places in it.
      window: W, the largest distance of a pair.
    """
    last = min(stop + window, len(corpus))
    documents, none = corpus.document_numbers(start, last), len(corpus.vocab)
    apart = window * int(documents[-1])
    length = len(documents) + 2 * window
    short = apart > min(_APART * len(documents), _MOST_PLACES - length)
    ids = np.full(length + (0 if short else apart), none, np.int32)
    places = None
    still_whole(corpus.ids)
    if apart and not short:
        places = np.arange(window, window + len(documents), dtype=np.int32)
        places += documents * np.int32(window)
        ids[places] = corpus.ids[start:last]
    else:
        ids[window : window + len(documents)] = corpus.ids[start:last]
    release(corpus.ids)
    numbers = np.pad(documents, window, constant_values=-1) if short else None
    return Stretch(ids, numbers, places, window, stop - start)


def _windows(array: np.ndarray, starts: np.ndarray, width: int) -> np.ndarray:
    """Windows of an array, [n, width]. Each is copied as one item, which takes half the time.

    Args:
      array: [N].
      starts: of the windows, [n].
      width: of a window.

    >>> _windows(np.arange(9), np.array([5, 2]), 3).tolist()
    [[5, 6, 7], [2, 3, 4]]
    """
    item = np.dtype((np.void, width * array.itemsize))
    items = sliding_window_view(array, width).view(item)[starts, 0]
    return items.view(array.dtype).reshape(len(starts), width)
