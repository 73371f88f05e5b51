"""Mutated files for every reader: ``python -m benchmarks fuzz``.

`readers` lists the readers with their valid files, `mutations` damages these, `outcomes` judges the
answers, `workers` runs readers in processes that may die, and `suite` prints a table.
"""

from benchmarks.fuzz.suite import add_parser as add_parser
