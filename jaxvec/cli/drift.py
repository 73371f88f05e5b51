"""`jaxvec drift`: the words that moved most from one space of vectors to another."""

import argparse
import json

from jaxvec.cli.common import Flags, check_known, path, whole
from jaxvec.vectors.word_vectors import WordVectors

_NEIGHBORS = 8


def add_drift_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `drift` to a parser."""
    parser.description = (
        "Lists the words whose vectors differ most between A and B, with their neighbors in both. "
        "B is rotated into the space of A by orthogonal Procrustes; the distance is 1 - cosine. "
        "Both files need vectors of the same size and, to compare texts, of the same model."
    )
    parser.epilog = (
        "examples:\n  jaxvec drift 1990.npz 2020.npz --min-count 500\n"
        "  jaxvec drift old.bin new.bin --restrict-vocab 20000 --words gay broadcast"
    )
    add = Flags(parser)
    add("before A", "word vectors", path)
    add("after B", "word vectors of the same size", path)
    add("--topn N", "default: %(default)s", whole(1), default=10)
    add(
        "--restrict-vocab N",
        "compare the N most frequent words of each (default: 10000, or all with --min-count)",
        whole(1),
    )
    add("--min-count N", "compare words with a count of at least N in both files", whole(1))
    add("--words WORD", "list these words, not the ones that moved most", nargs="+")
    add("--center", "fit the rotation to vectors less their mean")
    add("--json", "print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the words.

    Raises:
      KeyError: for the first of `--words` that is not compared.
    """
    from jaxvec.vectors import align

    before, after = WordVectors.load(options.before), WordVectors.load(options.after)
    limit = options.restrict_vocab or (None if options.min_count else 10_000)
    moved = align.drift(
        before, after, min_count=options.min_count, restrict_vocab=limit, center=options.center
    )
    if options.words:
        distances = dict(moved)
        for vectors in (before, after):
            check_known(vectors, options.words)
        for word in options.words:
            if word not in distances:
                raise KeyError(f"{word!r} is not frequent enough to be compared")
        moved = [(word, distances[word]) for word in options.words]
    else:
        moved = moved[: options.topn]
    rows = [
        (word, distance, _nearest(before, word, limit), _nearest(after, word, limit))
        for word, distance in moved
    ]
    if options.json:
        names = "word", "distance", "before", "after"
        told = [dict(zip(names, row, strict=True)) for row in rows]
        print(json.dumps(told, ensure_ascii=False))
        return
    for word, distance, *nearest in rows:
        print(f"{distance:.3f}  {word}")
        for name, others in zip(("before:", "after: "), nearest, strict=True):
            print("  ", name, *others)


def _nearest(vectors: WordVectors, word: str, limit: int | None) -> list[str]:
    found = vectors.most_similar(word, topn=_NEIGHBORS, restrict_vocab=limit)
    return [other for other, _ in found]
