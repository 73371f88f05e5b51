"""`jaxvec drift`: the words that moved most from one space of vectors to another."""

import argparse
import json

from jaxvec.cli.common import path, whole
from jaxvec.vectors.word_vectors import WordVectors

_NEIGHBORS = 8


def add_drift_options(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of `drift`."""
    parser.description = (
        "Lists the words whose vectors differ most between A and B, B turned into the space of "
        "A by orthogonal Procrustes, with the nearest words of each in both. The distance is "
        "1 - cosine. Vectors of both must be of the same size, by the same model if they are "
        "to tell of the texts."
    )
    parser.epilog = (
        "examples:\n  jaxvec drift 1990.npz 2020.npz --min-count 500\n"
        "  jaxvec drift old.bin new.bin --restrict-vocab 20000 --words gay broadcast"
    )
    add = parser.add_argument
    add("before", type=path, metavar="A", help="word vectors")
    add("after", type=path, metavar="B", help="others, of the same size")
    add("--topn", type=whole(1), default=10, metavar="N", help="default: %(default)s")
    add("--restrict-vocab", type=whole(1), metavar="N",
        help="compare words among the N most frequent of each (default: 10000, or all with "
        "--min-count)")  # fmt: skip
    add("--min-count", type=whole(1), metavar="N",
        help="compare words that occur so often in each; needs files with counts")  # fmt: skip
    add("--words", nargs="+", metavar="WORD", help="list these, not those that moved most")
    add("--center", action="store_true", help="seek the rotation for vectors less their mean")
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Prints the words; KeyError for the first of `--words` that is not compared."""
    from jaxvec.vectors import align

    before, after = WordVectors.load(options.before), WordVectors.load(options.after)
    limit = options.restrict_vocab or (None if options.min_count else 10_000)
    moved = align.drift(
        before, after, min_count=options.min_count, restrict_vocab=limit, center=options.center
    )
    if options.words:
        distances = dict(moved)
        for word in options.words:
            before[word], after[word]  # raises a KeyError that names close matches
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
