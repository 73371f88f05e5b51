"""A run that was stopped and resumed ends in the bits of one that was not."""

import contextlib
import random
import signal
import subprocess
from pathlib import Path

import jax
import numpy as np
import pytest

from benchmarks import kills
from jaxvec import Checkpoints, GloVe, SkipGram, cooccurrence, fit
from jaxvec.cli import main
from jaxvec.train import cells as cell_segments
from jaxvec.train import segments as token_segments
from jaxvec.train.fit import Stopped

KEY = jax.random.key(0)
RUNS = {
    "sgns": (SkipGram(vector_size=8, window=3), "sgd"),
    "sgns adam": (SkipGram(vector_size=8, window=3), "adam"),
    "glove": (GloVe(vector_size=8), None),
}


@pytest.fixture(params=RUNS)
def run(request, topic_corpus, monkeypatch):
    """A run of 3 epochs of several segments, as a function of what else `fit` takes."""
    monkeypatch.setattr(token_segments, "SEGMENT_TOKENS", 5000)
    monkeypatch.setattr(cell_segments, "SEGMENT_CELLS", 500)
    model, optimizer = RUNS[request.param]
    data = topic_corpus
    if isinstance(model, GloVe):
        data = cooccurrence.count(topic_corpus, window=5)

    def start(**options):
        return fit(data, model, key=KEY, epochs=3, optimizer=optimizer, valid=0.1, **options)

    return start


def same(a, b) -> bool:
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in leaves)


def timeless(history):
    return [(r.epoch, r.loss, r.valid_loss, r.learning_rate, r.pairs) for r in history]


def test_stopped_thrice_at_random_and_resumed_equals_uninterrupted(run, tmp_path):
    whole = run()
    rng = random.Random(0)
    for _ in range(3):
        left = [rng.randrange(1, 6)]

        def stop(left=left):
            left[0] -= 1
            return left[0] == 0

        checkpoints = Checkpoints(tmp_path / "c", {"run": 1})
        with pytest.raises(Stopped):
            run(checkpoints=checkpoints, should_stop=stop)
        checkpoints.close()
    checkpoints = Checkpoints(tmp_path / "c", {"run": 1})
    assert checkpoints.progress() != type(checkpoints.progress())()
    resumed = run(checkpoints=checkpoints)
    checkpoints.close()
    assert same((whole.params, whole.opt_state), (resumed.params, resumed.opt_state))
    assert timeless(whole.history) == timeless(resumed.history)


