"""The arrays of a state on disk: pieces with checksums, in one file of each process.

A process writes the pieces that are on its own devices, one after the other, in ``arrays.I`` (`I`
its number), and says in ``arrays.I.json`` which those are. A piece is a whole array, or a shard::

    array 0 [6, 2], by rows over 3 devices      pieces (array, start, shape, offset, checksum)
    of 2 processes                              arrays.0.json: (0, [0, 0], [2, 2], 0, …)
                                                               (0, [2, 0], [2, 2], 16, …)
                                                arrays.1.json: (0, [4, 0], [2, 2], 0, …)

A device that reads takes its part from the pieces that have some of it: it may be another number
of devices. Before, the bytes of all pieces are read once against their checksums, CRC-32; each
process reads its share of the files.
"""

import math
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxvec.storage.files import synced
from jaxvec.storage.sealed import read_sealed, write_sealed
from jaxvec.train.processes import is_first, several
from jaxvec.train.progress import is_whole

_CHUNK = 1 << 20  # bytes

Array = np.ndarray | jax.Array


class _Piece(NamedTuple):
    array: int  # its place among the leaves of a state
    start: list[int]
    shape: list[int]
    offset: int  # of its bytes in the file
    checksum: int  # CRC-32


class Like(NamedTuple):
    """What an array is to be like."""

    shape: tuple[int, ...]
    dtype: np.dtype
    sharding: jax.sharding.Sharding
    committed: bool  # to its devices

    @classmethod
    def of(cls, array: jax.Array) -> "Like":
        """What an array is like."""
        return cls(array.shape, array.dtype, array.sharding, array.committed)


def write_arrays(folder: Path, process: int, arrays: Sequence[Array], place: Sequence[int]) -> None:
    """Writes the pieces of this process to the disk.

    Args:
      folder: where.
      process: `I`, its number.
      arrays: of NumPy, written whole; or of JAX, of which its own shards are written.
      place: where the run is, so that files of two states are not taken for one.

    Raises:
      OSError: if they cannot be written.
    """
    pieces, offset = [], 0
    with synced(folder / f"arrays.{process}") as file:
        for number, start, part in _own(arrays):
            left = np.ascontiguousarray(part).reshape(-1).view(np.uint8).data
            checksum = 0
            for at in range(0, len(left), _CHUNK):
                checksum = zlib.crc32(left[at : at + _CHUNK], checksum)
                file.write(left[at : at + _CHUNK])
            pieces.append(_Piece(number, start, list(part.shape), offset, checksum))
            offset += len(left)
    said = {"place": place, "process": process, "pieces": pieces}
    write_sealed(folder / f"arrays.{process}.json", said)


def _own(arrays: Sequence[Array]) -> Iterator[tuple[int, list[int], np.ndarray]]:
    """The number, the start and the numbers of each piece that this process writes."""
    for number, array in enumerate(arrays):
        if isinstance(array, np.ndarray):
            yield number, [0] * array.ndim, array
        elif is_first() or not array.is_fully_addressable:  # else each process has it
            for shard in array.addressable_shards:
                if shard.replica_id == 0:
                    yield number, [at.start or 0 for at in shard.index], np.asarray(shard.data)


def check_arrays(folder: Path, processes: int, sizes: Sequence[int], place: Sequence[int]) -> None:
    """Reads the bytes of pieces against their checksums, each process its share of the files.

    Args:
      folder, place: as for `write_arrays`.
      processes: how many wrote.
      sizes: the bytes of a number, of each array.

    Raises:
      ValueError: if one is missing, or differs from what was written.
    """
    own = slice(jax.process_index(), None, jax.process_count()) if several() else slice(None)
    for process in range(processes)[own]:
        path = folder / f"arrays.{process}"
        pieces, of = _pieces(folder, process)
        if of != [*place]:
            raise ValueError(f"{path.name}.json is of another state, at {of} and not {[*place]}")
        try:
            with open(path, "rb") as file:
                for piece in pieces:
                    _check(file, path.name, piece, sizes[piece.array])
        except OSError as error:
            raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None


