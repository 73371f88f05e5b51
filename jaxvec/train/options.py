"""Help text and bounds of the options of models, for command lines: one table, beside the options.

A field of a model's dataclass, or an argument of a function, is an option of `jaxvec train` if it
is annotated with an `Option`:

>>> class Model(NamedTuple):
...     window: Annotated[int, Option("farthest context word each side", "W", least=1)] = 5
...     block_tokens: int = 32
>>> options_of(Model)["window"]
Declared(option=Option(help='farthest context word each side', metavar='W', least=1, above=None,\
 flag='', choices=(), read=None), kind=<class 'int'>, default=5)
>>> list(options_of(Model))
['window']
"""

import inspect
import typing
from collections.abc import Callable
from typing import Annotated, Any, NamedTuple

from jaxvec.models.products import KINDS


class Option(NamedTuple):
    """What a command line tells of an option, and the numbers that it takes."""

    help: str
    metavar: str = "N"
    least: float | None = None  # the smallest number
    above: float | None = None  # or a bound that the number must exceed
    flag: str = ""  # by default --name; --no-name for a bool that is true by default
    choices: tuple[str, ...] = ()  # of a text
    read: Callable[[str], Any] | None = None  # makes a value of a text; ValueError says what of


class Declared(NamedTuple):
    """An option as a model declares it."""

    option: Option
    kind: type  # int, float, bool or str
    default: Any


VectorSize = Annotated[int, Option("numbers in a vector", "D", least=1)]
NsExponent = Annotated[float, Option("draw negatives by counts to the power A", "A")]
Products = Annotated[
    str | None,
    Option(
        f"precision of products: {', '.join(KINDS)}; by default float32 on a CPU, tf32 on a GPU, "
        "bfloat16 on a TPU",
        "KIND",
        choices=tuple(KINDS),
    ),
]


def options_of(model: Callable[..., Any]) -> dict[str, Declared]:
    """The options that a model's class, or a function, annotates with an `Option`, by name."""
    found = {}
    for name, parameter in inspect.signature(model).parameters.items():
        notes = getattr(parameter.annotation, "__metadata__", ())
        for option in (note for note in notes if isinstance(note, Option)):
            kind = parameter.annotation.__origin__
            kind = next(iter(typing.get_args(kind)), kind)  # of `int | None` the first
            found[name] = Declared(option, kind, parameter.default)
    return found
