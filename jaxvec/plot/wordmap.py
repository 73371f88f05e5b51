"""A map of words: labeled points in the plane."""

from collections import Counter
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.plot.figure import (
    DARK,
    axes_within,
    lettering,
    literally,
    new_figure,
    rewrite,
    shortened,
    style,
)
from jaxvec.plot.labels import place

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_EDGE = 0.07  # margin inside each border, as a part of the map's width and height
_PADDING = 1.0  # space around a label, points
_POINTS = 72  # points per inch


def word_map(
    words: Sequence[str],
    points: ArrayLike,
    groups: Sequence[str] | None = None,
    *,
    important: Collection[str] = (),
    pairs: Sequence[tuple[str, str]] = (),
    title: str = "",
    axes: tuple[str, str] | None = None,
    size: tuple[float, float] | None = None,
) -> "Figure":
    """Plots words at their points, with labels that do not overlap.

    A label without room beside its point stands farther off, with a leader line. One without
    any room is omitted, and a note below the map counts these. Earlier words are placed first.

    Args:
      words: the `n` words.
      points: their coordinates, float[n, 2]; see `layout`.
      groups: the group of each word, n of them; a group has a color, a marker and a legend
        entry.
      important: words with larger labels, which are placed first.
      pairs: pairs of words; an arrow points from the first to the second.
      title: above the map.
      axes: labels of both axes; None for no labels and no ticks.
      size: width and height in inches; by default from the number of words.

    Raises:
      ValueError: if there is not one finite point and one group per word, if a pair has a word
        that is not on the map, or without matplotlib.

    >>> figure = word_map(["a", "b"], [[0, 0], [1, 1]])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'b']
    """
    places = _checked(words, points, groups, pairs)
    names = list(Counter(groups or [""] * len(words)))  # in order of their first words
    members = [names.index(name) for name in groups] if groups else [0] * len(words)
    letters = lettering([*map(shortened, words), *names, title])
    labels, legends = letters.shown[: len(words)], letters.shown[len(words) : -1]
    figure = new_figure(*(size or _usual_size(places)))
    left, right, low, top = (0.75, 0.2, 0.65, 0.45) if axes else (0.2, 0.2, 0.3, 0.45)
    if groups:
        right += _legend(figure, legends, members, letters.families)
    if not size:
        figure.set_figwidth(figure.get_figwidth() + left + right)
    ax = axes_within(figure, left, low, right, top)
    ax.set_title(letters.shown[-1], color=DARK, **literally(letters.families))
    _frame(ax, places, axes)
    for group in range(len(names)):
        inside = places[[member == group for member in members]]
        ax.scatter(inside[:, 0], inside[:, 1], s=16, linewidths=0, **style(group))
    where = dict(zip(words, places, strict=True))
    arrows = np.array([[where[first], where[second]] for first, second in pairs]).reshape(-1, 2, 2)
    for start, end in arrows:
        _arrow(ax, start, end)
    large = [word in important for word in words]
    left_out = _label(ax, places, labels, members, large, arrows, letters.families)
    if left_out:
        has = "has" if left_out == 1 else "have"
        note = f"{left_out:,} of {len(words):,} words {has} no label, for lack of space"
        across, down = np.array([0.1, 0.08]) / figure.get_size_inches()
        figure.text(1 - across, down, note, ha="right", fontsize=8, color=DARK)
    return figure


def _checked(
    words: Sequence[str],
    points: ArrayLike,
    groups: Sequence[str] | None,
    pairs: Sequence[tuple[str, str]],
) -> np.ndarray:
    places = np.asarray(points, np.float64)
    if not len(words) or places.shape != (len(words), 2):
        raise ValueError(f"{len(words)} words need points [{len(words)}, 2]; got {places.shape}")
    if not np.isfinite(places).all():
        raise ValueError("points must be finite")
    if groups is not None and len(groups) != len(words):
        raise ValueError(f"{len(words)} words need a group each; got {len(groups)} groups")
    if unknown := {word for pair in pairs for word in pair} - set(words):
        raise ValueError(f"pairs must be of words on the map; these are not: {sorted(unknown)}")
    return places


def _usual_size(places: np.ndarray) -> tuple[float, float]:
    """Width and height in inches of the map without margins, in proportion to the points."""
    area = min(35 + 0.42 * len(places), 400)
    wide, high = np.maximum(np.ptp(places, axis=0), 1e-12)
    ratio = np.clip(high / wide, 0.55, 1.0)
    return (area / ratio) ** 0.5, (area * ratio) ** 0.5 + 1


