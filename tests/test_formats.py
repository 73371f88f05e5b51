import contextlib
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors
from safetensors.numpy import save_file

from jaxvec import WordVectors, formats
from jaxvec.storage import arrays
from jaxvec.vectors.formats import binary, text

SUFFIXES = [".txt", ".vec", ".bin", ".glove.txt", ".npz", ".safetensors"]
KEEPING = (".npz", ".safetensors")  # any word, dtype, counts and metadata
ODD = [
    "10",
    "-",
    "'",
    "日本",
    "1e5",
    "nan",
    "\t",
    "a\u00a0b",
    "\u2028",
    "\u3000",
    "\x00",
    "<unk>",
    "😀",
    "",
    "a\rb",
]


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    words = [f"wörd{i}" for i in range(5000)] + ODD
    table = rng.normal(size=(len(words), 11)).astype(np.float32)
    table[3] = 0
    table[4] = 1e-30
    return WordVectors(words, table, counts=np.arange(len(words), 0, -1), metadata={"a": [1]})


def same(a, b):
    assert a.index_to_key == b.index_to_key
    assert np.array_equal(a.vectors, b.vectors)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_round_trip_is_exact(vectors, tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    vectors.save(path)
    again = WordVectors.load(path)
    same(again, vectors)
    assert [p.name for p in tmp_path.iterdir()] == [path.name]
    if suffix in KEEPING:
        assert np.array_equal(again.counts, vectors.counts)
        assert again.metadata == {"a": [1]}


# gensim leaves a file without a header open
@pytest.mark.filterwarnings("ignore:.*glove.txt:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("suffix", [".txt", ".vec", ".bin", ".glove.txt"])
def test_gensim_opens_what_we_write(vectors, tmp_path, suffix):
    path = str(tmp_path / f"v{suffix}")
    vectors.save(path)
    theirs = KeyedVectors.load_word2vec_format(
        path, binary=suffix == ".bin", no_header=suffix == ".glove.txt"
    )
    same(theirs, vectors)


@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize("header", [False, True])
def test_we_open_what_gensim_writes(vectors, tmp_path, binary, header):
    if binary and not header:
        pytest.skip("a binary file without a header does not say its size")
    theirs = KeyedVectors(11)
    theirs.add_vectors(vectors.index_to_key, vectors.vectors)
    path = tmp_path / "v"  # no suffix: told by content
    theirs.save_word2vec_format(str(path), binary=binary, write_header=header)
    same(WordVectors.load(path), vectors)


def test_binary_without_newlines_as_word2vec_also_writes(tmp_path):
    row = np.arange(3, dtype="<f4").tobytes()
    (tmp_path / "v.bin").write_bytes(b"2 3\na " + row + b"b " + row)
    assert WordVectors.load(tmp_path / "v.bin").index_to_key == ["a", "b"]


def test_glove_words_may_hold_spaces(tmp_path):
    (tmp_path / "v").write_text("a 1 2\n. . . 3 4\n")
    loaded = WordVectors.load(tmp_path / "v")
    assert loaded.index_to_key == ["a", ". . ."]
    with pytest.raises(ValueError, match="holds white space"):
        loaded.save(tmp_path / "w.txt")
    for suffix in KEEPING:
        loaded.save(tmp_path / f"w{suffix}")
        same(WordVectors.load(tmp_path / f"w{suffix}"), loaded)


def test_line_breaks_are_refused_by_every_format(tmp_path):
    vectors = WordVectors(["a\nb", "c"], np.eye(2))
    for suffix in SUFFIXES:
        with pytest.raises(ValueError, match="line break"):
            vectors.save(tmp_path / f"v{suffix}")
    assert list(tmp_path.iterdir()) == []


def test_numpy_reads_our_npz(vectors, tmp_path):
    vectors.save(tmp_path / "v.npz")
    arrays = np.load(tmp_path / "v.npz")
    assert np.array_equal(arrays["vectors"], vectors.vectors)
    assert arrays["words"].tobytes().decode().split("\n") == vectors.index_to_key


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
        (b"\x03" + bytes(7) + b"{ not really", "is no safetensors file"),
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
@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_limit_and_dtype(vectors, tmp_path, suffix, dtype):
    path = tmp_path / f"v{suffix}"
    vectors.save(path)
    whole = WordVectors.load(path, dtype=dtype)
    expected = vectors.vectors.astype(dtype)
    assert whole.vectors.dtype == dtype
    np.testing.assert_allclose(whole.vectors, expected, rtol=1e-7 if dtype == "float64" else 0)
    for limit in (1, 4100, len(vectors), len(vectors) + 5):
        first = WordVectors.load(path, limit=limit, dtype=dtype)
        assert first.index_to_key == vectors.index_to_key[:limit]
        assert np.array_equal(first.vectors, whole.vectors[:limit])
    with pytest.raises(ValueError, match="limit must be at least 1"):
        WordVectors.load(path, limit=0)
    with pytest.raises(ValueError, match="dtype must be float16"):
        WordVectors.load(path, dtype="int8")


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_numbers_beyond_the_dtype_are_refused(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    WordVectors(["a", "b"], [[1, 2], [3, 1e5]]).save(path)
    with pytest.raises(ValueError, match=r"(line|byte|vector) \d+.*is not finite in float16"):
        WordVectors.load(path, dtype="float16")


@pytest.mark.parametrize("suffix", [*SUFFIXES, ".projector"])
def test_what_could_not_be_read_is_not_written(tmp_path, suffix):
    for number, dtype in [(np.nan, "float32"), (-np.inf, "float64"), (1e39, "float64")]:
        vectors = WordVectors(["a", "b"], [[1, 2], [number, 1]], dtype=dtype)
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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_word_that_passes_the_check_comes_back(tmp_path, suffix):
    path = tmp_path / f"v{suffix}"
    blank = [" ", "a b", " a", "a ", "a\t", "\ta", "\t\t", "\r"]
    for word in [*ODD, *blank, "\ufeff", "\ufeffa", "a\ufeff"]:
        for vectors in (WordVectors([word], [[0.5, -2]]), WordVectors([word, "z"], np.eye(2))):
            try:
                formats.check_words(vectors.index_to_key, path)
            except ValueError:
                with pytest.raises(ValueError, match=r"white space|byte order mark"):
                    vectors.save(path)
            else:
                vectors.save(path)
                same(WordVectors.load(path), vectors)


@pytest.mark.parametrize("suffix", KEEPING)
@pytest.mark.parametrize("dtype", ["float16", "float64"])
def test_archives_keep_the_dtype(tmp_path, suffix, dtype):
    table = np.random.default_rng(0).normal(size=(4, 3)).astype(dtype)
    vectors = WordVectors(["a", "b c", "", "d"], table, dtype=dtype)
    vectors.save(tmp_path / f"v{suffix}")
    again = WordVectors.load(tmp_path / f"v{suffix}")
    same(again, vectors)
    assert again.vectors.dtype == dtype
    assert again.get_normed_vectors().dtype == np.float32
    assert again.most_similar("a", topn=1)[0][0] in ("b c", "", "d")


@pytest.mark.parametrize("suffix", [".txt", ".glove.txt", ".bin"])
@pytest.mark.parametrize("block", [7, 1000, 8192])
def test_rows_across_blocks(vectors, tmp_path, monkeypatch, suffix, block):
    monkeypatch.setattr(text, "_BLOCK", block)
    monkeypatch.setattr(binary, "_BLOCK", block)
    few = WordVectors(vectors.index_to_key[-400:], vectors.vectors[-400:])
    few.save(tmp_path / f"v{suffix}")
    same(WordVectors.load(tmp_path / f"v{suffix}"), few)
    content = (tmp_path / f"v{suffix}").read_bytes()
    (tmp_path / f"v{suffix}").write_bytes(content[:-30])
    with pytest.raises(ValueError, match=r"line 40[01]: expected|but 399 follow"):
        WordVectors.load(tmp_path / f"v{suffix}")


def test_limit_reads_no_further(tmp_path):
    (tmp_path / "v").write_bytes(b"3 2\na 1 2\nb 3 4\nc broken")
    assert WordVectors.load(tmp_path / "v", limit=2).index_to_key == ["a", "b"]
    (tmp_path / "v").write_bytes(b"9 2\na 1 2\nb 3 4\n")
    with pytest.raises(ValueError, match="promises 9 vectors, but 2 follow"):
        WordVectors.load(tmp_path / "v", limit=3)
    (tmp_path / "v").write_bytes(b"9 2\na " + ROW)
    with pytest.raises(ValueError, match="promises 9 vectors of 2 numbers, but 1 follow"):
        WordVectors.load(tmp_path / "v", limit=1)


def test_a_last_line_without_an_end(tmp_path):
    for header in ("2 2\n", ""):
        (tmp_path / "v").write_text(f"{header}a 1 2 \r\nb 3 4")
        found = WordVectors.load(tmp_path / "v")
        assert found.index_to_key == ["a", "b"]
        assert found.vectors.tolist() == [[1, 2], [3, 4]]


def test_memory_mapped(vectors, tmp_path):
    vectors.save(tmp_path / "v.npz")
    mapped = WordVectors.load(tmp_path / "v.npz", mmap=True)
    same(mapped, vectors)
    assert isinstance(mapped.vectors.base, np.memmap)
    assert WordVectors.load(tmp_path / "v.npz", mmap=True, limit=3).vectors.shape == (3, 11)
    with pytest.raises(ValueError, match="holds float32, which mmap=True cannot"):
        WordVectors.load(tmp_path / "v.npz", mmap=True, dtype="float16")
    vectors.save(tmp_path / "v.bin")
    with pytest.raises(ValueError, match=r"is no \.npz"):
        WordVectors.load(tmp_path / "v.bin", mmap=True)


def test_counts_of_a_vocabulary_file(tmp_path):
    (tmp_path / "v").write_text("a 1 2\nb 3 4\n<unk> 5 6\n")
    (tmp_path / "vocab").write_text("b 9\na 7\nc 1\n")
    found = WordVectors.load(tmp_path / "v", fvocab=tmp_path / "vocab", dtype="float64")
    assert found.index_to_key == ["b", "a", "<unk>"]
    assert found.counts.tolist() == [9, 7, 0]
    assert found["b"].tolist() == [3, 4]
    assert found.vectors.dtype == np.float64
    (tmp_path / "vocab").write_text("b 9\n")
    with pytest.raises(ValueError, match="vocab has no count of the word 'a'"):
        WordVectors.load(tmp_path / "v", fvocab=tmp_path / "vocab")


@pytest.mark.parametrize("binary", [False, True])
def test_the_names_of_gensim(vectors, tmp_path, binary):
    path = tmp_path / "v.model"  # no suffix of ours
    vectors.save_word2vec_format(path, binary=binary)
    same(KeyedVectors.load_word2vec_format(str(path), binary=binary), vectors)
    found = WordVectors.load_word2vec_format(path, binary=binary, limit=7)
    same(found, WordVectors(vectors.index_to_key[:7], vectors.vectors[:7]))


def test_safetensors_missing_is_told(vectors, tmp_path, monkeypatch):
    vectors.save(tmp_path / "v.safetensors")
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxvec\[safetensors\]'"):
        vectors.save(tmp_path / "w.safetensors")
    with pytest.raises(ValueError, match=r"pip install 'jaxvec\[safetensors\]'"):
        WordVectors.load(tmp_path / "v.safetensors")


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
    np.savez(tmp_path / "v.npz", words=np.array(["a", None]), vectors=np.eye(2))
    with pytest.raises(ValueError, match="allow_pickle"):
        WordVectors.load(tmp_path / "v.npz")


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no memory told")
@pytest.mark.parametrize("suffix", [".txt", ".glove.txt", ".bin"])
def test_loading_takes_little_more_than_the_table(tmp_path, suffix):
    rows, size = (12_000, 300) if suffix != ".bin" else (26_000, 300)
    path = tmp_path / f"v{suffix}"
    if suffix == ".bin":
        table = np.random.default_rng(0).normal(size=(rows, size)).astype("<f4")
        content = b"".join(b"w%d %b\n" % (i, row.tobytes()) for i, row in enumerate(table))
    else:
        numbers = b" 0.123456" * size + b"\n"
        content = b"".join(b"w%d%b" % (i, numbers) for i in range(rows))
    header = b"" if suffix == ".glove.txt" else b"%d %d\n" % (rows, size)
    path.write_bytes(header + content)
    program = (
        "import sys, re, numpy as np; from pathlib import Path; from jaxvec import WordVectors\n"
        "def peak(): return int(re.search(r'VmHWM:\\s+(\\d+)',"
        " Path('/proc/self/status').read_text())[1]) * 1024\n"
        "before = peak(); vectors = WordVectors.load(sys.argv[1])\n"
        "print(peak() - before, vectors.vectors.nbytes)"
    )
    run = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    extra, table_bytes = map(int, run.stdout.split())
    assert table_bytes == rows * size * 4
    assert extra < table_bytes + 24_000_000  # blocks of a few megabytes, and the words
    assert extra < 1.5 * path.stat().st_size


def test_missing_file_and_unknown_suffix(vectors, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such vectors file"):
        WordVectors.load(tmp_path / "v")
    with pytest.raises(ValueError, match=r"must end in \.glove\.txt, \.txt"):
        vectors.save(tmp_path / "v.dat")


def test_a_failed_save_keeps_the_old_file(vectors, tmp_path, monkeypatch):
    path = tmp_path / "v.txt"
    vectors.save(path)
    before = path.read_bytes()
    monkeypatch.setattr(text, "_write_lines", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        vectors.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["v.txt"]


def test_saving_a_private_map_keeps_what_was_written_to_it(tmp_path):
    np.ones(3_000_000, np.float32).tofile(tmp_path / "ones")
    private = np.memmap(tmp_path / "ones", np.float32, "c")
    private[:] = 2
    arrays.save_arrays(tmp_path / "saved.npz", data=private)
    assert (arrays.load_arrays(tmp_path / "saved.npz")["data"] == 2).all()
    assert (private == 2).all()
