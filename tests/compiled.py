"""Compiled programs, looked at for copies of whole tables."""

import re

import jax
import jax.numpy as jnp

from jaxvec import SkipGram
from jaxvec.train import epoch
from jaxvec.train.contracts import State
from jaxvec.train.segments import TokenSegments

KEY = jax.random.key(0)
SMALL = SkipGram(vector_size=16, window=3, sample=0)


def compiled(corpus, optimizer) -> str:
    """The program that trains on a segment, as XLA runs it."""
    params = SMALL.init(KEY, len(corpus.vocab))
    state = State(params, optimizer.init(params))
    segment = TokenSegments(corpus).epoch(KEY)(0)
    lowered = epoch.train_segment.lower(
        SMALL, optimizer, state, SMALL.constants(corpus), segment, KEY, jnp.ones(2)
    )
    return lowered.compile().as_text()


def copies_in_loops(program: str, *shape: int) -> list[str]:
    """The instructions that make a whole table anew in each step: copies, and choices by element.

    Those of computations that are a loop's body or called from one, however deep: by their
    place in the program, not by metadata, which copies that XLA adds may lack.
    """
    texts = {
        found[1]: found[0]
        for found in re.finditer(r"^(?:ENTRY )?%?([\w.-]+) \(.*?^\}", program, re.M | re.S)
    }
    inside, found = set(), set(re.findall(r"body=%?([\w.-]+)", program))
    while found:
        inside |= found
        called = {name for one in found for name in re.findall(r"%([\w.-]+)", texts[one])}
        found = (called & texts.keys()) - inside
    table = rf"f32\[{','.join(map(str, shape))}\]"
    lines = [line for one in inside for line in texts[one].splitlines()]
    assert any(re.search(table, line) for line in lines), "no such table in any loop"
    return [line for line in lines if re.search(rf"= {table}\S* (?:copy|select)\(", line)]