def _legend(figure: "Figure", names: list[str], members: list[int], families: list[str]) -> float:
    """Adds the legend on the right; returns its width in inches."""
    from matplotlib.lines import Line2D

    sizes = Counter(members)
    room = int(figure.get_figheight() * _POINTS / 14) - 4
    shown = names if len(names) <= room else names[: room - 1]
    texts = [f"{name} ({sizes[i]})" for i, name in enumerate(shown)]
    handles = [Line2D([], [], linestyle="", markersize=5, **style(i)) for i in range(len(shown))]
    if len(shown) < len(names):
        handles.append(Line2D([], [], linestyle=""))
        texts.append(f"and {len(names) - len(shown)} more groups")
    legend = figure.legend(
        handles, [str(i) for i in range(len(texts))], loc="upper right", frameon=False,
        bbox_to_anchor=(1, 1 - 0.4 / figure.get_figheight()), fontsize=9, labelcolor=DARK,
        handletextpad=0.2,
    )  # fmt: skip
    rewrite(legend, texts, families)
    return legend.get_window_extent().width / figure.dpi


def _frame(ax: "Axes", places: np.ndarray, axes: tuple[str, str] | None) -> None:
    """Sets limits with one scale for both axes, so that distances compare, and axis labels."""
    box = ax.get_window_extent()
    low, high = places.min(axis=0), places.max(axis=0)
    scale = ((high - low) / ((1 - 2 * _EDGE) * np.array([box.width, box.height]))).max() or 1.0
    half = np.array([box.width, box.height]) * scale / 2
    middle = (low + high) / 2
    ax.set_xlim(middle[0] - half[0], middle[0] + half[0])
    ax.set_ylim(middle[1] - half[1], middle[1] + half[1])
    ax.tick_params(labelsize=8, colors=DARK)
    for spine in ax.spines.values():
        spine.set_color("#BBBBBB")
    if axes is None:
        ax.set_xticks([])
        ax.set_yticks([])
    else:
        ax.set_xlabel(axes[0], color=DARK)
        ax.set_ylabel(axes[1], color=DARK)


def _arrow(ax: "Axes", start: np.ndarray, end: np.ndarray) -> None:
    from matplotlib.patches import FancyArrowPatch

    length = np.hypot(*np.diff(ax.transData.transform([start, end]), axis=0)[0]) / _dot(ax)
    shrink = min(4, length / 4)
    arrow = FancyArrowPatch(
        tuple(start), tuple(end), arrowstyle="->", mutation_scale=min(10, length), color=DARK,
        alpha=0.6, shrinkA=shrink, shrinkB=shrink,
    )  # fmt: skip
    ax.add_patch(arrow)


def _dot(ax: "Axes") -> float:
    """Dots of the figure per point."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    return figure.dpi / _POINTS


def _label(
    ax: "Axes",
    places: np.ndarray,
    labels: list[str],
    members: list[int],
    large: list[bool],
    arrows: np.ndarray,
    families: list[str],
) -> int:
    """Adds the labels; returns the number of words without one."""
    from matplotlib.collections import LineCollection
    from matplotlib.colors import to_rgb

    usual = 9 if len(labels) <= 150 else 8
    colors = [np.array(to_rgb(style(member)["color"])) * 0.62 for member in members]
    order = sorted(range(len(labels)), key=lambda i: not large[i])
    dot = _dot(ax)
    texts = [
        ax.text(
            places[i, 0], places[i, 1], labels[i], fontsize=usual + 3 * large[i], color=colors[i],
            ha="left", va="bottom", **literally(families),
        )
        for i in order
    ]  # fmt: skip
    pad = _PADDING * dot
    sizes = np.array([text.get_window_extent().size for text in texts]) + 2 * pad
    dots = ax.transData.transform(places)
    placed = place(
        dots[order], sizes, ax.get_window_extent().extents,
        lines=ax.transData.transform(arrows.reshape(-1, 2)).reshape(-1, 4), gap=3 * dot,
    )  # fmt: skip
    back = ax.transData.inverted().transform
    left_out = 0
    for text, box in zip(texts, placed.boxes, strict=True):
        if np.isnan(box).any():
            text.remove()
            left_out += 1
        else:
            text.set_position(tuple(back(box[:2] + pad)))
    tied = ~np.isnan(placed.leaders).any(axis=1)
    segments = [back(leader.reshape(2, 2)) for leader in placed.leaders[tied]]
    tints = [colors[i] for i, line in zip(order, tied, strict=True) if line]
    ax.add_collection(
        LineCollection(segments, colors=tints, linewidths=0.5, alpha=0.6), autolim=False
    )
    return left_out
