"""Figures without a display: creation, fonts for any script, saving."""

import os
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from jaxvec.storage.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

SUFFIXES = (".png", ".svg", ".pdf")
"""File formats of `save`."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#888888")
"""Colors of groups, in figures and on the page: the palette for color blindness of Okabe and
Ito 2008, with gray for yellow."""

DARK = "#333333"
"""The color of text."""

MISSING = "\N{REPLACEMENT CHARACTER}"
"""Replaces a character that no font on this machine has."""

_MARKERS = "os^DvP*X"
_LEAST = 0.5  # smallest side of axes, inches
_LONGEST = 32  # characters of a word before it is cut
_NO_LETTERS = ("emoji", "last resort", "lastresort")  # fonts without letters


class Lettering(NamedTuple):
    """Fonts for some texts.

    Attributes:
      families: names of fonts; matplotlib draws a character in the first that has it.
      shown: the texts, with U+FFFD for characters that no font has.
    """

    families: list[str]
    shown: list[str]


def import_matplotlib() -> ModuleType:
    """Imports matplotlib.

    Raises:
      ValueError: if it is not installed; the message has the command to install it.
    """
    try:
        import matplotlib
    except ImportError:
        raise ValueError("plots need the package matplotlib: pip install 'jaxvec[plot]'") from None
    return matplotlib


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure, 150 dots per inch.

    Args:
      width, height: in inches.
    """
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from jaxvec.plot.picture import Picture

    figure = Picture(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)  # measures text without making a renderer each time
    return figure


def axes_within(figure: "Figure", left: float, bottom: float, right: float, top: float) -> "Axes":
    """Adds axes to a figure, with margins.

    Args:
      figure: the figure.
      left, bottom, right, top: margins in inches.

    Raises:
      ValueError: if the axes would be smaller than half an inch.
    """
    width, height = figure.get_size_inches()
    across, down = width - left - right, height - bottom - top
    if min(across, down) < _LEAST:
        raise ValueError(
            f"{width:g} x {height:g} inches leave no room beside title and legend: give at "
            f"least {left + right + _LEAST:.1f} x {bottom + top + _LEAST:.1f}"
        )
    return figure.add_axes((left / width, bottom / height, across / width, down / height))


def style(number: int) -> dict[str, Any]:
    """Color and marker of group 0, 1 …; neighbors differ in both, for readers without color."""
    turn, color = divmod(number, len(PALETTE))
    return {"color": PALETTE[color], "marker": _MARKERS[(color + turn) % len(_MARKERS)]}


def save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Writes a figure to a file; equal figures give equal bytes.

    Args:
      figure: the figure.
      path: the file, with suffix `.png`, `.svg` or `.pdf`.

    Raises:
      ValueError: for another suffix.
    """
    suffix = check_suffix(path)
    matplotlib = import_matplotlib()
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with atomic_write(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "jaxvec"}):
        figure.savefig(temporary, format=suffix[1:], metadata=dates.get(suffix))


def check_suffix(path: str | os.PathLike[str], others: Sequence[str] = ()) -> str:
    """The suffix of a path, in lower case.

    Args:
      path: of a plot to write.
      others: suffixes to accept besides `SUFFIXES`.

    Raises:
      ValueError: for another suffix.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in (*SUFFIXES, *others):
        *most, last = (*SUFFIXES, *others)
        raise ValueError(f"output {path} must end in {', '.join(most)} or {last}")
    return suffix


def shortened(word: str) -> str:
    """A word, cut to 32 characters."""
    return word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…"


def lettering(texts: Iterable[str]) -> Lettering:
    """Finds fonts on this machine that have the characters of all texts.

    Args:
      texts: to draw.

    Raises:
      ValueError: without matplotlib.

    >>> lettering(["straße", "a\\tb"]).shown
    ['straße', 'a�b']
    """
    import_matplotlib()
    from matplotlib import font_manager, rcParams

    texts = list(texts)
    families = [*rcParams["font.family"], "DejaVu Sans"]  # the font that matplotlib brings
    characters = set().union(*texts)
    missing = {character for character in characters if _drawable(character)}
    for family in families:
        missing -= _characters(font_manager.findfont(font_manager.FontProperties(family=[family])))
    for font in sorted(font_manager.fontManager.ttflist, key=lambda font: font.name):
        if not missing:
            break
        plain = font.style == "normal" and font.weight in (400, "normal", "regular")
        if plain and not any(part in font.name.lower() for part in _NO_LETTERS):
            found = missing & _characters(font.fname)
            families += [font.name] * bool(found)
            missing -= found
    stands = {ord(c): _stand_in(c) for c in characters if c in missing or not _drawable(c)}
    return Lettering(families, [text.translate(stands) for text in texts])


def _drawable(character: str) -> bool:
    return unicodedata.category(character) not in ("Cc", "Cs", "Zl", "Zp")


def _stand_in(character: str) -> str:
    return (
        "" if unicodedata.category(character) == "Cf" else MISSING
    )  # Cf: joiners, marks of direction


def _characters(path: str) -> set[str]:
    """The characters of a font file."""
    from matplotlib import font_manager

    try:
        return {chr(code) for code in font_manager.get_font(path).get_charmap()}
    except (OSError, RuntimeError):  # a damaged file, or an unknown format
        return set()


def literally(families: Sequence[str]) -> dict[str, Any]:
    """Keyword arguments that draw a text literally, with `$`, `_` and backslash, in these fonts."""
    return {"parse_math": False, "usetex": False, "fontfamily": list(families)}


def rewrite(legend: "Legend", contents: Sequence[str], families: Sequence[str]) -> None:
    """Sets the texts of a legend; matplotlib would hide labels that begin with `_`.

    Args:
      legend: with any labels.
      contents: the text of each entry.
      families: fonts, from `lettering`.
    """
    for text, content in zip(legend.get_texts(), contents, strict=True):
        text.set(text=content, **literally(families))
