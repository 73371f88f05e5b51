import jax
import numpy as np
import pytest

from jaxvec import Corpus, SkipGram, fit
from jaxvec.train import epoch
from jaxvec.train.contracts import STEPS_A_DRAW, SparseLoss


class Exact(SkipGram):
    loss_every = 1


def fitted(words, kind):
    text = Corpus.from_documents([words], min_count=1)
    options = {"vector_size": 4, "sample": 0, "spectral_words": 0, "blocks": 1, "block_tokens": 8}
    return fit(text, kind(**options), key=jax.random.key(0), epochs=1)


def test_the_loss_of_some_steps_stands_for_all(monkeypatch):
    monkeypatch.setattr(epoch, "_SAMPLED", 1)
    words = np.random.default_rng(0).integers(0, 50, 20_000).astype(str).tolist()
    sampled, exact = (fitted(words, kind) for kind in (SkipGram, Exact))
    assert (sampled.params.input == exact.params.input).all()
    assert sampled.history[0].pairs == exact.history[0].pairs
    assert sampled.history[0].loss != exact.history[0].loss
    assert sampled.history[0].loss == pytest.approx(exact.history[0].loss, rel=0.01)


def test_a_short_segment_has_the_loss_of_all_steps():
    words = np.random.default_rng(0).integers(0, 50, 3_000).astype(str).tolist()
    sampled, exact = (fitted(words, kind) for kind in (SkipGram, Exact))
    assert sampled.history[0].loss == exact.history[0].loss


def test_it_divides_a_draw():
    class Seventh(SkipGram):
        loss_every = 7

    assert isinstance(SkipGram(), SparseLoss)
    assert STEPS_A_DRAW % SkipGram.loss_every == 0
    with pytest.raises(ValueError, match="loss_every must divide 64, steps a draw; got 7"):
        fitted(["a", "b"] * 500, Seventh)