def _pieces(folder: Path, process: int) -> tuple[list[_Piece], list[int]]:
    """What is in a file of arrays, and the place that they are of."""
    said = read_sealed(folder / f"arrays.{process}.json")
    if said.get("process", process) != process:  # older states do not say it
        raise ValueError(f"arrays.{process}.json is of process {said['process']}")
    return [_piece(fields) for fields in said["pieces"]], said["place"]


def _piece(fields: Any) -> _Piece:
    """A piece of what a file says; ValueError for what is none."""
    if isinstance(fields, list) and len(fields) == len(_Piece._fields):
        piece = _Piece(*fields)
        lists = isinstance(piece.start, list) and isinstance(piece.shape, list)
        if lists and all(map(is_whole, (*piece.start, *piece.shape, *piece[3:], piece.array))):
            return piece
    raise ValueError(f"{str(fields)[:80]} is no piece of an array")


def _check(file: Any, name: str, piece: _Piece, size: int) -> None:
    left, checksum = int(np.prod(piece.shape)) * size, 0
    file.seek(piece.offset)
    while left:
        chunk = file.read(min(left, _CHUNK))
        if not chunk:
            raise ValueError(f"{name} is cut short")
        checksum = zlib.crc32(chunk, checksum)
        left -= len(chunk)
    if checksum != piece.checksum:
        raise ValueError(f"{name} is damaged: the checksum of array {piece.array} is wrong")


def read_arrays(
    folder: Path, processes: int, likes: Sequence[Like], shapes: Sequence[Sequence[int]]
) -> list[jax.Array]:
    """Reads arrays; each device its own part.

    Args:
      folder: what `write_arrays` wrote to, checked.
      processes: how many wrote.
      likes: what they are to be like. Rows that were not written are zeros.
      shapes: of the arrays as they were written.

    Raises:
      OSError: if they cannot be read.
      ValueError: if the pieces of one are not all of it.
    """
    found: list[list[tuple[_Piece, np.ndarray]]] = [[] for _ in likes]
    for process in range(processes):
        path = folder / f"arrays.{process}"
        file = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
        for piece in _pieces(folder, process)[0]:
            dtype = likes[piece.array].dtype
            until = piece.offset + int(np.prod(piece.shape)) * dtype.itemsize
            numbers = file[piece.offset : until].view(dtype).reshape(piece.shape)
            found[piece.array].append((piece, numbers))
    for number, (pieces, shape) in enumerate(zip(found, shapes, strict=True)):
        if not _are_all_of([piece for piece, _ in pieces], shape):
            raise ValueError(f"the pieces of array {number} are not all of it, {[*shape]}")
    return [_placed(like, pieces) for like, pieces in zip(likes, found, strict=True)]


def _are_all_of(pieces: Sequence[_Piece], shape: Sequence[int]) -> bool:
    """Whether pieces fill an array: within it, none over another, of as many numbers."""
    if any(len(piece.start) != len(shape) or len(piece.shape) != len(shape) for piece in pieces):
        return False
    starts = np.array([piece.start for piece in pieces], np.int64).reshape(len(pieces), len(shape))
    sizes = np.array([piece.shape for piece in pieces], np.int64).reshape(starts.shape)
    stops = starts + sizes
    common = (starts[:, None] < stops) & (starts < stops[:, None])
    apart = common.all(axis=2).sum() == (sizes > 0).all(axis=1).sum()  # each meets itself alone
    return bool(apart and (stops <= shape).all() and sizes.prod(axis=1).sum() == math.prod(shape))


def _placed(like: Like, pieces: list[tuple[_Piece, np.ndarray]]) -> jax.Array:
    def part(index: Any) -> np.ndarray:
        bounds = [at.indices(size)[:2] for at, size in zip(index, like.shape, strict=True)]
        own = np.zeros([stop - start for start, stop in bounds], like.dtype)
        for piece, numbers in pieces:
            target, source = [], []
            for (start, stop), first, size in zip(bounds, piece.start, piece.shape, strict=True):
                low, high = max(start, first), max(min(stop, first + size), start, first)
                target.append(slice(low - start, high - start))
                source.append(slice(low - first, high - first))
            own[tuple(target)] = numbers[tuple(source)]
        return own

    if like.committed:
        return jax.make_array_from_callback(like.shape, like.sharding, part)
    return jax.device_put(part(tuple(slice(None) for _ in like.shape)))
