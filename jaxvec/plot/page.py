"""A map of words as a web page: one file with search and zoom that needs no network."""

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
    """Writes a page with a map of `n` words and the neighbors of each.

    Readers search, hover and click words. A word lists its nearest neighbors among all `V`
    words, on the map or not, and its nearest among the words of the map. The page includes
    plotly.js, 5 MB, and takes about 0.3 MB per thousand words; it moves smoothly with up to a
    few thousand.

    Args:
      path: the file to write; replaced only when the new one is complete.
      vectors: of all `V` words.
      words: the `n` words of the map, each once.
      points: their coordinates, float[n, 2], such as `layout` computes.
      groups: a label per word, n of them; words of one label share color and marker.
      neighbors: the number of neighbors in each list.
      title: the heading.

    Raises:
      KeyError: for a word without a vector; the message has close matches.
      ValueError: if there are no words, or one is repeated; if there is not one finite point
        and one group per word; if `neighbors` is negative; or without the package plotly.

    >>> path = getfixture("tmp_path") / "map.html"
    >>> wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
    >>> write_page(path, wv, ["a", "b"], [[0, 0], [1, 2]], neighbors=2, title="Letters")
    >>> "<title>Letters</title>" in path.read_text()
    True
    """
    library = _plotly(path)
    data = _contents(vectors, list(words), points, groups, neighbors)
    # inside a script element only "<" can end it or begin a comment
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
    """The data of the page; words that are neighbors only, not on the map, come last."""
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
    """Checks words and points; the points as float[n, 2]."""
    if not words:
        raise ValueError("a page needs words to show; got none")
    if len(set(words)) != len(words):
        twice = next(word for word in words if words.count(word) > 1)
        raise ValueError(f"words must differ; {twice!r} is repeated")
    places = np.asarray(points, float)
    if places.shape != (len(words), 2):
        raise ValueError(f"{len(words)} words need points [{len(words)}, 2]; got {places.shape}")
    if not np.isfinite(places).all():
        bad = int(np.flatnonzero(~np.isfinite(places).all(axis=1))[0])
        raise ValueError(f"the point of {words[bad]!r} is not finite: {places[bad].tolist()}")
    return places


def _grouped(groups: Any, count: int) -> tuple[list[str], list[int]]:
    """The distinct labels, in order of first use, and the index of each word's label."""
    if groups is None:
        return [], [0] * count
    if len(groups) != count:
        raise ValueError(f"{count} words need a group each; got {len(groups)} groups")
    named = [str(label) for label in groups]
    labels = list(dict.fromkeys(named))
    return labels, [labels.index(label) for label in named]


def _resource(name: str) -> str:
    return (resources.files("jaxvec.plot") / name).read_text("utf-8")


def _plotly(path: str | os.PathLike[str]) -> str:
    """The source of plotly.js, from the Python package plotly."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise ValueError(f"{path} needs the package plotly: pip install 'jaxvec[plot]'") from None
    return get_plotlyjs()
