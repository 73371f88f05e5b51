"""Curves of training: loss and speed after each epoch, as `jaxvec train --log` writes them."""

import json
import os
from collections.abc import Mapping, Sequence
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

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Run = Sequence[Mapping[str, Any]]  # the fields of a `Report` by name, epoch by epoch

_MARKED = 40  # epochs of a run, at most, that each have a marker
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
    runs: Mapping[str, Run],
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
    import_matplotlib()
    from matplotlib.ticker import EngFormatter

    if not runs or not all(runs.values()):
        raise ValueError("curves need a run, with an epoch or more")
    letters = lettering([*map(shortened, runs), title])
    figure = new_figure(*(size or (10.0, 4.5)))
    figure.set_layout_engine("constrained")
    if title:
        figure.suptitle(letters.shown[-1], color=DARK, **literally(letters.families))
    loss, speed = figure.subplots(1, 2)
    for number, epochs in enumerate(runs.values()):
        look = _look(number, len(epochs))
        _draw(loss, epochs, "loss", look)
        _draw(loss, epochs, "valid_loss", {**look, "linestyle": "--"})
        _draw(speed, epochs, "words_per_second", look)
    _name_axes(loss, "loss, mean of a pair (GloVe: of a cell)")
    _name_axes(speed, "words (GloVe: cells) a second")
    speed.set_ylim(bottom=0)
    speed.yaxis.set_major_formatter(EngFormatter(sep="\N{THIN SPACE}"))
    held_out = any(epoch.get("valid_loss") is not None for run in runs.values() for epoch in run)
    _legend(figure, letters.shown[:-1], list(map(len, runs.values())), held_out, letters.families)
    return figure


def _look(number: int, epochs: int) -> dict[str, Any]:
    look = {**style(number), "markersize": 4, "linewidth": 1.3}
    return look if epochs <= _MARKED else {**look, "marker": ""}


def _draw(ax: "Axes", epochs: Run, field: str, look: dict[str, Any]) -> None:
    known = [(epoch["epoch"], epoch[field]) for epoch in epochs if epoch.get(field) is not None]
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
    figure: "Figure", names: list[str], epochs: list[int], held_out: bool, families: list[str]
) -> None:
    """Says which run is which, if there are several, and which line is of held-out text."""
    from matplotlib.lines import Line2D

    handles, texts = [], []
    if len(names) > 1:
        handles = [Line2D([], [], **_look(i, count)) for i, count in enumerate(epochs)]
        texts = list(names)
    if held_out:
        handles += [Line2D([], [], color=DARK, linestyle=line) for line in ("-", "--")]
        texts += ["as it trained, over the epoch", "held out, after the epoch"]
    if not handles:
        return
    legend = figure.legend(
        handles, [str(i) for i in range(len(texts))], loc="outside lower center",
        ncols=min(len(texts), 4), frameon=False, fontsize=9, labelcolor=DARK,
    )  # fmt: skip
    rewrite(legend, texts, families)
