"""Checkpoints that are damaged, in use, of others, or cannot be written."""

import os
import shutil
import signal
import subprocess
import sys
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec import Checkpoints, Corpus, SkipGram, fit, sgns
from jaxvec.storage import locks
from jaxvec.storage.sealed import read_sealed, write_sealed
from jaxvec.train import snapshot, states
from jaxvec.train.contracts import State
from jaxvec.train.fit import Stopped
from jaxvec.train.progress import Progress, read_reports
from tests import faults

V, D = 12, 4
SETTINGS = {"window": 5}


def state(seed, sharding=None, rows=V):
    """Tables [V, D] and rows of zeros, and an optimizer's state of several types."""
    rng = np.random.default_rng(seed)
    table = np.zeros((2, rows, D), np.float32)
    table[:, :V] = rng.normal(size=(2, V, D))
    params = sgns.Params(*(jax.device_put(one, sharding) for one in table))
    return State(params, (jnp.int32(seed), jnp.zeros(0), jnp.bfloat16(seed), jnp.bool(seed % 2)))


def same(a, b):
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(np.asarray(x)[:V] if x.ndim else x, y[:V] if y.ndim else y)
               for x, y in leaves)  # fmt: skip


def save(folder, *seeds, **options):
    """Saves the state of each seed, at the step of its number."""
    checkpoints = Checkpoints(folder, SETTINGS, **options)
    with checkpoints.held():
        checkpoints.restore([state(0)], V)
        for seed in seeds:
            checkpoints.save(state(seed), Progress(steps=seed, history=[]), wait=True)


def restored(folder, like=None, **settings):
    """The step of the state that a run goes on from, and the state."""
    found = [state(0) if like is None else like]
    checkpoints = Checkpoints(folder, SETTINGS | settings)
    with checkpoints.held():
        at = checkpoints.restore(found, V)
    return at.steps, found[0]


