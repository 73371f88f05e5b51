"""Text larger than memory: codes, ids and offsets on disk, the same to the bit."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxvec import Corpus, SkipGram, Vocab, cooccurrence, fit
from jaxvec.cli import cooccur, main
from jaxvec.cooccurrence import counting
from jaxvec.storage.disk import DiskArray
from jaxvec.storage.pool import free_memory
from jaxvec.text import corpus as corpus_file
from jaxvec.text import indexing

SOME = 50_000  # bytes: the words of the texts below fit, the texts do not


@pytest.fixture
def small_batches(monkeypatch):
    monkeypatch.setattr(indexing, "_BATCH", 1000)
    monkeypatch.setattr(corpus_file, "_PART", 7)


@pytest.fixture(scope="module")
def documents():
    """20,000 words, some of them rare, in documents of 0 to 59."""
    rng = np.random.default_rng(0)
    words = [f"w{min(i, 120)}" for i in rng.zipf(1.3, 20_000)]
    cuts = np.sort(rng.integers(0, len(words), 700))
    return [words[a:b] for a, b in zip([0, *cuts], [*cuts, len(words)], strict=True)]


def assert_same(one, other):
    assert one.vocab.words == other.vocab.words
    assert one.vocab.counts.tolist() == other.vocab.counts.tolist()
    for name in ("ids", "offsets"):
        a, b = getattr(one, name), getattr(other, name)
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    assert one.raw_words == other.raw_words


@pytest.mark.usefixtures("small_batches")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"min_count": 200},
        {"unk": "<unk>", "min_count": 200, "specials": ["<pad>"]},
        {"max_size": 3},
        {"max_vocab_size": 40},
        {"vocab": Vocab(["w1", "w7"], [5, 4])},
        {"extend": Vocab(["w1", "other", "w120"], [9, 8, 7]), "min_count": 200},
    ],
    ids=lambda options: " ".join(options) or "defaults",
)
def test_on_disk_as_in_memory(documents, tmp_path, options):
    in_memory = Corpus.from_documents(documents, **options)
    on_disk = Corpus.from_documents(documents, memory=SOME, folder=tmp_path, **options)
    assert isinstance(on_disk.ids, np.memmap)
    assert isinstance(on_disk.offsets, np.memmap)
    assert not isinstance(in_memory.ids, np.memmap)
    assert_same(on_disk, in_memory)
    for fraction in (0.01, 0.3, 0.999):
        for one, other in zip(on_disk.split(fraction), in_memory.split(fraction), strict=True):
            assert_same(one, other)
    for one, other in zip(on_disk.documents(), in_memory.documents(), strict=True):
        np.testing.assert_array_equal(one, other)
    assert on_disk.longest_document() == np.diff(in_memory.offsets).max()
    on_disk.save(tmp_path / "saved")
    assert_same(Corpus.load(tmp_path / "saved"), in_memory)


def test_what_fits_stays_in_memory(documents, tmp_path):
    found = Corpus.from_documents(documents, memory=1 << 30, folder=tmp_path)
    assert not isinstance(found.ids, np.memmap)


def test_a_document_in_pieces_and_many_empty_ones(tmp_path):
    def pieces():
        yield ["a"] * 200_000, False
        for _ in range(200_000):
            yield [], True
        yield ["b"] * 200_000, True

    corpus = Corpus.from_pieces(pieces(), memory=SOME, folder=tmp_path)
    assert corpus.offsets.tolist() == [0, 200_000, 400_000]
    assert corpus.ids.tolist() == [0] * 200_000 + [1] * 200_000


def test_split_is_at_the_nearest_end():
    """Against the obvious: the distances to all ends inside."""
    rng = np.random.default_rng(1)
    for _ in range(200):
        offsets = np.append(0, np.cumsum(rng.integers(1, 9, rng.integers(1, 12))))
        size, fraction = int(offsets[-1]), rng.uniform(0.05, 0.95)
        corpus = Corpus(Vocab(["a"], [size]), np.zeros(size, np.int32), offsets, raw_words=size)
        cut = round(size * (1 - fraction))
        near = min(offsets[1:-1], key=lambda end: abs(end - cut), default=cut)
        if abs(near - cut) <= size * min(fraction, 1 - fraction) / 2:
            cut = int(near)
        if not 0 < cut < size:
            with pytest.raises(ValueError, match="too small"):
                corpus.split(fraction)
            continue
        first, last = corpus.split(fraction)
        ends = set(offsets.tolist()) | {cut}
        assert first.offsets.tolist() == sorted(end for end in ends if end <= cut)
        assert last.offsets.tolist() == sorted(end - cut for end in ends if end >= cut)


@pytest.mark.usefixtures("small_batches")
def test_training_and_counting_are_the_same_to_the_bit(documents, tmp_path):
    corpora = [
        Corpus.from_documents(documents, **options)
        for options in ({}, {"memory": SOME, "folder": tmp_path})
    ]
    model = SkipGram(vector_size=8, segment_tokens=5000, spectral_words=8000)
    results = [fit(corpus, model, key=jax.random.key(1), epochs=1, valid=0.1) for corpus in corpora]
    for one, other in zip(*(result.params for result in results), strict=True):
        np.testing.assert_array_equal(one, other)
    assert results[0].history[0].valid_loss == results[1].history[0].valid_loss
    one, other = (cooccurrence.count(corpus, window=3) for corpus in corpora)
    np.testing.assert_array_equal(one.data, other.data)
    np.testing.assert_array_equal(one.indices, other.indices)


_STREAM = """
import sys
from jaxvec.storage.pool import give_back, resident_memory
from jaxvec.text.corpus import Corpus
def pieces(tokens):
    words = [f"w{i % 500}" for i in range(20_000)]
    for _ in range(0, tokens, 20_000):
        yield words, True
