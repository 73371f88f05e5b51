"""Ways to train, each a `contract.Parallel`: `one` worker, `copies` of the tables or `strata` of
them with several, `many` models together."""

from typing import Any

import numpy as np

from jaxvec.train.contracts import State, Stratified
from jaxvec.train.parallel.contract import Parallel, Program
from jaxvec.train.parallel.copies import Copies
from jaxvec.train.parallel.one import One
from jaxvec.train.parallel.strata import Strata
from jaxvec.train.placement import ON_ONE, OneDevice, Placement, of_model
from jaxvec.train.processes import check_spans, put, several
from jaxvec.train.workers import mesh

PyTree = Any


def compile_ahead(how: Parallel, like: State, part: PyTree, rates: np.ndarray) -> None:
    """Compiles what ``how.train`` runs, before there is a state; JAX finds it at the first call.
    Nothing for tables that are split, and for ways that have no `compile`.

    Args:
      how: to train one model.
      like: shapes and dtypes of its state.
      part, rates: as for `contract.Parallel.train`.
    """
    if isinstance(how, One | Copies):
        how.compile(like, part, rates)


def on(
    workers: int, program: Program, words: int, where: Placement | OneDevice = ON_ONE
) -> Parallel:
    """The way to train one model with `workers` workers.

    Args:
      workers: `N`.
      program: what is trained.
      words: `V`.
      where: the tables are.

    Raises:
      ValueError: if `workers` is below 1, or JAX has fewer devices, or a process would have none.
    """
    if isinstance(where, OneDevice):
        if workers == 1 and not several():
            return One(program)
        where = of_model(Placement(mesh(workers), whole=words), program.model)
    check_spans(where.mesh)
    program = program._replace(
        constants=put(program.constants, where.everywhere),
        frozen=put(program.frozen, where.everywhere),
    )
    if workers == 1:
        return One(program, where)
    kind = Strata if isinstance(program.model, Stratified) else Copies
    return kind(program, where)
