"""How far a run has come, as it is kept in checkpoints; and reports of epochs, read again."""

import sys
from typing import Any, NamedTuple

from jaxvec.train.result import Report


class Progress(NamedTuple):
    """How far a run has come, with the sums that the report of the current epoch needs."""

    epoch: int = 0  # epochs done
    segment: int = 0  # segments done of the next
    steps: int = 0  # steps done in all
    loss: float = 0.0  # sums over the current epoch
    pairs: float = 0.0
    seconds: float = 0.0
    history: list = []  # noqa: RUF012  a Report, as a list, for each epoch done
    ended: bool = False  # by a callback: no further epoch is trained
    chosen: dict = {}  # noqa: RUF012  what followed from the device that the run began on, by name


def read_progress(said: Any) -> Progress:
    """The place that a state says it is at.

    Args:
      said: the fields of a `Progress`, from JSON.

    Raises:
      ValueError: if one is missing, unknown, or no value that a run can have.

    >>> read_progress(Progress(segment=3, steps=90)._asdict())
    Progress(epoch=0, segment=3, steps=90, ...)
    >>> read_progress(Progress(steps=-1)._asdict())
    Traceback (most recent call last):
    ...
    ValueError: its place has steps=-1
    """
    if not isinstance(said, dict) or said.keys() != {*Progress._fields}:
        raise ValueError(f"its place has no {', '.join(Progress._fields)} but {str(said)[:80]}")
    chosen = said["chosen"]
    right = {name: is_whole(said[name]) for name in ("epoch", "segment", "steps")}
    right |= {name: _is_number(said[name], least=0) for name in ("pairs", "seconds")}
    right["loss"] = _is_number(said["loss"])
    right["history"] = isinstance(said["history"], list) and len(said["history"]) == said["epoch"]
    right["ended"] = isinstance(said["ended"], bool)
    right["chosen"] = isinstance(chosen, dict) and all(
        value is None or is_whole(value) for value in chosen.values()
    )
    for name, fits in right.items():
        if not fits:
            raise ValueError(f"its place has {name}={str(said[name])[:80]}")
    read_reports(said["history"])
    return Progress(**said)


def read_reports(rows: Any) -> list[Report]:
    """Reports of epochs.

    Args:
      rows: a list of each report's fields, from JSON; the last may be missing.

    Raises:
      ValueError: if they are no reports.

    >>> read_reports([[1, 2.5, None, 0.0, 9, 30, 1.0, 9.0, 0.1]])[0].loss
    2.5
    """
    if not isinstance(rows, list):
        raise ValueError(f"its history has no reports but {str(rows)[:80]}")
    least = len(Report._fields) - len(Report._field_defaults)
    for row in rows:
        if not isinstance(row, list) or not least <= len(row) <= len(Report._fields):
            raise ValueError(f"its history has no reports but {str(row)[:80]}")
        for name, value in zip(Report._fields, row, strict=False):
            if not _of_report(name, value):
                raise ValueError(f"its history has {name}={str(value)[:80]!r}")
    return [Report(*row) for row in rows]


def _of_report(name: str, value: Any) -> bool:
    """Whether a field of a report can have a value; losses of nothing are NaN."""
    if name == "loss_unit":
        return isinstance(value, str)
    if name in ("epoch", "words", "pairs"):
        return is_whole(value)
    if name in ("loss", "valid_loss"):
        missing = value is None and name == "valid_loss"
        return missing or (isinstance(value, float | int) and not isinstance(value, bool))
    return _is_number(value, least=0)


def is_whole(value: Any) -> bool:
    """Whether this is a whole number that an int64 can hold, and not below 0.

    Args:
      value: from JSON.

    >>> is_whole(3), is_whole(-3), is_whole(3.0), is_whole(True)
    (True, False, False, False)
    """
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 1 << 63


def _is_number(value: Any, least: float = -sys.float_info.max) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and least <= value <= sys.float_info.max
