"""Counting by shards: the same bytes as one process, whatever the shards, their order and fate."""

import concurrent.futures
import contextlib
import functools
import itertools
import random
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from jaxvec import Corpus, Vocab, cooccurrence
from jaxvec.cli import main
from jaxvec.cooccurrence import count_shard, count_shards, dask_map, engine, merge_range, shards
from jaxvec.cooccurrence.pairs import Settings
from jaxvec.storage import runs
from jaxvec.storage.work import complete
from jaxvec.text import read, shard_words
from jaxvec.text import shards as text
from jaxvec.text.shard_words import count_vocabulary, save_vocabulary
from jaxvec.text.shards import CorpusShard, TextShard, corpus_shards, text_shards
from tests.sharded import LINES, write_texts


@pytest.fixture
def plain(tmp_path):
    """A folder of text."""
    return write_texts(tmp_path / "texts")


def shuffled(seed):
    """A `map` that works in another order and returns another one still."""

    def run(function, items):
        items = list(items)
        random.Random(seed).shuffle(items)
        results = [function(item) for item in items]
        random.Random(seed + 1).shuffle(results)
        return results

    return run


@pytest.mark.parametrize(("size", "unk"), [(70, None), (150, "<unk>"), (10**6, None)])
def test_text_in_any_shards_makes_the_same_vocabulary_and_bytes(
    plain, tmp_path, monkeypatch, size, unk
):
    monkeypatch.setattr(read, "READ_SIZE", 16)  # so that lines are longer, and cut
    corpus = Corpus.from_files(plain, min_count=3, max_size=30, unk=unk)
    cooccurrence.count(corpus, window=5, path=tmp_path / "one")
    parts = text_shards([plain], size=size)
    assert len(parts) > 1 or size == 10**6
    run = shuffled(size)
    vocab = count_vocabulary(parts, folder=tmp_path, map=run, min_count=3, max_size=30, unk=unk)
    assert (vocab.words, vocab.counts.tolist()) == (
        corpus.vocab.words,
        corpus.vocab.counts.tolist(),
    )
    count_shards(parts, vocab, path=tmp_path / "many", map=run, window=5, ranges=2)
    assert (tmp_path / "many").read_bytes() == (tmp_path / "one").read_bytes()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


@pytest.mark.parametrize(
    ("window", "symmetric", "distance_weighting"),
    [(1, True, True), (4, True, True), (4, False, True), (4, True, False), (30, False, True)],
)
def test_a_corpus_in_any_shards_makes_the_same_bytes(
    tmp_path, monkeypatch, window, symmetric, distance_weighting
):
    monkeypatch.setattr(shards, "_MERGED_AT_ONCE", 3)
    corpus = Corpus.from_documents(LINES, min_count=1)
    corpus.save(tmp_path / "corpus")
    options = {
        "window": window, "symmetric": symmetric, "distance_weighting": distance_weighting,
    }  # fmt: skip
    cooccurrence.count(corpus, path=tmp_path / "one", **options)
    for tokens, ranges in [(131, 1), (250, 3), (10**6, 20)]:
        parts = corpus_shards(tmp_path / "corpus", tokens=tokens)
        found = count_shards(parts, corpus.vocab, path=tmp_path / "many", map=shuffled(tokens),
                             ranges=ranges, **options)  # fmt: skip
        assert (tmp_path / "many").read_bytes() == (tmp_path / "one").read_bytes()
        assert found.settings == options


def test_a_text_twice_counts_twice(tmp_path, plain):
    corpus = Corpus.from_files(plain / "a.txt", plain / "a.txt", min_count=1)
    cooccurrence.count(corpus, path=tmp_path / "one")
    parts = text_shards([plain / "a.txt", plain / "a.txt"], size=200)
    count_shards(parts, corpus.vocab, path=tmp_path / "many")
    assert (tmp_path / "many").read_bytes() == (tmp_path / "one").read_bytes()


