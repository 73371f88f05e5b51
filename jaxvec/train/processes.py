"""Several processes: each has devices of its own, and all run one program over all of them.

After `jax.distributed.initialize` JAX has the devices of all processes, and an array may be
spread over them. A process reads and makes the part that is on its own devices. Here are the ways
across; in one process nothing is sent. All processes must make the same calls in the same order.
"""

import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

PyTree = Any

_SAID = 200  # bytes of what a process tells the others


def several() -> bool:
    """Whether there are several processes.

    >>> several()
    False
    """
    return jax.distributed.is_initialized() and jax.process_count() > 1


def is_first() -> bool:
    """Whether this process is the first, number 0, which writes."""
    return not several() or jax.process_index() == 0


def check_alone(name: str) -> None:
    """Makes sure that there is one process.

    Args:
      name: of what needs that.

    Raises:
      ValueError: if there are several.
    """
    if several():
        raise ValueError(
            f"{name} runs in one process, and JAX has {jax.process_count()}: call it without "
            "jax.distributed.initialize"
        )


def put(tree: PyTree, sharding: jax.sharding.Sharding | None) -> PyTree:
    """`jax.device_put` of arrays that each process has: its devices take their parts from its own.

    JAX would send whole arrays to the other processes, to see that theirs are equal.

    Args:
      tree: arrays.
      sharding: where to; None for JAX's default device.
    """
    if sharding is None or sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)

    def one(array: Any) -> jax.Array:
        if isinstance(array, jax.Array) and not array.is_fully_addressable:
            return jax.device_put(array, sharding)
        places = sharding.addressable_devices_indices_map(array.shape)
        parts = [jax.device_put(array[index], device) for device, index in places.items()]
        return jax.make_array_from_single_device_arrays(array.shape, sharding, parts)

    return jax.tree.map(one, tree)


def whole_here(array: jax.Array) -> jax.Array:
    """An array, whole on this process's first device.

    Args:
      array: on any devices.
    """
    if not array.is_fully_replicated:
        if array.is_fully_addressable:
            return jax.device_put(array, jax.local_devices()[0])
        array = _everywhere(array, _beside(array))
    return array.addressable_data(0)


def fetched(tree: PyTree) -> PyTree:
    """`jax.device_get`, of arrays that may be spread over processes: whole in each of them.

    Args:
      tree: arrays of NumPy, or of JAX on any devices.
    """

    def here(array: Any) -> Any:
        spread = isinstance(array, jax.Array) and not array.is_fully_addressable
        if spread and not array.is_fully_replicated:
            return _everywhere(array, _beside(array))
        return array

    return jax.device_get(jax.tree.map(here, tree))


def mesh_of(tree: PyTree) -> Mesh | None:
    """The mesh of arrays that are spread over processes; None of others.

    Args:
      tree: arrays, placed alike.
    """
    first = jax.tree.leaves(tree)[0]
    return None if first.is_fully_addressable else first.sharding.mesh


def gathered(numbers: np.ndarray) -> np.ndarray:
    """What each process says, `[P, …]`, by its number.

    Args:
      numbers: of this process, `[…]`, of one shape in all.

    >>> gathered(np.array([True, False])).tolist()
    [[True, False]]
    """
    return multihost_utils.process_allgather(numbers) if several() else numbers[None]


def of_first(tree: PyTree) -> PyTree:
    """The arrays of the first process, in all; None stays None.

    Args:
      tree: of this process, of the same shapes in all.
    """
    return multihost_utils.broadcast_one_to_all(tree) if several() else tree


def check_alike(numbers: dict[str, int]) -> None:
    """Makes sure that all processes have the same.

    Args:
      numbers: uint32 by what they are of.

    Raises:
      ValueError: in all processes, if one differs from the first.

    >>> check_alike({"the text": 1})
    """
    if not several():
        return
    if len(jax.devices()) != jax.process_count() * jax.local_device_count():
        raise ValueError(
            f"processes need equally many devices, and this one has {jax.local_device_count()} of "
            f"the {len(jax.devices())} of {jax.process_count()} processes: on a CPU call "
            "jaxvec.use_cores with the same number in each (the command line: --workers)"
        )
    every = gathered(np.array([*numbers.values()], np.uint32))
    other, which = np.nonzero(every != every[0])
    if len(other):
        raise ValueError(
            f"{[*numbers][which[0]]} of process {other[0]} and of process 0 differ: all processes "
            "need the same data and arguments"
        )


def failed(reason: str) -> str:
    """Why something failed in any process; "" if it did in none.

    Args:
      reason: why in this one, or "".

    >>> failed("the disk is full")
    'the disk is full'
    """
    said = np.zeros(_SAID, np.uint8)
    own = np.frombuffer(reason.encode()[:_SAID], np.uint8)
    said[: len(own)] = own
    every = [bytes(one).rstrip(b"\0").decode(errors="ignore") for one in gathered(said)]
    others = (f"{text} (in process {i})" for i, text in enumerate(every) if text)
    return reason or next(others, "")


def check_spans(over: Mesh) -> None:
    """Makes sure that every process has devices in a mesh.

    Args:
      over: what is trained on.

    Raises:
      ValueError: if one has none.
    """
    missing = set(range(jax.process_count())) - {d.process_index for d in over.devices.flat}
    if missing:
        raise ValueError(
            f"process {min(missing)} of {jax.process_count()} has no device in the mesh: all "
            "processes train, so make it of jax.devices()"
        )


def _beside(array: jax.Array) -> NamedSharding:
    """A copy on each device of an array."""
    assert isinstance(array.sharding, NamedSharding)
    return NamedSharding(array.sharding.mesh, P())


@functools.partial(jax.jit, static_argnames="sharding")
def _everywhere(array: jax.Array, sharding: NamedSharding) -> jax.Array:
    return lax.with_sharding_constraint(array, sharding)


@jax.jit
def digest(table: jax.Array) -> jax.Array:
    """A fingerprint of the bits of an array, uint32[].

    Args:
      table: of any type and shape.

    >>> bool(digest(jnp.array([1.0, -1.0])) == digest(jnp.array([-1.0, 1.0])))
    False
    """
    if table.dtype == bool:
        table = table.astype(jnp.uint8)
    size = {1: jnp.uint8, 2: jnp.uint16, 4: jnp.uint32, 8: jnp.uint32}[table.dtype.itemsize]
    bits = lax.bitcast_convert_type(table, size).reshape(-1).astype(jnp.uint32)
    mixed = bits * jnp.uint32(0x9E3779B1)
    mixed = ((mixed ^ mixed >> 15) + lax.iota(jnp.uint32, bits.size)) * jnp.uint32(0x85EBCA77)
    return jnp.sum(mixed ^ mixed >> 13, dtype=jnp.uint32)
