"""Arrays that a compiler must make once, where it would make them anew for each reader."""

from typing import TypeVar

from jax import lax

Tables = TypeVar("Tables")


def made_once(arrays: Tables, platform: str) -> Tables:
    """Arrays that the compiler for a platform must write out, not compute anew where they are read.

    Args:
      arrays: any tree of arrays.
      platform: such as ``"tpu"``; on others XLA decides.
    """
    return lax.platform_dependent(
        arrays, **{platform: lax.optimization_barrier}, default=lambda arrays: arrays
    )
