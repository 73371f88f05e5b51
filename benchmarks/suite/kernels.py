"""One ceiling: a program, what a call of it does, and a closed form of what must come out.

The program that is timed is the one that is checked: its first call starts from known inputs, and
every number that it returns is compared with a formula in which no table is read and nothing is
sorted or summed in another order. All numbers are whole and small enough for float32, so that the
comparison is of equality.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from benchmarks.suite.figures import Figure, Setting, duration, rate
from benchmarks.suite.timing import Timer

PyTree = Any
WRONG = "computes wrong values"
SCALES = {"GB/s": 1e9, "GFLOP/s": 1e9, "Gbit/s": 1e9, "Mkeys/s": 1e6, "s": 1}


@dataclasses.dataclass(frozen=True)
class Kernel:
    """A ceiling to measure.

    Attributes:
      name: of its figure.
      what: its kind, for `limits.bound`.
      amount: what a call does, in the unit of `limits.Traffic`.
      unit: of the value, one of `SCALES`; "s" for the seconds of one of `amount`.
      function: from a state and other inputs to the next state.
      inputs: makes the state and the other inputs.
      right: whether the first call's result is that of the closed form.
      donates: whether the state is given up, and the result is the state of the next call.
      waits: whether each call is waited for.
      bytes, flops: of a call.
      settings: of the figure, beside what and amount.
    """

    name: str
    what: str
    amount: float
    unit: str
    function: Callable[..., PyTree]
    inputs: Callable[[], tuple]
    right: Callable[[PyTree], Any]
    donates: bool = False
    waits: bool = False
    bytes: float | None = None
    flops: float | None = None
    settings: Mapping[str, Setting] = dataclasses.field(default_factory=dict)


def measure(kernel: Kernel, timer: Timer, program: Callable[..., PyTree] | None = None) -> Figure:
    """The figure of a ceiling, marked if its program computes wrong values.

    Args:
      kernel: what to measure.
      timer: how.
      program: in place of the kernel's own function, to see that a wrong one is noticed.
    """
    state, *others = kernel.inputs()
    donate = (0,) if kernel.donates else ()
    function = program or kernel.function
    compiled, compile_seconds = timer.compiled(function, state, *others, donate=donate)

    def call(state):
        result = compiled(state, *others)
        return jax.block_until_ready(result) if kernel.waits else result

    result = call(state)
    marks = () if bool(kernel.right(result)) else (WRONG,)
    if kernel.donates:
        del state  # given up
        times = timer.chained(call, result).times
    else:
        del result
        times = timer.repeated(lambda: call(state)).times
    settings = {"what": kernel.what, "amount": kernel.amount, **kernel.settings}
    fields = {"bytes": kernel.bytes, "flops": kernel.flops, "compile_seconds": compile_seconds}
    if kernel.unit == "s":
        each = [seconds / kernel.amount for seconds in times]
        settings |= {"amount": 1, "in_a_row": kernel.amount}
        return duration(kernel.name, each, settings=settings, marks=marks, **fields)
    return rate(
        kernel.name, kernel.amount, kernel.unit, times,
        scale=SCALES[kernel.unit], settings=settings, marks=marks, **fields,
    )  # fmt: skip
