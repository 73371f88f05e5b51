"""Files that a reader once failed at, made by code: each is replayed by `tests/test_hostile.py`.

A file is some bytes, what reads it (a name in `benchmarks.fuzz.readers.READERS`), and what it is
answered: a part of the message that refuses it.
"""

import functools
import gzip
import io
import json
import struct
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from jaxvec import Corpus, cooccurrence


class Input(NamedTuple):
    """A file that must be refused."""

    reader: str
    data: bytes
    message: str  # a regular expression


def member(array: np.ndarray, **header: object) -> bytes:
    """An array as ``.npy``.

    Args:
      array: its numbers.
      **header: what its header says instead, as text.
    """
    about = {"descr": repr(array.dtype.str), "fortran_order": "False", "shape": repr(array.shape)}
    about |= {name: str(value) for name, value in header.items()}
    text = "{" + ", ".join(f"'{name}': {value}" for name, value in about.items()) + "}"
    text += " " * (117 - len(text)) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode() + array.tobytes()


def archive(how: int = zipfile.ZIP_STORED, **members: np.ndarray | bytes) -> bytes:
    """An ``.npz`` of arrays, or of the bytes of members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", how) as made:
        for name, array in members.items():
            made.writestr(f"{name}.npy", array if isinstance(array, bytes) else member(array))
    return file.getvalue()


def tensors(fields: dict | bytes, body: bytes = b"") -> bytes:
    """A safetensors file."""
    head = fields if isinstance(fields, bytes) else json.dumps(fields).encode()
    return len(head).to_bytes(8, "little") + head + body


WORDS = np.frombuffer(b"a\nb", np.uint8)
TABLE = np.eye(2, dtype=np.float32)
ENDLESS = np.array([[1, 0], [0, np.inf]], np.float32)
CORPUS = Corpus.from_documents(["a b a", "b a"], min_count=1)
CORPUS_ARRAYS = {
    "kind": np.array("corpus"), "ids": CORPUS.ids, "offsets": CORPUS.offsets,
    **CORPUS.vocab.to_arrays(), "raw_words": np.array(5),
}  # fmt: skip
CELLS = cooccurrence.count(CORPUS, window=2)
CELL_ARRAYS = {
    "kind": np.array("cooccurrence"), "indptr": CELLS.indptr, "indices": CELLS.indices,
    "data": CELLS.data, **CORPUS.vocab.to_arrays(),
}  # fmt: skip
RUN_ARRAYS = {
    "kind": np.array("run"), "model": np.array(json.dumps({"name": "SkipGram", "vector_size": 2})),
    "history": np.array("[]"), **CORPUS.vocab.to_arrays(),
    "params.input": TABLE, "params.output": TABLE,
}  # fmt: skip


def text(rows: int, last: bytes) -> bytes:
    """Word2vec text whose numbers take four bytes each, as floats do; the first row ends oddly."""
    row = b" ".join([b"1.5", b"2.5"] * 5)
    words = [b"w%d %b" % (i, row) for i in range(rows)]
    words[0] = words[0][:-3] + last
    return b"%d 10\n" % rows + b"\n".join(words) + b"\n"


def of_vectors() -> Iterator[Input]:
    """Word vectors as text and binary."""
    for rows, last in [
        (10, b"2.\x01"),
        (10, b"\x00.5"),
        (1, b"2.\x7f"),
        (2, b"\xff.5"),
        (3, b"x.5"),
    ]:
        yield Input("word2vec-text", text(rows, last), "line 2: could not convert")
    yield Input("word2vec-binary", b"2 4294967296\n\x00 " + bytes(99), "is cut short")
    yield Input("word2vec-binary", b"1 1\na\nb \x00\x00\x00\x3f", "holds a line break")
    yield Input("word2vec-text", b"9" * 5000 + b" 2\na 1 2\n", "digits")
    first = b"a" + b" 0" * 100_000 + b"\n"
    yield Input("glove-text", first + b"b 1\n" * 200_000, "line 2: expected a word and 100000")
    yield Input("glove-text", b"a " + b"0" * (1 << 22), "line 1 has more than 4,194,304 bytes")
    yield Input("word2vec-text", b"2 2\na 1 1_0\nb 1 2\n", "line 2: could not convert")
    yield Input("vectors-gz", gzip.compress(b"a 0\n" * 20_000_000), "over 64 times as many")


def of_archives() -> Iterator[Input]:
    """Word vectors as ``.npz``."""
    sizeless = member(np.zeros(0, np.uint8), descr="'|V0'", shape="(7,)")
    for reader in ("npz", "npz-mapped"):
        for items in ("'|V0'", "'<U0'", "'|S0'"):
            made = sizeless.replace(b"'|V0'", items.encode())
            yield Input(reader, archive(words=WORDS, vectors=made), "its dtype is")
        yield Input(reader, archive(words=WORDS, vectors=member(TABLE, descr="'|O'")), "unpickling")
        wide = member(np.zeros((0, 1), "f4"), shape="(0, 281474976710656)")
        yield Input(reader, archive(words=WORDS, vectors=wide), "its shape is")
        large = member(TABLE, shape="(4294967296, 100)")
        yield Input(reader, archive(words=WORDS, vectors=large), "has 16 bytes, and should have")
        yield Input(reader, archive(words=WORDS, vectors=TABLE[:, :0]), r"not \[V, D\]")
        yield Input(reader, archive(words=WORDS, vectors=TABLE * 1j), "its vectors are complex64")
        for counts in (np.array([1j, 2]), np.array([0.5, 2]), np.array(["1", "2"])):
            made = archive(words=WORDS, vectors=TABLE, counts=counts)
            yield Input(reader, made, "its counts are")
        made = archive(words=WORDS, vectors=TABLE, counts=np.array([-1, 2]))
        yield Input(reader, made, "counts must be whole numbers")
        made = archive(words=WORDS, vectors=TABLE, metadata=np.array("[" * 100_000))
        yield Input(reader, made, "or is damaged: RecursionError")
        attributes = np.frombuffer(b'{"a": ["U99999999", ["x", "y"]]}', np.uint8)
        yield Input(reader, archive(words=WORDS, vectors=TABLE, attributes=attributes), "one is of")
        renamed = archive(words=WORDS, vectors=TABLE, counts=np.array([2, 1]))
        at = renamed.rindex(b"counts")
        yield Input(reader, renamed[:at] + b"other_" + renamed[at + 6 :], "another header")
        flipped = bytearray(archive(words=WORDS, vectors=TABLE))
        flipped[flipped.index(TABLE.tobytes()) + 2] ^= 1
        yield Input(reader, bytes(flipped), "its checksum is another one")
        yield Input(reader, archive(words=WORDS, vectors=ENDLESS), "not finite")
        how = zipfile.ZIP_DEFLATED
        yield Input(reader, archive(how, words=np.zeros(80_000_000, np.uint8)), "over 64 times")
        lzma = bytearray(archive(zipfile.ZIP_LZMA, words=WORDS, vectors=TABLE))
        lzma[lzma.index(b"words.npy") + 13] ^= 0xFF
        yield Input(reader, bytes(lzma), "is not an .npz")


def of_tensors() -> Iterator[Input]:
    """Word vectors as safetensors."""
    words = {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]}
    for kind in ("F8_E4M3", "F8_E5M2", "F4"):
        about = {"dtype": kind, "shape": [2, 2], "data_offsets": [3, 7]}
        yield Input("safetensors", tensors({"words": words, "vectors": about}, b"a\nb" + bytes(4)),
                    f"'vectors' is of {kind}")  # fmt: skip
    yield Input("safetensors", tensors(b"{" + b'"a":{' * 90_000), "RecursionError")
    about = {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [3, 7]}
    yield Input("safetensors", tensors({"words": words, "vectors": about}, b"a\nb" + bytes(4)),
                "has 4 bytes")  # fmt: skip
    about = {"dtype": "F32", "shape": [], "data_offsets": [3, 7]}
    yield Input("safetensors", tensors({"words": words, "vectors": about}, b"a\nb" + bytes(4)),
                r"shape \[\], not")  # fmt: skip


def of_ngrams() -> Iterator[Input]:
    """Vectors with n-grams."""
    made = {"words": WORDS, "vectors": TABLE, "ngrams": TABLE}
    for lengths in ([1, 2**31 - 1], [3, 65], [4, 3], [0, 3], [1]):
        made["ngram_lengths"] = np.array(lengths)
        yield Input("npz-ngrams", archive(**made), "n-grams? ")
    sizes = struct.pack("<4xi12id3i2q", 12, 1, 5, 5, 1, 5, 1, 2, 2, 1, 1, 2**31 - 1, 100, 1e-4,
                        1, 1, 0, 1, -1)  # fmt: skip
    model = struct.pack("<i", 793712314) + sizes[4:] + b"a\0" + struct.pack("<qb", 1, 0)
    matrix = b"\0" + struct.pack("<2q", 2, 1) + bytes(8)
    yield Input("fasttext", model + matrix, "n-grams of 1 to 2147483647 characters")
    long = model.replace(b"a\0", b"a" * 5000 + b"\0").replace(b"\xff\xff\xff\x7f", bytes(4))
    yield Input("fasttext", long + matrix, "word 1 of its dictionary|no word ends within")


def of_hubs() -> Iterator[Input]:
    """Tokenizers of folders of model hubs."""
    for words in (b"null", b'{"a": "x"}', b'{"a": 0, "b": null}', b"[" * 90_000, b'{"a": 0}'):
        data = b'{"model": {"type": "WordLevel", "vocab": ' + words + b"}}"
        yield Input("hub-tokenizer", data, "is not a folder of a model|words")
    for data in (b"[]", b"{}", b'{"model": []}'):
        yield Input("hub-tokenizer", data, "is not a folder of a model|of parts of words")
    yield Input("hub-model", tensors(b"[" * 90_000), "RecursionError")


def of_data() -> Iterator[Input]:
    """Saved corpora and counts."""
    odd = {
        "ids": ([0, 1, 2, 1, 0], [0, -2, 0, 1, 0]),
        "offsets": ([0, 4, 3, 5], [0, 3], [1, 5], [0, 3, 6]),
        "raw_words": (-1,),
        "counts": ([3, -2],),
    }
    for name, some in odd.items():
        for numbers in some:
            array = np.array(numbers, CORPUS_ARRAYS[name].dtype)
            for reader in ("corpus", "corpus-mapped"):
                yield Input(reader, archive(**{**CORPUS_ARRAYS, name: array}), "is not a")
    for name in ("ids", "counts"):
        for dtype in ("f4", ">i4", "u8"):
            made = {**CORPUS_ARRAYS, name: CORPUS_ARRAYS[name].astype(dtype)}
            yield Input("corpus-mapped", archive(**made), f"its {name} are")
    yield Input(
        "corpus", archive(**{**CORPUS_ARRAYS, "ids": CORPUS.ids.astype("i8")}), "expected i4"
    )
    for count in (np.nan, -1, 3e38, np.inf):
        data = np.array([count, *CELLS.data[1:]], np.float32)
        yield Input("cells", archive(**{**CELL_ARRAYS, "data": data}), "cell 0 of the counts")
    for column in (-2, 2):
        indices = np.array([column, *CELLS.indices[1:]], np.int32)
        yield Input("cells", archive(**{**CELL_ARRAYS, "indices": indices}), "cell 0 of the counts")
    falling = CELLS.indptr[::-1].copy()
    yield Input("cells", archive(**{**CELL_ARRAYS, "indptr": falling}), "indptr must rise")


def of_records() -> Iterator[Input]:
    """Counts of Stanford's programs."""
    record = struct.Struct("<iid")
    for count in (np.nan, -1, 3e38, -5e-308, 1e-60):
        yield Input("records", record.pack(1, 2, count), "record 1 is")
        data = np.array([count, *CELLS.data[1:]], np.float64)
        yield Input("cells", archive(**{**CELL_ARRAYS, "data": data}), "cell 0 of the counts")
    yield Input("records", record.pack(1, 2, 2e18) * 2, "cell 0 of the counts")
    yield Input("records", record.pack(0, 9, 1), "record 1 is")


