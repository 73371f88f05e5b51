"""Word vectors as named arrays with their words as text: `.npz` and safetensors."""

import json
import os
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from jaxvec.storage.arrays import ZIP_MAGIC, array_text, load_arrays, save_arrays, text_array
from jaxvec.storage.files import to_json
from jaxvec.vectors.attributes import COUNT
from jaxvec.vectors.formats.checks import FLOATING, fill, not_finite
from jaxvec.vectors.formats.format import Format, Options
from jaxvec.vectors.formats.source import Source
from jaxvec.vectors.subwords import Subwords
from jaxvec.vectors.table import WordTable

_ROWS = 1 << 14  # checked in one step


def write_npz(vectors: WordTable, path: Path) -> None:
    """Writes NumPy arrays, uncompressed, at places that can be memory-mapped.

    Args:
      vectors: the table.
      path: the file.
    """
    save_arrays(
        path,
        kind=np.array("vectors"),
        metadata=np.array(to_json(vectors.metadata)),
        **_arrays(vectors),
    )


def write_safetensors(vectors: WordTable, path: Path) -> None:
    """Writes tensors of the same names, and the metadata as JSON in the file's own.

    Args:
      vectors: the table.
      path: the file.

    Raises:
      ValueError: without the package.
    """
    module = import_safetensors(path)
    tensors = {name: np.ascontiguousarray(array) for name, array in _arrays(vectors).items()}
    module.numpy.save_file(tensors, path, {"metadata": to_json(vectors.metadata)})


def _arrays(vectors: WordTable) -> dict[str, np.ndarray]:
    arrays = {"words": text_array(vectors.index_to_key), "vectors": vectors.vectors}
    others = {name: values for name, values in vectors.attributes.items() if name != COUNT}
    if vectors.counts is not None:
        arrays["counts"] = vectors.counts
    if vectors.subwords is not None:
        arrays["ngrams"] = vectors.subwords.table
        arrays["ngram_lengths"] = np.array([vectors.subwords.minn, vectors.subwords.maxn])
    if others:
        columns = {name: [str(values.dtype), values.tolist()] for name, values in others.items()}
        arrays["attributes"] = np.frombuffer(json.dumps(columns).encode(), np.uint8)
    return arrays


def import_safetensors(path: str | os.PathLike[str]) -> ModuleType:
    """The package safetensors.

    Raises:
      ValueError: if it is not installed; the message says how to get it.
    """
    try:
        import safetensors.numpy
    except ImportError:
        raise ValueError(
            f"{path} needs the package safetensors: pip install 'jaxvec[safetensors]'"
        ) from None
    return safetensors


def recognizes_npz(source: Source) -> bool:
    """Whether it begins like a zip archive."""
    return source.file.read(len(ZIP_MAGIC)) == ZIP_MAGIC and _unpacked(source, "npz")


def recognizes_safetensors(source: Source) -> bool:
    """Whether it begins with the length of a header, in braces."""
    start = source.file.read(9)
    fits = int.from_bytes(start[:8], "little") < source.path.stat().st_size
    return start[8:] == b"{" and fits and _unpacked(source, "safetensors")


def _unpacked(source: Source, kind: str) -> bool:
    if source.packed:
        raise ValueError(f"{source.name} is a compressed {kind}: unpack it first")
    return True


def read_npz(source: Source, options: Options) -> WordTable:
    """Reads an `.npz`; with `mmap` its vectors stay on disk.

    Args:
      source: the file.
      options: how to read it.

    Raises:
      ValueError: as `formats.load`.
    """
    limit, dtype, mmap = options[:3]
    path = source.path
    arrays = load_arrays(path, mapped=mmap or limit is not None)
    _check_names(path, "an .npz", arrays)
    vectors = arrays["vectors"]
    _check_shape(path, vectors.shape)
    if mmap and dtype not in (None, vectors.dtype):
        raise ValueError(f"{path} holds {vectors.dtype}, which mmap=True cannot turn into {dtype}")
    arrays["vectors"] = vectors[:limit]
    return _made(path, arrays, str(arrays.get("metadata", "{}")), options)


def read_safetensors(source: Source, options: Options) -> WordTable:
    """Reads a safetensors file.

    Args:
      source: the file.
      options: how to read it.

    Raises:
      ValueError: as `formats.load`.
    """
    path = source.path
    with _opened(path) as file:
        held = {"words", "counts", "attributes", "ngrams", "ngram_lengths"} & set(file.keys())
        arrays = {name: file.get_tensor(name) for name in held}
        metadata = (file.metadata() or {}).get("metadata", "{}")
        rows = file.get_slice("vectors")
        _check_shape(path, rows.get_shape())
        arrays["vectors"] = rows[: min(options.limit or sys.maxsize, rows.get_shape()[0])]
    return _made(path, arrays, metadata, options)


def count_safetensors(source: Source) -> int:
    """The number of words of a safetensors file."""
    with _opened(source.path) as file:
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


def _made(path, arrays: dict[str, np.ndarray], metadata: str, options: Options) -> WordTable:
    limit, dtype, mmap = options[:3]
    vectors = arrays["vectors"]
    try:
        words = array_text(arrays["words"])[:limit]
        words = words or [""] * (len(vectors) == 1)  # one word, without letters
        facts = json.loads(metadata)
        if not isinstance(facts, dict):
            raise ValueError("its metadata is no JSON object")
        if not mmap and len(words) == len(vectors):
            vectors = _converted(vectors, dtype, words)
        return WordTable(
            words,
            vectors,
            counts=arrays["counts"][:limit] if "counts" in arrays else None,
            attributes=_columns(arrays["attributes"], limit) if "attributes" in arrays else None,
            metadata=facts,
            dtype=vectors.dtype,
            subwords=_subwords(arrays, vectors.dtype, check=not mmap),
        )
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _subwords(arrays: dict[str, np.ndarray], dtype: np.dtype, *, check: bool) -> Subwords | None:
    """The rows of n-grams, if there are any; ValueError if they are damaged."""
    if "ngrams" not in arrays:
        return None
    table, lengths = arrays["ngrams"], arrays.get("ngram_lengths", np.zeros(0))
    if lengths.shape != (2,) or lengths.dtype.kind not in "iu" or table.dtype not in FLOATING:
        raise ValueError("the lengths of its n-grams cannot be read, or their rows are no numbers")
    bad = not_finite(table) if check else None
    if bad is not None:
        raise ValueError(f"row {bad + 1} of its n-grams is not finite")
    return Subwords(table.astype(dtype, copy=False), *map(int, lengths))


def _columns(array: np.ndarray, limit: int | None) -> dict[str, np.ndarray]:
    """The attributes that `_arrays` packed."""
    try:
        columns = json.loads(bytes(array))
        return {name: np.array(values[:limit], dtype) for name, (dtype, values) in columns.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ValueError(f"its attributes cannot be read: {error}") from None


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


NPZ = Format(
    "npz", (".npz",), write_npz, recognizes_npz, read_npz, keeps_all=True,
    keeps_ngrams=True, maps=True,
)  # fmt: skip
SAFETENSORS = Format(
    "safetensors",
    (".safetensors",),
    write_safetensors,
    recognizes_safetensors,
    read_safetensors,
    count_safetensors,
    keeps_all=True,
    keeps_ngrams=True,
    check_ready=import_safetensors,
)
