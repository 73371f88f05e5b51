"""Products of float32 vectors whose precision is chosen, and means the same on every device.

Devices multiply float32 arrays by different rules when nothing is said: a CPU in float32, an
NVIDIA GPU in tf32, a TPU in bfloat16. A kind of product says how the operands are rounded before
they are multiplied; the sum over products, and the result, are float32 in each.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax


class Kind(NamedTuple):
    """How the operands of a product are rounded, and which devices have units for it."""

    mantissa: int  # bits that an operand keeps, of 23; the exponent keeps its 8
    algorithm: lax.DotAlgorithmPreset | None  # of these units
    platforms: tuple[str, ...] = ()


KINDS = {
    "float32": Kind(23, None),
    "tf32": Kind(10, lax.DotAlgorithmPreset.TF32_TF32_F32, ("cuda",)),
    "bfloat16": Kind(7, lax.DotAlgorithmPreset.BF16_BF16_F32, ("cuda", "tpu")),
}
"""The kinds of product, by name."""


def check_products(products: str | None) -> None:
    """Checks the name of a kind of product.

    Args:
      products: a key of `KINDS`, or None.

    Raises:
      ValueError: for anything else.
    """
    if products is not None and not (isinstance(products, str) and products in KINDS):
        raise ValueError(f"products must be one of {', '.join(KINDS)}, or None for the device's "
                         f"own; got {products!r}")  # fmt: skip


def einsum(subscripts: str, a: jax.Array, b: jax.Array, products: str | None = None) -> jax.Array:
    """`jnp.einsum` of two arrays with a kind of product.

    An operand x is rounded to the nearest number that the kind can hold, which is off by at most
    u |x|; products are exact, and summed in float32. So each number of the result is off by at
    most about 2u Σ |a| |b|:

    ========== ============ ======== =====================================================
    kind       mantissa     u        how
    ========== ============ ======== =====================================================
    float32    23 bits      2^-24    by every device; six passes of bfloat16 on a TPU
    tf32       10 bits      2^-11    tensor cores of an NVIDIA GPU; else rounded, then float32
    bfloat16   7 bits       2^-8     tensor cores, a TPU's matrix units; else rounded, then float32
    None                             JAX's default: `jax.default_matmul_precision` if it is set,
                                     else float32 on a CPU, tf32 on a GPU, bfloat16 on a TPU
    ========== ============ ======== =====================================================

    Units for tf32 may cut off in place of rounding, and u is 2^-10 then. With None, XLA multiplies
    a matrix and a vector in float32 on a GPU and a TPU too.

    A kind wins over `jax.default_matmul_precision`. Derivatives have products of the same kind:
    the gradient of one operand is the product of the result's gradient and the other operand, both
    rounded. `jax.jvp` rounds the derivative of the result where it should round the operands'.

    Where a device has no unit for a kind, its rounding is computed, never left out: XLA's CPU
    compiler takes the name of an algorithm and multiplies in float32 all the same. So it is on
    every device where both operands have all the letters, as ``"bmd,bmd->bm"``: a matrix unit that
    multiplies vectors with vectors is the slower way.

    Args:
      subscripts: of two operands, such as ``"bmd,bkd->bmk"``.
      a, b: the operands, float[...]. A kind other than None converts them to float32.
      products: a key of `KINDS`, or None.

    Returns:
      float32[...]; for None of the operands' dtype.

    Raises:
      ValueError: for an unknown kind.

    >>> x = 1 + 2.0 ** -jnp.array([5, 9, 14])
    >>> for kind in KINDS:
    ...     print(kind, (einsum("i,j->i", x, jnp.ones(1), kind) - 1).tolist())
    float32 [0.03125, 0.001953125, 6.103515625e-05]
    tf32 [0.03125, 0.001953125, 0.0]
    bfloat16 [0.03125, 0.0, 0.0]
    """
    check_products(products)
    if products is None:
        return jnp.einsum(subscripts, a, b)
    kind = KINDS[products]
    product = functools.partial(jnp.einsum, subscripts)
    a, b = a.astype(jnp.float32), b.astype(jnp.float32)
    if kind.algorithm is None:
        return product(a, b, precision="highest")

    def computed(a, b):
        a, b = _rounded(a, kind.mantissa), _rounded(b, kind.mantissa)
        return _rounded_back(product(a, b, precision="highest"), kind.mantissa)

    first, second = subscripts.replace(" ", "").partition("->")[0].split(",")
    if set(first) == set(second):  # vectors with vectors, which no device has such units for
        return computed(a, b)
    by_unit = functools.partial(product, precision=kind.algorithm)
    return lax.platform_dependent(a, b, default=computed, **dict.fromkeys(kind.platforms, by_unit))


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _rounded(x: jax.Array, mantissa: int) -> jax.Array:
    """x rounded to a mantissa of these bits, with the derivative of x: no gradient is rounded."""
    return lax.reduce_precision(x, 8, mantissa)


@_rounded.defjvp
def _rounded_jvp(mantissa, primals, tangents):
    return _rounded(*primals, mantissa), *tangents


@functools.partial(jax.custom_jvp, nondiff_argnums=(1,))
def _rounded_back(x: jax.Array, mantissa: int) -> jax.Array:
    """x; a gradient that comes back through it is rounded, as it is an operand from there on."""
    return x


@_rounded_back.defjvp
def _rounded_back_jvp(mantissa, primals, tangents):
    (tangent,) = tangents
    return _rounded_back(*primals, mantissa), lax.reduce_precision(tangent, 8, mantissa)
