"""`python -m benchmarks` measures this device; `python -m benchmarks SUITE …` something else."""

import argparse
import sys
from typing import NoReturn

from benchmarks import (
    compile as compiling,
)
from benchmarks import (
    cooccurrence,
    engines,
    fuzz,
    glove,
    kills,
    paper,
    queries,
    seeds,
    sgns,
    shards,
    stability,
    stream,
    texts,
    transfer,
    vocabulary,
)
from benchmarks.suite import bands, compare, default, roofline


class Parser(argparse.ArgumentParser):
    """Prints the fault of a command in one line."""

    def error(self, message: str) -> NoReturn:
        """Exits with status 2."""
        self.exit(2, f"{self.prog}: {message}\n")


def make_parser() -> argparse.ArgumentParser:
    """The parser of all suites; `run` of the parsed options is the function to call."""
    parser = Parser(prog="python -m benchmarks", description=__doc__)
    suites = parser.add_subparsers(required=True, metavar="SUITE")
    default.add_parser(suites)
    compare.add_parser(suites)
    roofline.add_parser(suites)
    bands.add_parser(suites)
    sgns.add_parser(suites)
    glove.add_parser(suites)
    cooccurrence.add_parser(suites)
    engines.add_parser(suites)
    stability.add_parser(suites)
    vocabulary.add_parser(suites)
    stream.add_parser(suites)
    queries.add_parser(suites)
    transfer.add_parser(suites)
    texts.add_parser(suites)
    seeds.add_parser(suites)
    compiling.add_parser(suites)
    shards.add_parser(suites)
    paper.add_parser(suites)
    kills.add_parser(suites)
    fuzz.add_parser(suites)
    return parser


def with_suite(arguments: list[str]) -> list[str]:
    """The arguments of a command, with the default suite if they name none.

    >>> with_suite([]), with_suite(["--quick"]), with_suite(["--help"])
    (['device'], ['device', '--quick'], ['--help'])
    """
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("-h", "--help")):
        return ["device", *arguments]
    return arguments


if __name__ == "__main__":
    options = make_parser().parse_args(with_suite(sys.argv[1:]))
    options.run(options)
