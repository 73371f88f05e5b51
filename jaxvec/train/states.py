"""The folder of a run's checkpoints: which states are in it, what each says of itself.

::

    .lock            says who holds it
    7/, 8/           the last states, the newest the last
      progress.json  where the run is, its settings, what its arrays are; with a checksum
      arrays.0       the arrays, of each process, and arrays.0.json; see `snapshot`
    .9.part/         one that is being written; renamed to 9 once all of it is on the disk
    .6.gone/         one that is being removed
"""

import contextlib
import re
import shutil
from collections.abc import Collection
from pathlib import Path
from typing import Any

import numpy as np

from jaxvec.storage.files import synced_folder
from jaxvec.storage.sealed import read_sealed, write_sealed
from jaxvec.train.progress import is_whole, read_progress

LOCK = ".lock"
_NUMBER = re.compile("[1-9][0-9]{0,8}")
_PROGRESS = "progress.json"
_OLD_PROGRESS = "progress"  # of versions without checksums
_SAID = {"at", "settings", "write_back", "words", "arrays", "processes"}
_MARKS = {_PROGRESS, "arrays.0", "arrays.0.json", _OLD_PROGRESS}


def numbers(folder: Path) -> list[int]:
    """The numbers of the states in a folder, in order, whole or not; what else is in it has none.

    Args:
      folder: the folder, which may be missing.
    """
    if not folder.is_dir():
        return []
    return sorted(
        int(path.name)
        for path in folder.iterdir()
        if _NUMBER.fullmatch(path.name)
        and path.is_dir()
        and any((path / mark).exists() for mark in _MARKS)
    )


def highest(folder: Path) -> int:
    """The highest number that is the name of anything in a folder.

    Args:
      folder: the folder, which may be missing.
    """
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in names if _NUMBER.fullmatch(name)), default=0)


def facts(folder: Path, number: int) -> dict[str, Any]:
    """What a state says of itself.

    Args:
      folder: of the states.
      number: the state's.

    Raises:
      ValueError: if that is not what was written.
    """
    path = folder / str(number)
    if (path / _OLD_PROGRESS).exists():
        raise ValueError("it is of a version of jaxvec that wrote no checksums")
    said = read_sealed(path / _PROGRESS)
    if not isinstance(said, dict) or not said.keys() >= _SAID:
        raise ValueError(f"{_PROGRESS} is another file, or of another version of jaxvec")
    read_progress(said["at"])
    fits = {
        "settings": isinstance(said["settings"], dict),
        "write_back": isinstance(said["write_back"], str),
        "words": is_whole(said["words"]),
        "arrays": isinstance(said["arrays"], list) and all(map(_is_array, said["arrays"])),
        "processes": is_whole(said["processes"]) and said["processes"] > 0,
    }
    for name, right in fits.items():
        if not right:
            raise ValueError(f"{_PROGRESS} has {name}={str(said[name])[:80]}")
    return said


def _is_array(said: Any) -> bool:
    """Whether this is the name, shape and dtype of an array of numbers."""
    if not isinstance(said, list) or [*map(type, said)] != [str, list, str]:
        return False
    return all(map(is_whole, said[1])) and said[2] in np.sctypeDict


def place(said: dict[str, Any]) -> list[int]:
    """Where the run of a state is, by epoch, segment and steps.

    Args:
      said: what the state says of itself.
    """
    return [said["at"][name] for name in ("epoch", "segment", "steps")]


def last_facts(folder: Path) -> dict[str, Any]:
    """What the newest state that can be read says of itself; nothing if there is no state.

    Args:
      folder: of the states.

    Raises:
      ValueError: if none can be read.
    """
    reasons = {}
    for number in reversed(numbers(folder)):
        try:
            return facts(folder, number)
        except ValueError as error:
            reasons[number] = str(error)
    if reasons:
        raise none_whole(folder, reasons)
    return {}


def none_whole(folder: Path, reasons: dict[int, str]) -> ValueError:
    """The error for a folder without a state that is whole.

    Args:
      folder: of the states.
      reasons: why each is not.
    """
    told = "; ".join(f"{number}: {reason}" for number, reason in reasons.items())
    return ValueError(
        f"no state in {folder} is whole ({told}): give another folder, or remove this one"
    )


def begun(folder: Path, number: int) -> Path:
    """The folder that the parts of a state are written to.

    Args:
      folder: of the states.
      number: the state's.
    """
    return folder / f".{number}.part"


def finished(folder: Path, number: int, said: dict[str, Any]) -> None:
    """Makes a state of its parts, which are on the disk.

    Args:
      folder: of the states.
      number: the state's.
      said: what it says of itself.

    Raises:
      OSError: if it cannot be written.
    """
    part = begun(folder, number)
    write_sealed(part / _PROGRESS, said)
    synced_folder(part)
    part.rename(folder / str(number))
    synced_folder(folder)


def removed(folder: Path, gone: Collection[int]) -> None:
    """Removes states; what cannot be removed stays.

    Args:
      folder: of the states.
      gone: their numbers.
    """
    for number in gone:
        path = folder / f".{number}.gone"
        with contextlib.suppress(OSError):
            (folder / str(number)).rename(path)
            shutil.rmtree(path)


def remove_leftovers(folder: Path) -> None:
    """Removes what a run that was killed has left.

    Args:
      folder: of the states.
    """
    for path in folder.iterdir():
        if re.fullmatch(rf"\.{_NUMBER.pattern}\.(part|gone)", path.name):
            shutil.rmtree(path, ignore_errors=True)
