import contextlib
import copy
import copyreg
import pickle
import time
import types

import numpy as np
import pytest

from jaxvec import Corpus, Vocab, WordVectors

COUNTS = {"b": 3, "a": 3, "rare": 1, "most": 9}


def test_order_is_by_count_then_alphabet():
    vocab = Vocab.from_counts(COUNTS, min_count=1)
    assert vocab.words == ["most", "a", "b", "rare"]
    shuffled = dict(reversed(COUNTS.items()))
    assert Vocab.from_counts(shuffled, min_count=1).words == vocab.words


def test_min_count_and_max_size():
    assert Vocab.from_counts(COUNTS, min_count=3).words == ["most", "a", "b"]
    assert Vocab.from_counts(COUNTS, min_count=1, max_size=2).words == ["most", "a"]


def test_look_ups_for_one_and_many():
    vocab = Vocab.from_counts(COUNTS, min_count=3)
    assert vocab["a"] == 1
    assert vocab.encode("b") == 2
    assert vocab.encode(["b", "rare", "a"]).tolist() == [2, 1]  # rare is left out
    assert vocab.decode(0) == "most"
    assert vocab.decode([2, 1]) == ["b", "a"]
    assert vocab.count("most") == 9
    assert vocab.count(["a", "most"]).tolist() == [3, 9]
    assert vocab.frequency("most") == 0.6
    assert vocab.frequency(["a", "b"]).tolist() == [0.2, 0.2]
    assert vocab.total == 15
    assert "a" in vocab
    assert "rare" not in vocab


def test_unknown_word_suggests_close_ones():
    with pytest.raises(KeyError, match="'mots' is not in the vocabulary; close matches: most"):
        Vocab.from_counts(COUNTS, min_count=1)["mots"]


def test_half_a_character_is_refused_before_anything_is_trained():
    for words in (["a", "b\ud800"], ["\udce9", "a"]):
        with pytest.raises(ValueError, match=r"word '.*ud.*' holds half a character \('.ud"):
            Corpus.from_documents([words], min_count=1)


def test_close_matches_are_sought_when_the_message_is_read():
    vocab = Vocab([f"word{i}" for i in range(400_000)], np.ones(400_000, int))
    wv = WordVectors(vocab.words, np.zeros((400_000, 1)))
    for ask in (vocab.__getitem__, vocab.count, wv.get_index, wv.__getitem__, wv.get_vector):
        times = []
        for _ in range(20):
            start = time.perf_counter()
            with contextlib.suppress(KeyError):
                ask("wrod7")
            times.append(time.perf_counter() - start)
        assert min(times) < 50e-6


@pytest.mark.parametrize("by_dask", [False, True])
def test_an_unknown_word_is_pickled_with_its_message_and_without_the_words(monkeypatch, by_dask):
    """Also as tblib does it, with the traceback: importing Dask's distributed has that for all."""
    with pytest.raises(KeyError) as caught:
        Vocab(["most", *map(str, range(9999))], np.ones(10_000, int))["mots"]
    error = caught.value
    assert error.args == ("mots",)
    monkeypatch.delitem(copyreg.dispatch_table, type(error), raising=False)
    if by_dask:
        tblib = pytest.importorskip("tblib.pickling_support")
        monkeypatch.setitem(copyreg.dispatch_table, type(error), tblib.pickle_exception)
        monkeypatch.setitem(copyreg.dispatch_table, types.TracebackType, tblib.pickle_traceback)
    packed = pickle.dumps(error)
    assert len(packed) < (2000 if by_dask else 500)  # all the words have 40,000 letters
    for again in (pickle.loads(packed), copy.deepcopy(error)):
        assert type(again) is type(error)
        assert again.args == error.args
        assert bool(again.__traceback__) == by_dask
        assert str(again) == "'mots' is not in the vocabulary; close matches: most"


def test_unk_and_specials():
    vocab = Vocab.from_counts(COUNTS, min_count=3, specials=["<pad>"], unk="<unk>")
    assert vocab.words == ["<unk>", "<pad>", "most", "a", "b"]
    assert vocab.counts.tolist() == [1, 0, 9, 3, 3]  # <unk> counts what is left out
    assert vocab.encode(["rare", "a"]).tolist() == [0, 3]
    assert vocab.encode("never seen") == 0


def test_unk_that_the_text_itself_has():
    vocab = Vocab.from_counts({"a": 5, "<unk>": 7, "rare": 1}, min_count=2, unk="<unk>")
    assert vocab.words == ["<unk>", "a"]
    assert vocab.counts.tolist() == [8, 5]


