"""The standard sizes of the workloads: what is planted, and how long is trained.

Each is made so that reference runs end half-way between chance and a perfect score: a run that
learns less is seen, and one that learns more. On an accelerator a run of a CPU's size would last
milliseconds, so it takes more text, with a weaker structure.
"""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True)
class Size:
    """What the workloads are of.

    Attributes:
      name: of the standard size; "" for another.
      tokens: of the text.
      words: `V`.
      strength: of what is planted, see `planted.plant`.
      epochs: of skip-gram.
      iterations: of GloVe.
      goals: for each model the recovery, in percent, whose time is taken.
    """

    name: str
    tokens: int
    words: int
    strength: float
    epochs: int
    iterations: int
    goals: tuple[tuple[str, float], ...]

    def goal(self, model: str) -> float:
        """The recovery that is held for a model, in percent."""
        return dict(self.goals)[model]


QUICK = Size("quick", 300_000, 5_000, 1.3, 6, 10, (("skip-gram", 25.0), ("glove", 10.0)))
CPU = Size("cpu", 1_000_000, 68_000, 1.1, 8, 10, (("skip-gram", 50.0), ("glove", 35.0)))
ACCELERATOR = Size(
    "accelerator", 16_000_000, 68_000, 0.8, 5, 10, (("skip-gram", 50.0), ("glove", 35.0))
)
SIZES = {size.name: size for size in (QUICK, CPU, ACCELERATOR)}

SAMPLE = 1e-4  # of subsampling, as in the benchmarks of README.md
GLOVE = {"x_max": 10.0}
COUNT_WINDOW = 10


def chosen(quick: bool, platform: str, tokens: int | None = None) -> Size:
    """The size of a run.

    Args:
      quick: whether seconds must do.
      platform: of the default device, as JAX calls it.
      tokens: other than the standard size has; None for that.
    """
    size = QUICK if quick else CPU if platform == "cpu" else ACCELERATOR
    if tokens is None or tokens == size.tokens:
        return size
    return dataclasses.replace(size, name="", tokens=tokens)


def skip_gram(**options: Any) -> Any:
    """The skip-gram of all runs: word2vec's random start, so that all quality is of the steps.

    Args:
      options: of `jaxvec.SkipGram`, beside.
    """
    from jaxvec import SkipGram

    return SkipGram(**{"sample": SAMPLE, "spectral_words": 0, **options})


def glove(**options: Any) -> Any:
    """The GloVe of all runs.

    Args:
      options: of `jaxvec.GloVe`, beside.
    """
    from jaxvec import GloVe

    return GloVe(**{**GLOVE, **options})
