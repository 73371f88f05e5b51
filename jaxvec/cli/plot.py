"""`jaxvec plot`: pictures of vectors and of training."""

import argparse
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from jaxvec.cli.common import (
    Flags,
    check_input,
    check_known,
    check_output,
    load_mapped,
    number,
    path,
    say,
    whole,
)
from jaxvec.text.read import text_lines
from jaxvec.vectors.ranking import unit
from jaxvec.vectors.word_vectors import WordVectors

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_DESCRIPTION = """\
Draws word vectors as a map (the default), a heat map of cosines (--heat) or a self-organizing
map (--som), or the curves of training (--log) into a .png, .svg or .pdf. A map may also be a
web page, .html, to search and zoom. Needs the extra: pip install 'jaxvec[plot]'"""

_EXAMPLES = """\
examples:
  jaxvec plot vectors.npz -o map.png --skip 100 --topn 200
  jaxvec plot vectors.npz -o map.svg --words matrix file class --neighbors 12 --method tsne
  jaxvec plot vectors.npz -o heat.pdf --heat matrix array file path string
  jaxvec plot vectors.npz -o som.png --som --grid 12x16
  jaxvec plot --log run.jsonl other.jsonl -o curves.png"""

_TOPN = {"map": 200, "page": 1000}  # words, if none are asked for
_GROUPS = 8
_CHOICE = ("words", "words_file", "topn", "skip", "limit", "seed")
_SCATTER = (*_CHOICE, "neighbors", "method", "perplexity", "groups")
_OPTIONS = {
    "log": ("size",),
    "heat": ("size", "words_file", "limit", "order"),
    "som": ("size", *_CHOICE, "grid", "epochs"),
    "map": ("size", *_SCATTER, "pairs"),
    "page": _SCATTER,
}
"""The options of each kind of picture, besides the common ones."""

_NAMES = {
    "log": "--log",
    "heat": "--heat",
    "som": "--som",
    "map": "a map (--som, --heat and --log draw other things)",
    "page": "a web page",
}


