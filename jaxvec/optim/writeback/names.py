"""The strategies by name."""

from typing import Any, Literal, get_args

from jaxvec.optim.writeback.apart import Accumulate, Scatter, SortedScatter
from jaxvec.optim.writeback.contract import WriteBack
from jaxvec.optim.writeback.head import Head
from jaxvec.optim.writeback.runs import Sorted
from jaxvec.optim.writeback.slots import Slots

Name = Literal["slots", "sorted", "head", "scatter", "sorted_scatter", "head_scatter", "accumulate"]

STRATEGIES: dict[str, WriteBack] = dict(
    zip(
        get_args(Name),
        (Slots(), Sorted(), Head(), Scatter(), SortedScatter(), Head(tail=Scatter()), Accumulate()),
        strict=True,
    )
)
"""The strategies by name."""

SUM_FIRST: tuple[Name, ...] = ("slots", "sorted", "head")
"""By these a rule sees each row once, with its summed gradient: the same to rounding."""

APART: tuple[Name, ...] = ("scatter", "sorted_scatter")
"""By these a rule sees each occurrence by itself: the same to rounding."""


def alike(name: Name, *, linear: bool) -> tuple[Name, ...]:
    """The strategies that make the same rule of a transformation as the one of a name does.

    Args:
      name: of the strategy.
      linear: whether the transformation's updates are proportional to the gradient, without state:
        then all are the same ("accumulate" is "scatter").

    >>> alike("scatter", linear=False)
    ('scatter', 'sorted_scatter')
    """
    if linear:
        return tuple(name for name in get_args(Name) if name != "accumulate")
    return next((names for names in (SUM_FIRST, APART) if name in names), (name,))


def resolve(write_back: Name | WriteBack) -> WriteBack:
    """A strategy by name; any other object as it is.

    Raises:
      ValueError: if there is no strategy of that name.
    """
    if not isinstance(write_back, str):
        return write_back
    if write_back not in STRATEGIES:
        raise ValueError(
            f"write_back must be one of {', '.join(STRATEGIES)}, or a WriteBack; got {write_back!r}"
        )
    return STRATEGIES[write_back]


def name_of(write_back: Any) -> str:
    """The name of a strategy; of one that has none, its class's."""
    known = [name for name, strategy in STRATEGIES.items() if strategy is write_back]
    return known[0] if known else type(write_back).__qualname__
