"""Compiles jaxvec's training programs for devices that are not here, and says what became of them.

`compiled` is for tests and notebooks, ``python -m benchmarks compile --for h100`` for people.
"""

from benchmarks.compile.apart import CompilationError as CompilationError
from benchmarks.compile.apart import MissingCompilerError as MissingCompilerError
from benchmarks.compile.apart import compiled as compiled
from benchmarks.compile.report import Report as Report
from benchmarks.compile.suite import add_parser as add_parser
from benchmarks.compile.targets import TARGETS as TARGETS
from benchmarks.compile.targets import missing as missing