def add_plot_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `plot` to a parser."""
    parser.description = _DESCRIPTION
    parser.epilog = _EXAMPLES
    add = Flags(parser)
    add("file VECTORS", "word vectors in any format", path, nargs="?")
    add(
        "-o --output FILE",
        "where the picture goes: .png, .svg or .pdf; for a map also .html",
        path,
        required=True,
    )
    add("--force", "overwrite the output")
    add("--title T", "title of the picture (default: what is drawn)")
    add("--size WxH", "width and height in inches", _size)
    kinds = parser.add_argument_group("kinds of pictures").add_mutually_exclusive_group()
    add = Flags(kinds)
    add("--heat WORD", "cosines of words with one another", nargs="*")
    add("--som", "words on the units of a self-organizing map")
    add("--log F", "loss and speed, from what train --log wrote", path, nargs="+")
    _add_word_options(parser)
    _add_drawing_options(parser)
    parser.set_defaults(run=run)


def _add_word_options(parser: argparse.ArgumentParser) -> None:
    add = Flags(parser, "which words")
    add("--words WORD", "draw these words", nargs="+")
    add("--words-file F", "draw the words of a file, between white space", path)
    add("--neighbors N", "draw the N nearest words of each, in its color", whole(1))
    add(
        "--pairs WORD",
        "draw these words, with an arrow from the first to the second, third to fourth, …",
        nargs="+",
    )
    add(
        "--topn N",
        "without words: draw the N most frequent (default: 200; 1,000 on a web page); for --som, "
        "fit the map to them (default: all)",
        whole(1),
    )
    add("--skip N", "without words: leave out the N most frequent, such as the, of, and", whole(0))
    add("--limit N", "read only the first N words of the file", whole(1))


def _add_drawing_options(parser: argparse.ArgumentParser) -> None:
    add = Flags(parser, "how")
    add(
        "--method",
        "principal components (default) or t-SNE, which shows groups better and distances between "
        "them worse",
        choices=["pca", "tsne"],
    )
    add(
        "--perplexity P",
        "of t-SNE: effective number of neighbors of a word (default: 30)",
        number(0, beyond=True),
    )
    add(
        "--groups K",
        "color a map by K groups of k-means (default: 8, fewer for few words; with --neighbors one "
        "for each word; 0: none)",
        whole(0),
    )
    add(
        "--order",
        "of a heat map: similar words side by side (default), or as given",
        choices=["given", "clustered"],
    )
    add(
        "--grid RxC",
        "rows and columns of a self-organizing map (default: 12x16, smaller for few words)",
        _grid,
    )
    add("--epochs N", "batch steps of a self-organizing map (default: 20)", whole(1))
    add(
        "--seed N",
        "of t-SNE and k-means (default: 1); a self-organizing map starts from random vectors with "
        "it, from principal components without",
        whole(0),
    )


def _pair(text: str, least: float, kind: type) -> tuple | None:
    match = re.fullmatch(r"([\d.]+)[x×]([\d.]+)", text)
    try:
        found = match and tuple(map(kind, match.groups()))
    except ValueError:
        return None
    return found if found and all(least <= value <= 1000 for value in found) else None


def _size(text: str) -> tuple[float, float]:
    if found := _pair(text, 1, float):
        return found
    raise argparse.ArgumentTypeError(f"expected inches from 1 up, such as 12x9, not {text!r}")


def _grid(text: str) -> tuple[int, int]:
    if found := _pair(text, 1, int):
        return found
    raise argparse.ArgumentTypeError(f"expected rows and columns, such as 12x16, not {text!r}")


def run(options: argparse.Namespace) -> None:
    """Draws and writes the picture.

    Raises:
      ValueError, KeyError, OSError: for bad input, before anything is written.
    """
    from jaxvec.plot.figure import check_suffix, import_matplotlib, save

    kind = _kind(options)
    check_suffix(options.output, [".html"] if kind in ("map", "page") else [])
    if kind != "page":
        import_matplotlib()
    inputs = [*(options.log or [options.file])]
    inputs += [options.words_file] if options.words_file else []
    check_output(options.output, force=options.force, inputs=inputs)
    if kind == "log":
        what, figure = _curves(options)
    else:
        check_input(options.words_file, "file of words")
        vectors = load_mapped(options.file, options.limit)
        if kind == "page":
            what = _page(options, vectors)
        else:
            draw = {"heat": _heat, "som": _som, "map": _map}[kind]
            what, figure = draw(options, vectors)
    if kind != "page":
        save(figure, options.output)
    say(f"{what} in {options.output}")


def _kind(options: argparse.Namespace) -> str:
    """The kind of picture; ValueError for options that do not go with it."""
    page = Path(options.output).suffix.lower() == ".html"
    kind = "page" if page else "map"
    kind = next(
        (k for k in ("log", "heat", "som") if getattr(options, k) not in (None, False)), kind
    )
    if kind == "log" and options.file:
        raise ValueError(f"--log takes no vectors; got {options.file}")
    if kind != "log" and not options.file:
        raise ValueError("give VECTORS, a file of word vectors, first; or --log")
    for name in sorted({name for names in _OPTIONS.values() for name in names}):
        if getattr(options, name) is not None and name not in _OPTIONS[kind]:
            raise ValueError(f"--{name.replace('_', '-')} does not go with {_NAMES[kind]}")
    return kind


def _curves(options: argparse.Namespace) -> "tuple[str, Figure]":
    from jaxvec.plot.curves import curves, read_log

    stems = [Path(path).stem for path in options.log]
    names = stems if len(set(stems)) == len(stems) else options.log
    runs = {name: read_log(path) for name, path in zip(names, options.log, strict=True)}
    title = options.title if options.title is not None else names[0] if len(names) == 1 else ""
    epochs = sum(map(len, runs.values()))
    return f"the curves of {epochs:,} epochs are", curves(runs, title=title, size=options.size)


def _heat(options: argparse.Namespace, vectors: WordVectors) -> "tuple[str, Figure]":
    from jaxvec.plot.heat import clustered, heat_map

    words = _listed(options.heat, options.words_file)
    if len(words) < 2:
        raise ValueError(f"a heat map needs 2 words or more; got {len(words)}")
    check_known(vectors, words)
    units = unit(vectors[words].astype(np.float64))
    cosines = units @ units.T
    if options.order != "given":
        order = clustered(cosines)
        words, cosines = [words[i] for i in order], cosines[np.ix_(order, order)]
    title = _title(options, f"Cosines of {len(words):,} words of {Path(options.file).name}")
    figure = heat_map(words, cosines, title=title, size=options.size)
    return f"the cosines of {len(words):,} words are", figure


def _som(options: argparse.Namespace, vectors: WordVectors) -> "tuple[str, Figure]":
    import jax

    from jaxvec.cluster import som
    from jaxvec.plot.grid import som_map

    learned = _frequent(options, vectors, len(vectors))
    written = _listed(options.words, options.words_file) or learned
    check_known(vectors, written)
    asked = vectors.get_normed_vectors(written)
    table = jax.device_put(vectors.get_normed_vectors(learned))
    rows, columns = shape = options.grid or _usual_grid(len(table))
    key = None if options.seed is None else jax.random.key(options.seed)
    weights = som.train(som.init(table, shape, key), table, options.epochs or 20)
    units = som.best_matching_unit(weights, asked)
    quantization = float(som.quantization_error(weights, table))
    topographic = float(som.topographic_error(weights, table))
    say(
        f"{len(table):,} words on {rows}x{columns} units: quantization error {quantization:.4f}, "
        f"topographic error {topographic:.4f}"
    )
    title = _title(
        options, f"{len(table):,} words of {Path(options.file).name} on {rows} × {columns} units"
    )
    figure = som_map(written, units, som.u_matrix(weights), title=title, size=options.size)
    return "the map is", figure


def _usual_grid(words: int) -> tuple[int, int]:
    """About 5 √n units for `n` words, 12x16 at most: more cells are hard to read."""
    rows = min(max(round((5 * words**0.5 * 3 / 4) ** 0.5), 2), 12)
    return rows, round(rows * 4 / 3)


def _map(options: argparse.Namespace, vectors: WordVectors) -> "tuple[str, Figure]":
    from jaxvec.plot.layout import layout
    from jaxvec.plot.wordmap import word_map

    words, groups, asked = _chosen(options, vectors, "map")
    pairs = list(zip(options.pairs[::2], options.pairs[1::2], strict=True)) if options.pairs else []
    method = options.method or "pca"
    places = layout(vectors, words, method, seed=_seed(options), perplexity=options.perplexity)
    axes = None
    if places.shares is not None:
        first, second = (f"{100 * share:.1f} % of variance" for share in places.shares)
        axes = f"first principal component, {first}", f"second, {second}"
    figure = word_map(
        words,
        places.points,
        groups,
        important=asked if options.neighbors else (),
        pairs=pairs,
        title=_map_title(options, words, asked),
        axes=axes,
        size=options.size,
    )
    unlabeled = len(words) - len(figure.axes[0].texts)
    rest = f" ({unlabeled:,} of them without a label for lack of space)" if unlabeled else ""
    return f"{len(words):,} words{rest} are", figure


def _page(options: argparse.Namespace, vectors: WordVectors) -> str:
    from jaxvec.plot.layout import layout
    from jaxvec.plot.page import write_page

    words, groups, asked = _chosen(options, vectors, "page")
    method = options.method or "pca"
    points = layout(
        vectors, words, method, seed=_seed(options), perplexity=options.perplexity
    ).points
    write_page(
        options.output, vectors, words, points, groups, title=_map_title(options, words, asked)
    )
    return f"{len(words):,} words are"


def _chosen(
    options: argparse.Namespace, vectors: WordVectors, kind: str
) -> tuple[list[str], list[str] | None, list[str]]:
    """The words of a map, the group of each, and the words asked for by name."""
    from jaxvec.plot.layout import group, with_neighbors

    asked = _listed([*(options.words or []), *(options.pairs or [])], options.words_file)
    if options.pairs and len(options.pairs) % 2:
        raise ValueError(f"--pairs needs two words a pair; got {len(options.pairs)} words")
    if asked and (options.topn or options.skip):
        raise ValueError("--topn and --skip do not go with words asked for by name")
    if options.neighbors and not asked:
        raise ValueError("--neighbors needs words: give --words")
    if options.perplexity and options.method != "tsne":
        raise ValueError("--perplexity goes with --method tsne")
    check_known(vectors, asked)
    words = asked or _frequent(options, vectors, _TOPN[kind])
    groups = None
    if options.neighbors:
        words, groups = with_neighbors(vectors, asked, options.neighbors)
    count = options.groups
    if count is None:
        count = 0 if options.neighbors else min(_GROUPS, len(words) // 10)
    if count > 1:
        groups = group(vectors, words, count, seed=_seed(options))
    elif options.groups is not None:
        groups = None
    return words, groups, asked


def _listed(words: list[str] | None, file: str | None) -> list[str]:
    """Words and the words of a file, without duplicates."""
    listed = list(words or [])
    if file:
        listed += [word for _, line in text_lines(file, "word list") for word in line.split()]
        if not listed:
            raise ValueError(f"{file} holds no words")
    return list(dict.fromkeys(listed))


def _frequent(options: argparse.Namespace, vectors: WordVectors, usual: int) -> list[str]:
    """The most frequent words."""
    start = options.skip or 0
    if start >= len(vectors):
        raise ValueError(f"--skip {start} leaves out all of the {len(vectors):,} words")
    return vectors.index_to_key[start : start + (options.topn or usual)]


def _seed(options: argparse.Namespace) -> int:
    return 1 if options.seed is None else options.seed


def _title(options: argparse.Namespace, usual: str) -> str:
    return usual if options.title is None else options.title


def _map_title(options: argparse.Namespace, words: list[str], asked: list[str]) -> str:
    """The title of a map."""
    name = Path(options.file).name
    if options.neighbors:
        what = f"{len(asked):,} words of {name} and the {options.neighbors} nearest to each"
    elif asked:
        what = f"{len(words):,} words of {name}"
    else:
        what = f"The {len(words):,} most frequent words of {name}"
        what += f" after the first {options.skip:,}" if options.skip else ""
    return _title(options, what + (", by t-SNE" if options.method == "tsne" else ""))