def grown(tokens):
    give_back()
    before = resident_memory()
    corpus = Corpus.from_pieces(pieces(tokens), memory=1 << 20, folder=sys.argv[1])
    assert len(corpus) == tokens
    return resident_memory() - before
grown(2_000_000)
print(grown(2_000_000), grown(12_000_000))
"""


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="measures memory as Linux does")
def test_memory_does_not_grow_with_the_text(tmp_path):
    """In a process of its own: 12 million words, 96 MB in memory."""
    done = subprocess.run([sys.executable, "-c", _STREAM, str(tmp_path)], check=True,
                          capture_output=True, text=True)  # fmt: skip
    small, large = map(int, done.stdout.split())
    assert max(small, large) < 10 << 20


def open_files(folder):
    """The files in a folder that this process has open, also those without a name."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return [link for link in links if str(folder) in str(link.readlink())]


@pytest.mark.usefixtures("small_batches")
def test_nothing_is_left(documents, tmp_path):
    """After success, and after an error in the middle of reading."""
    Corpus.from_documents(documents, memory=SOME, folder=tmp_path)

    def broken():
        yield from documents[:600]
        if Path("/proc/self/fd").exists():
            assert len(open_files(tmp_path)) == 2
        yield 5

    with pytest.raises(TypeError, match="document 600 must be"):
        Corpus.from_documents(broken(), memory=SOME, folder=tmp_path)
    assert not list(tmp_path.iterdir())
    if Path("/proc/self/fd").exists():
        assert not open_files(tmp_path)


