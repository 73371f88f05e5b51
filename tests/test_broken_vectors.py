"""Files of vectors that are broken, cut or damaged are refused, and none such is written."""

import contextlib
import pickle

import numpy as np
import pytest
from safetensors.numpy import save_file

from jaxvec import WordVectors

SUFFIXES = [".txt", ".vec", ".bin", ".glove.txt", ".npz", ".safetensors"]
KEEPING = (".npz", ".safetensors")  # any word, dtype, counts and metadata


def same(a, b):
    assert a.index_to_key == b.index_to_key
    assert np.array_equal(a.vectors, b.vectors)


ROW = np.arange(2, dtype="<f4").tobytes()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word vectors"),
        (b"0 2\n", "holds no word vectors"),
        (b"2 2\n", "its header promises 2 vectors, but 0 follow"),
        (b"2 2\na\0", "is cut short: its header promises 2 vectors of 2 numbers, but 0 follow"),
        (b"just some text\nof no use\n", "line 1: could not convert"),
        (b"word\n", "line 1: expected a word and"),
        (pickle.dumps({}), "is a pickle, as gensim's"),
        (b"2 2\na 1 2\nb 3\n", "line 3: expected a word and 2 numbers"),
        (b"a 1 2\nb 1\x0b2\n", "line 2: expected a word and 2 numbers"),
        (b"2 3\nthe 0,1 0,2 0,3\nb 0,4 0,5 0,6\n", "line 2: could not .* decimals need a point"),
        (b"the 0,1 0,2 0,3\n", "line 1: could not .* decimals need a point"),
        (b"2 3\nth\xe9 0,1 0,2 0,3\nb 0,4 0,5 0,6\n", "line 2: could not .* need a point"),
        (b"2 3\nthe n/a n/a n/a\ncat n/a n/a n/a\n", "line 2: could not convert string 'n/a'"),
        (b"2 3\nthe  1 2\nb 3 4 5\n", "line 2: expected a word and 3 numbers"),
        (b"2 3\nthe\t1\t2\t3\t4\nb 3 4 5\n", "line 2: expected a word and 3 numbers"),
        (b"the 1 2\n\n\ncat 3 4\n\n", "line 2: expected a word and 2 numbers"),
        (b"a 1 2\nb 1 0x2\n", "line 2: could not convert string '0x2'"),
        (b"a 1 2\n\nb 1 2\n", "line 2: expected a word and 2 numbers"),
        (b"2 2\na 1 2\nb 3 4 5\n", "line 3: expected a word and 2 numbers"),
        (b"2 1\na 1 2\nb 3 4\n", "line 2: expected a word and 1 numbers"),
        (b"2 3\na 1 2\nb 3 4\n", "line 2: expected a word and 3 numbers"),
        (b"3 2\na 1 2\nb 3 4\n", "promises 3 vectors, but 2 follow"),
        (b"1 2\na 1 2\nb 3 4\n", "promises 1 vectors, but 2 follow"),
        (b"1 2\na 1 2\nb 3 4\n<unk> 5 6\n", "promises 1 vectors, but 3 follow"),
        (b"2 2\na 1 2\nb nan 4\n", "line 3: a number is not finite"),
        (b"a 1 2\nb 1 1e39\n", "line 2: a number is not finite in float32"),
        (b"a 1 2\n\xff 1 2\n", r"line 2: the word b'\\xff' is not UTF-8"),
        (b"2 2\na " + ROW + b"\nb " + bytes(5), "cut short: .* 2 vectors .* but 1 follow.* 14,"),
        (b"9 2\na " + ROW, "cut short: its header promises 9 vectors of 2 numbers, but 1 follow"),
        (b"1 2\na " + ROW + b"\nb " + ROW, "promises 1 vectors of 2 numbers, but 2 follow"),
        (b"1 2\na " + ROW + b"\nb", "but more follows them, from byte 14"),
        (b"1 2\na " + b"\xff" * 8, "byte 4, of 'a', is not finite"),
        (b"2 2\na " + ROW + b"\xff " + ROW, r"word at byte 14, b'\\xff', is not UTF-8"),
        (b"1 2\n" + b"\0" * 2_000_000, "no word ends within 1048576 bytes of byte 4"),
        (b"2 0\na ", "holds no word vectors: its header says 2 of 0 numbers"),
        (b"PK\x03\x04 not really", r"not an \.npz"),
        (b"\x03" + bytes(7) + b"{ not really", "is not a safetensors file"),
    ],
)
def test_broken_files_are_refused(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        WordVectors.load(tmp_path / "v")


@pytest.mark.parametrize("suffix", [".txt", ".bin", *KEEPING])  # the others have no header
def test_no_cut_is_silent(tmp_path, suffix):
    """A file cut somewhere is refused, or lacks no more than its last line break."""
    path = tmp_path / f"v{suffix}"
    vectors = WordVectors(["a", "bb", "ccc"], np.arange(6).reshape(3, 2))
    vectors.save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 1 + len(content) // 400):
        path.write_bytes(content[:length])
        try:
            found = WordVectors.load(path)
        except ValueError:
            continue
        same(found, vectors)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_damaged_byte_is_refused_or_read_past(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    WordVectors(["a", "bb", "ccc"], np.arange(6).reshape(3, 2)).save(path)
    content = path.read_bytes()
    for i in range(0, len(content), 1 + len(content) // 400):
        path.write_bytes(content[:i] + b"\xff" + content[i + 1 :])
        with contextlib.suppress(ValueError):  # and nothing else
            assert len(WordVectors.load(path)) == 3


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_beyond_the_dtype_are_refused(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    WordVectors(["a", "b"], [[1, 2], [3, 1e5]]).save(path)
    with pytest.raises(ValueError, match=r"(line|byte|vector) \d+.*is not finite in float16"):
        WordVectors.load(path, dtype="float16")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".projector"])
def test_what_could_not_be_read_is_not_written(tmp_path, suffix):
    for number, dtype in [(np.nan, "float32"), (-np.inf, "float64"), (1e39, "float64")]:
        vectors = WordVectors(["a", "b"], [[1, 2], [0, 1]], dtype=dtype)
        vectors.vectors[1, 0] = number
        if number == 1e39 and suffix in KEEPING:
            vectors.save(tmp_path / f"v{suffix}")
            same(WordVectors.load(tmp_path / f"v{suffix}"), vectors)
            (tmp_path / f"v{suffix}").unlink()
            continue
        with pytest.raises(ValueError, match="the vector of 'b', at place 1, is not finite in"):
            vectors.save(tmp_path / f"v{suffix}")
    if suffix not in KEEPING:
        with pytest.raises(ValueError, match="0 vectors of 2 numbers are no vectors"):
            WordVectors([], np.zeros((0, 2))).save(tmp_path / f"v{suffix}")
    with pytest.raises(ValueError, match=r"word 'b\\ud800' holds half a character"):
        WordVectors(["a", "b\ud800"], np.eye(2)).save(tmp_path / f"v{suffix}")
    with pytest.raises(FileNotFoundError, match=r"cannot write .* there is no folder .*none"):
        WordVectors(["a", "b"], np.eye(2)).save(tmp_path / "none" / f"v{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_other_archives_are_refused(tmp_path):
    np.savez(tmp_path / "v.npz", a=np.eye(2))
    with pytest.raises(ValueError, match=r"is an \.npz without the arrays 'words' and 'vectors'"):
        WordVectors.load(tmp_path / "v.npz")
    save_file({"weight": np.eye(2)}, tmp_path / "v.safetensors")
    with pytest.raises(ValueError, match="is a safetensors file without the arrays 'words'"):
        WordVectors.load(tmp_path / "v.safetensors")
    words = np.frombuffer(b"a\na", np.uint8)
    for shape, message in {
        (2, 2): "'a' comes twice",
        (3, 3): "2 words need vectors",
        (2,): r"not \[V, D\]",
        (): r"not \[V, D\]",
    }.items():
        np.savez(tmp_path / "v.npz", words=words, vectors=np.ones(shape))
        with pytest.raises(ValueError, match=message):
            WordVectors.load(tmp_path / "v.npz", limit=5)
    for attributes in (
        b"[1]",
        b"{",
        b'{"a": ["int64", [1]]}',
        b'{"a": ["evil", [1, 2]]}',
        b'{"a": 1}',
    ):
        packed = np.frombuffer(attributes, np.uint8)
        vectors = {"words": np.frombuffer(b"a\nb", np.uint8), "vectors": np.eye(2)}
        np.savez(tmp_path / "v.npz", attributes=packed, **vectors)
        with pytest.raises(ValueError, match=r"its attributes cannot|2 words need 2 values"):
            WordVectors.load(tmp_path / "v.npz")
    np.savez(tmp_path / "v.npz", words=np.array(["a", None]), vectors=np.eye(2))
    with pytest.raises(ValueError, match="Python objects, which only unpickling reads"):
        WordVectors.load(tmp_path / "v.npz")


def test_limit_reads_no_further(tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\na 1 2\nb 3 4\nc broken")
    assert WordVectors.load(tmp_path / "v", limit=2).index_to_key == ["a", "b"]
    (tmp_path / "v").write_bytes(b"9 2\na 1 2\nb 3 4\n")
    with pytest.raises(ValueError, match="promises 9 vectors, but 2 follow"):
        WordVectors.load(tmp_path / "v", limit=3)
    (tmp_path / "v").write_bytes(b"9 2\na " + ROW)
    with pytest.raises(ValueError, match="promises 9 vectors of 2 numbers, but 1 follow"):
        WordVectors.load(tmp_path / "v", limit=1)
