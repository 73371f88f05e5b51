"""A heat map of the cosines between words."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.plot.figure import DARK, import_matplotlib, lettering, literally, new_figure, shortened

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DIAGONAL = "#D9D9D9"
_ANNOTATED = 25  # a map of more words has no numbers in its cells


def clustered(cosines: ArrayLike) -> list[int]:
    """Orders `n` words so that similar ones are adjacent: hierarchical clustering.

    Average linkage builds the tree: it repeatedly joins the two clusters with the highest mean
    cosine between their words. Of the leaf orders that fit the tree, the result has the highest
    sum of cosines between adjacent words.

    Args:
      cosines: between the words, float[n, n].

    Returns:
      The indices of the words, in order.

    >>> clustered([[1.0, 0.1, 0.8], [0.1, 1.0, 0.2], [0.8, 0.2, 1.0]])
    [1, 2, 0]

    References:
      Bar-Joseph et al. 2001, "Fast optimal leaf ordering for hierarchical clustering".
    """
    from scipy.cluster.hierarchy import leaves_list, linkage
    from scipy.spatial.distance import squareform

    distances = 1 - np.asarray(cosines, np.float64)
    if len(distances) < 3:
        return list(range(len(distances)))
    distances = np.maximum((distances + distances.T) / 2, 0)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances), "average", optimal_ordering=True)
    return leaves_list(tree).tolist()


def heat_map(
    words: Sequence[str],
    cosines: ArrayLike,
    *,
    title: str = "",
    size: tuple[float, float] | None = None,
) -> "Figure":
    """Plots the cosines between words as colors, and as numbers for up to 25 words.

    The color scale covers the cosines between different words; the diagonal, cosine 1, is light
    gray.

    Args:
      words: the `n` words, in the order of rows and columns.
      cosines: between the words, float[n, n].
      title: above the plot.
      size: width and height in inches; by default from the number of words.

    Raises:
      ValueError: for fewer than 2 words, cosines not of shape [n, n], or without matplotlib.

    >>> figure = heat_map(["a", "b"], [[1.0, 0.25], [0.25, 1.0]])
    >>> [text.get_text() for text in figure.axes[0].texts]
    ['0.25', '0.25']
    """
    import_matplotlib()
    from matplotlib import colormaps

    table = np.array(cosines, np.float64)
    count = len(words)
    if count < 2 or table.shape != (count, count):
        raise ValueError(f"{count} words need cosines [{count}, {count}]; got {table.shape}")
    np.fill_diagonal(table, np.nan)
    letters = lettering([*map(shortened, words), title])
    written = count <= _ANNOTATED
    side = min(max(count * (0.42 if written else 0.18), 3.0), 40.0)
    figure = new_figure(*(size or (side + 2.2, side + 1.2)))
    figure.set_layout_engine("constrained")
    ax = figure.subplots()
    text = {"color": DARK, **literally(letters.families)}
    ax.set_title(letters.shown[-1], **text)
    image = ax.imshow(table, cmap=colormaps["cividis"].with_extremes(bad=_DIAGONAL))
    small = {**text, "fontsize": 9 if written else 8}
    ax.set_xticks(range(count), letters.shown[:-1], rotation=90, **small)
    ax.set_yticks(range(count), letters.shown[:-1], **small)
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = figure.colorbar(image, shrink=0.8)
    bar.set_label("cosine (light gray: a word with itself, 1)", color=DARK)
    bar.outline.set_visible(False)  # type: ignore[operator]
    if written:
        middle = (np.nanmin(table) + np.nanmax(table)) / 2
        for i, j in np.argwhere(~np.isnan(table)):
            ax.text(
                j, i, f"{table[i, j]:.2f}", ha="center", va="center", fontsize=8,
                color="white" if table[i, j] < middle else "black",
            )  # fmt: skip
    return figure
