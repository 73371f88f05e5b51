"""Mutated files for every reader: ``python -m benchmarks fuzz``.

`readers` has what is read, `seeds` valid files, `mutations` how they are damaged, `outcomes` what a
reader may answer, `workers` runs readers in processes that may die, and `suite` prints a table.
"""

from benchmarks.fuzz.suite import add_parser as add_parser
