"""The bar that shows how far a run has come, in a terminal or a notebook."""

import contextlib
import sys
import warnings
from collections.abc import Iterator

from tqdm.std import TqdmWarning

with warnings.catch_warnings():  # a notebook without its widgets has the bar as text
    warnings.simplefilter("ignore", TqdmWarning)
    from tqdm.auto import tqdm


@contextlib.contextmanager
def bar(total: int, epochs: int, done: float, unit: str, show: bool | None) -> Iterator[tqdm]:
    """A bar over all epochs.

    Args:
      total: how many `unit`s an epoch has.
      epochs: how many there are.
      done: how many are done, with a fraction.
      show: whether to show it; by default in a terminal and in a notebook.
    """
    if show is None:
        show = sys.stderr.isatty() or in_notebook()
    with tqdm(
        total=epochs * total, initial=int(done * total), unit=unit, unit_scale=True,
        disable=not show,
    ) as shown:  # fmt: skip
        yield shown


def in_notebook() -> bool:
    """Whether this is the kernel of a notebook, whose standard error is no terminal."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and "IPKernelApp" in shell.config
