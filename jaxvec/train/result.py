"""What a run reports and returns: `Report`, `Result`, and what both `fit` and `sweep` tell."""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.ranking import highest
from jaxvec.text.corpus import Corpus
from jaxvec.train.epoch import Model, Steps
from jaxvec.train.text_model import TextModel
from jaxvec.vectors import WordVectors


class Report(NamedTuple):
    """What one epoch did; words are cells of the counts if the model trains on those."""

    epoch: int  # from 1
    loss: float  # mean per pair or cell over the epoch, as it was being trained
    valid_loss: float | None  # the same on what is held out, after the epoch
    learning_rate: float  # at the end of the epoch
    words: int  # tokens read, before subsampling
    pairs: int  # pairs trained on
    seconds: float  # training alone: neither compilation, validation nor callbacks
    words_per_second: float
    compile_seconds: float  # before the first epoch
    start_seconds: float = 0.0  # finding vectors to begin with, before that


Callback = Callable[[Report, "Result"], None]


class Result(NamedTuple):
    """A model in training, or trained."""

    params: Any  # the model's `Params`
    opt_state: Any
    history: list[Report]
    data: Corpus | Cooccurrence
    model: Model

    def vectors(self, which: str | None = None) -> WordVectors:
        """The word vectors, the most frequent word first.

        Whether a file's format can hold the words, `jaxvec.formats.check_words` tells before
        there is any training.

        Args:
          which: ``"input"``, ``"output"``, or ``"sum"`` of the two tables; by default the
            model's usual one, input for skip-gram and sum for GloVe.
        """
        which = which or self.model.default_vectors
        if which not in ("input", "output", "sum"):
            raise ValueError(f"vectors must be 'input', 'output' or 'sum'; got {which!r}")
        # copies: training updates in place
        tables = {name: np.array(getattr(self.params, name)) for name in ("input", "output")}
        table = tables["input"] + tables["output"] if which == "sum" else tables[which]
        return WordVectors(self.data.vocab.words, table, counts=self.data.vocab.counts)

    def predict_output_word(
        self, context_words: Sequence[str], topn: int = 10
    ) -> list[tuple[str, float]]:
        """The likeliest words in a context: the softmax over the vocabulary of u_w · h.

        h is the mean of the context's input vectors (for `CBOW(cbow_mean=False)` the sum) and
        u_w the output vector of a word. Unknown words are left out, as gensim does.

        Args:
          context_words: the words around.
          topn: how many to return.

        Returns:
          Pairs of word and probability, the likeliest first.

        Raises:
          ValueError: if the model was not trained to predict words (GloVe), or no word of the
            context is known. (gensim returns None then.)
        """
        if not isinstance(self.model, TextModel):
            raise ValueError(f"{type(self.model).__name__} does not predict words from a context")
        vocab = self.data.vocab
        ids = vocab.encode(list(context_words))
        if not len(ids):
            raise ValueError("no word of the context is in the vocabulary")
        hidden = np.asarray(self.params.input)[ids].sum(axis=0)
        if getattr(self.model, "cbow_mean", True):
            hidden /= len(ids)
        logits = np.asarray(self.params.output) @ hidden
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        return [(vocab.words[i], float(shares[i])) for i in highest(shares, topn)]


class NonFiniteError(ValueError):
    """Training came upon NaN or infinity."""


def sums(steps: Steps) -> tuple[float, float]:
    """The loss and the weight of all steps, in float64."""
    return float(np.sum(steps.loss, dtype=np.float64)), float(
        np.sum(steps.weight, dtype=np.float64)
    )


def finite(steps: Steps, epoch: int, segment: int) -> Steps:
    """The same steps; NonFiniteError, which names the step, if a loss is not finite."""
    bad = np.argwhere(~np.isfinite(np.atleast_2d(steps.loss)))  # by worker and step
    if len(bad):
        worker, step = bad[0]
        raise NonFiniteError(
            f"the loss is no longer finite at step {step} of segment {segment + worker + 1}, epoch "
            f"{epoch + 1}: training diverged; lower the learning rate or take fewer blocks a step"
        )
    return steps


@contextlib.contextmanager
def bar(total: int, epochs: int, done: float, unit: str, show: bool | None) -> Iterator[tqdm]:
    disable = None if show is None else not show  # None: unless standard error is a terminal
    with tqdm(
        total=epochs * total, initial=int(done * total), unit=unit, unit_scale=True, disable=disable
    ) as shown:
        yield shown
