"""Ceilings of work that is in order: copies, products, sorts, random bits, launches."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from benchmarks.suite.figures import short
from benchmarks.suite.kernels import Kernel
from jaxvec import sampling

BITS = {"float32": 12, "tf32": 11, "bf16": 8}
"""Bits of the whole numbers that are multiplied; a lower precision loses some of them."""


def copy(size: int, repeats: int) -> Kernel:
    """Reads and writes a buffer in place, adding 1, again and again.

    Args:
      size: bytes of the buffer, the working set.
      repeats: times it is read and written in a call.
    """
    count, moved = size // 4, 2.0 * size * repeats

    def start():
        return (jnp.arange(count) % 1024).astype(jnp.float32)

    def function(x):
        return lax.fori_loop(0, repeats, lambda _, x: x + 1, x)

    return Kernel(
        name=f"copy, {binary(size)}",
        what="copy",
        amount=moved,
        unit="GB/s",
        function=function,
        inputs=lambda: (jax.jit(start)(),),
        right=jax.jit(lambda x: jnp.all(x == start() + repeats)),
        donates=True,
        bytes=moved,
        settings={"working_set": size, "repeats": repeats},
    )


def product(side: int, precision: str, batch: int = 0, inner: int = 0, wide: int = 0) -> Kernel:
    """A product of square matrices; or, with a batch, of a batch of small matrices.

    The left ones hold whole numbers of as many bits as the precision keeps (a float32 product
    that is made in bf16 comes out wrong), the right ones 1 and -1. Of a result C = A B, C x is
    compared with A (B x) for a vector x of 1 and -1: a single wrong number shows.

    Args:
      side: rows of the left matrices.
      precision: "float32", "tf32" or "bf16"; sums are float32 in all.
      batch: number of products; 0 for one.
      inner, wide: columns of the left and of the right matrices, of a batch; else `side`.
    """
    inner, wide = inner or side, wide or side
    lead, below = (batch,) if batch else (), 2 ** BITS[precision]
    dtype = jnp.bfloat16 if precision == "bf16" else jnp.float32
    how = lax.DotAlgorithmPreset.TF32_TF32_F32 if precision == "tf32" else lax.Precision.HIGHEST

    @functools.cache
    def numbers():
        rng = np.random.default_rng(0)
        left = rng.integers(1 - below, below, (*lead, side, inner), dtype=np.int16)
        right = rng.integers(0, 2, (*lead, inner, wide), dtype=np.int8) * 2 - 1
        x = rng.integers(0, 2, wide) * 2 - 1
        return left, right, x, (left @ (right @ x)[..., None])[..., 0]

    @jax.jit
    def agrees(c, x, expected):
        signed = c.astype(jnp.int32) * x.reshape((1,) * (c.ndim - 1) + (-1,))
        return jnp.all(signed.sum(-1) == expected) & jnp.all(c == jnp.round(c))

    flops = 2.0 * max(batch, 1) * side * inner * wide
    shape = f"{batch} x {side} x {inner} x {wide}" if batch else f"{side}"
    what = "batched product" if batch else "product"
    return Kernel(
        name=f"{what}, {precision}, {shape}",
        what=what,
        amount=flops,
        unit="GFLOP/s",
        function=lambda a, b: jnp.matmul(a, b, precision=how, preferred_element_type=jnp.float32),
        inputs=lambda: tuple(jnp.asarray(one, dtype) for one in numbers()[:2]),
        right=lambda c: agrees(c, *(jnp.asarray(one, jnp.int32) for one in numbers()[2:])),
        flops=flops,
        settings={"precision": precision, "shape": shape},
    )


def sort(count: int) -> Kernel:
    """Sorts int32 keys: each number below `count` once, in an order that looks random.

    Args:
      count: keys, a power of 2.
    """

    def mixed():
        places = jnp.arange(count, dtype=jnp.uint32)
        return ((places * jnp.uint32(2_654_435_761)) % jnp.uint32(count)).astype(jnp.int32)

    return Kernel(
        name=f"sort, {short(count)} keys",
        what="sort",
        amount=float(count),
        unit="Mkeys/s",
        function=lax.sort,
        inputs=lambda: (jax.jit(mixed)(),),
        right=jax.jit(lambda keys: jnp.all(keys == jnp.arange(count))),
        bytes=8.0 * count,
        settings={"keys": count},
    )


def random_bits(count: int) -> Kernel:
    """Draws random words of 32 bits as training does, compared with Threefry written in NumPy.

    Args:
      count: words.
    """

    def function(key):
        return sampling.random_bits(jax.random.wrap_key_data(key, impl="threefry2x32"), (count,))

    def right(bits):
        expected = threefry(np.array([0, 42], np.uint32), count)
        return np.array_equal(np.asarray(bits), expected)

    return Kernel(
        name=f"random bits, {short(count)} words",
        what="random bits",
        amount=32.0 * count,
        unit="Gbit/s",
        function=function,
        inputs=lambda: (jnp.array([0, 42], jnp.uint32),),
        right=right,
        bytes=4.0 * count,
        settings={"words": count},
    )


def launch(count: int) -> Kernel:
    """Kernels of a program that have nearly nothing to do, each of which waits for the last.

    Args:
      count: kernels, a multiple of 8. Each turns 8 numbers by a place, which keeps compilers from
        making one kernel of several.
    """

    def function(x):
        for _ in range(count):
            x = lax.optimization_barrier(jnp.roll(x + 1, 1))
        return x

    return Kernel(
        name="kernel in a program",
        what="launch",
        amount=count,
        unit="s",
        function=function,
        inputs=lambda: (jnp.arange(8.0),),
        right=lambda x: np.array_equal(np.asarray(x), np.arange(8) + count),
        donates=True,
    )


def call(waits: bool) -> Kernel:
    """A program that has nearly nothing to do, called from Python.

    Args:
      waits: whether each call waits for its result before the next.
    """
    return Kernel(
        name="call of a program, waited for" if waits else "call of a program",
        what="call",
        amount=1,
        unit="s",
        function=lambda x: x + 1,
        inputs=lambda: (jnp.arange(8.0),),
        right=lambda x: np.array_equal(np.asarray(x), np.arange(8) + 1),
        donates=True,
        waits=waits,
        settings={"waits": waits},
    )


def threefry(key: np.ndarray, count: int) -> np.ndarray:
    """The first words that `jax.random.bits` draws, uint32[count].

    Block i encrypts the 64-bit number i; its two words are combined by exclusive or, as JAX does
    with `jax_threefry_partitionable`.

    Args:
      key: uint32[2].
      count: words.

    References:
      Salmon and others, Parallel random numbers: as easy as 1, 2, 3 (2011).
    """
    places = np.arange(count, dtype=np.uint64)
    a, b = (places >> np.uint64(32)).astype(np.uint32), places.astype(np.uint32)
    keys = [key[0], key[1], key[0] ^ key[1] ^ np.uint32(0x1BD11BDA)]
    turns = [(13, 15, 26, 6), (17, 29, 16, 24)]
    a, b = a + keys[0], b + keys[1]
    for group in range(5):
        for turn in turns[group % 2]:
            a = a + b
            b = ((b << np.uint32(turn)) | (b >> np.uint32(32 - turn))) ^ a
        a = a + keys[(group + 1) % 3]
        b = b + keys[(group + 2) % 3] + np.uint32(group + 1)
    return a ^ b


def binary(size: int) -> str:
    """A number of bytes for names.

    >>> [binary(size) for size in (512, 65_536, 1 << 28)]
    ['512 B', '64 KiB', '256 MiB']
    """
    for power, name in ((30, "GiB"), (20, "MiB"), (10, "KiB")):
        if size >> power:
            return f"{size >> power} {name}"
    return f"{size} B"
