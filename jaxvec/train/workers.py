"""Several workers: each trains a copy of the tables on text of its own, then all are combined.

A worker is a JAX device: a core of the CPU (see `use_cores`), or an accelerator. All run one
program over a mesh, so the same code would serve several hosts. `N` workers.
"""

import functools
import os
import warnings
from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.sharding import AxisType, Mesh
from jax.sharding import PartitionSpec as P

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.optim.rows import RowOptimizer
from jaxvec.storage.pool import cores
from jaxvec.text.corpus import Corpus
from jaxvec.train.epoch import Model, State, Steps, train_segment
from jaxvec.train.text_model import whole

PyTree = Any

_CHUNK_ROWS = 2048
_WORDS_A_WORKER = 8_000_000
_CELLS_A_WORKER = 4_000_000


def use_cores(workers: int | None = None) -> None:
    """Lets JAX's CPU backend start with a device of one thread for each of so many workers.

    Training steps are too small for their work to be shared out among threads: a second
    thread costs a quarter of the speed. A second worker adds its own. Takes effect only
    before JAX's first computation, `jax.random.key` included, and then for the whole
    process; accelerators do not mind. If JAX has started with fewer devices, a warning says
    so. A thread count in the variable NPROC stays.

    Args:
      workers: by default the cores that this process may use.

    Raises:
      ValueError: if `workers` is no whole number of at least 1.

    >>> use_cores(2)  # for `fit` with two workers
    """
    if workers is not None:
        whole("workers", workers)
    os.environ.setdefault("NPROC", "1")
    wanted = workers or cores()
    try:
        jax.config.update("jax_num_cpu_devices", wanted)
    except RuntimeError:  # JAX has started
        count = len(jax.devices())
        if jax.default_backend() == "cpu" and count < wanted:
            warnings.warn(
                f"use_cores({'' if workers is None else workers}) came after JAX's first "
                f"computation, a key for one, and does nothing: JAX has {count} CPU device"
                f"{'s' if count > 1 else ''}. Call it first, right after the imports",
                stacklevel=2,
            )


def default_workers(
    data: Corpus | Cooccurrence,
    model: Any,
    *,
    dense: bool = False,
    freeze: Collection[str] = (),
) -> int:
    """How many workers `fit` takes by default: `usual_workers`, or 1 where more cannot be.

    Args:
      data: the text or its counts.
      model: the model.
      dense, freeze: arguments of `fit`.
    """
    alone = getattr(model, "mittens", 0) or ((dense or freeze) and model.stratified)
    return 1 if alone else usual_workers(data)