@pytest.mark.parametrize("window", [3, 10, 22])
def test_sums_are_the_exact_ones_rounded_once(window):
    ids = np.random.default_rng(1).integers(0, 3, 2000)
    corpus = Corpus(Vocab(["a", "b", "c"], [1, 1, 1]), ids.astype(np.int32), np.array([0, 2000]),
                    raw_words=2000)  # fmt: skip
    exact = {pair: Fraction(0) for pair in itertools.product(range(3), repeat=2)}
    for d in range(1, window + 1):
        for pair, times in zip(*np.unique(np.stack([ids[:-d], ids[d:]], 1), axis=0,
                                          return_counts=True), strict=True):  # fmt: skip
            exact[tuple(pair.tolist())] += Fraction(int(times), d)
    found = cooccurrence.count(corpus, window=window, symmetric=False).matrix().toarray()
    for pair, total in exact.items():
        assert found[pair] == np.float32(total.numerator / total.denominator)


def test_weights_are_whole_numbers_of_a_unit():
    for window in (1, 10, 22):
        unit = Settings(window, True, True).unit()
        assert [unit / w for w in Settings(window, True, True).weights(window)] == list(
            range(1, window + 1)
        )
    wide = Settings(5000, True, True)
    assert wide.unit() == 2**32
    assert np.abs(wide.weights(5000) * np.arange(1, 5001) / 2**32 - 1).max() <= 5000 * 2**-33


def test_sums_beyond_62_bits_are_refused_and_not_rounded():
    def run(*sums):
        return runs.Run(np.arange(len(sums)), np.array(sums, np.int64))

    (added,) = runs.merge([run(2**60 - 1, 1), run(2**60, 5)], 1 << 18, 1)
    assert added.sums.tolist() == [2**61 - 1, 6]  # float64 has no such number
    with pytest.raises(ValueError, match=r"a sum exceeds 2305843009213693952.*smaller window"):
        list(runs.merge([run(1, 2**61), run(1, 2**61), run(1, 2**62)], 1 << 18, 1))


@pytest.fixture
def saved(tmp_path):
    """(vocabulary's path, folder, shards) of a small corpus."""
    corpus = Corpus.from_documents(LINES, min_count=1)
    corpus.save(tmp_path / "corpus")
    folder = tmp_path / "work"
    folder.mkdir()
    return (
        save_vocabulary(folder, corpus.vocab),
        folder,
        corpus_shards(tmp_path / "corpus", tokens=300),
    )


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_tasks_run_again_or_twice_at_once_make_the_same_files(saved):
    vocabulary, folder, parts = saved
    words = len(shard_words.load_vocabulary(vocabulary)[0])
    count = functools.partial(count_shard, vocabulary=vocabulary, folder=folder, rows=[0, 9, words])
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        found = list(pool.map(count, [*parts, *parts]))
        once = contents(folder)
        assert found[: len(parts)] == found[len(parts) :]
        assert len(once) == 1 + 2 * len(parts)
        for lost in found[0].paths:
            Path(lost).unlink()
        assert list(map(count, parts)) == found[: len(parts)]
        assert contents(folder) == once
        lower = [shard.paths[0] for shard in found[: len(parts)]]
        merge = functools.partial(merge_range, folder=folder)
        first, *others = pool.map(merge, [lower, lower[::-1], lower])
    assert others == [first, first]
    assert (first.first, first.last) == (0, 9)
    assert len(contents(folder)) == len(once) + 1
    for path in lower:
        Path(path).unlink()
    assert merge(lower) == first  # what is merged needs no runs any more


def test_a_changed_text_is_counted_anew(plain, tmp_path):
    corpus = Corpus.from_files(plain / "b.txt", min_count=1)
    vocabulary = save_vocabulary(tmp_path, corpus.vocab)
    (shard,) = text_shards([plain / "b.txt"])
    rows = [0, len(corpus.vocab)]
    before = count_shard(shard, vocabulary, folder=tmp_path, rows=rows)
    (plain / "b.txt").write_text("wörd1 wörd2")
    after = count_shard(shard, vocabulary, folder=tmp_path, rows=rows)
    assert after.paths != before.paths
    assert after.tokens == 2
    narrow = count_shard(shard, vocabulary, folder=tmp_path, rows=rows, window=3)
    assert narrow.paths != after.paths
    with pytest.raises(ValueError, match=r"other rows, words or weights than.*\(0, \d+, \d+, 6\)"):
        merge_range([narrow.paths[0], after.paths[0]], folder=tmp_path)


