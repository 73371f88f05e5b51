"""The models by name, as `jaxvec train --model` takes them and saved runs name their classes.

A new model is one line of `MODELS`; outside the library, ``MODELS["name"] = Entry(Class, "…")``.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from jaxvec.train import ppmi
from jaxvec.train.cbow import CBOW
from jaxvec.train.documents import ParagraphVectors
from jaxvec.train.glove import GloVe
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.softmax import Softmax


class Entry(NamedTuple):
    """A model."""

    make: Callable[..., Any]  # its class; or a function from counts to `WordVectors`
    about: str
    counts: bool = False  # takes counts of co-occurrences, not text
    epochs: int = 5  # by default

    @property
    def trained(self) -> bool:
        """Whether `fit` trains it."""
        return isinstance(self.make, type)


MODELS: dict[str, Entry] = {
    "sgns": Entry(SkipGram, "skip-gram with negative sampling"),
    "cbow": Entry(CBOW, "continuous bag of words with negative sampling"),
    "softmax": Entry(Softmax, "skip-gram with a full softmax, for small vocabularies"),
    "glove": Entry(GloVe, "least squares on log co-occurrences", counts=True, epochs=15),
    "pv-dbow": Entry(
        ParagraphVectors, "paragraph vectors: documents predict their words", epochs=10
    ),
    "ppmi-svd": Entry(ppmi.vectors, "the SVD of positive PMI, without training", counts=True),
}


def name_of(model: Any) -> str:
    """The name of a model's class, or of the nearest class that it derives from.

    Raises:
      ValueError: if neither is in `MODELS`.

    >>> name_of(SkipGram(vector_size=8))
    'sgns'
    """
    names = {entry.make: name for name, entry in MODELS.items()}
    for kind in type(model).__mro__:
        if kind in names:
            return names[kind]
    given = type(model).__name__
    raise ValueError(
        f"{given} is no registered model: "
        f'jaxvec.train.registry.MODELS["{given.lower()}"] = Entry({given}, "…") makes it one'
    )
