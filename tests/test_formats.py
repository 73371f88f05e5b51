import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import WordVectors, formats
from jaxvec.storage import arrays
from jaxvec.vectors.formats import binary, text
from jaxvec.vectors.formats.format import Format
from jaxvec.vectors.table import WordTable

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
    same(WordVectors.load(tmp_path / "v.safetensors"), vectors)  # needs no package


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


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_attributes_are_kept_or_missed_aloud(tmp_path, suffix):
    attributes = {
        "count": [3, 5, 4], "hue": ["red", None, "blue"], "seen": [True, False, True],
        "share": np.array([0.1, np.nan, 2], np.float32), "rank": [2**53 + 1, 0, 7],
    }  # fmt: skip
    vectors = WordVectors(["a", "b", "c"], np.eye(3), attributes=attributes)
    if suffix not in KEEPING:
        with pytest.warns(UserWarning, match="no attributes of words: hue, seen, share, rank left"):
            vectors.save(tmp_path / f"v{suffix}")
        assert not WordVectors.load(tmp_path / f"v{suffix}").attributes
        return
    vectors.save(tmp_path / f"v{suffix}")
    for limit in (None, 2):
        found = WordVectors.load(tmp_path / f"v{suffix}", limit=limit)
        assert found.index_to_key == ["a", "b", "c"][:limit]
        assert found.attributes.keys() == attributes.keys()
        for name, values in vectors.attributes.items():
            np.testing.assert_array_equal(found.attributes[name], values[:limit])
            assert found.attributes[name].dtype == values.dtype


def test_a_new_format_is_one_object_in_the_list(tmp_path, monkeypatch):
    def write(vectors, path):
        path.write_text("LETTERS " + " ".join(vectors.index_to_key))

    def read(source, options):
        words = source.file.read().decode().split()[1:][: options.limit]
        return WordTable(words, [[ord(word)] for word in words])

    def check(words):
        if any(len(word) != 1 for word in words):
            raise ValueError("letters only")

    letters = Format(
        "letters", (".letters.txt",), write, lambda source: source.file.read(8) == b"LETTERS ",
        read, lambda source: len(source.file.read().split()) - 1, check, about="one letter a word",
    )  # fmt: skip
    path = tmp_path / "v.letters.txt"
    monkeypatch.setattr(formats, "FORMATS", (*formats.FORMATS, letters))
    WordVectors(["c", "a"], [[1], [2]]).save(path)
    assert path.read_text() == "LETTERS c a"
    assert WordVectors.load(path).vectors.tolist() == [[99], [97]]
    assert WordVectors.load(path, limit=1).index_to_key == ["c"]
    assert formats.info(path)[:4] == ("letters", 2, 1, "float32")
    assert formats.outputs(path) == [path]
    assert formats.described().endswith(" or .letters.txt (one letter a word)")
    with pytest.raises(ValueError, match="letters only"):
        formats.check_words(["ab"], path)
    with pytest.raises(ValueError, match=r"must end in .*, \.letters\.txt"):
        formats.outputs("v.dat")


def test_names_and_suffixes_are_one_formats_only():
    names = [format.name for format in formats.FORMATS]
    suffixes = [suffix for format in formats.FORMATS for suffix in format.suffixes]
    assert len(set(names)) == len(names)
    assert len(set(suffixes)) == len(suffixes)
    assert all(suffix in formats.described() for suffix in suffixes)
    assert ".projector" not in formats.described(readable=True)
