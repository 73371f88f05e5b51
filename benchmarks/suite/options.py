"""The options of the workloads, apart from them: parsing a command does not load JAX."""

import argparse

from benchmarks.common import source

LEAST_TOKENS = 200_000  # of fewer no analogy can be asked


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of the workloads to a parser."""
    add = parser.add_argument
    add("--tokens", type=_tokens, metavar="N", help="length of the planted text")
    add("--seed", type=_seed, default=0, metavar="N",
        help="of the text; the runs have this and the next (default: %(default)s)")  # fmt: skip
    add("--corpus", type=source, metavar="FILE",
        help="train on this plain text instead, scored by --analogies and --pairs")  # fmt: skip
    add("--analogies", type=source, metavar="FILE", help="in the format of questions-words.txt")
    add("--pairs", nargs="*", type=source, default=[], metavar="FILE",
        help="word pairs with similarity scores")  # fmt: skip
    add("--scaling", action="store_true",
        help="all blocks, vector sizes, vocabularies and devices, not a few")  # fmt: skip


def refused(options: argparse.Namespace) -> str | None:
    """What is wrong with options that do not go together; None if nothing is."""
    scored = bool(options.analogies or options.pairs)
    if options.corpus is None and scored:
        return "--analogies and --pairs are about a --corpus: name that too"
    if options.corpus is not None and options.tokens is not None:
        return "--tokens is the length of the planted text: leave it out with --corpus"
    if options.corpus is not None and not scored:
        return "a --corpus needs --analogies or --pairs: no speed is told without its quality"
    return None


def _tokens(text: str) -> int:
    if not text.isdecimal() or int(text) < LEAST_TOKENS:
        raise argparse.ArgumentTypeError(
            f"expected a whole number of {LEAST_TOKENS:,} or more, got {text}"
        )
    return int(text)


def _seed(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected 0 or a positive whole number, got {text}")
    return int(text)
