"""`load_word2vec_format` and `save_word2vec_format`: the tables, orders and files of gensim."""

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import Vocab, WordVectors, formats

WORDS = ["the", "café", "naïve", "10", "ÿ", "x"]
CALLS = {"text": {}, "binary": {"binary": True}, "glove": {"no_header": True}}

# gensim leaves a file without a header open
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def table():
    return np.random.default_rng(0).normal(size=(6, 4)).astype(np.float32)


def written(path, table, kind, encoding="utf8", words=WORDS):
    """The file, made without any library."""
    with open(path, "wb") as file:
        if kind != "glove":
            file.write(b"%d %d\n" % table.shape)
        for word, row in zip(words, table, strict=True):
            numbers = row.astype("<f4").tobytes() if kind == "binary" else " ".join(map(str, row))
            file.write(word.encode(encoding) + b" ")
            file.write(numbers if kind == "binary" else numbers.encode())
            file.write(b"\n")
    return str(path)


def same(a, b):
    assert a.index_to_key == b.index_to_key
    assert a.vectors.dtype == b.vectors.dtype
    assert np.array_equal(a.vectors, b.vectors)


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("datatype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("limit", [None, 1, 4, 6, 100])
def test_tables_are_gensims(tmp_path, table, kind, datatype, limit):
    path = written(tmp_path / "v", table, kind)
    options = {**CALLS[kind], "datatype": datatype, "limit": limit}
    found = WordVectors.load_word2vec_format(path, **options)
    same(found, KeyedVectors.load_word2vec_format(path, **options))
    assert found.counts is None


def test_arguments_in_order(tmp_path, table):
    path, counts = written(tmp_path / "v", table, "binary", "latin-1"), tmp_path / "counts"
    arguments = (path, None, True, "latin-1", "strict", 3, np.float16, False)
    found = WordVectors.load_word2vec_format(*arguments)
    same(found, KeyedVectors.load_word2vec_format(*arguments))
    counts.write_text("".join(f"{word} {i}\n" for i, word in enumerate(WORDS)), "latin-1")
    found = WordVectors.load_word2vec_format(path, counts, *arguments[2:])
    assert found.counts.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", CALLS)
@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf8"])
def test_encodings(tmp_path, table, kind, encoding):
    path = written(tmp_path / "v", table, kind, encoding)
    options = {**CALLS[kind], "encoding": encoding}
    found = WordVectors.load_word2vec_format(path, **options)
    assert found.index_to_key == WORDS
    same(found, KeyedVectors.load_word2vec_format(path, **options))
    same(WordVectors.load(path, encoding=encoding), found)


@pytest.mark.parametrize("kind", CALLS)
def test_words_of_another_encoding(tmp_path, table, kind):
    path = written(tmp_path / "v", table, kind, "latin-1")
    with pytest.raises(ValueError, match=r"(line \d|byte \d+).*caf\\xe9',? is not UTF-8"):
        WordVectors.load_word2vec_format(path, **CALLS[kind])
    with pytest.raises(ValueError, match=r"caf\\xe9',? is not ASCII"):
        WordVectors.load_word2vec_format(path, **CALLS[kind], encoding="ascii")
    for errors in ("replace", "ignore"):
        options = {**CALLS[kind], "unicode_errors": errors}
        found = WordVectors.load_word2vec_format(path, **options)
        same(found, KeyedVectors.load_word2vec_format(path, **options))
    for wrong in ({"encoding": "utf-16"}, {"encoding": "nonsense"}, {"unicode_errors": "nonsense"}):
        with pytest.raises(ValueError, match=r"(encoding|errors) must be"):
            WordVectors.load_word2vec_format(path, **CALLS[kind], **wrong)


def test_archives_hold_utf8(tmp_path, table):
    WordVectors(WORDS, table).save(tmp_path / "v.npz")
    with pytest.raises(ValueError, match=r"is npz, whose words are UTF-8, not latin-1"):
        WordVectors.load(tmp_path / "v.npz", encoding="latin-1")


@pytest.mark.parametrize("kind", CALLS)
def test_counts_of_a_vocabulary_file(tmp_path, table, kind):
    path, counts = written(tmp_path / "v", table, kind), tmp_path / "counts"
    counts.write_text("".join(f"{word} {7 * i % 5}\n" for i, word in enumerate(WORDS)))
    found = WordVectors.load_word2vec_format(path, counts, **CALLS[kind])
    theirs = KeyedVectors.load_word2vec_format(path, str(counts), **CALLS[kind])
    same(found, theirs)
    assert found.counts.tolist() == theirs.expandos["count"].tolist() == [0, 2, 4, 1, 3, 0]
    counts.write_text("the 3\n")
    with pytest.raises(ValueError, match="has no count of the word 'café'"):
        WordVectors.load_word2vec_format(path, counts, **CALLS[kind])
    counts.write_bytes(b"the x\n")
    with pytest.raises(ValueError, match="is not a vocabulary file: line 1 is 'the x'"):
        WordVectors.load_word2vec_format(path, counts, **CALLS[kind], unicode_errors="replace")


@pytest.mark.parametrize("kind", [*CALLS, "npz"])
@pytest.mark.parametrize("call", CALLS)
def test_a_call_that_does_not_fit_the_file_is_refused(tmp_path, table, kind, call):
    path = tmp_path / f"v.{kind}"
    if kind == "npz":
        WordVectors(WORDS, table).save(path)
    else:
        written(path, table, kind)
    if kind == call:
        assert len(WordVectors.load_word2vec_format(path, **CALLS[call])) == 6
        return
    with pytest.raises(
        ValueError, match=r"v\.\w+ (is .* not|does not begin with) .*: write binary="
    ):
        WordVectors.load_word2vec_format(path, **CALLS[call])


def test_binary_has_a_header(tmp_path, table):
    path = written(tmp_path / "v", table, "binary")
    with pytest.raises(ValueError, match="no_header=True is for text"):
        WordVectors.load_word2vec_format(path, binary=True, no_header=True)
    with pytest.raises(ValueError, match="write_header=False is for text"):
        WordVectors(WORDS, table).save_word2vec_format(path, binary=True, write_header=False)


def test_vectors_of_one_number_are_as_the_call_says(tmp_path):
    """A first line of two numbers is a header, or a word that is a number and its vector."""
    (tmp_path / "v").write_text("2 1\na 5\nb 6\n")
    for no_header, words in ((False, ["a", "b"]), (True, ["2", "a", "b"])):
        found = WordVectors.load_word2vec_format(str(tmp_path / "v"), no_header=no_header)
        assert found.index_to_key == words
        same(found, KeyedVectors.load_word2vec_format(str(tmp_path / "v"), no_header=no_header))


@pytest.mark.parametrize("content", [b"", b"\n", b"no vectors", b"1\n"])
@pytest.mark.parametrize("call", CALLS)
def test_files_without_vectors(tmp_path, content, call):
    (tmp_path / "v").write_bytes(content)
    with pytest.raises(
        ValueError, match=r"v( does not begin with|.* expected a word and|.*: line 1)"
    ):
        WordVectors.load_word2vec_format(tmp_path / "v", **CALLS[call])


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize(
    "options",
    [{}, {"binary": True}, {"write_header": False}, {"prefix": "en:"}, {"sort_attr": "rank"}],
)
def test_files_are_gensims(tmp_path, table, counted, options):
    """But for the line ends in binary, which word2vec writes."""
    ours, theirs = WordVectors(WORDS, table), KeyedVectors(4)
    theirs.add_vectors(WORDS, table)
    for i, word in enumerate(WORDS):
        for vectors in (ours, theirs):
            vectors.set_vecattr(word, "rank", 10 - 3 * i % 7)
            if counted:
                vectors.set_vecattr(word, "count", 5 * i % 7)
    ours.save_word2vec_format(tmp_path / "ours", **options)
    theirs.save_word2vec_format(str(tmp_path / "theirs"), **options)
    if not options.get("binary"):
        assert (tmp_path / "ours").read_bytes() == (tmp_path / "theirs").read_bytes()
    same(WordVectors.load(tmp_path / "ours"), WordVectors.load(tmp_path / "theirs"))
    if counted:
        options = {**options, "fvocab": str(tmp_path / "v")}
        theirs.save_word2vec_format(str(tmp_path / "theirs"), **options)
        expected = (tmp_path / "v").read_bytes()
        ours.save_word2vec_format(tmp_path / "ours", **options)
        assert (tmp_path / "v").read_bytes() == expected
        assert Vocab.load(tmp_path / "v").words == WordVectors.load(tmp_path / "ours").index_to_key


def test_attributes_that_are_missing(tmp_path, table):
    vectors = WordVectors(WORDS, table)
    for options in ({"fvocab": tmp_path / "v"}, {"sort_attr": "rank"}):
        with pytest.raises(KeyError, match=r"no attribute '(count|rank)'"):
            vectors.save_word2vec_format(tmp_path / "ours", **options)
    assert list(tmp_path.iterdir()) == []


def test_kinds_are_names_of_formats(tmp_path, table):
    path = written(tmp_path / "v", table, "glove")
    assert formats.load(path, kind=formats.kind(path)).index_to_key == WORDS
