"""Figures without a display: made, lettered in any script, and saved."""

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
"""What `save` writes."""

PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#888888")
"""Colors of groups, in pictures and on the page, by Okabe and Ito 2008, which the
color-blind can distinguish, with gray for yellow."""

DARK = "#333333"
"""The color of what is written."""

MISSING = "\N{REPLACEMENT CHARACTER}"
"""Stands for a character that no font on this machine has."""

_MARKERS = "os^DvP*X"
_LEAST = 0.5  # inch of axes
_LONGEST = 32  # characters of a word
_NO_LETTERS = ("emoji", "last resort", "lastresort")  # fonts of colored pictures and of boxes


class Lettering(NamedTuple):
    """How to write some texts."""

    families: list[str]
    """Names of fonts; a character is taken from the first that has it."""

    shown: list[str]
    """The texts, with U+FFFD for what no font has."""


def import_matplotlib() -> ModuleType:
    """The package; ValueError that says how to get it if it is not installed."""
    try:
        import matplotlib
    except ImportError:
        raise ValueError(
            "pictures need the package matplotlib: pip install 'jaxvec[plot]'"
        ) from None
    return matplotlib


def new_figure(width: float, height: float) -> "Figure":
    """An empty figure of so many inches, 150 dots to the inch."""
    import_matplotlib()
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from jaxvec.plot.picture import Picture

    figure = Picture(figsize=(width, height), dpi=150)
    FigureCanvasAgg(figure)  # which measures text without making a renderer each time
    return figure


def axes_within(figure: "Figure", left: float, bottom: float, right: float, top: float) -> "Axes":
    """Axes with so many inches left free at each side; ValueError if that is all there is."""
    width, height = figure.get_size_inches()
    across, down = width - left - right, height - bottom - top
    if min(across, down) < _LEAST:
        raise ValueError(
            f"{width:g} x {height:g} inches leave no room beside title and legend: give "
            f"{left + right + _LEAST:.1f} x {bottom + top + _LEAST:.1f} at least"
        )
    return figure.add_axes((left / width, bottom / height, across / width, down / height))


def style(number: int) -> dict[str, Any]:
    """Color and marker of the first, second … group: both differ, so that color is not all."""
    turn, color = divmod(number, len(PALETTE))
    return {"color": PALETTE[color], "marker": _MARKERS[(color + turn) % len(_MARKERS)]}


def save(figure: "Figure", path: str | os.PathLike[str]) -> None:
    """Writes a figure as `.png`, `.svg` or `.pdf`; the same figure gives the same bytes.

    Raises:
      ValueError: for another suffix.
    """
    suffix = check_suffix(path)
    matplotlib = import_matplotlib()
    dates = {".svg": {"Date": None}, ".pdf": {"CreationDate": None}}
    with atomic_write(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "jaxvec"}):
        figure.savefig(temporary, format=suffix[1:], metadata=dates.get(suffix))


def check_suffix(path: str | os.PathLike[str], others: Sequence[str] = ()) -> str:
    """The suffix of a picture's path, in lower case; ValueError if there is no such format."""
    suffix = Path(path).suffix.lower()
    if suffix not in (*SUFFIXES, *others):
        *most, last = (*SUFFIXES, *others)
        raise ValueError(f"output {path} must end in {', '.join(most)} or {last}")
    return suffix


def shortened(word: str) -> str:
    """A word, cut if it is very long."""
    return word if len(word) <= _LONGEST else word[: _LONGEST - 1] + "…"


def lettering(texts: Iterable[str]) -> Lettering:
    """Fonts of this machine that hold the letters of all texts, and these as they can be drawn.

    >>> lettering(["straße", "a\\tb"]).shown
    ['straße', 'a�b']
    """
    import_matplotlib()
    from matplotlib import font_manager, rcParams

    texts = list(texts)
    families = [*rcParams["font.family"], "DejaVu Sans"]  # which comes with matplotlib
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
    return "" if unicodedata.category(character) == "Cf" else MISSING  # joiners and their like


def _characters(path: str) -> set[str]:
    """The characters that a font has."""
    from matplotlib import font_manager

    try:
        return {chr(code) for code in font_manager.get_font(path).get_charmap()}
    except (OSError, RuntimeError):  # a file that is damaged, or of no format that it reads
        return set()


def literally(families: Sequence[str]) -> dict[str, Any]:
    """What has a text drawn as it stands, `$`, `_` and backslash too, in these fonts."""
    return {"parse_math": False, "usetex": False, "fontfamily": list(families)}


def rewrite(legend: "Legend", contents: Sequence[str], families: Sequence[str]) -> None:
    """Gives the entries of a legend these texts; as labels, some with `_` would stay hidden."""
    for text, content in zip(legend.get_texts(), contents, strict=True):
        text.set(text=content, **literally(families))