def damages():
    """Ways to damage a file, by name."""
    rng = np.random.default_rng(0)

    def flipped(places):
        def damage(path):
            data = np.fromfile(path, np.uint8)
            for place in places % (8 * len(data)):
                data[place // 8] ^= 1 << place % 8
            data.tofile(path)

        return damage

    bits = rng.integers(0, 1 << 30, 40)
    yield from ((f"bit {bit}", flipped(np.array([bit]))) for bit in bits)
    yield "sign bits of two numbers", flipped(np.array([31, 63]))
    yield "cut", lambda path: os.truncate(path, path.stat().st_size // 2)
    yield "empty", lambda path: os.truncate(path, 0)
    yield "gone", lambda path: path.unlink()
    yield "of the one before", lambda path: shutil.copy(path.parents[1] / "1" / path.name, path)


@pytest.mark.parametrize("name", ["arrays.0", "arrays.0.json", "progress.json"])
def test_a_damaged_state_is_never_another_without_a_word(tmp_path, name):
    """It is refused with its name, and the one before is taken; or nothing of it was damaged."""
    whole = tmp_path / "whole"
    save(whole, 1, 2)
    warned = 0
    for what, damage in damages():
        folder = tmp_path / "damaged"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        damage(folder / "2" / name)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            step, found = restored(folder)
        if told:
            assert step == 1, what
            message = str(told[0].message)
            assert f"{folder / '2'} is not whole, " in message
            assert f"goes on from {folder / '1'}" in message
            assert len(message.splitlines()) == len(told) == 1
            warned += 1
        assert same(found, state(step)), what
    assert warned >= 43 - (name == "arrays.0.json")  # a blank may become another


def test_files_in_the_place_of_others_are_told(tmp_path):
    """Their checksums are right."""
    save(tmp_path, 1, 2)
    arrays, facts = tmp_path / "2" / "arrays.0", states.facts(tmp_path, 2)
    sizes = [np.dtype(dtype).itemsize for *_, dtype in facts["arrays"]]
    for suffix in ("", ".json"):
        shutil.copy(f"{arrays}{suffix}", tmp_path / "2" / f"arrays.1{suffix}")
    with pytest.raises(ValueError, match=r"arrays\.1\.json is of process 0"):
        snapshot.check_arrays(tmp_path / "2", 2, sizes, states.place(facts))
    shutil.copy(f"{arrays}.json", tmp_path / "2" / "progress.json")
    with pytest.warns(UserWarning, match=r"/2 is not whole, progress\.json is another file"):
        assert restored(tmp_path)[0] == 1


@pytest.mark.parametrize(
    ("name", "place", "value"),
    [
        ("progress.json", ("at", "steps"), -1),
        ("progress.json", ("at", "epoch"), 0.5),
        ("progress.json", ("at", "loss"), float("nan")),
        ("progress.json", ("at", "seconds"), -1.0),
        ("progress.json", ("at", "history"), [[1, "x"]]),
        ("progress.json", ("at", "ended"), 1),
        ("progress.json", ("at", "chosen"), {"blocks": "2"}),
        ("progress.json", ("at", "more"), 1),
        ("progress.json", ("settings",), None),
        ("progress.json", ("write_back",), 3),
        ("progress.json", ("arrays",), [["a", [-1], "f4"]]),
        ("progress.json", ("arrays", 0, 2), "|O8"),
        ("progress.json", ("processes",), 0),
        ("arrays.0.json", ("pieces", 0, 1), [1, 0]),
        ("arrays.0.json", ("pieces", 0, 3), -4),
        ("arrays.0.json", ("pieces", 0, 0), 99),
        ("arrays.0.json", ("pieces", 0), [0]),
        ("arrays.0.json", ("pieces",), []),
    ],
)
def test_a_state_that_says_what_cannot_be_is_not_whole(tmp_path, name, place, value):
    """Its checksums are right; the one before is taken."""
    save(tmp_path, 1, 2)
    path = tmp_path / "2" / name
    said = read_sealed(path)
    at = said
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    write_sealed(path, said)
    with pytest.warns(UserWarning, match=f"goes on from {tmp_path / '1'}"):
        step, found = restored(tmp_path)
    assert step == 1
    assert same(found, state(1))


_REPORT = [1, 2.5, None, 0.0, 9, 30, 1.0, 9.0, 0.1]


@pytest.mark.parametrize(
    ("place", "value"),
    [(0, None), (0, True), (1, None), (1, "2"), (2, True), (4, 2.5), (5, -1), (6, -1.0),
     (7, float("inf")), (8, None)],
)  # fmt: skip
def test_reports_that_no_run_can_have(place, value):
    assert read_reports([_REPORT])[0].words == 9
    assert np.isnan(read_reports([[1, float("nan"), *_REPORT[2:]]])[0].loss)
    with pytest.raises(ValueError, match="its history has "):
        read_reports([[*_REPORT[:place], value, *_REPORT[place + 1 :]]])
    with pytest.raises(ValueError, match="its history has no reports but 5"):
        read_reports(5)


@pytest.mark.parametrize(
    ("starts", "sizes", "whole"),
    [
        ([(0, 0), (3, 0)], [(3, 4), (3, 4)], True),
        ([(0, 0), (3, 0), (6, 0)], [(3, 4), (3, 4), (0, 4)], True),
        ([(0, 0), (2, 0)], [(3, 4), (3, 4)], False),  # one over the other
        ([(0, 0), (0, 0)], [(3, 4), (3, 4)], False),
        ([(0, 0), (4, 0)], [(3, 4), (3, 4)], False),  # beyond the array
        ([(0, 0)], [(3, 4)], False),
        ([], [], False),
    ],
)
def test_pieces_fill_an_array(starts, sizes, whole):
    pieces = [
        snapshot._Piece(0, start, size, 0, 0) for start, size in zip(starts, sizes, strict=True)
    ]
    assert snapshot._are_all_of(pieces, (6, 4)) == whole
    assert snapshot._are_all_of([snapshot._Piece(0, [], [], 0, 0)], ())


def test_a_place_beyond_the_data_is_refused(tmp_path):
    """A run of other data, in Python, whose settings are the caller's."""
    corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
    fit(corpus, SkipGram(vector_size=4), key=jax.random.key(0), epochs=1,
        checkpoints=Checkpoints(tmp_path, {}))  # fmt: skip
    (number,) = states.numbers(tmp_path)
    for name in ("progress.json", "arrays.0.json"):
        path = tmp_path / str(number) / name
        said = read_sealed(path)
        said.get("at", {})["segment"] = 7
        said["place"] = [1, 7, 1]
        write_sealed(path, said)
    with pytest.raises(ValueError, match="at segment 7 of an epoch, and these have 1"):
        fit(corpus, SkipGram(vector_size=4), key=jax.random.key(0), epochs=2,
            checkpoints=Checkpoints(tmp_path, {}))  # fmt: skip


def test_no_whole_state_is_an_error_that_names_the_folder(tmp_path):
    save(tmp_path / "c", 1, 2)
    for number in "12":
        os.truncate(tmp_path / "c" / number / "arrays.0", 10)
    with pytest.raises(ValueError, match=r"/c is whole \(2: arrays.0 is cut short; 1"):
        restored(tmp_path / "c")
    for number in "12":
        (tmp_path / "c" / number / "progress.json").write_text("{}")
    with pytest.raises(ValueError, match=r"/c is whole \(2: progress.json is damaged"):
        restored(tmp_path / "c")
    assert Checkpoints.exist(tmp_path / "c")


def test_the_damaged_go_once_there_is_a_newer_one(tmp_path):
    save(tmp_path / "c", 1, 2)
    os.truncate(tmp_path / "c" / "2" / "arrays.0", 10)
    with pytest.warns(UserWarning, match="/2 is not whole"):
        save(tmp_path / "c", 3)
    assert faults.names(tmp_path / "c") == {"1", "3"}
    assert restored(tmp_path / "c")[0] == 3


def test_what_is_no_state_blocks_nothing(tmp_path):
    folder = tmp_path / "c"
    others = {"9", "30", "²", "077", "99999999999999999999", "holiday"}
    for name in others:
        (folder / name).mkdir(parents=True)
    (folder / "30" / "picture.jpg").touch()
    (folder / "77").touch()
    assert not Checkpoints.exist(folder)
    assert restored(folder)[0] == 0
    save(folder, 1, 2, 3)
    assert faults.names(folder) == others | {"77", "79", "80"}
    (folder / "500").mkdir()
    step, found = restored(folder)
    assert step == 3
    assert same(found, state(3))


def test_states_without_checksums_are_refused_by_name(tmp_path):
    (tmp_path / "4" / "progress").mkdir(parents=True)
    (tmp_path / "4" / "state").mkdir()
    with pytest.raises(ValueError, match="4: it is of a version of jaxvec that wrote no checksums"):
        restored(tmp_path)


def test_settings_are_compared_when_the_state_is_read(tmp_path):
    """Two runs begin in one new folder: the first is done before the second takes the lock."""
    late = Checkpoints(tmp_path, SETTINGS | {"window": 6})
    save(tmp_path, 1)
    with late.held(), pytest.raises(ValueError, match="another run: window was 5 and is 6"):
        late.restore([state(0)], V)


def test_the_folder_of_a_run_is_its_own(tmp_path, topic_corpus):
    model = SkipGram(vector_size=8)
    asked = []

    def another():
        if not asked:
            with pytest.raises(ValueError, match=f"c is in use by process {os.getpid()} on "):
                fit(topic_corpus, model, key=jax.random.key(0), checkpoints=Checkpoints(folder, {}))
        asked.append(True)
        return len(asked) == 2

    folder = tmp_path / "c"
    with pytest.raises(Stopped):
        fit(topic_corpus, model, key=jax.random.key(0), checkpoints=Checkpoints(folder, {}),
            should_stop=another)  # fmt: skip
    fit(topic_corpus, model, key=jax.random.key(0), epochs=2, checkpoints=Checkpoints(folder, {}))


@pytest.mark.skipif(not locks.AVAILABLE, reason="no locks here")
def test_the_lock_of_a_killed_run_is_free(tmp_path):
    code = (
        "import pathlib, sys, time; from jaxvec.storage import locks\n"
        f"with locks.sole(pathlib.Path({str(tmp_path / '.lock')!r}), 'c'):\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        process.stdout.readline()
        with pytest.raises(ValueError, match=f"is in use by process {process.pid} on "):
            save(tmp_path, 1)
        process.send_signal(signal.SIGKILL)
    save(tmp_path, 1)


@pytest.mark.parametrize(("first", "then"), [(8, 2), (2, 8), (8, 0), (0, 4)])
def test_shards_are_checked_on_another_number_of_devices(tmp_path, first, then):
    def over(devices):
        if not devices:
            return None, V
        mesh = jax.make_mesh((devices, 1), ("rows", "dim"), devices=jax.devices()[:devices])
        return NamedSharding(mesh, P("rows", "dim")), -(-V // devices) * devices

    checkpoints = Checkpoints(tmp_path, SETTINGS)
    with checkpoints.held():
        checkpoints.restore([state(0)], V)
        for seed in (1, 2):
            checkpoints.save(state(seed, *over(first)), Progress(steps=seed), wait=True)
    step, found = restored(tmp_path, state(0, *over(then)))
    assert step == 2
    assert same(found, state(2))
    assert not np.asarray(found.params.input)[V:].any()
    data = (tmp_path / "2" / "arrays.0").read_bytes()
    (tmp_path / "2" / "arrays.0").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    with pytest.warns(UserWarning, match="/2 is not whole, arrays.0 is damaged: the checksum of"):
        step, found = restored(tmp_path, state(0, *over(then)))
    assert step == 1
    assert same(found, state(1))


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the killed
def test_every_fault_leaves_the_old_states_or_the_new(tmp_path):
    folder, before = tmp_path / "c", 0

    def one(number):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            save(folder, number)
        for warning in told:
            assert "a checkpoint could not be written in " in str(warning.message)
        assert len(told) < 2

    for number, under in faults.every(one):
        step, found = restored(folder) if folder.exists() else (0, state(0))
        assert step in ([number, before] if under.reached else [number])
        assert same(found, state(step))
        before = step
        if not under.dead and folder.exists():
            assert all(name.isdigit() for name in faults.names(folder))


def test_a_run_goes_on_where_a_state_cannot_be_written(tmp_path, topic_corpus, monkeypatch):
    """And tries again when the next is due."""
    from jaxvec.train import segments, snapshot

    monkeypatch.setattr(segments, "SEGMENT_TOKENS", 5000)
    options = {"key": jax.random.key(0), "epochs": 1}
    expected = fit(topic_corpus, SkipGram(vector_size=8), **options)
    real, failing = snapshot.write_arrays, [True, True]

    def write(folder, process, arrays, place):
        if failing:
            failing.pop()
            (folder / "arrays.0").write_bytes(b"a part")
            raise OSError(28, "No space left on device")
        real(folder, process, arrays, place)

    monkeypatch.setattr(snapshot, "write_arrays", write)
    checkpoints = Checkpoints(tmp_path / "c", {}, steps=1)
    with pytest.warns(UserWarning, match="No space left on device, at step") as told:
        result = fit(topic_corpus, SkipGram(vector_size=8), **options, checkpoints=checkpoints)
    assert len(told) == 2
    assert same(result.params, expected.params)
    assert checkpoints.progress().epoch == 1
    assert all(name.isdigit() for name in faults.names(tmp_path / "c"))
