"""Folders of checkpoints for the fuzzer, each in a file: damages of their files, and what may be
read of them."""

import functools
import json
import math
import random
import shutil
import tempfile
import warnings
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

from benchmarks.fuzz.mutations import damaged
from jaxvec.storage.sealed import read_sealed, write_sealed

_WORDS, _SIZE = 6, 4
_SETTINGS = {"window": 5, "key": [0, 1]}
_VALUES = (0, -1, 1, 2, 3, 2**31, 2**63, 10**30, 0.5, 1e300, None, True, "", "x", "<f4", "|O", "f8",
           [], {}, [0], [[]], [1] * 40, {"x": 1}, [6, 4], [2**40, 2**40])  # fmt: skip


class Restored(NamedTuple):
    """What a run goes on from."""

    at: Any  # its Progress
    arrays: list[np.ndarray]
    newest: int  # steps that the newest state says of itself, if it can be read; or 0
    warned: bool


def _arrays(steps: int) -> list[np.ndarray]:
    """The tables and the optimizer's state, of several types, that a run has after some steps."""
    tables = np.random.default_rng(steps).normal(size=(2, _WORDS, _SIZE)).astype("f4")
    return [*tables, np.array(steps, "i4"), np.zeros(0, "f4"), np.full(3, steps, "f4")]


def _state(steps: int) -> Any:
    import jax.numpy as jnp

    from jaxvec import sgns
    from jaxvec.train.contracts import State

    input, output, *more = map(jnp.asarray, _arrays(steps))
    return State(sgns.Params(input, output), tuple(more))


@functools.cache
def _begun() -> Any:
    return _state(0)


def seeds() -> list[bytes]:
    """Two states in a folder: whole tables of one process, and shards of two."""
    from jaxvec import Checkpoints
    from jaxvec.train.progress import Progress

    with tempfile.TemporaryDirectory() as parent:
        whole, shards = Path(parent) / "whole", Path(parent) / "shards"
        checkpoints = Checkpoints(whole, _SETTINGS)
        with checkpoints.held():
            checkpoints.restore([_state(0)], _WORDS)
            for steps in (1, 2):
                checkpoints.save(_state(steps), Progress(steps=steps, history=[]), wait=True)
        for steps in (1, 2):
            _write_shards(whole, shards, steps)
        return [_packed(_files(folder)) for folder in (whole, shards)]


def _write_shards(whole: Path, folder: Path, number: int) -> None:
    """Writes a state again, as two processes would that have half of the rows each."""
    from jaxvec.train import snapshot, states

    facts, part = states.facts(whole, number), states.begun(folder, number)
    part.mkdir(parents=True)
    for process, rows in enumerate((slice(0, 3), slice(3, _WORDS))):
        own: list[Any] = []
        for array in _arrays(number):
            index = (rows, slice(None)) if array.ndim == 2 else (slice(None),) * array.ndim
            shard = SimpleNamespace(replica_id=0, index=index, data=array[index])
            has = array.ndim == 2 or not process
            own.append(
                SimpleNamespace(is_fully_addressable=False, addressable_shards=[shard][:has])
            )
        snapshot.write_arrays(part, process, own, states.place(facts))
    states.finished(folder, number, facts | {"processes": 2})


def _files(folder: Path) -> dict[str, bytes]:
    found = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != ".lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def _packed(files: dict[str, bytes]) -> bytes:
    return json.dumps({name: content.decode("latin-1") for name, content in files.items()}).encode()


def _unpacked(packed: bytes) -> dict[str, bytes]:
    return {name: content.encode("latin-1") for name, content in json.loads(packed).items()}


