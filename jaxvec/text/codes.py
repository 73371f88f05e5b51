"""Codes of a text that wait for its vocabulary: in memory, or on disk once they outgrow it.

On disk, codes and the ends of documents are one array each, and ids and offsets take their places,
batch by batch. There are never more ids than codes, so the file that is read is written from its
beginning::

    codes   0 1 2 1 | 3 1 0 2 | …       of a batch of 4: read, looked up,
    ids     5 7 5   | …                 those without an id dropped, and written
"""

import os
from array import array
from typing import NamedTuple, Self

import numpy as np

from jaxvec.messages.numbers import check_whole
from jaxvec.storage.disk import DiskArray
from jaxvec.storage.files import expanded

_TOKEN_BYTES = 8  # in memory: a code and an id
_DOCUMENT_BYTES = 24  # an end, and an offset while it is sorted


class _Files(NamedTuple):
    codes: DiskArray  # int32
    ends: DiskArray  # int64, after a 0


class Codes:
    """The codes of a text.

    Args:
      memory: bytes that text and words may take before codes go to disk; None for any number.
      folder: where the temporary files are; None for that of `tempfile`. Only with `memory`.

    Attributes:
      memory: as given.

    Raises:
      TypeError: if `memory` is no whole number.
      ValueError: if it is negative, or `folder` comes without it.
      FileNotFoundError: if there is no such folder.

    >>> for memory in (None, 0):
    ...     with Codes(memory, None) as codes:
    ...         codes.add(np.array([0, 1, 1]), np.array([2, 3]), words=0)
    ...         ids, offsets = codes.renumbered(np.array([7, -1, -1], np.int32))
    ...         print(codes.on_disk, ids.tolist(), offsets.tolist())
    False [7] [0, 1]
    True [7] [0, 1]
    """

    def __init__(self, memory: int | None, folder: str | os.PathLike[str] | None):
        self.memory = None if memory is None else check_whole("memory", memory, least=0)
        if folder is not None and memory is None:
            raise ValueError("folder is where text goes that outgrows memory: give memory= too")
        self._folder = None if folder is None else expanded(folder)
        if self._folder is not None and not self._folder.is_dir():
            raise FileNotFoundError(f"there is no folder {folder} for temporary files")
        self._held: list[tuple[np.ndarray, np.ndarray]] = []  # batches in memory
        self._bytes = 0  # that they take
        self._files: _Files | None = None
        self._sizes = (array("q"), array("q"))  # codes and ends of each batch on disk

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for file in self._files or ():
            file.close()

    @property
    def on_disk(self) -> bool:
        """Whether the codes outgrew memory."""
        return self._files is not None

    def add(self, codes: np.ndarray, ends: np.ndarray, *, words: int) -> None:
        """Adds a batch.

        Args:
          codes: int32[n].
          ends: int64, where documents end, counted in tokens from the beginning of the text.
          words: bytes that the words take which are known by now.

        Raises:
          OSError: if the disk is full.
        """
        self._held.append((codes, ends))
        self._bytes += _TOKEN_BYTES * len(codes) + _DOCUMENT_BYTES * len(ends)
        if self._files is None:
            if self.memory is None or self._bytes + words <= self.memory:
                return
            self._files = _Files(
                DiskArray(np.int32, self._folder), DiskArray(np.int64, self._folder)
            )
            self._files.ends.append(np.zeros(1, np.int64))
        self._held.reverse()
        while self._held:
            for part, file, sizes in zip(self._held.pop(), self._files, self._sizes, strict=True):
                file.append(part)
                sizes.append(len(part))

    def renumbered(self, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Codes replaced by ids; words without an id and documents without a word are dropped.

        Nothing can be added after it.

        Args:
          table: int32[C + 1], the id of each code; -1 drops the word.

        Returns:
          (ids, offsets): int32[T] and int64[N + 1], as `Corpus` has them, memory-mapped if they
          are on disk.

        Raises:
          OSError: if the disk is full.
        """
        if self._files is None:
            return _in_memory(self._held, table)
        return _in_place(self._files, self._sizes, table)


def _in_memory(
    batches: list[tuple[np.ndarray, np.ndarray]], table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `Codes.renumbered`; the batches are emptied, so that memory is free once each is used."""
    ids = np.empty(sum(len(codes) for codes, _ in batches), np.int32)
    offsets = [np.zeros(1, np.int64)]
    read = filled = 0  # tokens before this batch, and how many of them are kept
    batches.reverse()
    while batches:
        codes, ends = batches.pop()
        part, places = _kept(codes, ends - read, table)
        offsets.append(filled + places)
        read += len(codes)
        ids[filled : filled + len(part)] = part
        filled += len(part)
    return ids[:filled], _once(np.concatenate(offsets))


def _in_place(
    files: _Files, sizes: tuple[array, array], table: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """As `Codes.renumbered`, each file rewritten from its beginning while it is read."""
    read = filled = 0
    next_end = documents = 1  # after the 0
    last = 0  # offset that was written
    for count, ended in zip(*sizes, strict=True):
        codes = files.codes.read(read, read + count)
        ends = files.ends.read(next_end, next_end + ended)
        part, places = _kept(codes, ends - read, table)
        offsets = _once(filled + places)
        offsets = offsets[offsets > last]
        files.codes.write(filled, part)
        files.ends.write(documents, offsets)
        read, next_end = read + count, next_end + ended
        filled, documents = filled + len(part), documents + len(offsets)
        last = int(offsets[-1]) if len(offsets) else last
    for file, length in zip(files, (filled, documents), strict=True):
        file.truncate(length)
    ids, offsets = (file.mapped() for file in files)
    return ids, offsets


def _once(rising: np.ndarray) -> np.ndarray:
    """Each of some rising numbers, none negative, once."""
    return rising[np.diff(rising, prepend=-1) > 0]


def _kept(codes: np.ndarray, ends: np.ndarray, table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The ids of a batch without the -1, and where its documents end among them.

    Args:
      codes: int32[n].
      ends: int64, 0 … n.
      table: int32[C + 1].
    """
    part = table.take(codes)
    kept = part >= 0
    dropped = np.flatnonzero(~kept)
    return part[kept], ends - np.searchsorted(dropped, ends)