def test_saving_does_not_change_the_bits_and_keeps_the_last(run, tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", {}, steps=1, keep=2)
    saved = run(checkpoints=checkpoints)
    checkpoints.close()
    assert same(saved.params, run().params)
    states = [int(p.name) for p in (tmp_path / "c").iterdir() if p.name.isdigit()]
    assert len(states) == 2
    finished = Checkpoints(tmp_path / "c", {})
    assert finished.progress().epoch == 3
    again = run(checkpoints=finished)  # nothing is left to do
    finished.close()
    assert same(saved.params, again.params)
    assert timeless(saved.history) == timeless(again.history)


def test_other_settings_are_refused_with_the_difference(run, tmp_path):
    checkpoints = Checkpoints(tmp_path / "c", {"window": 5, "data": "x"}, steps=1)
    run(checkpoints=checkpoints)
    checkpoints.close()
    with pytest.raises(
        ValueError, match=r"another run: data was 'x' and is 'y'; window was 5 and is 6"
    ):
        Checkpoints(tmp_path / "c", {"window": 6, "data": "y"})


def test_states_are_saved_by_time_or_steps(run, tmp_path):
    never = Checkpoints(tmp_path / "never", {}, minutes=1000)
    always = Checkpoints(tmp_path / "always", {}, minutes=0)
    steps = []
    for checkpoints in (never, always):
        run(checkpoints=checkpoints)
        checkpoints.close()
        steps.append(max(int(p.name) for p in checkpoints.folder.iterdir() if p.name.isdigit()))
    often = Checkpoints(tmp_path / "often", {}, steps=60)
    run(checkpoints=often)
    total = often.progress().steps
    often.close()
    steps.append(max(int(p.name) for p in often.folder.iterdir() if p.name.isdigit()))
    assert total // 120 <= steps[2] <= total // 60 + 1
    assert steps[0] == 1  # the end
    assert steps[1] > 6


@pytest.fixture(scope="module")
def text(tmp_path_factory) -> Path:
    """Five segments of `PROGRAM` an epoch."""
    path = tmp_path_factory.mktemp("text") / "text.txt"
    kills.make_text(path)
    return path


def arguments(text, folder, name, model, epochs=12):
    return kills.arguments(text, folder / f"{name}.bin", model, epochs)


@pytest.mark.parametrize("model", ["sgns", "glove", "pv-dbow"])
def test_killed_thrice_from_the_shell(text, tmp_path, monkeypatch, model):
    monkeypatch.setattr(token_segments, "SEGMENT_TOKENS", kills.SMALL_SEGMENTS[0])
    monkeypatch.setattr(cell_segments, "SEGMENT_CELLS", kills.SMALL_SEGMENTS[1])
    epochs = 30  # 150 states: time for 3 kills
    assert main(arguments(text, tmp_path, "whole", model, epochs)) == 0
    command = arguments(text, tmp_path, "killed", model, epochs)
    kills.killed(command, tmp_path / "c", 3, seed=len(model))
    assert not (tmp_path / "killed.bin").exists()
    assert main([*command, "--checkpoint", str(tmp_path / "c"), "--resume"]) == 0
    assert (tmp_path / "killed.bin").read_bytes() == (tmp_path / "whole.bin").read_bytes()


def children(pid: int) -> list[str]:
    """The processes that a process has started, where the system tells."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # it has ended
            if int(stat.read_text().rpartition(")")[2].split()[1]) == pid:
                found.append(stat.parent.name)
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_finish_the_step_save_and_exit(text, tmp_path, number):
    saving = ["--checkpoint", str(tmp_path / "c"), "--checkpoint-every", "1000m", "--workers", "2"]
    command = [*kills.PROGRAM, *arguments(text, tmp_path, "v", "sgns"), *saving, "--epochs", "1000"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        while "epoch 1:" not in process.stderr.readline():
            assert process.poll() is None
        assert not children(process.pid)  # workers are threads: none can outlive the program
        process.send_signal(number)
        last = process.communicate(timeout=60)[1].splitlines()[-1]
    assert process.returncode == 128 + number
    assert last.startswith(f"jaxvec train: interrupted by {number.name}; --resume goes on")
    assert kills.last_state(tmp_path / "c") == 1
    assert not (tmp_path / "v.bin").exists()


def test_resuming_from_the_shell(topic_documents, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text("\n".join(map(" ".join, topic_documents)))
    command = ["train", "a.txt", "-o", "v.txt", "--checkpoint", "c", "--epochs", "2", "--log", "l"]
    assert main([*command, "--resume"]) == 0
    assert "nothing to resume in c: starting afresh" in capsys.readouterr().err
    before = Path("v.txt").read_bytes(), Path("l").read_bytes()
    assert main([*command, "--resume"]) == 0
    assert "the run is finished" in capsys.readouterr().err
    Path("v.txt").write_text("2 1\na 1\nb 2\n")  # of another run: not claimed, and not lost
    assert main([*command, "--resume"]) == 2
    assert "exists; --force" in capsys.readouterr().err
    assert Path("v.txt").read_text() == "2 1\na 1\nb 2\n"
    Path("v.txt").unlink()
    with monkeypatch.context() as elsewhere:  # where the default would be other workers
        elsewhere.setattr("jaxvec.cli.job.default_workers", lambda *_, **__: 2)
        assert main([*command, "--resume"]) == 0  # writes what is missing
    assert (Path("v.txt").read_bytes(), Path("l").read_bytes()) == before
    for change, message in [
        ([], "c holds the states of a run: --resume goes on with it"),
        (["--resume", "--epochs", "3"], "epochs was 2 and is 3"),
        (["--resume", "--window", "3", "--force"], "window was 5 and is 3"),
    ]:
        capsys.readouterr()
        assert main([*command, "-o", "w.txt", "--log", "m", *change]) == 2
        assert message in capsys.readouterr().err
    Path("a.txt").write_text("\n".join(map(" ".join, topic_documents[1:])))
    assert main([*command, "--resume"]) == 2
    assert "data was" in capsys.readouterr().err
    assert main(["train", "a.txt", "-o", "x.txt", "--resume"]) == 2
    assert "--resume needs --checkpoint" in capsys.readouterr().err
    assert {p.name for p in Path.cwd().iterdir()} == {"a.txt", "c", "l", "v.txt"}
