"""Ways to train, each a `contracts.Parallel`: `one` device, `copies` of the tables or `strata` of
them on several devices, `many` models together."""

from jaxvec.train.contracts import Parallel, Program, Stratified
from jaxvec.train.parallel.copies import Copies
from jaxvec.train.parallel.one import One
from jaxvec.train.parallel.strata import Strata
from jaxvec.train.workers import mesh, replicated


def on(workers: int, program: Program) -> Parallel:
    """The way to train one model with `workers` workers.

    Args:
      workers: `N`.
      program: what is trained.

    Raises:
      ValueError: if `workers` is below 1, or JAX has fewer devices.
    """
    if workers == 1:
        return One(program)
    devices = mesh(workers)
    program = program._replace(
        constants=replicated(program.constants, devices),
        frozen=replicated(program.frozen, devices),
    )
    kind = Strata if isinstance(program.model, Stratified) else Copies
    return kind(program, devices)
