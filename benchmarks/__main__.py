"""`python -m benchmarks SUITE …`."""

import argparse

from benchmarks import (
    compile as compiling,
)
from benchmarks import (
    cooccurrence,
    device,
    glove,
    queries,
    seeds,
    sgns,
    stability,
    transfer,
    vocabulary,
)

parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
suites = parser.add_subparsers(required=True, metavar="SUITE")
sgns.add_parser(suites)
glove.add_parser(suites)
cooccurrence.add_parser(suites)
stability.add_parser(suites)
device.add_parser(suites)
vocabulary.add_parser(suites)
queries.add_parser(suites)
transfer.add_parser(suites)
seeds.add_parser(suites)
compiling.add_parser(suites)
options = parser.parse_args()
options.run(options)