def of_runs() -> Iterator[Input]:
    """Saved runs."""
    for table in (TABLE.astype("i8"), TABLE.astype("f8"), np.eye(3, dtype="f4"), ENDLESS):
        yield Input("run", archive(**{**RUN_ARRAYS, "params.input": table}), "its params.input")
    models = [
        {"name": "os.system", "command": "touch {marker}"},  # which was run
        {"name": "subprocess.Popen", "args": ["touch", "{marker}"]},
        {"name": "jaxvec.__main__.main"},
        {"name": "jaxvec.cli.main", "arguments": ["info", "x"]},
        {"name": ["SkipGram"]},
        {"name": "SkipGram", "vector_size": "many"},
        {"name": "SkipGram", "vectors": 3},
        {},
        [],
    ]
    for model in models:
        made = {**RUN_ARRAYS, "model": np.array(json.dumps(model))}
        yield Input("run", archive(**made), "is not a saved run")
    for history in ("{}x", "[1]", "[[1]]", '[["one", 0.5, null, 1, 1, 1, 1, 1, 1]]'):
        made = {**RUN_ARRAYS, "history": np.array(history)}
        yield Input("run", archive(**made), "is not a saved run")


def of_lines() -> Iterator[Input]:
    """Files that are read line by line, and texts."""
    for line in ("a b\tnan\t3", "a b\t1.0\t-3", "a b\tinf\t3", "a b\t1_0\t3", "a b\t1.0\t1_0",
                 "a b\t1.0\t3\na b\t2.0\t3", "a b\t1.2.3\t3"):  # fmt: skip
        yield Input("phrases", line.encode(), "line [12]")
    yield Input("pairs", b"king queen nan\nman woman 3\n", "line 1 is 'king queen nan'")
    yield Input("pairs", b"x y 1\nking queen 1_0\n", "line 2 is 'king queen 1_0'")
    yield Input("vocab", b"a " + b"1" * 5000, "line 1")
    yield Input("vocab", b"a" * (1 << 24) + b" 1", "line 1 has more than 16,777,216")
    yield Input("text-gz", gzip.compress(b"a" * (1 << 25)), "without white space before byte")
    line = b"a" * (1 << 20) + b" 1\n"
    yield Input("vocab", gzip.compress(line * 70), "over 64 times as many")


@functools.cache
def inputs() -> list[Input]:
    """All of them."""
    vectors = of_vectors, of_archives, of_tensors, of_ngrams, of_hubs
    kinds = (*vectors, of_data, of_records, of_runs, of_lines)
    return [made for some in kinds for made in some()]