@pytest.mark.parametrize("options", [{}, {"specials": ["<pad>", "<s>"], "unk": "<unk>"}])
def test_saved_and_loaded(tmp_path, options):
    vocab = Vocab.from_counts({**COUNTS, "two words": 4}, min_count=2, **options)
    vocab.save(tmp_path / "vocab.txt")
    again = Vocab.load(tmp_path / "vocab.txt")
    assert again.words == vocab.words
    assert np.array_equal(again.counts, vocab.counts)
    assert (again.specials, again.unk) == (vocab.specials, vocab.unk)


def test_loads_what_word2vec_and_glove_write(tmp_path):
    (tmp_path / "v").write_text("</s> 0\nthe 10\nof 5\n")
    assert Vocab.load(tmp_path / "v").words == ["</s>", "the", "of"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("the ten\n", "line 1"),
        ("a 1\nword\n", "line 2 is 'word'; expected a word, a space and its count"),
        ("a 1\na 2\n", "'a' twice"),
        *((f"a 9\nb {n}\n", "line 2") for n in ("1e20", "-5", "1.5", "inf", "nan", "1_0", "", "٣")),
        (f"a 9\nb {10**20}\n", "line 2"),
        ("a 9\n\nb 1\n", "line 2 is ''"),
        ("a 9\n 5\n", "line 2 is ' 5'"),
        (f"a {2**62}\nb {2**62}\n", "the counts add up to more than"),
    ],
)
def test_broken_files_are_refused(tmp_path, text, message):
    (tmp_path / "v").write_text(text)
    with pytest.raises(ValueError, match=message):
        Vocab.load(tmp_path / "v")


def test_marks_and_blanks_are_no_part_of_words(tmp_path):
    path = tmp_path / "v"
    path.write_bytes(b"\xef\xbb\xbfthe  10\r\nnew york\t5\r\n of 3")
    vocab = Vocab.load(path)
    assert vocab.words == ["the", "new york", " of"]
    assert vocab.counts.tolist() == [10, 5, 3]
    marked = Vocab(["\ufeff", "\xa0", "\ufeffa"], [3, 2, 1])
    marked.save(path)
    assert Vocab.load(path).words == marked.words
    with pytest.raises(ValueError, match="cannot hold 'a ', which ends in a blank"):
        Vocab(["a "], [1]).save(path)
    path.write_bytes("the 10\n".encode("utf-16"))
    with pytest.raises(ValueError, match=r"vocabulary file .* is UTF-16 text"):
        Vocab.load(path)


@pytest.mark.parametrize(
    "counts", [[-1], [1.5], [np.nan], [np.inf], [10**20], [1e20], ["1"], [None]]
)
def test_counts_are_whole_numbers(counts):
    with pytest.raises(ValueError, match="counts must be whole numbers"):
        Vocab(["a"], counts)
    with pytest.raises(ValueError, match="counts must be whole numbers"):
        Vocab.from_counts({"a": counts[0], "b": 9})  # though it be left out


def test_words_are_strings_and_ids_numbers():
    vocab = Vocab(["a", "b"], [2, 1])
    for words in (b"ab", [b"a"], [0, 1]):
        with pytest.raises(TypeError, match="words must be strings"):
            vocab.encode(words)
        with pytest.raises(TypeError, match="words must be strings"):
            Vocab(words, [2, 1][: len(words)])
    with pytest.raises(ValueError, match="got the string 'ab'"):
        Vocab("ab", [2, 1])
    with pytest.raises(ValueError, match="specials must be a list of words; got the string"):
        Vocab.from_counts(COUNTS, specials="<pad>")
    assert vocab.decode(np.int64(1)) == "b"
    for ids in (-1, 2, [0, -1], 0.0, "a", True):
        with pytest.raises(ValueError, match="ids must be whole numbers from 0 to 1"):
            vocab.decode(ids)


@pytest.mark.parametrize("options", [{"min_count": 0}, {"max_size": 0}])
def test_bad_numbers(options):
    with pytest.raises(ValueError, match="must be at least 1"):
        Vocab.from_counts(COUNTS, **options)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Vocab.from_counts(COUNTS, min_count="5"), "min_count must be a whole number; got"),
        (lambda: Vocab.from_counts(COUNTS, min_count=2.5), "min_count must be a whole number; got"),
        (lambda: Vocab.from_counts(COUNTS, max_size="5"), "max_size must be a whole number; got"),
        (lambda: Vocab(["a"], [1], specials=["a"]), "specials must be a whole number; got a list"),
        (lambda: Vocab(["a"], [1]).extended(COUNTS, min_count="5"), "min_count must be a whole"),
        (lambda: Vocab(["a"], [1]).extended(["b"]), "counts must be a dict"),
        (lambda: Vocab(["a"], [1]).encode(5), "words must be a list of words; got the number 5"),
    ],
)
def test_options_of_another_type(call, message):
    with pytest.raises(TypeError, match=message):
        call()


def test_words_that_no_file_could_hold():
    for word in ("", "a\nb"):
        with pytest.raises(ValueError, match="line break"):
            Vocab([word], [1])
