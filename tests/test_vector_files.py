"""Vectors as others write them: blanks, tabs, repetitions, cut words, archives, pipes, names."""

import bz2
import gzip
import io
import lzma
import os
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import WordVectors, formats

SUFFIXES = [".txt", ".vec", ".bin", ".glove.txt", ".npz", ".safetensors"]
KEEPING = (".npz", ".safetensors")  # metadata


@pytest.fixture(scope="module")
def vectors():
    words = [f"wörd{i}" for i in range(99)] + ["\u2028", "", "<unk>"]
    return WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 11)))


def same(a, b):
    assert a.index_to_key == b.index_to_key
    assert np.array_equal(a.vectors, b.vectors)


def load_with_gensim(path, binary=False, **more):
    theirs = KeyedVectors.load_word2vec_format(str(path), binary=binary, **more)
    words = [word for word in theirs.index_to_key if word is not None]  # which come in the end
    return WordVectors(words, theirs.vectors[: len(words)])


def written(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize(
    "content",
    [
        b"2 3\nthe 1 2 3\ncat 4 5 6\n\n \r\n\n",
        b"the 1 2 3\ncat 4 5 6\n\n",
        b"the\t1 2 3\ncat\t4 5 6\n",
        b"2 3\nthe\t1\t2\t3\t\ncat\t4\t5\t6\n",
        b"the  1 2 3\ncat  4   5 6 \r\n",
        b"2 3\n  the  1 2 3\n\tcat 4   5 6\n",
        b"\xef\xbb\xbf2 3\nthe 1 2 3\ncat 4 5 6\n",
        b"\xef\xbb\xbfthe 1 2 3\ncat 4 5 6",
    ],
)
def test_blanks_tabs_marks_and_empty_lines(tmp_path, content):
    expected = WordVectors(["the", "cat"], [[1, 2, 3], [4, 5, 6]])
    same(WordVectors.load(written(tmp_path / "v", content)), expected)
    assert formats.info(tmp_path / "v").words == 2


@pytest.mark.parametrize("binary", [False, True])
def test_a_word_that_comes_twice_has_its_first_vector_as_in_gensim(tmp_path, binary):
    rows = [(b"a", (1, 2)), (b"b", (3, 4)), (b"a", (5, 6)), (b"c", (7, 8)), (b"a", (9, 0))]
    if binary:
        lines = [word + b" " + np.array(row, "<f4").tobytes() for word, row in rows]
    else:
        lines = [b"%b %d %d" % (word, *row) for word, row in rows]
    path = written(tmp_path / "v", b"5 2\n" + b"\n".join(lines) + b"\n")
    place = "byte 25" if binary else "line 4"
    with pytest.warns(UserWarning, match=f"{place}: the word 'a' comes twice; .* and 2 such"):
        found = WordVectors.load(path)
    same(found, load_with_gensim(path, binary))


@pytest.mark.parametrize("errors", ["replace", "ignore"])
@pytest.mark.parametrize("binary", [False, True])
def test_a_word_cut_inside_a_character_is_read_as_gensim_does(tmp_path, binary, errors):
    row = np.arange(2, dtype="<f4").tobytes() if binary else b"0 1"
    path = written(tmp_path / "v", b"2 2\ncaf\xc3 " + row + b"\nb " + row + b"\n")
    with pytest.raises(ValueError, match=r"b'caf\\xc3',? is not UTF-8; .*errors='replace'"):
        WordVectors.load(path)
    expected = load_with_gensim(path, binary, unicode_errors=errors)
    same(WordVectors.load(path, errors=errors), expected)
    found = WordVectors.load_word2vec_format(path, binary=binary, unicode_errors=errors)
    same(found, expected)
    assert formats.info(path).first == ["caf\ufffd", "b"]
    with pytest.raises(ValueError, match="errors must be"):
        WordVectors.load(path, errors="nonsense")


def test_binary_is_not_taken_for_text(tmp_path):
    """Words that are numbers, and floats whose bytes are line ends, blanks and digits."""
    table = np.frombuffer(b"\n 1\x3d 2\t\xbd\n\n\n\x3e1 1\x3f" * 2, "<f4").reshape(2, 4)
    for i, number in enumerate(np.frombuffer(b"R)Q>B7:?5V>>", "<f4")):
        WordVectors(["the"], [[number]]).save(tmp_path / f"{i}.bin")
        assert WordVectors.load(tmp_path / f"{i}.bin")["the"] == number
    for words in (["10", "1"], ["", "\t"], ["a", "1e5"]):
        WordVectors(words, table).save(tmp_path / "v.bin")
        assert formats.kind(tmp_path / "v.bin") == "word2vec binary"
        same(WordVectors.load(tmp_path / "v.bin"), WordVectors(words, table))


@pytest.mark.parametrize("module", [gzip, bz2, lzma])
@pytest.mark.parametrize("suffix", [".txt", ".glove.txt", ".bin"])
def test_compressed_vectors(vectors, tmp_path, module, suffix):
    vectors.save(tmp_path / f"v{suffix}")
    content = module.compress((tmp_path / f"v{suffix}").read_bytes())
    packed = written(tmp_path / "packed", content)
    same(WordVectors.load(packed), vectors)
    assert WordVectors.load(packed, limit=7).index_to_key == vectors.index_to_key[:7]
    assert formats.info(packed).words == len(vectors)
    with pytest.raises(ValueError, match="packed is not a whole archive"):
        WordVectors.load(written(packed, content[: len(content) // 2]))
    if module is gzip:
        middle = len(content) // 2
        with pytest.raises(ValueError, match="packed is not a whole archive"):
            WordVectors.load(written(packed, content[:middle] + b"\0\0" + content[middle + 2 :]))


def test_compressed_archives_are_refused_and_a_word_is_no_mark_of_compression(tmp_path):
    WordVectors(["a"], [[1]]).save(tmp_path / "v.npz")
    packed = written(tmp_path / "p", gzip.compress((tmp_path / "v.npz").read_bytes()))
    with pytest.raises(ValueError, match="is a compressed npz: unpack it first"):
        WordVectors.load(packed)
    assert WordVectors.load(written(packed, b"BZh91 1 2\n")).index_to_key == ["BZh91"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names")
@pytest.mark.parametrize("suffix", SUFFIXES)
def test_pipes(vectors, tmp_path, suffix, monkeypatch):
    path, pipe = tmp_path / f"v{suffix}", tmp_path / "pipe"
    vectors.save(path)
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(path.read_bytes()))
    writer.start()
    same(WordVectors.load(pipe, mmap=suffix == ".npz"), vectors)
    writer.join()
    with open(path, "rb") as file:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(file))
        assert formats.info("-").words == len(vectors)


def test_homes_are_expanded(vectors, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    vectors.save("~/v.npz")
    formats.save(WordVectors(["a"], [[1]]), "~/v.projector")
    assert (tmp_path / "v.projector" / "vectors.tsv").exists()
    assert (tmp_path / "v.npz").exists()
    same(WordVectors.load("~/v.npz", mmap=True), vectors)
    assert formats.kind(Path("~/v.npz")) == "npz"
    assert formats.outputs("~/v.txt") == [tmp_path / "v.txt"]


def test_the_longest_names(vectors, tmp_path):
    path = tmp_path / ("日" * 83 + "a.npz")  # of 254 bytes
    vectors.save(path)
    same(WordVectors.load(path), vectors)
    with pytest.raises(OSError, match=r"cannot write .*: File name too long"):
        vectors.save(tmp_path / ("a" * 252 + ".npz"))
    with pytest.raises(ValueError, match=r"cannot read .*: File name too long"):
        WordVectors.load(tmp_path / ("a" * 252 + ".npz"))


def test_numpy_numbers_in_metadata(tmp_path):
    metadata = {"window": np.int64(3), "rates": np.ones(2), "shrink": np.bool_(False)}
    vectors = WordVectors(["a"], [[1]], metadata=metadata)
    for suffix in KEEPING:
        vectors.save(tmp_path / f"v{suffix}")
        found = WordVectors.load(tmp_path / f"v{suffix}").metadata
        assert found == {"window": 3, "rates": [1, 1], "shrink": False}
        vectors.metadata["model"] = object()
        with pytest.raises(TypeError, match=r"JSON holds numbers, text.*; got <object"):
            vectors.save(tmp_path / f"v{suffix}")
        del vectors.metadata["model"]
