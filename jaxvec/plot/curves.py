"""Training curves: loss and speed of each epoch, from the logs of `jaxvec train --log`."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvec.plot.figure import (
    DARK,
    import_matplotlib,
    lettering,
    literally,
    new_figure,
    rewrite,
    shortened,
    style,
)
from jaxvec.text.read import text_lines

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Run = Sequence[Mapping[str, Any]]  # for each epoch the fields of a `Report` by name

_MARKED = 40  # a run of more epochs has no markers
_LINES = ("-", "--", ":", "-.")
_MOST = 1e300  # a number is below it
_NEEDED = ("epoch", "loss", "words_per_second")


def read_log(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Reads the log of a run: for each epoch the fields of `jaxvec.Report`, and its scores.

    Args:
      path: a file that `jaxvec train --log` wrote.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if a line is not of such a log; the message has its number.

    >>> path = getfixture("tmp_path") / "run.jsonl"
    >>> _ = path.write_text('{"epoch": 1, "loss": 2.5, "words_per_second": 1e6}')
    >>> read_log(path)[0]["loss"]
    2.5
    """
    epochs = []
    for number, line in text_lines(path, "log"):
        try:
            epoch = json.loads(line)
            drawn = [epoch[name] for name in _NEEDED if name != "loss" or epoch[name] is not None]
            scores = [epoch.get("valid_loss"), *_scores(epoch).values()]
            drawn += [score for score in scores if score is not None]
            units = epoch.get("loss_unit", "")
            if not all(type(x) in (int, float) and abs(x) < _MOST for x in drawn):
                raise ValueError
            if not isinstance(units, str) or epoch["epoch"] != int(epoch["epoch"]):
                raise ValueError
        except Exception:  # deep JSON is a RecursionError
            raise ValueError(
                f"{path}, line {number}: expected JSON with the numbers {', '.join(_NEEDED)}, "
                "as jaxvec train --log writes it"
            ) from None
        if epoch["loss"] is None:  # the epoch had no pairs
            epoch["loss"] = math.nan
        epochs.append(epoch)
    if not epochs:
        raise ValueError(f"{path} is empty: it has no epoch")
    return epochs


def curves(
    runs: Mapping[str, Run], *, title: str = "", size: tuple[float, float] | None = None
) -> "Figure":
    """Plots loss and speed of runs by epoch, and their scores if they have any.

    Args:
      runs: by name, the epochs of each run: from `read_log`, or ``[r._asdict() for r in
        result.history]``. Their `loss_unit` labels the axis, such as "loss per pair".
      title: above the plots.
      size: width and height in inches.

    Raises:
      ValueError: if there is no run, or one without epochs; or without matplotlib.

    >>> figure = curves({"a": [{"epoch": 1, "loss": 2.5, "words_per_second": 2e6}]})
    >>> loss, speed = figure.axes
    >>> loss.lines[0].get_ydata().tolist(), speed.lines[0].get_ydata().tolist()
    ([2.5], [2000000.0])
    """
    import_matplotlib()
    from matplotlib.ticker import EngFormatter

    if not runs or not all(runs.values()):
        raise ValueError("curves needs at least one run, and each run at least one epoch")
    every = [epoch for run in runs.values() for epoch in run]
    held_out = any(epoch.get("valid_loss") is not None for epoch in every)
    scores = list(dict.fromkeys(name for epoch in every for name in _scores(epoch)))
    units = [epoch.get("loss_unit", "") for epoch in every]
    per = " or ".join(dict.fromkeys(units)) if all(units) else ""
    names = [
        shortened(name) + (f" (per {run[0]['loss_unit']})" if " or " in per else "")
        for name, run in runs.items()
    ]
    letters = lettering([*names, *scores, title])
    figure = new_figure(*(size or (15.0 if scores else 10.0, 4.5)))
    figure.set_layout_engine("constrained")
    if title:
        figure.suptitle(letters.shown[-1], color=DARK, **literally(letters.families))
    loss, speed, *rest = figure.subplots(1, 3 if scores else 2)
    looks = [_look(number, len(run)) for number, run in enumerate(runs.values())]
    for look, run in zip(looks, runs.values(), strict=True):
        _draw(loss, run, [epoch["loss"] for epoch in run], look)
        _draw(loss, run, [epoch.get("valid_loss") for epoch in run], look | {"linestyle": "--"})
        _draw(speed, run, [epoch["words_per_second"] for epoch in run], look)
        for name, line in zip(scores, cycle(_LINES)):
            values = [_scores(epoch).get(name) for epoch in run]
            _draw(rest[0], run, values, look | {"linestyle": line})
    _name_axes(loss, f"loss per {per}" if per else "loss")
    read = dict.fromkeys("cells" if unit == "cell" else "words" for unit in units if unit)
    _name_axes(speed, f"{' or '.join(read) or 'words'} per second")
    speeds = [epoch["words_per_second"] for epoch in every]
    fastest = max(filter(math.isfinite, speeds), default=0)
    speed.set_ylim(0, 1.08 * fastest or 1)  # room for the highest marker
    speed.yaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    entries = list(zip(letters.shown, looks, strict=False)) if len(runs) > 1 else []
    if held_out:
        entries.append(("training, mean over the epoch", {"color": DARK}))
        entries.append(("held out, after the epoch", {"color": DARK, "linestyle": "--"}))
    if entries:
        _legend(figure, entries, letters.families, loc="outside lower center", ncols=4)
    for ax in rest:
        _name_axes(ax, "accuracy on analogies, Spearman's ρ on word pairs")
        lines = [{"color": DARK, "linestyle": line} for _, line in zip(scores, cycle(_LINES))]
        names = letters.shown[len(runs) : -1]
        _legend(ax, list(zip(names, lines, strict=True)), letters.families, loc="best")
    return figure


def _scores(epoch: Mapping[str, Any]) -> dict[str, Any]:
    """The scores of `train --analogies --pairs` after an epoch, by name."""
    found = {} if epoch.get("analogies") is None else {"analogies": epoch["analogies"]}
    pairs = epoch.get("word_pairs", {})
    return found | {Path(file).name: score for file, score in pairs.items()}


def _look(number: int, epochs: int) -> dict[str, Any]:
    look = {**style(number), "markersize": 4, "linewidth": 1.3}
    return look if epochs <= _MARKED else {**look, "marker": ""}


def _draw(ax: "Axes", run: Run, values: list[float | None], look: dict[str, Any]) -> None:
    """Draws a line through the values that are not None."""
    known = [(e["epoch"], value) for e, value in zip(run, values, strict=True) if value is not None]
    if known:
        ax.plot(*zip(*known, strict=True), **look)


def _name_axes(ax: "Axes", measure: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("epoch", color=DARK)
    ax.set_ylabel(measure, color=DARK)
    ax.xaxis.set_major_locator(MaxNLocator(integer=True))
    ax.grid(color="#E5E5E5", linewidth=0.6)
    ax.tick_params(colors=DARK)
    for side, spine in ax.spines.items():
        spine.set_visible(side in ("left", "bottom"))


def _legend(
    place: "Figure | Axes", entries: list[tuple[str, dict[str, Any]]], families: list[str], **how
) -> None:
    from matplotlib.lines import Line2D

    handles = [Line2D([], [], **look) for _, look in entries]
    numbers = [str(i) for i in range(len(entries))]
    legend = place.legend(handles, numbers, fontsize=9, frameon=False, labelcolor=DARK, **how)
    rewrite(legend, [name for name, _ in entries], families)
