"""The strategy of write-back for the device at hand, by timing each on steps as a run takes them.

How fast scatters, sorts and products are differs from device to device, and from one version of
its compiler to the next, by more than any rule would hold for.
"""

import functools
import importlib.metadata
import math
import os
import re
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxvec.optim import writeback
from jaxvec.optim.rows import RowOptimizer

PyTree = Any

_STEPS = 4  # a call
_CALLS = 5  # of which the median counts
_HOPELESS = 10.0  # times the time of the best so far, after which a strategy is not timed again
_MOST_ROWS = 1 << 18  # of a table, and
_MOST_BYTES = 1 << 28


class Choice(NamedTuple):
    """A strategy, and why.

    >>> str(Choice("sorted", {"slots": 0.0034, "sorted": 0.0012}))
    'sorted (probe: sorted 1.2 ms, slots 3.4 ms)'
    """

    name: str  # in `writeback.STRATEGIES`; a strategy of one's own: its class
    seconds: Mapping[str, float] = {}  # a step, by strategy; empty if none was timed

    def __str__(self) -> str:
        if not self.seconds:
            return self.name
        timed = sorted(self.seconds.items(), key=lambda item: item[1])
        told = ", ".join(f"{name} {1e3 * seconds:.2g} ms" for name, seconds in timed)
        return f"{self.name} (probe: {told})"


def fastest(optimizers: Mapping[str, RowOptimizer], params: PyTree, rows: PyTree) -> Choice:
    """Times the updates of optimizers on JAX's default device, once a process for equal arguments.

    A call of a compiled program takes 4 steps, on ids that are drawn as by Zipf's law, 1 / (id +
    1); the median of 5 calls counts, after one more. Compilation comes before. Tables have at most
    262,144 rows and 256 MB, beyond which the time of a step hardly changes.

    Args:
      optimizers: by the name of their strategy.
      params: the shapes of the tables, `jax.ShapeDtypeStruct` [V, …].
      rows: the shapes of the ids of a step, structured as the tables.

    Returns:
      The name of the fastest, with the seconds a step of all.

    >>> import optax
    >>> from jaxvec.optim.rows import row_sparse
    >>> sgd = {name: row_sparse(optax.sgd(1.0), write_back=name) for name in ("slots", "scatter")}
    >>> table, ids = jax.ShapeDtypeStruct((50, 8), "float32"), jax.ShapeDtypeStruct((20,), "int32")
    >>> choice = fastest(sgd, table, ids)
    >>> sorted(choice.seconds), choice.seconds[choice.name] == min(choice.seconds.values())
    (['scatter', 'slots'], True)
    """
    tables = jax.tree.leaves(params)
    treedef: Any = jax.tree.structure(params)
    shapes = [(table.shape, jnp.dtype(table.dtype)) for table in tables]
    places = [ids.shape for ids in treedef.flatten_up_to(rows)]
    (device,) = jax.device_put(np.zeros(1)).devices()
    kind = device.device_kind
    return _fastest(kind, tuple(optimizers.items()), treedef, tuple(shapes), tuple(places))


@functools.cache
def _fastest(kind, optimizers, treedef, shapes, places) -> Choice:
    del kind  # a key of the cache alone
    steps = [functools.partial(_Trial, one, treedef, shapes, places) for _, one in optimizers]
    with ThreadPoolExecutor() as pool:  # for compilers take seconds, each on one core
        trials = list(pool.map(lambda trial: trial(), steps))
    best, seconds = np.inf, {}
    for (name, _), trial in zip(optimizers, trials, strict=True):
        seconds[name] = trial.seconds(_HOPELESS * best)
        best = min(best, seconds[name])
    return Choice(min(seconds, key=lambda name: seconds[name]), seconds)


class _Trial:
    """Steps of an optimizer, compiled."""

    def __init__(self, optimizer: RowOptimizer, treedef: Any, shapes, places):
        self._treedef, self._shapes, self._places = treedef, shapes, places
        self._optimizer = optimizer
        self._compiled = _steps.lower(optimizer, *jax.eval_shape(self._arguments)).compile()

    def _arguments(self) -> tuple:
        """The state, ids and gradients of a call."""
        tables, ids, gradients, bends = [], [], [], []
        for (shape, dtype), place in zip(self._shapes, self._places, strict=True):
            row = dtype.itemsize * math.prod(shape[1:])
            size = max(1, min(shape[0], _MOST_ROWS, _MOST_BYTES // row))
            tables.append(jnp.zeros((size, *shape[1:]), dtype))
            ids.append(jnp.asarray(_zipf(size, (_STEPS, *place))))
            gradients.append(jnp.full((*place, *shape[1:]), 1e-3, dtype))
            bends.append(jnp.ones(place, dtype))
        params, *rest = map(self._treedef.unflatten, (tables, ids, gradients, bends))
        begun = params, self._optimizer.init(params), self._optimizer.scratch(params)
        return begun, *rest, jnp.float32(1e-3)

    def seconds(self, enough: float) -> float:
        """The median time of a step; of the first call if that is above `enough`."""
        carry, *rest = jax.block_until_ready(self._arguments())
        times = []
        for _ in range(1 + _CALLS):
            since = time.perf_counter()
            carry = jax.block_until_ready(self._compiled(carry, *rest))
            times.append((time.perf_counter() - since) / _STEPS)
            if times[0] > enough:
                return times[0]
        return float(np.median(times[1:]))


@functools.partial(
    jax.jit, static_argnames="optimizer", donate_argnames="carry",
    compiler_options=writeback.COMPILER_OPTIONS,
)  # fmt: skip
def _steps(optimizer, carry, ids, gradients, bends, rate):
    curvature = (bends,) if optimizer.uses_curvature else ()

    def step(carry, ids):
        return optimizer.update(*carry, ids, gradients, rate, *curvature), None

    return lax.scan(step, carry, ids)[0]


def _zipf(size: int, shape: tuple[int, ...]) -> np.ndarray:
    """Ids below `size`, of which i comes about as often as 1 / (i + 1), int32; always the same."""
    drawn = (size + 1) ** np.random.default_rng(0).random(shape)
    return np.minimum(drawn.astype(np.int32), size) - 1


def slow_scatters() -> str | None:
    """What to do where JAX's default device is a CUDA GPU, and its jaxlib makes scatters slow.

    jaxlib 0.10.2 and 0.11.0 compile the float additions of a scatter to a loop that tries until it
    succeeds, where rows are no multiple of two floats (openxla/xla#46225). Training is compiled
    around it (`writeback.COMPILER_OPTIONS`); scatters of one's own are not.

    Returns:
      A line for the user; None where there is nothing to do.
    """
    if jax.default_backend() != "gpu":
        return None
    client: Any = jax.devices()[0].client
    version = importlib.metadata.version("jaxlib")
    return _slow_scatters(client.platform_version, version, os.environ.get("XLA_FLAGS", ""))


def _slow_scatters(platform: str, jaxlib: str, flags: str) -> str | None:
    healed = re.search(r"-nvptx-allow-ftz-atomics|--xla_gpu_ftz(=true|=1|\s|$)", flags)
    if "cuda" not in platform.lower() or jaxlib not in ("0.10.2", "0.11.0") or healed:
        return None
    return (
        f"jaxlib {jaxlib} compiles scatters to slow loops on CUDA GPUs; training is not concerned. "
        "For your own set XLA_FLAGS=--xla_backend_extra_options=-nvptx-allow-ftz-atomics, or take "
        "another version"
    )
