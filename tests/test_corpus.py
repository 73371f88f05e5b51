import itertools
from collections import Counter

import numpy as np
import pytest

from jaxvec import Corpus, Vocab
from jaxvec.text.indexing import WordIndexer
from jaxvec.text.pieces import document_pieces
from tests.reference import vocabulary


def random_documents(seed, n=300):
    rng = np.random.default_rng(seed)
    return [[f"w{i}" for i in rng.zipf(1.5, rng.integers(0, 30)) if i < 500] for _ in range(n)]


def count_words(pieces, max_vocab_size=None):
    indexer = WordIndexer(max_vocab_size)
    for _ in indexer.batches(pieces):
        pass
    return indexer.word_counts()


def decoded(corpus):
    return [corpus.vocab.decode(document) for document in corpus.documents()]


def test_equals_the_obvious_way():
    documents = random_documents(0)
    corpus = Corpus.from_documents(documents, min_count=3)
    words, counts = vocabulary(itertools.chain(*documents), 3)
    assert corpus.vocab.words == words
    assert corpus.vocab.counts.tolist() == [counts[word] for word in words]
    kept = [[word for word in document if counts[word] >= 3] for document in documents]
    assert decoded(corpus) == [document for document in kept if document]
    assert corpus.raw_words == sum(map(len, documents))
    assert corpus.ids.dtype == np.int32


def test_files_strings_and_lists_agree(tmp_path):
    documents = random_documents(1)
    (tmp_path / "a.txt").write_text("\n".join(map(" ".join, documents)))
    by_file = Corpus.from_files(tmp_path / "a.txt")
    by_string = Corpus.from_documents(" ".join(document) for document in documents)
    by_list = Corpus.from_documents(documents)
    for other in (by_string, by_list):
        assert other.vocab.words == by_file.vocab.words
        assert np.array_equal(other.ids, by_file.ids)
        assert np.array_equal(other.offsets, by_file.offsets)


def test_one_long_line_is_one_document(tmp_path):
    words = [f"w{i % 7}" for i in range(600_000)]  # several chunks and batches
    (tmp_path / "a.txt").write_text(" ".join(words))
    corpus = Corpus.from_files(tmp_path / "a.txt")
    assert corpus.offsets.tolist() == [0, len(words)]
    assert decoded(corpus)[0] == words


def test_callable_tokenizer():
    corpus = Corpus.from_documents(["abca"], tokenizer=list, min_count=1)
    assert decoded(corpus) == [["a", "b", "c", "a"]]


def test_unk_keeps_places():
    corpus = Corpus.from_documents([["a", "x", "a", "y"]], min_count=2, unk="<unk>")
    assert decoded(corpus) == [["a", "<unk>", "a", "<unk>"]]
    assert corpus.vocab.count("<unk>") == 2


@pytest.mark.parametrize("unk", [None, "<unk>"])
def test_given_vocabulary(unk):
    vocab = Vocab.from_counts({"b": 2, "a": 2}, min_count=1, unk=unk)
    corpus = Corpus.from_documents([["a", "c", "b"], ["c"]], vocab=vocab)
    other = [] if unk is None else [unk]
    expected = [["a", *other, "b"], other]
    assert decoded(corpus) == [document for document in expected if document]


def test_pruning_bounds_memory_and_keeps_the_frequent():
    rng = np.random.default_rng(0)
    words = [f"rare{i}" for i in range(400_000)] + ["often", "frequent"] * 50_000
    rng.shuffle(words)
    documents = [words[i : i + 1000] for i in range(0, len(words), 1000)]
    counts = count_words(document_pieces(documents), max_vocab_size=1000)
    assert len(counts) <= 1000
    assert counts["often"] == counts["frequent"] == 50_000
    corpus = Corpus.from_documents(documents, max_vocab_size=1000, min_count=100)
    assert corpus.vocab.words == ["frequent", "often"]
    assert decoded(corpus) == [
        kept for d in documents if (kept := [w for w in d if not w.startswith("rare")])
    ]


def test_counts_are_those_of_the_tokens_kept_when_pruned_words_return():
    documents = [[f"w{i}" for i in np.random.default_rng(s).zipf(1.3, 3000) if i < 10**6]
                 for s in range(150)]  # fmt: skip
    corpus = Corpus.from_documents(documents, max_vocab_size=2000, min_count=2, unk="<unk>")
    assert Counter(corpus.ids.tolist()) == dict(enumerate(corpus.vocab.counts.tolist()))


