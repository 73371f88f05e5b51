"""Optimizers of tables that update only the rows a batch touched."""

from jaxvec.optim.adagrad import GloveAdagradState as GloveAdagradState
from jaxvec.optim.adagrad import ScaleByRowAdagradState as ScaleByRowAdagradState
from jaxvec.optim.adagrad import glove_adagrad as glove_adagrad
from jaxvec.optim.adagrad import row_adagrad as row_adagrad
from jaxvec.optim.adagrad import scale_by_row_adagrad as scale_by_row_adagrad
from jaxvec.optim.leaves import StateLeaf as StateLeaf
from jaxvec.optim.leaves import additive as additive
from jaxvec.optim.rows import RowOptimizer as RowOptimizer
from jaxvec.optim.rows import dense as dense
from jaxvec.optim.rows import row_sparse as row_sparse
from jaxvec.optim.wrappers import bounded as bounded
from jaxvec.optim.wrappers import damped as damped
from jaxvec.optim.wrappers import damped_sgd as damped_sgd
from jaxvec.optim.wrappers import frozen as frozen
from jaxvec.optim.wrappers import held as held
from jaxvec.optim.wrappers import shortened as shortened
from jaxvec.optim.writeback import Touched as Touched
from jaxvec.optim.writeback import WriteBack as WriteBack
