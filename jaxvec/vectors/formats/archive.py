"""Word vectors as named arrays with their words as text: `.npz` and safetensors."""

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType

import numpy as np

from jaxvec.storage.arrays import ZIP_MAGIC, array_text, load_arrays, save_arrays, text_array
from jaxvec.storage.door import reading
from jaxvec.storage.files import to_json
from jaxvec.storage.tensors import Tensors
from jaxvec.vectors.attributes import COUNT, column
from jaxvec.vectors.formats.checks import FLOATING, fill
from jaxvec.vectors.formats.format import Format, Options
from jaxvec.vectors.formats.source import Source
from jaxvec.vectors.ranking import not_finite
from jaxvec.vectors.subwords import Subwords
from jaxvec.vectors.table import WordTable

_ROWS = 1 << 14  # checked in one step
_NGRAMS = {"ngrams", "ngram_lengths"}
_HELD = {"words", "vectors", "counts", "attributes", "metadata", *_NGRAMS}


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
    """Reads an `.npz`; with `mmap` its vectors stay on disk, once a pass has checked them.

    Args:
      source: the file.
      options: how to read it.

    Raises:
      ValueError: as `formats.load`.
    """
    limit, dtype, mmap = options[:3]
    path = source.name
    arrays = load_arrays(
        source.path,
        mapped=mmap,
        names=_names(options),
        checks=dict.fromkeys(("vectors", "ngrams"), _check_finite) if mmap else None,
        partly=() if limit is None else {"vectors"},
        force_size=options.force_size,
    )
    _check_names(path, "an .npz", arrays)
    vectors = arrays["vectors"]
    if mmap and dtype not in (None, vectors.dtype):
        raise ValueError(f"{path} holds {vectors.dtype}, which mmap=True cannot turn into {dtype}")
    metadata = arrays.get("metadata", np.array("{}"))
    if metadata.shape or metadata.dtype.kind != "U":
        raise ValueError(f"{path}: its metadata is no text")
    return _made(path, arrays, str(metadata), vectors.shape, options)


def count_npz(source: Source) -> int:
    """The number of words of an `.npz`."""
    arrays = load_arrays(source.path, names={"words", "vectors"}, partly={"words", "vectors"})
    _check_names(source.name, "an .npz", arrays)
    return _rows(arrays["vectors"].shape)


def ngrams_npz(source: Source) -> tuple[int, int, int] | None:
    """See `Format.ngrams`."""
    arrays = load_arrays(source.path, names=_NGRAMS, partly={"ngrams"})
    with reading(source.name, "a file of word vectors"):
        return _lengths(arrays) if arrays else None


def _names(options: Options) -> set[str]:
    """The arrays to read."""
    return _HELD if options.ngrams else _HELD - _NGRAMS


def _check_finite(numbers: np.ndarray) -> None:
    if numbers.dtype.kind == "f" and not np.isfinite(numbers).all():
        raise ValueError("a number of its vectors is not finite")


def read_safetensors(source: Source, options: Options) -> WordTable:
    """Reads a safetensors file; bfloat16 becomes float32.

    Args:
      source: the file.
      options: how to read it.

    Raises:
      ValueError: as `formats.load`.
    """
    with reading(source.name, "a safetensors file"):
        tensors = _tensors(source)
        arrays = {
            name: tensors.read(name) for name in _names(options) & set(tensors.found) - {"vectors"}
        }
        arrays["vectors"] = tensors.read("vectors", options.limit)
        metadata = tensors.metadata.get("metadata", "{}")
        return _made(source.name, arrays, metadata, tensors.found["vectors"].shape, options)


def count_safetensors(source: Source) -> int:
    """The number of words of a safetensors file."""
    with reading(source.name, "a safetensors file"):
        return _rows(_tensors(source).found["vectors"].shape)


def ngrams_safetensors(source: Source) -> tuple[int, int, int] | None:
    """See `Format.ngrams`."""
    with reading(source.name, "a safetensors file"):
        tensors = _tensors(source)
        names = _NGRAMS & set(tensors.found)
        arrays = {name: tensors.read(name, 0 if name == "ngrams" else None) for name in names}
        found = _lengths(arrays) if arrays else None
        return found and (*found[:2], tensors.found["ngrams"].shape[0])


def _tensors(source: Source) -> Tensors:
    tensors = Tensors(source.file)
    _check_names(source.name, "a safetensors file", tensors.found)
    return tensors


def _check_names(path, kind: str, names: Iterable[str]) -> None:
    if not {"words", "vectors"} <= set(names):
        raise ValueError(f"{path} is {kind} without the arrays 'words' and 'vectors'")


