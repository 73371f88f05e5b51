"""Outputs: signals and leftovers, and files that come into being while a command runs."""

import os
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

from benchmarks import kills
from jaxvec import WordVectors
from jaxvec.cli import main
from jaxvec.storage import locks
from jaxvec.storage.files import atomic_write, claim, claims
from tests import faults

WORDS = ["a", "b", "c"]


@pytest.fixture
def vectors(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("v.txt").write_text("a 1 2\nb 3 4\nc 5 6\n")
    return WordVectors(WORDS, np.arange(6, dtype=np.float32).reshape(3, 2))


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP", "SIGINT"])
def test_a_signal_while_a_file_is_written_removes_the_temporary(vectors, monkeypatch, capsys, name):
    real = os.fsync

    def fsync(file):
        if any(Path().glob(".w.bin.*.part")):
            monkeypatch.setattr(os, "fsync", real)
            os.kill(os.getpid(), signal.Signals[name])
            time.sleep(5)

    monkeypatch.setattr(os, "fsync", fsync)
    assert main(["convert", "v.txt", "w.bin"]) == 128 + signal.Signals[name]
    by = "" if name == "SIGINT" else f" by {name}"
    assert capsys.readouterr().err == f"jaxvec convert: interrupted{by}\n"
    assert faults.names(Path()) == {"v.txt"}
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert main(["convert", "v.txt", "w.bin"]) == 0


@pytest.mark.skipif(not locks.AVAILABLE, reason="no locks here")
def test_old_temporary_files_that_nobody_holds_are_removed(vectors):
    old = [".w.bin.abcdefgh.part", ".w.bin.held0000.part", ".w.bin.notes.part", ".w.bin.x"]
    old += [".x.bin.abcdefgh.part"]
    for name in [*old, ".w.bin.young000.part"]:
        Path(name).touch()
    for name in old:
        os.utime(name, times=(time.time() - 7200,) * 2)
    with open(old[1], "wb") as held:
        os.utime(old[1], times=(time.time() - 7200,) * 2)
        assert locks.locked(held.fileno())
        vectors.save("w.bin")
    left = {*old[1:], ".w.bin.young000.part", "v.txt", "w.bin"}
    assert faults.names(Path()) == left
    vectors.save("w.bin")
    assert faults.names(Path()) == left - {old[1]}


def test_an_output_that_comes_into_being_is_kept_and_ours_is_beside_it(
    vectors, monkeypatch, capsys
):
    """As of another run with the same output, which is done first."""
    real = WordVectors.load
    outputs = ["w.glove.txt", "w.2.glove.txt"]

    def load(*args, **options):
        for name in outputs:
            Path(name).write_text("another's")
        return real(*args, **options)

    monkeypatch.setattr(WordVectors, "load", load)
    assert main(["convert", "v.txt", "w.glove.txt"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "w.glove.txt was made by another meanwhile, and is kept: ours is in " in error
    assert error.endswith("w.3.glove.txt\n")
    assert [Path(name).read_text() for name in outputs] == ["another's"] * 2
    assert real("w.3.glove.txt").index_to_key == WORDS
    assert faults.names(Path()) == {"v.txt", "w.3.glove.txt", *outputs}
    assert main(["convert", "v.txt", "w.glove.txt", "--force"]) == 0
    assert real("w.glove.txt").index_to_key == WORDS


def test_all_outputs_of_a_run_are_kept(tmp_path, monkeypatch, capsys):
    """If another has made the first, the others are written all the same; and a log is rewritten
    after each epoch, for it is the run's own."""
    from jaxvec.cli import train

    monkeypatch.chdir(tmp_path)
    Path("t.txt").write_text("a b c d e f g h\n" * 40)
    monkeypatch.setattr(
        train, "warn_if_collapsed", lambda vectors: Path("v.npz").write_text("another's")
    )
    command = ["train", "t.txt", "-o", "v.npz", "--vector-size", "4", "--epochs", "2", "--log", "l"]
    assert main([*command, "--spectral-words", "0", "--save-run", "r"]) == 2
    assert capsys.readouterr().err.endswith("v.2.npz\n")
    assert len(WordVectors.load("v.2.npz")) == 8
    assert Path("v.npz").read_text() == "another's"
    assert len(Path("l").read_text().splitlines()) == 2
    assert faults.names(Path()) == {"t.txt", "v.npz", "v.2.npz", "r", "l"}


def test_a_claimed_file_is_made_where_there_are_no_hard_links(tmp_path, monkeypatch):
    def link(*args, **options):
        raise PermissionError(1, "no links here")

    monkeypatch.setattr(os, "link", link)
    with claims():
        claim(tmp_path / "a")
        with atomic_write(tmp_path / "a") as temporary:
            temporary.write_text("1")
        with atomic_write(tmp_path / "a") as temporary:  # its own by now
            temporary.write_text("2")
        claim(tmp_path / "b")
        (tmp_path / "b").write_text("another's")
        with pytest.raises(FileExistsError), atomic_write(tmp_path / "b") as temporary:
            temporary.write_text("3")
    found = {path.name: path.read_text() for path in tmp_path.iterdir()}
    assert found == {"a": "2", "b": "another's", "b.2": "3"}


def test_every_fault_at_a_claimed_file_leaves_none_or_the_whole(tmp_path):
    def one(number):
        with claims():
            claim(tmp_path / f"{number}")
            with atomic_write(tmp_path / f"{number}") as temporary:
                temporary.write_text("whole")

    for number, under in faults.every(one):
        path = tmp_path / f"{number}"
        assert not path.exists() or path.read_text() == "whole"
        assert path.exists() or under.reached
        if under.fault != faults.KILLED:
            assert not any(tmp_path.glob(".*"))


def test_checkpoints_that_do_not_fit_neither_end_a_run_nor_delay_its_end(tmp_path):
    """A process whose files may be no larger than the vectors are. Orbax left threads, and hundreds
    of lines."""
    text = tmp_path / "text.txt"
    rng = np.random.default_rng(0)
    text.write_text("\n".join(" ".join(f"w{i}" for i in row) for row in rng.zipf(1.2, (99, 100))))
    saving = ["--checkpoint", str(tmp_path / "c"), "--checkpoint-every", "1"]
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8_000, 8_000));"
    program = [*kills.PROGRAM[:2], limit + kills.PROGRAM[2]]
    command = [*program, *kills.arguments(text, tmp_path / "v.bin", "sgns", 1), *saving]
    run = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert run.returncode == 0, run.stderr
    told = [line for line in run.stderr.splitlines() if "warning" in line]
    assert told
    for line in told:
        assert "a checkpoint could not be written in " in line
        assert "File too large, at step " in line
    assert "Traceback" not in run.stderr
    assert (tmp_path / "v.bin").exists()
    assert faults.names(tmp_path / "c") == set()
