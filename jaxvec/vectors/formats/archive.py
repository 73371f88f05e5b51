"""Word vectors as named arrays with their words as text: `.npz` and safetensors."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxvec.storage.arrays import array_text, load_arrays, save_arrays, text_array
from jaxvec.storage.files import to_json
from jaxvec.vectors.formats.checks import FLOATING, fill, not_finite
from jaxvec.vectors.table import WordTable

_ROWS = 1 << 14  # checked at a time


def write_npz(vectors: WordTable, path: Path) -> None:
    """Writes NumPy arrays, uncompressed, at places that can be memory-mapped."""
    save_arrays(
        path,
        kind=np.array("vectors"),
        metadata=np.array(to_json(vectors.metadata)),
        **_arrays(vectors),
    )


def write_safetensors(vectors: WordTable, path: Path) -> None:
    """Writes tensors of the same names, and the metadata as JSON in the file's own."""
    module = import_safetensors(path)
    tensors = {name: np.ascontiguousarray(array) for name, array in _arrays(vectors).items()}
    module.numpy.save_file(tensors, path, {"metadata": to_json(vectors.metadata)})


def _arrays(vectors: WordTable) -> dict[str, np.ndarray]:
    arrays = {"words": text_array(vectors.index_to_key), "vectors": vectors.vectors}
    return arrays if vectors.counts is None else {**arrays, "counts": vectors.counts}


def import_safetensors(path: str | os.PathLike[str]) -> ModuleType:
    """The package; ValueError that says how to get it if it is not installed."""
    try:
        import safetensors.numpy
    except ImportError:
        raise ValueError(
            f"{path} needs the package safetensors: pip install 'jaxvec[safetensors]'"
        ) from None
    return safetensors


def read_npz(
    path: str | os.PathLike[str], limit: int | None, dtype: np.dtype | None, mmap: bool
) -> WordTable:
    """Reads an `.npz`; with `mmap` its vectors stay on disk.

    Raises:
      ValueError: as `formats.load`.
    """
    arrays = load_arrays(path, mapped=mmap or limit is not None)
    _check_names(path, "an .npz", arrays)
    vectors = arrays["vectors"]
    _check_shape(path, vectors.shape)
    if mmap and dtype not in (None, vectors.dtype):
        raise ValueError(f"{path} holds {vectors.dtype}, which mmap=True cannot turn into {dtype}")
    metadata = str(arrays.get("metadata", "{}"))
    return _made(
        path, arrays["words"], vectors[:limit], arrays.get("counts"), metadata, limit, dtype, mmap
    )


def read_safetensors(
    path: str | os.PathLike[str], limit: int | None, dtype: np.dtype | None
) -> WordTable:
    """Reads a safetensors file.

    Raises:
      ValueError: as `formats.load`.
    """
    with _opened(path) as file:
        counts = file.get_tensor("counts") if "counts" in file.keys() else None  # noqa: SIM118
        metadata = (file.metadata() or {}).get("metadata", "{}")
        words, rows = file.get_tensor("words"), file.get_slice("vectors")
        _check_shape(path, rows.get_shape())
        vectors = rows[: min(limit or sys.maxsize, rows.get_shape()[0])]
    return _made(path, words, vectors, counts, metadata, limit, dtype, False)


def count_safetensors(path: str | os.PathLike[str]) -> int:
    """How many words a safetensors file holds."""
    with _opened(path) as file:
        return file.get_slice("vectors").get_shape()[0]


def _opened(path) -> Any:
    module = import_safetensors(path)
    try:
        file = module.safe_open(path, framework="np")
    except module.SafetensorError as error:
        raise ValueError(f"{path} is no safetensors file: {error}") from None
    _check_names(path, "a safetensors file", file.keys())
    return file


def _check_names(path, kind: str, names: Iterable[str]) -> None:
    if not {"words", "vectors"} <= set(names):
        raise ValueError(f"{path} is {kind} without the arrays 'words' and 'vectors'")


def _check_shape(path, shape: Sequence[int]) -> None:
    if len(shape) != 2:
        raise ValueError(f"{path}: its vectors are of shape {list(shape)}, not [V, D]")


def _made(
    path,
    text: np.ndarray,
    vectors: np.ndarray,
    counts: np.ndarray | None,
    metadata: str,
    limit: int | None,
    dtype: np.dtype | None,
    mmap: bool,
) -> WordTable:
    try:
        words = array_text(text)[:limit] or [""] * (len(vectors) == 1)  # one word, without letters
        facts = json.loads(metadata)
        if not isinstance(facts, dict):
            raise ValueError("its metadata is no JSON object")
        if not mmap and len(words) == len(vectors):
            vectors = _converted(vectors, dtype, words)
        return WordTable(
            words,
            vectors,
            counts=None if counts is None else counts[:limit],
            metadata=facts,
            dtype=vectors.dtype,
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _converted(vectors: np.ndarray, dtype: np.dtype | None, words: list[str]) -> np.ndarray:
    """The vectors in memory and in a floating dtype; ValueError if one is not finite in it."""
    if dtype is None:
        dtype = vectors.dtype if vectors.dtype in FLOATING else np.dtype("float32")
    ready = vectors.dtype == dtype and not isinstance(vectors, np.memmap)
    table = vectors if ready else np.empty(vectors.shape, dtype)
    for start in range(0, len(vectors), _ROWS):
        rows = vectors[start : start + _ROWS]
        bad = not_finite(rows, start) if ready else fill(table, start, rows)
        if bad is not None:
            raise ValueError(f"vector {bad + 1}, of {words[bad]!r}, is not finite in {dtype}")
    return table
