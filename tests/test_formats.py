import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import WordVectors

SUFFIXES = [".txt", ".vec", ".bin", ".glove.txt", ".npz"]


@pytest.fixture(scope="module")
def vectors():
    rng = np.random.default_rng(0)
    words = [f"wörd{i}" for i in range(5000)] + ["10", "-", "'", "日本"]
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
    if suffix == ".npz":
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
    loaded.save(tmp_path / "w.npz")
    same(WordVectors.load(tmp_path / "w.npz"), loaded)


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no word vectors"),
        (b"just some text\nof no use\n", "line 1: could not convert"),
        (b"2 2\na 1 2\nb 3\n", "line 3: expected a word and 2 numbers"),
        (b"3 2\na 1 2\nb 3 4\n", "promises 3 vectors, but 2 follow"),
        (b"2 2\na 1 2\na 3 4\n", "'a' comes twice"),
        (b"2 2\na 1 2\nb nan 4\n", "line 3: a number is not finite"),
        (b"a 1 2\n\xff 1 2\n", "line 2: .*utf-8"),
        (b"2 2\na " + bytes(8) + b"\nb " + bytes(5), "cut short"),
        (b"9 3\na " + bytes(12), "cut short: its header promises 9"),
        (b"1 2\na " + b"\xff" * 8, "'a', is not finite"),
        (b"PK\x03\x04 not really", r"not an \.npz"),
    ],
)
def test_broken_files_are_refused(tmp_path, content, message):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        WordVectors.load(tmp_path / "v")


def test_missing_file_and_unknown_suffix(vectors, tmp_path):
    with pytest.raises(FileNotFoundError, match="no such vectors file"):
        WordVectors.load(tmp_path / "v")
    with pytest.raises(ValueError, match=r"must end in \.glove\.txt, \.txt"):
        vectors.save(tmp_path / "v.dat")


def test_a_failed_save_keeps_the_old_file(vectors, tmp_path, monkeypatch):
    path = tmp_path / "v.txt"
    vectors.save(path)
    before = path.read_bytes()
    broken = WordVectors(["a", "b"], np.ones((2, 3)))
    broken.index_to_key[1] = "\ud800"  # cannot be written as UTF-8
    with pytest.raises(UnicodeEncodeError):
        broken.save(path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["v.txt"]
