"""Workers: how many there are, and how arrays are placed on them.

A worker is a JAX device: a core of the CPU (see `use_cores`), or an accelerator. All `N` run one
program over a mesh, in one process or in several, on one host or on several; see `processes`.
"""

import contextlib
import os
import warnings
from collections.abc import Collection, Iterator, Sequence
from typing import Any

import jax
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.numbers import check_whole
from jaxvec.storage.pool import cores
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import Prior, Stratified
from jaxvec.train.devices import Device, here
from jaxvec.train.processes import several

PyTree = Any

_WORDS_A_WORKER = 8_000_000
_WORDS_OF_TWO = 4_000_000  # that two workers learn as well as one
_CELLS_A_WORKER = 4_000_000


def use_cores(workers: int | None = None) -> None:
    """Has JAX's CPU backend start with `workers` devices of one thread each.

    Training steps are too small to be split among threads: a second thread costs a quarter of
    the speed, where a second worker adds its own. Takes effect only before JAX's first
    computation, `jax.random.key` included, and then for the whole process; accelerators are not
    affected. If JAX has started with fewer devices, a warning says so.

    The environment variable ``NPROC``, the thread count of a device, is set to 1 if it is not
    set, for this process and its children.

    Args:
      workers: `N`, by default the environment's ``JAX_NUM_CPU_DEVICES``, or the cores that this
        process may use.

    Raises:
      ValueError: if `workers` is no whole number of at least 1.

    >>> use_cores(2)  # for `fit` with two workers
    """
    if workers is not None:
        check_whole("workers", workers)
    os.environ.setdefault("NPROC", "1")
    wanted = workers or int(os.environ.get("JAX_NUM_CPU_DEVICES", 0)) or cores()
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
    device: Device | None = None,
) -> int:
    """How many workers `fit` takes by default: `usual_workers`, or 1 where more cannot be.

    Args:
      data: the text or its counts.
      model: a `contracts.Model`.
      dense: whether the optimizer updates whole tables.
      freeze: as for `fit`. A model that shares its tables out takes neither with several
        workers, and one with a prior takes one worker.
      device: that trains; None for JAX's default device.

    Raises:
      ValueError: if that is 1 and there are several processes.
    """
    prior = isinstance(model, Prior) and model.has_prior
    if prior or ((dense or freeze) and isinstance(model, Stratified)):
        if several():
            raise ValueError(
                f"{type(model).__name__} with mittens, freeze or dense=True trains on one worker, "
                "and so in one process"
            )
        return 1
    return usual_workers(data, device)


