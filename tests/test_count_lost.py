"""Counting by shards that fails: what is finished is kept or removed, and the error is told."""

import contextlib
import functools
import multiprocessing
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from jaxvec import Corpus, cooccurrence
from jaxvec.cli import main
from jaxvec.cooccurrence import count_shards, engine
from jaxvec.storage.work import work_folder
from jaxvec.text import shards as text
from jaxvec.text.shards import TextShard, text_shards
from tests.sharded import dies_once, fails_or_sleeps, write_texts


@pytest.fixture
def plain(tmp_path):
    """A folder of text."""
    return write_texts(tmp_path / "texts")


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_goes_on_where_it_was(plain, tmp_path, monkeypatch):
    corpus = Corpus.from_files(plain, min_count=1)
    corpus.vocab.save(tmp_path / "vocab")
    cooccurrence.count(corpus, path=tmp_path / "one")
    arguments = map(str, (plain, tmp_path / "flag", tmp_path / "vocab", tmp_path / "many"))
    script = """
import sys
from jaxvec import Vocab
from jaxvec.cooccurrence import count_shards, shards
from jaxvec.text.shards import text_shards
from tests.sharded import dies_once
plain, flag, vocab, path = sys.argv[1:]
parts = text_shards([plain], size=400)
def run(function, items):
    first, *others = items
    return [function(first), *dies_once(map, flag)(function, others)]
count_shards(parts, Vocab.load(vocab), path=path, map=run, ranges=3)
"""
    killed = subprocess.run([sys.executable, "-c", script, *arguments])
    assert killed.returncode == -signal.SIGKILL
    left = [file.name for file in (tmp_path / ".many.parts").iterdir()]
    assert any(name.endswith(".part") for name in left)  # of the file that was being written
    opened = []
    original = TextShard.open
    monkeypatch.setattr(TextShard, "open", lambda *a, **k: opened.append(a[0]) or original(*a, **k))
    parts = text_shards([plain], size=400)
    count_shards(parts, corpus.vocab, path=tmp_path / "many", ranges=3)
    assert opened == parts[1:]
    assert (tmp_path / "many").read_bytes() == (tmp_path / "one").read_bytes()
    assert not [file for file in tmp_path.iterdir() if file.name.startswith(".")]


def test_bad_input_leaves_nothing_and_the_old_file(plain, tmp_path):
    (tmp_path / "many").write_text("old")
    vocab = Corpus.from_files(plain, min_count=1).vocab
    (plain / "d.txt").write_bytes(b"w\xff")
    with pytest.raises(ValueError, match=r"d\.txt is not UTF-8: byte offset 1"):
        count_shards(text_shards([plain], size=100), vocab, path=tmp_path / "many")
    assert {file.name for file in tmp_path.iterdir()} == {"texts", "many"}
    assert (tmp_path / "many").read_text() == "old"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_other_errors_keep_what_is_finished(plain, tmp_path, monkeypatch, capsys, error):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(text, "_BYTES", (300, 600))
    main(["cooccur", "texts", "-o", "one.bin", "--min-count", "2"])
    parts = text_shards(["texts"])
    opened = []
    original = TextShard.open

    def fails(shard, *arguments, **options):
        if shard == parts[3]:
            raise error
        return original(shard, *arguments, **options)

    def noted(shard, *arguments, **options):
        opened.append(shard)
        return original(shard, *arguments, **options)

    monkeypatch.setattr("jaxvec.cli.engine.engine", lambda *_, **__: contextlib.nullcontext(map))
    command = ["cooccur", "texts", "-o", "many.bin", "--min-count", "2", "--engine", "processes"]
    capsys.readouterr()
    monkeypatch.setattr(TextShard, "open", fails)
    assert main(command) == (130 if isinstance(error, KeyboardInterrupt) else 2)
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith("; what is finished is kept: the same command or call goes on from there")
    assert last.count("kept") == 1
    monkeypatch.setattr(TextShard, "open", noted)
    assert main(command) == 0
    assert opened == parts[3:]
    assert Path("many.bin").read_bytes() == Path("one.bin").read_bytes()
    assert not list(tmp_path.glob(".*"))


def test_work_that_is_not_resumed_or_not_begun_leaves_nothing(tmp_path):
    for resumed in (True, False):

        def fail(resumed=resumed):
            with work_folder(tmp_path / "many", resumed=resumed) as folder:
                if not resumed:
                    (folder / "part").touch()
                raise OSError("full")

        with pytest.raises(OSError, match="full") as found:
            fail()
        assert not hasattr(found.value, "__notes__")
        assert not list(tmp_path.iterdir())


def test_an_error_is_not_hidden_by_files_that_cannot_be_removed(tmp_path, monkeypatch):
    def refused(*_, **__):
        raise PermissionError("in use")

    def fail():
        with work_folder(tmp_path / "many") as folder:
            (folder / "part").touch()
            raise ValueError("bad")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", refused)
        patched.setattr(Path, "rename", refused)
        with pytest.raises(ValueError, match="bad"):
            fail()
    assert (tmp_path / ".many.parts" / "part").exists()
    with pytest.raises(ValueError, match="bad"):
        fail()
    assert not list(tmp_path.iterdir())


def test_a_folder_of_somebody_else_stays(tmp_path):
    mine = tmp_path / ".many.parts"
    mine.mkdir()
    (mine / "thesis").write_text("years of work")
    with pytest.raises(ValueError, match="is in the way"), work_folder(tmp_path / "many"):
        pass
    assert (mine / "thesis").read_text() == "years of work"


@pytest.mark.parametrize("name", ["processes", "dask"])
def test_engines_count_the_same_bytes_though_a_worker_is_killed(plain, tmp_path, name):
    if name == "dask":
        pytest.importorskip("distributed")
    corpus = Corpus.from_files(plain, min_count=1)
    cooccurrence.count(corpus, path=tmp_path / "one")
    parts = text_shards([plain], size=400)
    path, flag = tmp_path / "many", tmp_path / "flag"
    count = functools.partial(count_shards, parts, corpus.vocab, path=path, ranges=3)
    if name == "dask":  # which starts the worker again, and its tasks elsewhere
        with engine(name, workers=2) as run:
            count(map=dies_once(run, flag))
    else:
        with (
            pytest.raises(ChildProcessError, match="a worker process ended before its task"),
            engine(name, workers=2) as run,
        ):
            count(map=dies_once(run, flag))
        assert {file.name for file in tmp_path.iterdir()} == {"texts", "one", "flag", ".many.parts"}
        with engine(name, workers=2) as run:
            count(map=dies_once(run, flag))
    assert flag.exists()
    assert path.read_bytes() == (tmp_path / "one").read_bytes()
    assert {file.name for file in tmp_path.iterdir()} == {"texts", "one", "many", "flag"}


def test_an_error_ends_the_processes_that_still_work(tmp_path):
    start = time.monotonic()
    with engine("processes", workers=2) as run:
        with pytest.raises(ValueError, match="bad"):
            run(fails_or_sleeps, ["bad", "sleep"])
        assert not multiprocessing.active_children()
    assert time.monotonic() - start < 30


def test_a_lost_scheduler_is_named():
    distributed = pytest.importorskip("distributed")
    cluster = distributed.LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, dashboard_address=":0"
    )
    with engine("dask", scheduler=cluster.scheduler_address) as run:
        threading.Timer(0.3, cluster.close).start()
        with pytest.raises(ConnectionError, match="the Dask scheduler is lost"):
            run(time.sleep, [1, 1])
