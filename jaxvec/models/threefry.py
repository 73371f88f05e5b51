"""Threefry's random bits, the same as `jax.random.bits`, in one kernel on a CPU.

JAX compiles Threefry for CPUs as a loop over its rounds, each of two kernels that read and write
all states, and that XLA shares out to threads: 4 ns a number on one core, and 12 in a trace of
skip-gram. All 20 rounds in registers take 2 ns in both (a Zen 4). On accelerators JAX unrolls the
rounds itself.
"""

import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

_ROTATIONS = ((13, 15, 26, 6), (17, 29, 16, 24))  # of alternate groups of four rounds
_PARITY = np.uint32(0x1BD11BDA)
_PIECE = 1 << 14  # numbers, fewer than XLA shares out to threads


def random_bits(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Random bits, uint32[shape]; also in 64-bit mode, where JAX's default is uint64.

    Args:
      key: a `jax.random` key of any kind.
      shape: of the result.

    Returns:
      What ``jax.random.bits(key, shape, jnp.uint32)`` returns.

    References:
      Salmon et al. 2011, "Parallel Random Numbers: As Easy as 1, 2, 3".

    >>> key = jax.random.key(0)
    >>> (random_bits(key, (3,)) == jax.random.bits(key, (3,), jnp.uint32)).tolist()
    [True, True, True]
    """

    def of_jax(key):
        return jax.random.bits(key, shape, jnp.uint32)

    def unrolled(key):
        return _unrolled(jax.random.key_data(key), shape)

    config: Any = jax.config  # which declares no options
    as_here = (
        jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        and jax.random.key_impl(key) == "threefry2x32"
        and config.jax_threefry_partitionable
        and math.prod(shape) < 1 << 31  # places are int32
    )
    return lax.platform_dependent(key, cpu=unrolled, default=of_jax) if as_here else of_jax(key)


def _unrolled(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Random bits, `_PIECE` or half of them at a time: XLA computes what no loop writes anew for
    each kernel that reads it.

    Args:
      key: its data, uint32[2].
      shape: of the result, fewer than 2^31 numbers.
    """
    count = math.prod(shape)
    size = min(_PIECE, -(-count // 2))

    def piece(i, bits):
        first = jnp.minimum(i * size, count - size)  # the last one may overlap
        places = first.astype(jnp.uint32) + lax.iota(jnp.uint32, size)
        return lax.dynamic_update_slice(bits, _hash(key, places), (first,))

    pieces = -(-count // size) if count else 0
    overwritten = jnp.broadcast_to(key[0], (count,))  # on the key's devices
    return lax.fori_loop(0, pieces, piece, overwritten).reshape(shape)


def _hash(key: jax.Array, places: jax.Array) -> jax.Array:
    """The two words of Threefry's hash of places below 2^32, by exclusive or: uint32[n]."""
    keys = key[0], key[1], key[0] ^ key[1] ^ _PARITY
    high, low = jnp.full_like(places, keys[0]), places + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            high += low
            low = (low << np.uint32(rotation) | low >> np.uint32(32 - rotation)) ^ high
        high += keys[(group + 1) % 3]
        low += keys[(group + 2) % 3] + np.uint32(group + 1)
    return high ^ low