def test_memory_bounds_the_text_of_a_shard(plain, saved, monkeypatch):
    _, folder, _ = saved
    (shard,) = text_shards([plain / "c.gz"])
    vocab = Corpus.from_files(plain, min_count=1).vocab
    vocabulary = save_vocabulary(folder, vocab)
    found = []
    original = TextShard.open

    def noted(*arguments, **options):
        found.append(original(*arguments, **options))
        return found[-1]

    monkeypatch.setattr(TextShard, "open", noted)
    made = []
    for memory in (64 << 20, 65 << 20):
        counted = count_shard(shard, vocabulary, folder=folder, rows=[0, len(vocab)], memory=memory)
        made.append(Path(counted.paths[0]).read_bytes())
        Path(counted.paths[0]).unlink()
    assert [isinstance(stretch.corpus.ids, np.memmap) for stretch in found] == [True, False]
    assert made[0] == made[1]


def test_from_the_shell(plain, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text, "_BYTES", (300, 600))
    main(["cooccur", "texts", "-o", "one", "--min-count", "2"])
    flags = ["--engine", "processes", "--workers", "2"]
    command = ["cooccur", "texts", "-o", "many", "--min-count", "2", "--save-vocab", "v", *flags]
    assert main(command) == 0
    out, err = capsys.readouterr()
    assert " shards, a vocabulary of " in err
    assert "cells, read and counted in" in out
    assert Path("many").read_bytes() == Path("one").read_bytes()
    with engine("processes", workers=1) as shared:  # one pool for the commands that follow
        monkeypatch.setattr(
            "jaxvec.cli.engine.engine", lambda *_, **__: contextlib.nullcontext(shared)
        )
        Corpus.from_files("texts", min_count=2).save("saved")
        assert main(["cooccur", "saved", "-o", "from-saved", *flags]) == 0
        assert Path("from-saved").read_bytes() == Path("one").read_bytes()
        assert main(["cooccur", "texts", "-o", "stanford.bin", "--vocab", "v", *flags]) == 0
        assert main(["cooccur", "texts", "-o", "threads.bin", "--vocab", "v"]) == 0
        assert Path("stanford.bin").read_bytes() == Path("threads.bin").read_bytes()
        assert not list(tmp_path.glob(".*"))