def usual_workers(data: Corpus | Cooccurrence) -> int:
    """A worker for every 8 million words of text, or 4 million cells of counts, if there are
    so many devices.

    On text each learns by itself between one `combine` and the next, so that with little to
    learn from many learn less than one would; on counts what is shared out must be worth it.
    """
    enough = _CELLS_A_WORKER if isinstance(data, Cooccurrence) else _WORDS_A_WORKER
    return max(1, min(len(data) // enough, len(jax.devices())))


def mesh(workers: int) -> Mesh:
    """The first so many devices, along an axis "workers"; ValueError if there are fewer."""
    devices = jax.devices()
    if len(devices) < workers:
        raise ValueError(
            f"{workers} workers need as many devices, and JAX has {len(devices)}: on a CPU call "
            f"jaxvec.use_cores({workers}) before JAX's first computation"
        )
    return jax.make_mesh((workers,), ("workers",), (AxisType.Auto,), devices=devices[:workers])


class Twins(NamedTuple):
    """A state twice: as it was when the workers last agreed, and as each has it now."""

    start: State
    end: State


@functools.partial(jax.jit, static_argnames=("mesh", "model", "optimizer"), donate_argnames="twins")
def train_segments(
    mesh: Mesh,
    model: Model,
    optimizer: RowOptimizer,
    twins: Twins,
    constants: PyTree,
    segments: tuple[jax.Array, ...],
    keys: jax.Array,
    rates: jax.Array,
) -> tuple[Twins, Steps]:
    """`train_segment` on `N` segments at a time, from the same state, and `combine`.

    Args:
      mesh: of `N` workers.
      model, optimizer, rates: as for `train_segment`.
      twins, constants: the same on each worker; `twins` is updated in place.
      segments, keys: stacked along a first axis of `N`, one for each worker.

    Returns:
      The combined state, twice, and the steps of each worker, [N, max_steps].
    """

    def work(twins, constants, segment, key, rates):
        segment, key = jax.tree.map(lambda part: part[0], (segment, key))
        end, steps = train_segment.__wrapped__(
            model, optimizer, twins.end, constants, segment, key, rates
        )
        return combine(twins._replace(end=end), "workers"), jax.tree.map(lambda s: s[None], steps)

    each, same = P("workers"), P()
    return jax.shard_map(
        work, mesh=mesh, in_specs=(same, same, each, each, same), out_specs=(same, each),
        check_vma=False,
    )(twins, constants, segments, keys, rates)  # fmt: skip


def combine(twins: Twins, axis: str) -> Twins:
    """What the workers along an axis have learned, put together row by row.

    For the changes d_1 … d_N that the workers made to a row of a table, s their sum:

        r = |s|² / Σ |d_k|²        from 1, at right angles, to N, all the same
        row += s / max(r, 1)^(1 - 1/N)

    Rare words, which few workers met or each in a way of its own, keep the whole of what all
    learned. Frequent ones, which every worker took the same way to the same place, move by
    N^(1/N) times the mean, at most 1.45 times: added up, they would go N times too far.
    (Between adding and averaging by agreement: Maleki et al. 2020, "Scaling Distributed
    Training with Adaptive Summation".)

    Of an optimizer's state sums of squares add up, as they would have in one worker; all
    else, moments and counts, is averaged over the workers that changed it.
    """

    def rows(start, end):
        change = end - start
        total, squares = lax.psum((change, _squared(change)), axis)
        agreement = _squared(total) / jnp.maximum(squares, jnp.finfo(squares.dtype).tiny)
        return start + total / jnp.maximum(agreement, 1) ** (1 - 1 / lax.axis_size(axis))

    def sums_of_squares(start, end):
        return start + lax.psum(end - start, axis)

    def moments(start, end):
        change = end - start
        total, changed = lax.psum((change, (change != 0).astype(change.dtype)), axis)
        return start + (total / jnp.maximum(changed, 1)).astype(start.dtype)

    def rule(path):
        if path[0] == jax.tree_util.GetAttrKey("params"):
            return rows
        return sums_of_squares if "sum_of_squares" in jax.tree_util.keystr(path) else moments

    combined = jax.tree_util.tree_map_with_path(
        lambda path, start, end: _in_chunks(rule(path), start, end), twins.start, twins.end
    )
    return Twins(combined, combined)


def _in_chunks(rule: Callable, start: jax.Array, end: jax.Array) -> jax.Array:
    """What a rule makes of rows that it takes by themselves, in the place of the second array.

    A few rows at a time: what they pass through stays in a core's cache.
    """
    if start.ndim == 0:
        return rule(start, end)
    whole = len(start) // _CHUNK_ROWS * _CHUNK_ROWS

    def chunk(i, end):
        at = i * _CHUNK_ROWS
        parts = [lax.dynamic_slice_in_dim(table, at, _CHUNK_ROWS) for table in (start, end)]
        return lax.dynamic_update_slice_in_dim(end, rule(*parts), at, 0)

    if whole:
        end = lax.fori_loop(0, whole // _CHUNK_ROWS, chunk, end)
    return end.at[whole:].set(rule(start[whole:], end[whole:]))


def _squared(rows: jax.Array) -> jax.Array:
    """Squared length of each row of [V, …]: [V, 1, …]."""
    return jnp.square(rows).sum(tuple(range(1, rows.ndim)), keepdims=True)
