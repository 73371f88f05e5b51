"""Curves of training: loss and speed after each epoch, as `jaxvec train --log` writes them."""

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvec.plot.figure import DARK, PALETTE, lettering, literally, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_NEEDED = ("epoch", "loss", "words_per_second")


def read_log(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The epochs of a run, as the fields of `jaxvec.Report` by name.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is no such log; the message names the line.

    >>> path = getfixture("tmp_path") / "run.jsonl"
    >>> _ = path.write_text('{"epoch": 1, "loss": 2.5, "words_per_second": 1e6}')
    >>> read_log(path)[0]["loss"]
    2.5
    """
    if not Path(path).exists():
        raise FileNotFoundError(f"no such log: {path}")
    epochs = []
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                epoch = json.loads(line)
                numbers = [epoch[name] + 0.0 for name in _NEEDED]
                numbers.append((epoch.get("valid_loss") or 0) + 0.0)
            except (ValueError, TypeError, KeyError, AttributeError):
                raise ValueError(
                    f"{path}, line {number}: expected JSON with the numbers {', '.join(_NEEDED)}, "
                    "as jaxvec train --log writes it"
                ) from None
            epochs.append(epoch)
    if not epochs:
        raise ValueError(f"{path} is empty: no epoch was logged")
    return epochs


def curves(
    runs: Mapping[str, Sequence[Mapping[str, Any]]],
    *,
    title: str = "",
    size: tuple[float, float] | None = None,
) -> "Figure":
    """Draws the loss of runs, and their speed, over the epochs.

    Args:
      runs: the epochs of each run by its name; see `read_log`, and `Report._asdict` of
        `Result.history`.
      title: what is written above.
      size: width and height in inches.

    Raises:
      ValueError: without runs, or without matplotlib.

    >>> figure = curves({"a": [{"epoch": 1, "loss": 2.5, "words_per_second": 2e6}]})
    >>> loss, speed = figure.axes
    >>> loss.lines[0].get_ydata().tolist(), speed.lines[0].get_ydata().tolist()
    ([2.5], [2000000.0])
    """
    if not runs or not all(runs.values()):
        raise ValueError("curves need a run, with an epoch or more")
    letters = lettering([*map(shortened, runs), title])
    figure = new_figure(*(size or (10.0, 4.5)))
    figure.set_layout_engine("constrained")
    loss, speed = figure.subplots(1, 2)
    held_out = False
    for i, (name, epochs) in enumerate(runs.items()):
        look: dict[str, Any] = {
            "color": PALETTE[i % len(PALETTE)],
            "marker": "os^DvP*X"[i % 8] if len(epochs) <= 40 else "",
            "markersize": 4,
        }
        x = [epoch["epoch"] for epoch in epochs]
        loss.plot(x, [epoch["loss"] for epoch in epochs], **look)
        valid = [(e["epoch"], e["valid_loss"]) for e in epochs if e.get("valid_loss") is not None]
        if valid:
            loss.plot(*zip(*valid, strict=True), linestyle="--", **look)
            held_out = True
        speed.plot(x, [epoch["words_per_second"] for epoch in epochs], **look)
    return figure
