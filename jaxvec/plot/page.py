"""A map of words as a web page: one file, to search, zoom and click through, without a network."""

import html
import json
import os
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from jaxvec.plot.figure import style
from jaxvec.storage.files import atomic_write
from jaxvec.vectors.word_vectors import WordVectors


def write_page(
    path: str | os.PathLike[str],
    vectors: WordVectors,
    words: Sequence[str],
    points: ArrayLike,
    groups: Sequence[str] | Sequence[int] | np.ndarray | None = None,
    *,
    neighbors: int = 10,
    title: str = "Map of words",
) -> None:
    """Writes a page that shows `n` words at their places, and the neighbors of each.

    A word can be searched for, pointed at and clicked; its neighbors are those that
    `WordVectors.most_similar` finds among all `V` words, on the map or not, and then the
    nearest on the map. The page holds all that it needs: plotly.js, which takes 5 MB, and
    about 0.3 MB for every thousand words; a few thousand are as many as it moves smoothly.

    Args:
      path: where; a file there is replaced, once the new one is whole.
      vectors: those of all `V` words.
      words: the `n` words to show, each once.
      points: their places, float[n, 2], as some projection gives them.
      groups: a label for each word; words of one label share color and marker, as in
        `word_map`.
      neighbors: how many to list for each word.
      title: the heading.

    Raises:
      KeyError: for a word without a vector, with close matches.
      ValueError: if there are no words, or one comes twice; if points or groups are not one a
        word, or not finite; if `neighbors` is negative; or without the package plotly.

    >>> path = getfixture("tmp_path") / "map.html"
    >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
    >>> write_page(path, wv, ["a", "b"], [[0, 0], [1, 2]], neighbors=2, title="Letters")
    >>> "<title>Letters</title>" in path.read_text()
    True
    """
    library = _plotly(path)
    data = _contents(vectors, list(words), points, groups, neighbors)
    # Within a script element only "<" could end it or begin a comment.
    encoded = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", r"\u003c")
    parts = {
        "title": html.escape(title),
        "plotly": library,
        "data": encoded,
        "page": _resource("page.js"),
        "search": _resource("search.js"),
    }
    page = re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], _resource("page.html"))
    with atomic_write(path) as temporary:
        temporary.write_text(page, encoding="utf-8")


def _contents(
    vectors: WordVectors,
    words: list[str],
    points: ArrayLike,
    groups: Any,
    neighbors: int,
) -> dict[str, Any]:
    """What the page knows of its words; those that it only names as neighbors come last."""
    places = _places(words, points)
    if neighbors < 0:
        raise ValueError(f"neighbors must be 0 or more; got {neighbors}")
    found = vectors.most_similar_many(words, topn=neighbors)
    shown = WordVectors(words, vectors[words], dtype=vectors.vectors.dtype)
    near = shown.most_similar_many(words, topn=neighbors)
    index = {word: i for i, word in enumerate(words)}
    for row in found:
        for other, _ in row:
            index.setdefault(other, len(index))
    ids = [vectors.get_index(word) for word in index]
    labels, members = _grouped(groups, len(words))
    return {
        "total": len(vectors),
        "dimension": vectors.vector_size,
        "words": list(index),
        "ranks": [i + 1 for i in ids],
        "counts": None if vectors.counts is None else vectors.counts[ids].tolist(),
        "x": [float(f"{x:.6g}") for x in places[:, 0]],
        "y": [float(f"{y:.6g}") for y in places[:, 1]],
        "labels": labels,
        "groups": members,
        "styles": [style(i) for i in range(max(len(labels), 1))],
        "neighbors": [[index[other] for other, _ in row] for row in found],
        "cosines": [[round(cosine, 3) for _, cosine in row] for row in found],
        "near": [[index[other] for other, _ in row] for row in near],
        "nearCosines": [[round(cosine, 3) for _, cosine in row] for row in near],
    }


def _places(words: list[str], points: ArrayLike) -> np.ndarray:
    """The points as float[n, 2], one a word."""
    if not words:
        raise ValueError("a page needs words to show; got none")
    if len(set(words)) != len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise ValueError(f"the word {twice!r} comes twice among those to show")
    places = np.asarray(points, float)
    if places.shape != (len(words), 2):
        raise ValueError(f"{len(words)} words need points [{len(words)}, 2]; got {places.shape}")
    if not np.isfinite(places).all():
        bad = int(np.flatnonzero(~np.isfinite(places).all(axis=1))[0])
        raise ValueError(f"the point of {words[bad]!r} is not finite: {places[bad].tolist()}")
    return places


def _grouped(groups: Any, count: int) -> tuple[list[str], list[int]]:
    """The labels in order of their first words, and which of them each word has; no label if
    not given."""
    if groups is None:
        return [], [0] * count
    if len(groups) != count:
        raise ValueError(f"{count} words need as many groups, not {len(groups)}")
    named = [str(label) for label in groups]
    labels = list(dict.fromkeys(named))
    return labels, [labels.index(label) for label in named]


def _resource(name: str) -> str:
    return (resources.files("jaxvec.plot") / name).read_text("utf-8")


def _plotly(path: str | os.PathLike[str]) -> str:
    """plotly.js, as its Python package has it; ValueError that says how to get that."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise ValueError(f"{path} needs the package plotly: pip install 'jaxvec[plot]'") from None
    return get_plotlyjs()
