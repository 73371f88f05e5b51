"""Threefry's random bits and keys, the same as `jax.random`'s, in one kernel on a CPU, or in NumPy.

JAX compiles Threefry for CPUs as a loop over its rounds, each of two kernels that read and write
all states, and that XLA shares out to threads: 4 ns a number on one core, and 12 in a trace of
skip-gram. All 20 rounds in registers take 2 ns in both (a Zen 4). On accelerators JAX unrolls the
rounds itself.
"""

import math
from typing import Any, cast

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

    as_here = _hashes_places(key) and math.prod(shape) < 1 << 31  # places are int32
    return lax.platform_dependent(key, cpu=unrolled, default=of_jax) if as_here else of_jax(key)


def fold_in(key: jax.Array, number: jax.Array) -> jax.Array:
    """The key ``jax.random.fold_in(key, number)``.

    Args:
      key: a `jax.random` key of any kind.
      number: an integer [].

    >>> key, number = jax.random.key(0), jnp.int32(7)
    >>> bool(fold_in(key, number) == jax.random.fold_in(key, number))
    True
    """
    if not _hashes_places(key):
        return jax.random.fold_in(key, number)
    return lax.platform_dependent(key, number, cpu=_keys_at, default=jax.random.fold_in)


def split(key: jax.Array) -> jax.Array:
    """The two keys ``jax.random.split(key)``.

    Args:
      key: a `jax.random` key of any kind.

    >>> key = jax.random.key(0)
    >>> bool((split(key) == jax.random.split(key)).all())
    True
    """
    if not _hashes_places(key):
        return jax.random.split(key)
    places = jnp.arange(2, dtype=jnp.uint32)
    ways = {"cpu": _keys_at, "default": lambda key, _: jax.random.split(key)}
    return lax.platform_dependent(key, places, **ways)


def folded(keys: np.ndarray, numbers: np.ndarray, impl: Any) -> np.ndarray:
    """The data of ``jax.random.fold_in(key, number)`` for each of some keys and numbers, computed
    on the host, without a program to compile or a device to wait for.

    Args:
      keys: the data of keys, uint32[k, …].
      numbers: integers from 0, [n].
      impl: the kind of keys, as `jax.random.key_impl` tells it.

    Returns:
      uint32[k, n, …].

    >>> data = jax.random.key_data(jax.random.key(0)[None])
    >>> made = jax.random.wrap_key_data(folded(np.asarray(data), np.arange(9), "threefry2x32"))
    >>> bool(made[0, 7] == jax.random.fold_in(jax.random.key(0), 7))
    True
    """
    if impl not in _OF_PAIRS:
        of_each = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))
        typed = jax.random.wrap_key_data(jnp.asarray(keys), impl=impl)
        return np.asarray(jax.random.key_data(of_each(typed, numbers)))
    pairs = keys.reshape(len(keys), 1, -1, 2)
    words = _words((pairs[..., 0], pairs[..., 1]), numbers.astype(np.uint32)[:, None])
    return np.stack(words, axis=-1).reshape(len(keys), len(numbers), -1)


def split_on_host(key: jax.Array, count: int) -> list[jax.Array]:
    """The keys ``jax.random.split(key, count)``, as `folded` computes them.

    Args:
      key: a `jax.random` key of any kind.
      count: how many.

    >>> key = jax.random.key(0)
    >>> bool(split_on_host(key, 3)[2] == jax.random.split(key, 3)[2])
    True
    """
    impl, config = jax.random.key_impl(key), cast(Any, jax.config)
    if impl not in _OF_PAIRS or not config.jax_threefry_partitionable:
        return list(jax.random.split(key, count))
    data = np.asarray(jax.random.key_data(key))
    (made,) = folded(data[None], np.arange(count), impl)
    return [jax.random.wrap_key_data(jnp.asarray(one), impl=impl) for one in made]


_OF_PAIRS = ("threefry2x32", "rbg")  # kinds whose keys are one pair of words or two, each hashed


def _hashes_places(key: jax.Array) -> bool:
    """Whether a key is threefry's, and JAX hashes the places of numbers in a result, its way since
    0.5."""
    config: Any = jax.config  # which declares no options
    return (
        jnp.issubdtype(key.dtype, jax.dtypes.prng_key)
        and jax.random.key_impl(key) == "threefry2x32"
        and config.jax_threefry_partitionable
    )


def _keys_at(key: jax.Array, places: jax.Array) -> jax.Array:
    """The keys that a key and places, integers of any shape, hash to."""
    data = jax.random.key_data(key)
    return jax.random.wrap_key_data(
        jnp.stack(_words((data[0], data[1]), places.astype(jnp.uint32)), axis=-1)
    )


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
        high, low = _words((key[0], key[1]), places)
        return lax.dynamic_update_slice(bits, high ^ low, (first,))

    pieces = -(-count // size) if count else 0
    overwritten = jnp.broadcast_to(key[0], (count,))  # on the key's devices
    return lax.fori_loop(0, pieces, piece, overwritten).reshape(shape)


def _words(key: tuple[Any, Any], places: Any) -> tuple[Any, Any]:
    """The two words that Threefry hashes places below 2^32 to: uint32[n] each.

    Args:
      key: its two words, uint32, of NumPy or JAX.
      places: uint32[n].
    """
    keys = *key, key[0] ^ key[1] ^ _PARITY
    high, low = keys[0], places + keys[1]
    for group in range(5):
        for rotation in _ROTATIONS[group % 2]:
            high = high + low
            low = (low << np.uint32(rotation) | low >> np.uint32(32 - rotation)) ^ high
        high = high + keys[(group + 1) % 3]
        low = low + keys[(group + 2) % 3] + np.uint32(group + 1)
    return high, low
