"""Safetensors files, read here: a header of JSON, every claim of which is checked, then numbers."""

import json
import math
import os
from typing import Any, BinaryIO, NamedTuple

import numpy as np

LONGEST_HEADER = 1 << 22
"""Bytes of the longest header that is read; that of a large model has a tenth of it."""

_BEGIN = 8  # bytes before the header: its length
_DTYPES = {
    "F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "BOOL": "?",
    "I64": "<i8", "I32": "<i4", "I16": "<i2", "I8": "i1",
    "U64": "<u8", "U32": "<u4", "U16": "<u2", "U8": "u1",
}  # fmt: skip


class Tensor(NamedTuple):
    """Where the numbers of a tensor are."""

    dtype: str  # as the format names it: BF16
    shape: tuple[int, ...]
    start: int  # bytes from the start of the file
    stop: int


class Tensors:
    """The tensors of a file. Nothing of their numbers is read until `read`.

    Attributes:
      metadata: texts by name.
      found: the tensors by name.

    Args:
      file: open for reading.

    Raises:
      ValueError: if it is no such file, or its header does not describe exactly the bytes that
        follow.

    References:
      https://huggingface.co/docs/safetensors, "Format".
    """

    def __init__(self, file: BinaryIO):
        self._file = file
        size = os.fstat(file.fileno()).st_size
        file.seek(0)
        length = int.from_bytes(file.read(_BEGIN), "little")
        begin = _BEGIN + length
        if length > LONGEST_HEADER or begin > size:
            raise ValueError(
                f"it begins with a header of {length:,} bytes, and has {size:,}; a header is read "
                f"up to {LONGEST_HEADER:,}"
            )
        fields = json.loads(file.read(length), object_pairs_hook=_once)
        if not isinstance(fields, dict):
            raise ValueError("its header is no JSON object")
        self.metadata = _metadata(fields.pop("__metadata__", {}))
        self.found = {name: _tensor(name, about, begin) for name, about in fields.items()}
        end = begin
        for start, stop in sorted(tensor[2:] for tensor in self.found.values()):
            if start != end:
                raise ValueError(f"its tensors do not follow each other: byte {min(start, end)}")
            end = stop
        if end != size:
            raise ValueError(f"its tensors end at byte {end:,}, and it has {size:,} bytes")

    def read(self, name: str, rows: int | None = None) -> np.ndarray:
        """A tensor; bfloat16 as float32, which has the same numbers and more.

        Args:
          name: of the tensor.
          rows: read only the first rows.

        Raises:
          ValueError: for a dtype that NumPy lacks, such as F8_E4M3, or if the file is cut.
        """
        kind, shape, start, _ = self.found[name]
        if kind not in _DTYPES:
            raise ValueError(f"its tensor {name!r} is of {kind}; {', '.join(_DTYPES)} are read")
        if rows is not None and shape:
            shape = (min(rows, shape[0]), *shape[1:])
        array = np.empty(math.prod(shape), _DTYPES[kind])
        left = array.view(np.uint8).data
        self._file.seek(start)
        while left:
            if not (more := self._file.readinto(left)):  # type: ignore[attr-defined]
                raise ValueError(f"its tensor {name!r} is cut short")
            left = left[more:]
        if kind == "BF16":
            array = (array.astype(np.uint32) << 16).view(np.float32)
        return array.reshape(shape)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("its header has a name twice")
    return found


def _metadata(found: Any) -> dict[str, str]:
    if not isinstance(found, dict) or not all(isinstance(text, str) for text in found.values()):
        raise ValueError("its metadata are no texts by name")
    return found


def _tensor(name: str, about: Any, begin: int) -> Tensor:
    """A tensor as the header has it.

    Args:
      name: of the tensor.
      about: its dtype, shape and offsets.
      begin: the byte that offsets count from.

    Raises:
      ValueError: if these do not fit together.
    """
    if not isinstance(about, dict) or set(about) != {"dtype", "shape", "data_offsets"}:
        raise ValueError(f"its tensor {name!r} has no dtype, shape and data_offsets")
    kind, shape, offsets = about["dtype"], about["shape"], about["data_offsets"]
    numbers = [shape, offsets]
    if not isinstance(kind, str) or not all(
        isinstance(some, list) and all(type(n) is int and 0 <= n < 1 << 48 for n in some)
        for some in numbers
    ):
        raise ValueError(f"its tensor {name!r} has an odd dtype, shape or data_offsets")
    if len(offsets) != 2 or offsets[0] > offsets[1] or len(shape) > 8:
        raise ValueError(f"its tensor {name!r} has the shape {shape} and offsets {offsets}")
    if kind in _DTYPES:
        needed = math.prod(shape) * np.dtype(_DTYPES[kind]).itemsize
        if needed != offsets[1] - offsets[0]:
            raise ValueError(
                f"its tensor {name!r} has {offsets[1] - offsets[0]:,} bytes; {shape} numbers of "
                f"{kind} need {needed:,}"
            )
    return Tensor(kind, tuple(shape), begin + offsets[0], begin + offsets[1])