REFUSED = {
    "workers of threads": (["--workers", "2"], "--workers goes with --engine"),
    "a scheduler of processes": (["--engine", "processes", "--scheduler", "a:1"], "--scheduler"),
    "both": (["--engine", "dask", "--scheduler", "a:1", "--workers", "2"], "without --workers"),
    "device": (["--engine", "processes", "--on-device"], "--on-device does not go with"),
    "vocabulary": (["--engine", "processes", "--vocab", "v", "--max-vocab", "9"], "--max-vocab"),
    "memory": (["--engine", "processes", "--memory", "1MB"], "--memory must be at least"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_in_one_line(name, plain, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    flags, message = REFUSED[name]
    assert main(["cooccur", "texts", "-o", "new", *flags]) == 2
    err = capsys.readouterr().err
    assert message in err
    assert [file.name for file in tmp_path.iterdir()] == ["texts"]
    assert err.count("\n") == 1


def test_standard_input_cannot_be_divided():
    with pytest.raises(ValueError, match="- is no plain file, and cannot be divided"):
        text_shards(["-"])


def test_without_the_package_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "dask.distributed", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxvec\[dask\]'"), engine("dask"):
        pass


@pytest.mark.parametrize(
    ("made", "error", "message"),
    [
        (lambda p: TextShard(("a",), tokenizer=str.split), TypeError, "the name of one"),
        (lambda p: TextShard(("a",), tokenizer="none"), ValueError, "tokenizer must be"),
        (lambda p: TextShard(("a",), errors="lenient"), ValueError, "errors must be a name"),
        (lambda p: TextShard(("a",), errors=None), ValueError, "errors must be a name"),
        (lambda p: TextShard(("a", "b"), 0, 7), ValueError, "of one file; got 2"),
        (lambda p: list(read.read_range(p / "a.txt", 4, 9)), ValueError, "stands inside a word"),
        (lambda p: list(read.read_range(p / "a.txt", 0, 10**9)), ValueError, "and no range"),
        (lambda p: text_shards([p], size=0), ValueError, "size must be at least 1"),
        (lambda p: corpus_shards(p / "a.txt"), ValueError, "not an .npz archive"),
        (lambda p: count_shards([], Vocab(["a"], [1]), path=p / "c"), ValueError, "no shard"),
        (lambda p: count_shards([p], Vocab(["a"], [1]), path=p / "c"), TypeError, "text_shards"),
        (lambda p: count_shards(text_shards([p]), ["a"], path=p / "c"), TypeError, "a Vocab"),
        (lambda p: count_shards(text_shards([p]), Vocab(["a"], [1]), path=p / "c"), ValueError,
         "no word of the shards is in the vocabulary"),
        (lambda p: count_vocabulary([CorpusShard("a", 0, 1)], folder=p), TypeError, "TextShard"),
        (lambda p: count_vocabulary(text_shards([p]), folder=p, min_count=10**6), ValueError,
         "lower min_count"),
        (lambda p: complete([1], [1, 2], int), ValueError, "1 results of 2 tasks"),
        (lambda p: complete([object()], [1], int), TypeError, r"dask_map\(client\)"),
        (lambda p: merge_range([], folder=p), ValueError, "no run to merge"),
        (lambda p: merge_range([str(p / "none")], folder=p), FileNotFoundError, "no such file"),
        (lambda p: merge_range([str(p / "a.txt")], folder=p / "none"), FileNotFoundError, "folder"),
        (lambda p: engine("spark").__enter__(), ValueError, "one of processes, dask; got 'spark'"),
        (lambda p: engine("dask", workers=1, scheduler="a").__enter__(), ValueError, "of its own"),
    ],
)  # fmt: skip
def test_what_is_refused(plain, made, error, message):
    with pytest.raises(error, match=message):
        made(plain)
    assert len(list(plain.iterdir())) == 3 + (error is ValueError and "min_count" in message)


def test_other_words_and_rows_are_refused(saved):
    vocabulary, folder, parts = saved
    count = functools.partial(count_shard, parts[0], folder=folder)
    for rows in ([0, 5], [1, 61], [0, 7, 7, 61], []):
        with pytest.raises(ValueError, match="rows must rise from 0 to the number of words"):
            count(vocabulary, rows=rows)
    other = save_vocabulary(folder, Vocab(["a"], [1]))
    with pytest.raises(ValueError, match="has other words than the vocabulary"):
        count(other, rows=[0, 1])
    np.savez(folder.with_name("no.npz"), words=np.zeros(1))
    with pytest.raises(ValueError, match="is not a vocabulary that"):
        count(parts[0].path.replace("corpus", "no.npz"), rows=[0, 1])


def test_a_map_of_futures_is_refused(saved, tmp_path):
    *_, parts = saved
    vocab = Corpus.load(tmp_path / "corpus").vocab
    with (
        concurrent.futures.ThreadPoolExecutor(1) as pool,
        pytest.raises(TypeError, match=r"map must return results, each a ShardRuns; got a Future"),
    ):
        count_shards(parts, vocab, path=tmp_path / "c",
                     map=lambda f, items: [pool.submit(f, item) for item in items])  # fmt: skip
    assert dask_map.__module__ == "jaxvec.cooccurrence.engines"
