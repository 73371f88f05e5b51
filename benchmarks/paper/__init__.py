"""What skip-gram costs, by formulas, held against compilers and measurements; and what follows for
machines of many chips.

`formulas` is pure arithmetic, `sites` has the machines, ``python -m benchmarks paper`` prints.
"""

from benchmarks.paper.suite import add_parser as add_parser
