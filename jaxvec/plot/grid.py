"""A plot of a self-organizing map: words in the cells of their units, over the U-matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.plot.figure import (
    DARK,
    axes_within,
    import_matplotlib,
    lettering,
    literally,
    new_figure,
    shortened,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_CELL = (1.0, 0.74)  # width and height of a cell, inches
_FONT = 7.5  # font size, points
_LINE = 1.25  # distance between lines, in font sizes
_SMALLEST = 0.7  # a long word shrinks to this part of the font size, and is then cut
_FILLED = 0.94  # the part of a cell's width and height that text may fill
_LEAST = 4.5  # smallest width of a grid, inches: the title needs it
_BESIDE = (0.15, 0.15, 1.15, 0.5)  # margins of the grid, inches: left, bottom, right, top


def som_map(
    words: Sequence[str],
    units: ArrayLike,
    borders: ArrayLike,
    *,
    title: str = "",
    size: tuple[float, float] | None = None,
) -> "Figure":
    """Plots words in the cells of their units; the color of a cell is the U-matrix.

    A cell shows its first words, and how many do not fit. A darker cell has a
    unit farther from its neighbors: dark ridges separate areas of similar words.

    Args:
      words: the `n` words to write, the most important first.
      units: the unit of each word, numbered row by row, int[n]; see `som.best_matching_unit`.
      borders: the `som.u_matrix` of `R` rows and `C` columns, float[R, C].
      title: above the plot.
      size: width and height in inches; by default from the size of the grid.

    Raises:
      ValueError: if `units` is not one number from 0 to R·C - 1 per word, or without matplotlib.

    >>> figure = som_map(["a", "b", "c"], [0, 3, 3], [[1.0, 2.0], [2.0, 3.0]])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['a', 'b', 'c']
    """
    import_matplotlib()
    from matplotlib.colors import LinearSegmentedColormap

    places, table = np.asarray(units), np.asarray(borders, np.float64)
    if table.ndim != 2 or not table.size:
        raise ValueError(f"borders must be [R, C]; got {table.shape}")
    if places.shape != (len(words),) or ((places < 0) | (places >= table.size)).any():
        raise ValueError(f"{len(words)} words need a unit each, from 0 to {table.size - 1}")
    rows, columns = table.shape
    left, bottom, right, top = _BESIDE
    usual = max(columns * _CELL[0], _LEAST) + left + right, rows * _CELL[1] + bottom + top
    figure = new_figure(*(size or usual))
    ax = axes_within(figure, left, bottom, right, top)
    letters = lettering([*map(shortened, words), title])
    ax.set_title(letters.shown[-1], color=DARK, **literally(letters.families))
    shades = LinearSegmentedColormap.from_list("borders", ["#FFFFFF", "#A0A0A0"])
    image = ax.imshow(table, cmap=shades, aspect="auto")
    ax.set_xticks([])
    ax.set_yticks([])
    ax.set_xticks(np.arange(1, columns) - 0.5, minor=True)
    ax.set_yticks(np.arange(1, rows) - 0.5, minor=True)
    ax.grid(which="minor", color="#D5D5D5", linewidth=0.6)
    ax.tick_params(which="minor", length=0)
    ax.spines[:].set_color("#D5D5D5")
    box, inch = ax.get_position(), 1 / figure.get_figwidth()
    slot = figure.add_axes((box.x1 + 0.05 * inch, box.y0, 0.15 * inch, box.height))
    bar = figure.colorbar(image, cax=slot)
    bar.set_label("mean distance to neighboring units", color=DARK)
    for unit in range(table.size):
        inside = [letters.shown[i] for i in np.flatnonzero(places == unit)]
        if inside:
            _write(ax, divmod(unit, columns), inside, letters.families)
    return figure


def _write(ax: "Axes", cell: tuple[int, int], words: list[str], families: list[str]) -> None:
    """Writes the words of a cell that fit, and how many do not."""
    row, column = cell
    corners = ax.transData.transform([(column - 0.5, row - 0.5), (column + 0.5, row + 0.5)])
    figure = ax.get_figure(root=True)
    assert figure is not None
    wide, high = np.abs(corners[1] - corners[0]) * _FILLED
    line = _FONT * _LINE * figure.dpi / 72
    room = max(int(high / line), 1)
    lines = words if len(words) <= room else [*words[: room - 1], f"{len(words) - room + 1:,} more"]
    for i, content in enumerate(lines):
        y = row + (i - (len(lines) - 1) / 2) * line / high * _FILLED
        text = ax.text(
            column, y, content, fontsize=_FONT, color="black", ha="center", va="center",
            **literally(families),
        )  # fmt: skip
        if content not in words:
            text.set(color="#333333", style="italic")
        share = wide / max(text.get_window_extent().width, 1)
        if share < 1:
            text.set_fontsize(_FONT * max(share, _SMALLEST))
        while len(content) > 1 and text.get_window_extent().width > wide:
            content = content[:-1]
            text.set_text(content + "…")