def misfiled(content: bytes, random_: random.Random) -> bytes:
    """One to three damages of the files of a folder: bytes of one are damaged; or it is gone, a
    folder, has another name, the content of another file, or has changed places with it."""
    files = _unpacked(content)
    for _ in range(random_.choice((1, 1, 1, 2, 3))):
        if not files:
            break
        name, other = (random_.choice(sorted(files)) for _ in range(2))
        alike = [one for one in files if one != name and one.split("/")[1:] == name.split("/")[1:]]
        if alike and random_.random() < 0.5:  # the same file of the other state
            other = alike[0]
        what = random_.randrange(11)
        if what < 5:
            files[name] = damaged(files[name], random_)
        elif what == 5:
            del files[name]
        elif what == 6:
            files[f"{name}/file"] = files.pop(name)
        elif what == 7:
            files[name + random_.choice((".part", "~", "0"))] = files.pop(name)
        elif what == 8:
            files[name] = files[other]
        elif what == 9:
            files[name], files[other] = files[other], files[name]
        else:  # arrays with what is said of them, of the other state or process
            pairs = sorted(one for one in files if f"{one}.json" in files)
            name, other = (random_.choice(pairs or [name]) for _ in range(2))
            for suffix in ("", ".json") if pairs else ():
                files[name + suffix] = files[other + suffix]
    return _packed(files)


def resealed(content: bytes, random_: random.Random) -> bytes:
    """One or two other values in what a state or its arrays say, whose checksum is right."""
    files = _unpacked(content)
    with tempfile.TemporaryDirectory() as parent:
        path = Path(parent) / "sealed"
        for _ in range(random_.choice((1, 1, 2))):
            name = random_.choice([name for name in sorted(files) if name.endswith(".json")])
            path.write_bytes(files[name])
            write_sealed(path, _altered(read_sealed(path), random_))
            files[name] = path.read_bytes()
    return _packed(files)


def _altered(value: Any, random_: random.Random) -> Any:
    """The value, or one within it, is another."""
    if value and isinstance(value, dict | list) and random_.random() < 0.9:
        value = value.copy()
        at = random_.choice(sorted(value) if isinstance(value, dict) else range(len(value)))
        if random_.random() < 0.1:
            del value[at]
        else:
            value[at] = _altered(value[at], random_)
        return value
    if isinstance(value, int) and random_.random() < 0.5:
        return value + random_.choice((-1, 1, 3))
    return random_.choice(_VALUES)


def read(path: Path) -> Restored:
    """Resumes a run from the folder that a file holds."""
    from jaxvec import Checkpoints
    from jaxvec.train import states

    folder = path.with_name(f"{path.name}-folder")
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in _unpacked(path.read_bytes()).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    newest = 0
    if numbers := states.numbers(folder):
        try:
            newest = states.facts(folder, numbers[-1])["at"]["steps"]
        except ValueError:
            newest = 3  # which no state is of
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = [_begun()]
        checkpoints = Checkpoints(folder, _SETTINGS)
        with checkpoints.held():
            at = checkpoints.restore(found, _WORDS)
    named = [f"{folder}/" in str(one.message) for one in told]
    if not all(named):
        raise TypeError(f"a warning does not name the state: {told[named.index(False)].message}")
    params, more = found[0]
    return Restored(at, [np.asarray(one) for one in (*params, *more)], newest, bool(told))


def impossible(found: Restored) -> str:
    """What is wrong with what a run goes on from, if a state may say other things of itself than
    were written: all but the arrays is believed that can be."""
    from jaxvec.train.progress import Progress

    steps = [steps for steps in (0, 1, 2) if _same(found.arrays, steps)]
    if not steps or (steps == [0]) != (found.at == Progress()):
        return f"arrays that were not written, at {found.at}"
    numbers = [*found.at[:6], *(one for one in found.at.chosen.values() if one is not None)]
    right = all(isinstance(one, int | float) and abs(one) < math.inf for one in numbers)
    return "" if right and min(found.at[:3]) >= 0 else f"the run goes on at {found.at}"


def faults(found: Restored) -> str:
    """What is wrong with what a run goes on from; "" for nothing."""
    from jaxvec.train.progress import Progress

    steps = found.at.steps
    if found.at != Progress(steps=steps, history=[]) or steps not in (0, 1, 2):
        return f"the run goes on at {found.at}"
    if steps != found.newest and not found.warned:
        return f"the run goes on at step {steps} without a word"
    return "" if _same(found.arrays, steps) else f"other arrays than were written at step {steps}"


def _same(arrays: list[np.ndarray], steps: int) -> bool:
    """Whether arrays are those that were written at a step."""
    return all(
        one.dtype == expected.dtype and one.tobytes() == expected.tobytes()
        for one, expected in zip(arrays, _arrays(steps), strict=True)
    )