@pytest.mark.skipif(os.name != "posix", reason="POSIX")
def test_killed_leaves_nothing(tmp_path):
    script = f"""
import time
from jaxvec.text.corpus import Corpus
def pieces():
    yield ["a"] * 200_000, True
    yield ["a"] * 200_000, True
    print("read", flush=True)
    time.sleep(60)
Corpus.from_pieces(pieces(), memory=1000, folder={str(tmp_path)!r})
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"read\n"
        process.send_signal(signal.SIGKILL)
    assert not list(tmp_path.iterdir())


def test_words_that_outgrow_memory_are_told(tmp_path):
    words = [f"w{i}" for i in range(1000)] * 5
    with pytest.warns(UserWarning, match="1,000 distinct words .* max_vocab_size bounds them"):
        Corpus.from_documents([words], memory=1000, folder=tmp_path)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"memory": -1}, ValueError, "memory must be at least 0; got -1"),
        ({"memory": "1GB"}, TypeError, "memory must be a whole number"),
        ({"folder": "."}, ValueError, "give memory= too"),
        ({"memory": 1, "folder": "nowhere"}, FileNotFoundError, "there is no folder nowhere"),
    ],
)
def test_bad_values(options, error, message):
    with pytest.raises(error, match=message):
        Corpus.from_documents(iter(()), **options)


def test_an_array_on_disk_as_one_in_memory(tmp_path):
    on_disk, expected = DiskArray(np.int64, tmp_path), np.arange(10)
    on_disk.append(expected[:6])
    on_disk.append(expected[6:])
    on_disk.write(8, expected[:4])
    expected = np.concatenate([expected[:8], expected[:4]])
    np.testing.assert_array_equal(on_disk.read(1, 12), expected[1:])
    with pytest.raises(OSError, match="cut short"):
        on_disk.read(0, 13)
    on_disk.truncate(9)
    np.testing.assert_array_equal(on_disk.mapped(), expected[:9])


def test_free_memory(tmp_path):
    def write(name, text):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)

    assert free_memory(tmp_path) is None
    write("proc/meminfo", "MemTotal:  100 kB\nMemAvailable:  50 kB\nHugePages_Total: 0\n")
    assert free_memory(tmp_path) == 50 * 1024
    write("proc/self/cgroup", "0::/a/b\n")
    write("sys/fs/cgroup/a/b/memory.max", "max\n")
    write("sys/fs/cgroup/a/b/memory.current", "1000\n")
    assert free_memory(tmp_path) == 50 * 1024
    write("sys/fs/cgroup/a/memory.max", "9000\n")
    write("sys/fs/cgroup/a/memory.current", "7000\n")
    write("sys/fs/cgroup/a/memory.stat", "anon 10\ninactive_file 500\n")
    assert free_memory(tmp_path) == 2500
    write("proc/self/cgroup", "9:cpu:/a\n4:memory:/job\n")  # version 1; a container sees its own
    assert free_memory(tmp_path) == 50 * 1024
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "5000")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "6000")
    assert free_memory(tmp_path) == 0


@pytest.fixture
def folder(tmp_path, monkeypatch, documents):
    monkeypatch.chdir(tmp_path)
    Path("text").write_text("\n".join(map(" ".join, documents)))
    return tmp_path


@pytest.mark.usefixtures("small_batches")
def test_command_line(folder, monkeypatch):
    """The same bits with any --memory, also of a run that is resumed with another."""
    kept = []
    map_of = DiskArray.mapped
    monkeypatch.setattr(DiskArray, "mapped", lambda self: kept.append(self) or map_of(self))
    run = ["train", "text", "--vector-size", "8", "--epochs"]
    assert main([*run, "2", "-o", "usual.npz"]) == 0
    assert not kept
    assert main([*run, "2", "-o", "small.npz", "--memory", "50kB", "--checkpoint", "state"]) == 0
    assert len(kept) == 2
    again = [*run, "2", "-o", "again.npz", "--checkpoint", "state", "--resume"]
    assert main([*again, "--memory", "1GB"]) == 0
    tables = [np.load(f"{name}.npz")["vectors"] for name in ("usual", "small", "again")]
    np.testing.assert_array_equal(tables[0], tables[1])
    np.testing.assert_array_equal(tables[0], tables[2])
    assert sorted(path.name for path in folder.iterdir()) == [
        "again.npz", "small.npz", "state", "text", "usual.npz"
    ]  # fmt: skip


@pytest.mark.usefixtures("small_batches")
def test_counting_by_the_command_line(folder, monkeypatch, capsys):
    kept = []
    map_of = DiskArray.mapped
    monkeypatch.setattr(DiskArray, "mapped", lambda self: kept.append(self) or map_of(self))
    assert main(["cooccur", "text", "-o", "usual"]) == 0
    assert not kept
    for module in (cooccur, counting):
        monkeypatch.setattr(module, "LEAST_MEMORY", 90_000)
    assert main(["cooccur", "text", "-o", "small", "--memory", "100kB"]) == 0
    assert len(kept) == 2  # ids and offsets
    one, other = (cooccurrence.Cooccurrence.load(name) for name in ("usual", "small"))
    for name in ("indptr", "indices", "data"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert main(["cooccur", "text", "-o", "no", "--memory", "89kB"]) == 2
    assert "--memory must be at least 90000 bytes; got 89000" in capsys.readouterr().err


@pytest.mark.usefixtures("small_batches")
def test_given_words_take_no_memory(folder, capsys):
    words = {f"w{i}": 1 for i in range(3000)}
    Vocab.from_counts(words, min_count=1).save("given")
    assert main(["cooccur", "text", "-o", "few", "--vocab", "given"]) == 0
    assert main(["train", "text", "--vocab", "given", "--memory", "500kB", "--epochs", "1",
                 "--vector-size", "8"]) == 0  # fmt: skip
    assert "distinct words" not in capsys.readouterr().err


def test_the_rarest_words_are_forgotten(folder, capsys):
    few = ["cooccur", "text", "-o", "few"]
    assert main([*few, "--max-vocab-size", "20"]) == 0
    expected = Corpus.from_files("text", max_vocab_size=20).vocab
    assert cooccurrence.Cooccurrence.load("few").vocab.words == expected.words
    assert len(expected) <= 20
    Path("vocab").write_text("w1 9\nw2 8\n")
    assert main([*few[:3], "new", "--vocab", "vocab", "--max-vocab-size", "20"]) == 2
    assert "--max-vocab-size does not go with --vocab" in capsys.readouterr().err


@pytest.mark.skipif(os.name != "posix", reason="POSIX")
def test_a_full_disk_is_told_in_one_line(folder, capsys, monkeypatch):
    """A limit of files' sizes stands for the disk."""
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, hard))
    try:
        monkeypatch.setattr(cooccur, "LEAST_MEMORY", 0)
        assert main(["cooccur", "text", "-o", "cells", "--memory", "50kB"]) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert f"cannot write to a temporary file in {folder}, after 0 bytes: File too large" in told
    assert [path.name for path in folder.iterdir()] == ["text"]
