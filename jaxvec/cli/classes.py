"""`jaxvec classes`: words in classes by spherical k-means."""

import argparse
import json

from jaxvec.cli.common import Flags, check_output, path, say, whole
from jaxvec.storage.files import atomic_write


def add_classes_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `classes` to a parser."""
    parser.description = (
        "Divides word vectors into K classes by spherical k-means. Prints the size of each class "
        "and the words nearest to its center; with -o writes 'word class' a line, class by class. "
        "Classes are numbered by their first words: class 0 has the most frequent."
    )
    parser.epilog = (
        "examples:\n  jaxvec classes vectors.npz -k 50\n"
        "  jaxvec classes vectors.bin -k 500 -o classes.txt"
    )
    add = Flags(parser)
    add("file VECTORS", "word vectors in any format", path)
    add("-k K", "number of classes", whole(1), required=True)
    add("-o --output FILE", "write the class of every word there", path)
    add("--force", "overwrite the output")
    add("--iterations N", "the most iterations (default: %(default)s)", whole(1), default=100)
    add("--seed N", "of the first centers (default: %(default)s)", whole(0), default=0)
    add("--limit N", "take only the first N words", whole(1))
    add("--topn N", "words printed of each class (default: %(default)s)", whole(1), default=8)
    add("--json", "print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Divides the words, and prints or writes the classes."""
    import jax

    from jaxvec.cluster import classes as core
    from jaxvec.vectors.word_vectors import WordVectors

    if options.output:
        check_output(options.output, force=options.force, inputs=[options.file])
    vectors = WordVectors.load(options.file, limit=options.limit)
    words = vectors.index_to_key
    classes, report = core.kmeans(
        jax.random.key(options.seed), vectors.vectors, options.k, iterations=options.iterations
    )
    ended = "" if report.converged else ", not converged"
    say(
        f"{len(words):,} words in {options.k:,} classes: mean cosine to the center "
        f"{1 - report.objective:.4f} after {report.iterations} iterations{ended}"
    )
    if options.output:
        with (
            atomic_write(options.output) as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            for number, places in enumerate(core.members(classes)):
                file.writelines(f"{words[i]} {number}\n" for i in places)
        say(f"the classes are in {options.output}")
    central = core.members(classes, central=True)
    if options.json:
        rows = [
            {
                "class": number,
                "size": len(places),
                "words": [words[i] for i in places[: options.topn]],
            }
            for number, places in enumerate(central)
        ]
        print(
            json.dumps(
                {
                    "objective": float(report.objective),
                    "iterations": int(report.iterations),
                    "converged": bool(report.converged),
                    "classes": rows,
                },
                ensure_ascii=False,
            )
        )
    elif not options.output:
        for number, places in enumerate(central):
            some = " ".join(words[i] for i in places[: options.topn])
            print(f"{number:{len(str(options.k - 1))}}  {len(places):6,}  {some}")
