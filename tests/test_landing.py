"""Rows gathered into a buffer that a loop carries: the same rows, by one thread."""

import os
import re

import jax
import jax.numpy as jnp
import jaxlib
import numpy as np
import pytest
from jax import lax

from jaxvec.train.landing import buffers, gathered

TABLE = jnp.arange(2_000 * 100, dtype=jnp.float32).reshape(2_000, 100)  # above 512 KiB
IDS = jnp.array([[[3, 1], [1, 1_999]], [[5, 2_000], [0, 7]]])  # of two steps; 2,000 is no row


def summed(gather):
    def step(k, carry):
        rows, landing = gather(carry[1], TABLE, IDS[k])
        return carry[0] + rows**2, landing

    carry = jnp.zeros((2, 2, 100)), buffers(TABLE, IDS)
    return lax.fori_loop(0, len(IDS), step, carry)[0]


def landed():
    return summed(lambda landing, table, ids: gathered(table, ids, landing))


def plain():
    return summed(lambda landing, table, ids: (table[jnp.minimum(ids, 1_999)], landing))


def threads(compiled) -> set[int]:
    """Among how many threads each gather of the table is split."""
    text = compiled.as_text()
    bodies = re.finditer(r"^%([\w.-]+) \(.*?^\}", text, re.M | re.S)
    gathers = {one[1] for one in bodies if "f32[2000,100]" in one[0] and " gather(" in one[0]}
    calls = [line for line in text.splitlines() for to in re.findall(r"calls=%([\w.-]+)", line)
             if to in gathers]  # fmt: skip
    assert calls, "no gather of the table"
    found = [re.search(r'"outer_dimension_partitions":\["(\d+)"', line) for line in calls]
    return {int(one[1]) if one else 1 for one in found}


def test_the_rows_are_those_of_the_table():
    rows = np.asarray(TABLE)[np.minimum(IDS, 1_999)]
    np.testing.assert_array_equal(jax.jit(landed)(), np.square(rows).sum(0))
    np.testing.assert_array_equal(jax.jit(plain)(), np.square(rows).sum(0))


def test_no_gather_is_split_among_threads():
    assert threads(jax.jit(landed).lower().compile()) == {1}


@pytest.mark.skipif(os.cpu_count() == 1, reason="one core has one thread")
@pytest.mark.skipif(jaxlib.__version__ > "0.10.2", reason="later compilers may not split it")
def test_a_plain_gather_is():
    assert threads(jax.jit(plain).lower().compile()) != {1}