def usual_workers(data: Corpus | Cooccurrence, device: Device | None = None) -> int:
    """On a CPU a worker for every 8 million words of text, two from 4 million on; or one for every
    4 million cells of counts; if JAX has as many devices. One accelerator. In several processes
    all devices of all.

    On text, workers learn by themselves between merges: with little text, each from little. On
    counts, a segment must be worth the trip. An accelerator takes the whole of it in seconds, to
    which a second one would add merges and little else: it is for those who ask for it.

    Args:
      data: the text or its counts.
      device: that trains; None for JAX's default device.
    """
    if several():
        return len(jax.devices())
    if (device or here()).is_accelerator:
        return 1
    if isinstance(data, Cooccurrence):
        fitting = len(data) // _CELLS_A_WORKER
    else:
        fitting = max(len(data) // _WORDS_A_WORKER, 1 + (len(data) >= _WORDS_OF_TWO))
    return max(1, min(fitting, len(jax.devices())))


def mesh(workers: int) -> Mesh:
    """The first `workers` devices, along an axis "workers"; in several processes equally many of
    each, in the order of the processes.

    Raises:
      ValueError: if there are fewer, or `workers` is no multiple of the processes.
    """
    check_whole("workers", workers)
    devices, processes = jax.devices(), jax.process_count()
    if workers % processes:
        raise ValueError(
            f"{workers} workers cannot be shared out evenly over {processes} processes: each "
            f"process trains, so give a multiple of {processes}"
        )
    if len(devices) < workers:
        raise ValueError(
            f"{workers} workers need as many devices, and JAX has {len(devices)}: on a CPU call "
            f"jaxvec.use_cores({workers // processes}) before JAX's first computation"
        )
    taken = [
        device for process in range(processes)
        for device in [d for d in devices if d.process_index == process][: workers // processes]
    ]  # fmt: skip
    return jax.make_mesh((workers,), ("workers",), (AxisType.Auto,), devices=taken)


def own_workers(over: Mesh) -> list[int]:
    """The numbers of the workers with a device of this process.

    Args:
      over: a mesh with an axis "workers".

    >>> own_workers(mesh(1))
    [0]
    """
    ours = np.array([d.process_index == jax.process_index() for d in over.devices.flat])
    by_number = np.moveaxis(ours.reshape(over.devices.shape), over.axis_names.index("workers"), 0)
    return np.flatnonzero(by_number.reshape(len(by_number), -1).any(axis=1)).tolist()


def shared_out(shard: str, workers: int = 1) -> NamedSharding:
    """The sharding of tables that are split over all devices, in as many groups as workers.

    Args:
      shard: ``"rows"`` or ``"dim"``, what is split.
      workers: `N`.

    Raises:
      ValueError: if a worker would have one device, or they do not go into equal groups.
    """
    devices = jax.devices()
    if len(devices) % workers or len(devices) < 2 * workers:
        raise ValueError(
            f"to split tables by {shard}, each of {workers} workers needs equally many devices, "
            f"2 or more, and JAX has {len(devices)}; for devices of a CPU set JAX_NUM_CPU_DEVICES"
        )
    shape = (workers, len(devices) // workers)
    over = jax.make_mesh(shape, ("workers", "shards"), (AxisType.Auto,) * 2)
    return NamedSharding(over, P("shards", None) if shard == "rows" else P(None, "shards"))


@contextlib.contextmanager
def by_itself() -> Iterator[None]:
    """JAX without the caller's mesh and transfer guard: training places its arrays itself."""
    with jax.set_mesh(Mesh(np.empty((), object), ())), jax.transfer_guard("allow"):
        yield


def by_worker(over: Mesh) -> NamedSharding:
    """A first axis of `N` split over the workers."""
    return NamedSharding(over, P("workers"))


def replicated(tree: PyTree, over: Mesh) -> PyTree:
    """A copy of the arrays on each worker.

    Args:
      tree: arrays.
      over: the workers.
    """
    return jax.device_put(tree, NamedSharding(over, P()))


def stacked_on(over: Mesh, parts: Sequence[PyTree], rounds: int | None = None) -> PyTree:
    """Host arrays, stacked along a first axis that is split over the workers. Stacked on the host,
    for the devices are busy.

    Args:
      over: `N` workers.
      parts: a pytree for each worker of this process, or a multiple.
      rounds: `R`, where parts are of `R` rounds, one after the other: stacked to [R, N, …].
    """
    count = len(parts) * over.shape["workers"] // len(own_workers(over))
    sharding = by_worker(over) if rounds is None else NamedSharding(over, P(None, "workers"))

    def of_all(*arrays):
        own, sizes = np.stack(arrays), (count,)
        if rounds is not None:
            own = own.reshape(rounds, -1, *own.shape[1:])
            sizes = rounds, count // rounds
        shape = *sizes, *arrays[0].shape
        return jax.make_array_from_process_local_data(sharding, own, shape)

    return jax.tree.map(of_all, *parts)


def everyones(tree: PyTree) -> PyTree:
    """What each worker has, on all of them, [N, …]; in a function that is mapped over workers.

    Args:
      tree: arrays [...], a worker's own.
    """
    return jax.tree.map(lambda array: lax.all_gather(array, "workers"), tree)
