"""Words of bytes: the same corpus as by `str.split`, word by word."""

import gc
import weakref

import numpy as np
import pytest

from jaxvec import Corpus, Vocab
from jaxvec.text import coding, hashing, indexing, read
from jaxvec.text.read import Block
from jaxvec.text.splitting import split
from jaxvec.text.tokenize import text8

_SPACES = [chr(i) for i in range(1, 0x3001) if chr(i).isspace()]
_ODD = ["\x01", "\x1b", "\u200b", "\ufeff", "\u2010", "\xc2", "\u1681", "\u3001"]  # no white space
_LETTERS = [*"abAB01", "é", "ß", "語", "☃", "😀", *_ODD]


def random_text(seed, size=1500):
    """Words of up to 40 bytes and some of 1000, many that begin alike, and all white space."""
    rng = np.random.default_rng(seed)
    lengths = [1, 2, 7, 8, 9, 15, 16, 17, 31, 32, 33, 40]
    words = ["".join(rng.choice(_LETTERS, n)) for n in rng.choice(lengths, 200)]
    words += ["x" * n for n in (*lengths, 1000)] + ["x" * n + "y" for n in (*lengths, 1000)]
    words += [f"w{i}" for i in range(3000)]
    spaces = [" "] * 30 + ["\n"] * 5 + ["\r\n", "\n\n", "  "] + _SPACES
    picked = (rng.zipf(1.2, size) - 1) % len(words)
    order = rng.permutation(len(words))
    return "".join(words[order[i]] + spaces[rng.integers(len(spaces))] for i in picked)


def assert_same(one, other):
    assert one.vocab.words == other.vocab.words
    np.testing.assert_array_equal(one.vocab.counts, other.vocab.counts)
    np.testing.assert_array_equal(one.ids, other.ids)
    np.testing.assert_array_equal(one.offsets, other.offsets)
    assert one.raw_words == other.raw_words


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("size", [16, 1000, 1 << 20])
@pytest.mark.parametrize(
    "options",
    [
        {"min_count": 1},
        {"min_count": 2, "unk": "<unk>"},
        {"min_count": 1, "max_vocab_size": 150},
        {"min_count": 1, "max_vocab_size": 20},
        {"vocab": Vocab([f"w{i}" for i in range(999)] + ["x" * 40, "x" * 9, "x"], [1] * 1002)},
    ],
    ids=lambda options: " ".join(options),
)
def test_the_corpus_of_str_split(tmp_path, monkeypatch, seed, size, options):
    monkeypatch.setattr(read, "READ_SIZE", size)
    monkeypatch.setattr(indexing, "_BATCH", 100)
    monkeypatch.setattr(coding, "_LEARNED", 64)
    (tmp_path / "text").write_bytes(random_text(seed).encode())
    found = Corpus.from_files(tmp_path / "text", **options)
    assert_same(
        found, Corpus.from_files(tmp_path / "text", tokenizer=lambda t: t.split(), **options)
    )


@pytest.mark.parametrize("errors", ["replace", "ignore", "surrogateescape"])
def test_invalid_bytes(tmp_path, monkeypatch, errors):
    monkeypatch.setattr(read, "READ_SIZE", 50)
    data = random_text(7, 500).encode()
    (tmp_path / "text").write_bytes(data[:999] + b" \xff\xe2\x80 " + data[1000:])
    options = {"errors": errors, "vocab": Vocab([f"w{i}" for i in range(999)], [1] * 999)}
    found = Corpus.from_files(tmp_path / "text", **options)
    assert_same(
        found, Corpus.from_files(tmp_path / "text", tokenizer=lambda t: t.split(), **options)
    )


def test_text8_of_bytes(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "READ_SIZE", 100)
    (tmp_path / "text").write_bytes(random_text(3).encode())
    found = Corpus.from_files(tmp_path / "text", tokenizer="text8", min_count=1)
    assert_same(
        found, Corpus.from_files(tmp_path / "text", tokenizer=lambda t: text8(t), min_count=1)
    )


@pytest.mark.parametrize("space", _SPACES)
def test_each_white_space(space):
    words = split(Block(f"a{space}b".encode(), True))
    assert words.spelled(np.arange(2)) == ["a", "b"]
    assert words.ends.tolist() == ([1, 2] if space == "\n" else [2])


@pytest.mark.parametrize("width", [1, 2, 4])
def test_keys_that_share_a_slot(monkeypatch, width):
    """All keys begin at one slot; keys that differ in any number have slots of their own."""
    table = hashing.HashTable(width)
    monkeypatch.setattr(table, "_first_slots", lambda keys: np.full(len(keys[0]), 1020))
    rng = np.random.default_rng(0)
    rows = np.unique(rng.integers(1, 4, (60, width)).astype(np.uint64), axis=0)
    picked = rng.integers(0, len(rows), 200)
    slots, first = table.claim(list(rows[picked].T))
    table.codes[slots[first]] = picked[first]
    assert table.size == len(set(picked.tolist()))
    assert table.find(list(rows[picked].T)).tolist() == picked.tolist()
    assert set(table.find(list((rows + np.uint64(9)).T)).tolist()) == {hashing.ABSENT}


def test_a_table_that_grows():
    table = hashing.HashTable(1)
    rng = np.random.default_rng(0)
    keys = np.unique(rng.integers(1, 1 << 62, 20_000).astype(np.uint64))
    for part in np.array_split(np.arange(len(keys)), 37):
        slots, first = table.claim([keys[part]])
        table.codes[slots[first]] = part[first]
    np.testing.assert_array_equal(table.find([keys]), np.arange(len(keys)))
    assert 2 * table.size <= len(table.codes)


def test_strangers_are_not_remembered_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr(indexing, "_STRANGERS", 50)
    monkeypatch.setattr(read, "READ_SIZE", 1000)
    (tmp_path / "text").write_text("\n".join(f"w{i} known" for i in range(3000)))
    corpus = Corpus.from_files(tmp_path / "text", vocab=Vocab(["known"], [1]))
    assert len(corpus) == 3000


def test_words_are_freed_with_their_indexer():
    """At once, not when garbage is collected: memory= counts on it."""
    gc.disable()
    try:
        indexer = indexing.WordIndexer()
        assert [codes.tolist() for codes, _ in indexer.batches([(["a", "b"], True)])] == [[0, 1]]
        gone = weakref.ref(indexer)
        del indexer
        assert gone() is None
    finally:
        gc.enable()