def _rows(shape: Sequence[int]) -> int:
    """`V` of a shape; ValueError if it is not [V, D]."""
    if len(shape) != 2 or (shape[0] and not shape[1]):
        raise ValueError(f"its vectors are of shape {list(shape)}, not [V, D]")
    return shape[0]


def _made(
    path, arrays: dict[str, np.ndarray], metadata: str, shape: Sequence[int], options: Options
) -> WordTable:
    """The table of a file's arrays.

    Args:
      path: of the file, for messages.
      arrays: by name; of the vectors at least the first `limit`.
      metadata: JSON.
      shape: of all vectors.
      options: how to read it.

    Raises:
      ValueError: if they do not fit together, or a number is not finite.
    """
    limit, dtype, mmap = options[:3]
    with reading(path, "a file of word vectors"):
        rows = _rows(shape)
        words = array_text(_plain(arrays["words"], "words", "u1"))
        words = words or [""] * (rows == 1)  # one word, without letters
        if len(words) != rows:
            raise ValueError(f"{len(words)} words need vectors [{len(words)}, D]; got {shape}")
        vectors = _plain(arrays["vectors"], "vectors", "f2 f4 f8 i1 i2 i4 i8 u1 u2 u4 u8")[:limit]
        words = words[:limit]
        facts = json.loads(metadata)
        if not isinstance(facts, dict):
            raise ValueError("its metadata is no JSON object")
        if not mmap:
            vectors = _converted(vectors, dtype, words)
        columns = _columns(arrays["attributes"]) if "attributes" in arrays else {}
        if "counts" in arrays:
            integers = "i1 i2 i4 i8 u1 u2 u4 u8"
            columns[COUNT] = _plain(arrays["counts"], "counts", integers, dimensions=1)
        for name, values in columns.items():
            columns[name] = column(name, values, rows)[:limit]
        return WordTable(
            words, vectors, attributes=columns, metadata=facts, dtype=vectors.dtype,
            subwords=_subwords(arrays, vectors.dtype, check=not mmap),
        )  # fmt: skip


def _subwords(arrays: dict[str, np.ndarray], dtype: np.dtype, *, check: bool) -> Subwords | None:
    """The rows of n-grams, if there are any; ValueError if they are damaged."""
    if not _NGRAMS & arrays.keys():
        return None
    minn, maxn, _ = _lengths(arrays)
    table = arrays["ngrams"]
    with np.errstate(over="ignore"):
        table = table.astype(dtype, copy=False)
    bad = not_finite(table) if check else None
    if bad is not None:
        raise ValueError(f"row {bad + 1} of its n-grams is not finite in {dtype}")
    return Subwords(table, minn, maxn)


def _lengths(arrays: dict[str, np.ndarray]) -> tuple[int, int, int]:
    """The lengths of n-grams and the number of rows; ValueError if they are damaged."""
    if not arrays.keys() >= _NGRAMS:
        raise ValueError("it has n-grams without their lengths, or lengths without n-grams")
    lengths = _plain(arrays["ngram_lengths"], "lengths of n-grams", "i4 i8", dimensions=1)
    if len(lengths) != 2:
        raise ValueError(f"its lengths of n-grams are {len(lengths)} numbers, not 2")
    table = _plain(arrays["ngrams"], "n-grams", "f2 f4 f8", dimensions=2)
    return int(lengths[0]), int(lengths[1]), len(table)


def _plain(array: np.ndarray, name: str, dtypes: str, dimensions: int | None = None) -> np.ndarray:
    """An array, once it is known to have one of the dtypes, in any order of bytes."""
    if array.dtype.str[1:] not in dtypes.split():
        raise ValueError(f"its {name} are {array.dtype}, not {' or '.join(dtypes.split())}")
    if dimensions is not None and array.ndim != dimensions:
        raise ValueError(f"its {name} are of shape {list(array.shape)}")
    return array


def _columns(array: np.ndarray) -> dict[str, np.ndarray]:
    """The attributes that `_arrays` packed."""
    try:
        columns = json.loads(bytes(_plain(array, "attributes", "u1")))
        return {name: np.array(values, _of_column(d)) for name, (d, values) in columns.items()}
    except (AttributeError, TypeError, ValueError, RecursionError, OverflowError) as error:
        raise ValueError(f"its attributes cannot be read: {error}") from None


def _of_column(name: str) -> np.dtype:
    """The dtype of an attribute. The file's word is not taken for the size of its items."""
    dtype = np.dtype(name)
    if dtype.kind not in "biufO":
        raise ValueError(f"one is of {name}")
    return dtype


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
    "npz", (".npz",), write_npz, recognizes_npz, read_npz, count_npz, keeps_all=True,
    keeps_ngrams=True, ngrams=ngrams_npz, maps=True,
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
    ngrams=ngrams_safetensors,
    check_ready=import_safetensors,
)
