"""The JSON document of a run: machine, options, every figure and every raw time.

A reader checks all of it, so that what it shows is what was measured: a file of another schema,
a figure without its name or a time that is no time is refused in one line that says where.
"""

import dataclasses
import json
import math
import os
from collections.abc import Mapping
from typing import Any

from benchmarks.suite.figures import Figure, Setting

SCHEMA = 1
"""Goes up when a field changes its meaning or goes; documents of two schemas are not compared."""

PROGRAM = "python -m benchmarks"

_NUMBER = "a finite number"
_MACHINE = {"device": str, "platform": str, "processor": str, "cores": int, "packages": dict}


@dataclasses.dataclass(frozen=True)
class Document:
    """A run of the benchmark on one machine.

    Attributes:
      started: when, ISO 8601 with the zone.
      seconds: it took, all in all.
      options: of the command.
      machine: of `machine.describe`.
      notes: what was left out, and why; a line each.
      ceilings: by name.
      workloads: by name.
    """

    started: str
    seconds: float
    options: Mapping[str, Any]
    machine: Mapping[str, Any]
    notes: tuple[str, ...]
    ceilings: Mapping[str, Figure]
    workloads: Mapping[str, Figure]

    @property
    def figures(self) -> dict[str, Figure]:
        """Ceilings and workloads together, by name."""
        return {**self.ceilings, **self.workloads}

    @property
    def device(self) -> str:
        """The device's name; for a CPU, whose kind JAX calls "cpu", the processor's."""
        name = self.machine["device"]
        return self.machine["processor"] if name.lower() == "cpu" else name


def by_name(figures) -> dict[str, Figure]:
    """Figures by name.

    Args:
      figures: of one document.

    Raises:
      ValueError: if two have the same name.
    """
    found: dict[str, Figure] = {}
    for figure in figures:
        if figure.name in found:
            raise ValueError(f"two figures have the name {figure.name!r}")
        found[figure.name] = figure
    return found


def write(document: Document, path: str | os.PathLike[str]) -> None:
    """Writes a document, whole or not at all.

    Args:
      document: of a run.
      path: of the JSON file.
    """
    from jaxvec.storage.files import atomic_write, to_json

    plain = {"schema": SCHEMA, "program": PROGRAM} | {
        field.name: getattr(document, field.name)
        for field in dataclasses.fields(document)
        if field.name not in ("ceilings", "workloads")
    }
    for part in ("ceilings", "workloads"):
        plain[part] = [_plain(one) for one in getattr(document, part).values()]
    text = json.dumps(json.loads(to_json(plain)), indent=1, allow_nan=False)
    with atomic_write(path) as temporary:
        temporary.write_text(text + "\n", encoding="utf-8")


def read(path: str | os.PathLike[str]) -> Document:
    """Reads a document and checks it.

    Args:
      path: of the JSON file.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is no document of this schema; the message says where.
    """
    from jaxvec.storage.files import existing

    path = existing(path, "document of a benchmark")
    try:
        plain = json.loads(path.read_text("utf-8"))
    except ValueError:  # UnicodeDecodeError and JSONDecodeError
        raise ValueError(f"{path}: not JSON; expected what {PROGRAM} --json wrote") from None
    try:
        return _document(plain)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def _plain(figure: Figure) -> dict[str, Any]:
    """A figure as JSON holds it: what is not known is left out, and a value that is no number
    is null."""
    plain = {
        field.name: value
        for field in dataclasses.fields(figure)
        if (value := getattr(figure, field.name)) not in (None, (), {})
    }
    return plain | {"value": figure.value if math.isfinite(figure.value) else None}


def _document(plain: Any) -> Document:
    if not isinstance(plain, dict) or plain.get("program") != PROGRAM:
        raise ValueError(f"not a document that {PROGRAM} --json wrote")
    if plain.get("schema") != SCHEMA:
        raise ValueError(
            f"schema {plain.get('schema')!r}, but this program reads {SCHEMA}: run the benchmark "
            "again, or use the commit that wrote it"
        )
    _fields("the document", plain, {
        "started": str, "seconds": float, "options": dict, "machine": dict, "notes": list,
        "ceilings": list, "workloads": list,
    })  # fmt: skip
    _fields("machine", plain["machine"], _MACHINE)
    for number, note in enumerate(plain["notes"]):
        _kind(f"notes[{number}]", note, str)
    parts = {
        part: by_name(_figure(f"{part}[{i}]", one) for i, one in enumerate(plain[part]))
        for part in ("ceilings", "workloads")
    }
    if both := parts["ceilings"].keys() & parts["workloads"].keys():
        raise ValueError(f"two figures have the name {min(both)!r}")
    kept = ("started", "seconds", "options", "machine")
    return Document(**{key: plain[key] for key in kept}, notes=tuple(plain["notes"]), **parts)


_FIGURE: dict[str, type] = {
    "name": str, "unit": str, "times": list, "samples": list, "settings": dict, "bytes": float,
    "flops": float, "limit": str, "fraction": float, "compile_seconds": float, "peak_bytes": int,
    "marks": list,
}  # fmt: skip


def _figure(where: str, plain: Any) -> Figure:
    """A figure of a document.

    Args:
      where: it stands, for messages.
      plain: as JSON held it.
    """
    _kind(where, plain, dict)
    if unknown := plain.keys() - _FIGURE.keys() - {"value"}:
        raise ValueError(f"{where} has a field {min(unknown)!r} that no figure has")
    for name in ("name", "unit"):
        if name not in plain:
            raise ValueError(f"{where} has no {name}")
    if "value" not in plain:
        raise ValueError(f"{where} has no value")
    for name, value in plain.items():
        if name == "value":
            if value is not None:
                _kind(f"{where}.value", value, float)
        else:
            _kind(f"{where}.{name}", value, _FIGURE[name])
    for name, kind in (("times", float), ("samples", float), ("marks", str)):
        for number, one in enumerate(plain.get(name, [])):
            _kind(f"{where}.{name}[{number}]", one, kind)
    for name, value in plain.get("settings", {}).items():
        if not isinstance(value, Setting):
            raise ValueError(f"{where}.settings.{name} is a {type(value).__name__}")
    lists = {name: tuple(plain.get(name, ())) for name in ("times", "samples", "marks")}
    value = math.nan if plain["value"] is None else plain["value"]
    try:
        return Figure(**{**plain, **lists, "value": value})
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _fields(where: str, plain: dict, kinds: Mapping[str, type]) -> None:
    """Checks that fields are there and of their kind.

    Args:
      where: they stand.
      plain: the dictionary.
      kinds: by field.
    """
    for name, kind in kinds.items():
        if name not in plain:
            raise ValueError(f"{where} has no {name}")
        _kind(f"{where}.{name}" if where != "the document" else name, plain[name], kind)


def _kind(where: str, value: Any, kind: type) -> None:
    """Checks the type of a value; whole numbers are numbers, booleans are not.

    Args:
      where: it stands.
      value: of JSON.
      kind: float for any finite number.
    """
    right = isinstance(value, int | float if kind is float else kind)
    right &= not isinstance(value, bool)
    if right and kind is float:
        right = math.isfinite(value)
    if not right:
        names = {float: _NUMBER, int: "a whole number", str: "a text", list: "a list"}
        shown = repr(value)
        shown = shown if len(shown) < 40 else f"{shown[:37]}…"
        raise ValueError(f"{where} is {shown}, expected {names.get(kind, 'an object')}")