@pytest.mark.parametrize("mmap", [True, False])
def test_saved_and_loaded(tmp_path, mmap):
    corpus = Corpus.from_documents(random_documents(2), min_count=2, unk="<unk>")
    corpus.save(tmp_path / "c.npz")
    again = Corpus.load(tmp_path / "c.npz", mmap=mmap)
    assert isinstance(again.ids, np.memmap) == mmap
    assert again.ids.ctypes.data % 64 == 0 or not mmap
    assert np.array_equal(again.ids, corpus.ids)
    assert np.array_equal(again.offsets, corpus.offsets)
    assert again.vocab.words == corpus.vocab.words
    assert again.vocab.unk == "<unk>"
    assert again.raw_words == corpus.raw_words
    assert np.array_equal(np.load(tmp_path / "c.npz")["ids"], corpus.ids)


def test_loading_what_is_no_corpus(tmp_path):
    np.savez(tmp_path / "a.npz", ids=np.zeros(3))
    with pytest.raises(ValueError, match="not a saved corpus"):
        Corpus.load(tmp_path / "a.npz")
    (tmp_path / "b.npz").write_text("text")
    with pytest.raises(ValueError, match=r"not an \.npz"):
        Corpus.load(tmp_path / "b.npz")


def test_split_cuts_between_documents():
    corpus = Corpus.from_documents(random_documents(3), min_count=1)
    train, valid = corpus.split(0.1)
    assert decoded(train) + decoded(valid) == decoded(corpus)
    assert abs(len(valid) - 0.1 * len(corpus)) < 30
    one = Corpus.from_documents([["a", "b"] * 50], min_count=1)
    train, valid = one.split(0.1)
    assert (len(train), len(valid)) == (90, 10)
    title = Corpus.from_documents([["a"], ["a", "b"] * 500], min_count=1)
    assert len(title.split(0.05)[1]) == 50  # not all but the title
    for fraction in (0, 1, -0.1, 1e-9):
        with pytest.raises(ValueError, match="split"):
            one.split(fraction)


@pytest.mark.parametrize(
    ("documents", "options", "message"),
    [
        ([], {}, "no words in"),
        (["", " "], {}, "no words in"),
        ([["a"]], {}, r"no word occurs min_count=5 times: .* occurs 1 times"),
        ([["a"]], {"unk": "<unk>"}, "min_count=5"),
        ([["a"]], {"vocab": Vocab(["b"], [1])}, "is in the vocabulary of 1 words"),
        ([["a"]], {"max_vocab_size": 0}, "max_vocab_size must be at least 1"),
        ("a b c", {}, "not a string"),
    ],
)
def test_bad_input(documents, options, message):
    with pytest.raises(ValueError, match=message):
        Corpus.from_documents(documents, **options)


@pytest.mark.parametrize("bad", [b"a b", float("nan"), None, 7])
def test_documents_are_strings_or_words(bad):
    for read in (Corpus.from_documents, lambda documents: count_words(document_pieces(documents))):
        with pytest.raises(TypeError, match="document 1 must be a string or a list of words; got"):
            read(["a b", bad])


def test_words_are_strings():
    vocab = Vocab(["a", "b"], [2, 1])
    for options in ({"min_count": 1}, {"vocab": vocab}):
        for document in (["a", b"b"], ["a", 1], ["a", None]):
            with pytest.raises(TypeError, match="words must be strings; got"):
                Corpus.from_documents([document], **options)
        with pytest.raises(ValueError, match="expected a list of words; got the string 'a b'"):
            Corpus.from_documents(["a b"], tokenizer=str.lower, **options)
    assert len(Corpus.from_documents([np.array(["a", "b"])], vocab=vocab)) == 2
    with pytest.raises(ValueError, match="expected a list of words; got the string"):
        count_words([("a b", True)])


@pytest.mark.parametrize("name", ["min_count", "max_size", "max_vocab_size"])
@pytest.mark.parametrize("value", ["5", 2.5, True])
def test_sizes_are_whole_numbers(name, value):
    with pytest.raises(TypeError, match=f"{name} must be a whole number; got"):
        Corpus.from_documents([["a"]], **{name: value})
    if name == "min_count":
        with pytest.raises(TypeError, match="min_count must be a whole number; got"):
            Corpus.from_documents([["a"]], extend=Vocab(["a"], [1]), min_count=value)


def test_a_fraction_is_a_number():
    with pytest.raises(TypeError, match="fraction must be a number; got the string"):
        Corpus.from_documents([["a", "b"]], min_count=1).split("0.1")


def test_made_from_lists():
    made = Corpus(Vocab(["a", "b"], [2, 1]), [0, 1, 0], [0, 2, 3], raw_words=3)
    assert decoded(made) == [["a", "b"], ["a"]]
    assert made.document_numbers(0, 3).tolist() == [0, 0, 1]
    assert [decoded(part) for part in made.split(0.4)] == [[["a", "b"]], [["a"]]]
