"""`jaxvec classes`: words in classes of like meaning."""

import argparse
import json

from jaxvec.cli.common import check_output, path, say, whole
from jaxvec.storage.files import atomic_write


def add_classes_options(parser: argparse.ArgumentParser) -> None:
    """Makes a parser that of `classes`."""
    parser.description = (
        "Divides word vectors into K classes by spherical k-means. Prints the size of each "
        "class and the words nearest to its center; with -o writes the class of every word, "
        "'word class' a line, class by class. Class 0 has the first word of the file, the most "
        "frequent; each next class the first word that is in none before."
    )
    parser.epilog = (
        "examples:\n  jaxvec classes vectors.npz -k 50\n"
        "  jaxvec classes vectors.bin -k 500 -o classes.txt"
    )
    add = parser.add_argument
    add("file", type=path, metavar="VECTORS", help="word vectors in any format")
    add("-k", type=whole(1), required=True, metavar="K", help="how many classes")
    add("-o", "--output", type=path, metavar="FILE",
        help="write the class of every word there")  # fmt: skip
    add("--force", action="store_true", help="overwrite the output")
    add("--iterations", type=whole(1), default=100, metavar="N",
        help="stop after N at the latest (default: %(default)s)")  # fmt: skip
    add("--seed", type=whole(0), default=0, metavar="N",
        help="of the first centers (default: %(default)s)")  # fmt: skip
    add("--limit", type=whole(1), metavar="N", help="take the first N words only")
    add("--topn", type=whole(1), default=8, metavar="N",
        help="words to print of each class (default: %(default)s)")  # fmt: skip
    add("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Divides, and prints or writes."""
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
    ended = "" if report.converged else ", stopped before the classes were settled"
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
