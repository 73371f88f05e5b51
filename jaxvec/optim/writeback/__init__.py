"""Write-back: how the gradients of rows that a step touches more than once reach the tables.

A batch names some rows many times: frequent words, negatives that are drawn again. Each
occurrence brings a gradient of its own. The strategies here combine them before, or while, they
are written. `V` rows a table, `R` occurrences a step.

An id of `V` or more names no row: its gradient is dropped. Ids are never negative.
"""

from jaxvec.optim.writeback.apart import Accumulate as Accumulate
from jaxvec.optim.writeback.apart import Scatter as Scatter
from jaxvec.optim.writeback.apart import SortedScatter as SortedScatter
from jaxvec.optim.writeback.contract import COMPILER_OPTIONS as COMPILER_OPTIONS
from jaxvec.optim.writeback.contract import DROP as DROP
from jaxvec.optim.writeback.contract import Touched as Touched
from jaxvec.optim.writeback.contract import WriteBack as WriteBack
from jaxvec.optim.writeback.head import Head as Head
from jaxvec.optim.writeback.names import APART as APART
from jaxvec.optim.writeback.names import STRATEGIES as STRATEGIES
from jaxvec.optim.writeback.names import SUM_FIRST as SUM_FIRST
from jaxvec.optim.writeback.names import Name as Name
from jaxvec.optim.writeback.names import alike as alike
from jaxvec.optim.writeback.names import name_of as name_of
from jaxvec.optim.writeback.names import resolve as resolve
from jaxvec.optim.writeback.runs import Sorted as Sorted
from jaxvec.optim.writeback.runs import run_sums as run_sums
from jaxvec.optim.writeback.slots import Slots as Slots
