"""Known recipes: the settings of programs and tutorials that people compare with, by name.

Each function here is a recipe, and its docstring says where every number comes from.
`jaxvec train --recipe NAME` takes one; other options given with it come first. In Python:

>>> from jaxvec import Corpus, fit, recipes
>>> recipe = recipes.get("word2vec")
>>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, **recipe.text)
>>> import jax
>>> result = fit(corpus, recipe.model, key=jax.random.key(0), **recipe.fit)
>>> type(result.model).__name__, result.params.input.shape
('CBOW', (5, 100))

A recipe for GloVe has options of `cooccurrence.count` too:

>>> from jaxvec.cooccurrence import count
>>> recipe = recipes.get("d2l-glove")
>>> cells = count(Corpus.from_documents(["a rose is a rose"] * 9, **recipe.text), **recipe.counting)
>>> cells.settings["window"]
10
"""

import dataclasses
import warnings
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxvec.models.sgns import Params
from jaxvec.text.corpus import Corpus
from jaxvec.train.cbow import CBOW
from jaxvec.train.contracts import Model
from jaxvec.train.glove import GloVe
from jaxvec.train.segments import TokenSegments
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.softmax import Softmax

_NORMAL_WORDS = 4_000_000


class Recipe(NamedTuple):
    """What is trained, on what, and how."""

    model: Model
    text: dict[str, Any]  # options of `Corpus.from_files` and `from_documents`
    fit: dict[str, Any]  # options of `fit`
    counting: dict[str, Any] = {}  # noqa: RUF012  options of `cooccurrence.count`, for GloVe
    about: str = ""  # in a line


def word2vec() -> Recipe:
    """word2vec.c by its defaults, which are CBOW.

    Its defaults: ``-cbow 1 -size 100 -window 5 -sample 1e-3 -negative 5 -iter 5 -min-count 5``,
    with ``-alpha`` 0.05 for CBOW, falling in a straight line to a 10,000th of that; noise of
    counts to the power 0.75; windows drawn from 1 to 5; the mean of the context.

    The program adds the gradient of the mean whole to each word of a context, where this one
    adds each its share, that of the mean; so the same rate moves input vectors less here, and
    the default of `CBOW` is twice as high. It breaks lines after 1,000 words, has a
    word ``</s>`` at their ends, and leaves out a negative that is the word itself.

    https://github.com/tmikolov/word2vec, ``word2vec.c``.
    """
    model = CBOW(
        vector_size=100, window=5, sample=1e-3, shrink_windows=True, negative=5, ns_exponent=0.75,
        cbow_mean=True, spectral_words=0,
    )  # fmt: skip
    return Recipe(model, {"min_count": 5}, {"epochs": 5, "optimizer": "sgd", "learning_rate": 0.05})


def word2vec_skipgram() -> Recipe:
    """word2vec.c with ``-cbow 0``, skip-gram.

    The default of ``-alpha`` is then 0.025; all else is as in `word2vec`.
    """
    model = SkipGram(
        vector_size=100, window=5, sample=1e-3, shrink_windows=True, negative=5, ns_exponent=0.75,
        spectral_words=0,
    )  # fmt: skip
    fit = {"epochs": 5, "optimizer": "sgd", "learning_rate": 0.025}
    return Recipe(model, {"min_count": 5}, fit)


def fasttext_sgns() -> Recipe:
    """``fasttext skipgram`` without n-grams (``-maxn 0``), else by its defaults.

    ``-dim 100 -ws 5 -epoch 5 -lr 0.05 -neg 5 -minCount 5 -t 1e-4 -loss ns``; windows drawn from
    1 to 5. Its noise is of counts to the power 0.5, not 0.75, and its rate falls to 0. It starts
    from vectors in ±1/D, here in ±1/(2D), and draws a negative that is the word itself again.

    Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information";
    https://github.com/facebookresearch/fastText, ``src/args.cc`` and ``src/loss.cc``.
    """
    model = SkipGram(
        vector_size=100, window=5, sample=1e-4, shrink_windows=True, negative=5, ns_exponent=0.5,
        spectral_words=0,
    )  # fmt: skip
    fit = {"epochs": 5, "optimizer": "sgd", "learning_rate": 0.05, "min_learning_rate": 0.0}
    return Recipe(model, {"min_count": 5}, fit)


def glove_stanford() -> Recipe:
    """Stanford's vocab_count, cooccur and glove, each by its defaults.

    They are ``vocab_count -min-count 1``, ``cooccur -window-size 15``, symmetric and weighted by
    1/distance, and ``glove -vector-size 50 -iter 25 -eta 0.05 -alpha 0.75 -x-max 100``, with its
    own AdaGrad of a sum for each number, gradients clipped at 100, and the sum of both tables.
    (Its ``demo.sh``, for text8, has ``-min-count 5``, ``-iter 15`` and ``-x-max 10`` in their
    place: ``--min-count 5 --epochs 15 --x-max 10``.)

    Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation";
    https://github.com/stanfordnlp/GloVe, ``src/``.
    """
    fit = {"epochs": 25, "optimizer": "glove_adagrad", "learning_rate": 0.05, "grad_clip": 100.0}
    counting = {"window": 15}
    return Recipe(GloVe(vector_size=50, x_max=100.0, alpha=0.75), {"min_count": 1}, fit, counting)


def d2l_glove() -> Recipe:
    """GloVe as a tutorial in the manner of "Dive into Deep Learning" trains it.

    Words that occur 5 times; windows of 10 within a sentence, a line here; pairs count 1/d, both
    ways. Batches of 1,024 cells, shuffled anew each epoch: so each chunk has one cell, and a step
    1,024 chunks. The weight is min((x / 100)^0.75, 1); 100 numbers; plain AdaGrad at 0.1 without
    decay, 5 epochs; loss and speed are shown every 50 batches. The vectors are the sum of
    both tables, and neighbors are by cosine, without the word itself.

    The loss shown is half the mean of the squared errors, as elsewhere here, and its sums of
    squares begin at optax's 0.1.

    Zhang, Lipton, Li and Smola, "Dive into Deep Learning", https://d2l.ai, chapter "Word
    Embedding with Global Vectors (GloVe)", has the model; batches, optimizer and reports are those
    of the code that such courses train it with.
    """
    model = GloVe(vector_size=100, x_max=100.0, alpha=0.75, chunk_cells=1, chunks=1024)
    fit = {
        "epochs": 5,
        "optimizer": "adagrad",
        "learning_rate": 0.1,
        "min_learning_rate": 0.1,
        "report_every": 50,
    }
    counting = {"window": 10}
    return Recipe(model, {"min_count": 5}, fit, counting)


@dataclasses.dataclass(frozen=True)
class NormalSkipGram(SkipGram):
    """`SkipGram` whose two tables begin with normal random numbers; see `wikitext_sgns`."""

    def init(self, key: jax.Array, vocab_size: int) -> Params:
        """Both tables drawn from N(0, 0.1²): float32[V, D]."""
        shape = (vocab_size, self.vector_size)
        keys = jax.random.split(key)
        return Params(*(0.1 * jax.random.normal(k, shape, jnp.float32) for k in keys))

    def segments(
        self, data: Corpus, valid: float, key: jax.Array, workers: int = 1
    ) -> tuple[TokenSegments, TokenSegments | None]:
        """Those of `SkipGram`; warns of text too small to leave that start behind."""
        if len(data) < _NORMAL_WORDS:
            warnings.warn(
                f"{len(data):,} words are too few for wikitext-sgns, whose author had 77 million: "
                f"below {_NORMAL_WORDS:,}, five epochs leave most vectors near their random start, "
                "and neighbors mean little; take more text or epochs, or word2vec-skipgram, which "
                "learns from less",
                stacklevel=3,
            )
        return super().segments(data, valid, key, workers)


def wikitext_sgns() -> Recipe:
    """Skip-gram as a tutorial in PyTorch trains it on WikiText-103.

    Letters and digits only; words that occur 50 times. Eight words each side, all of them each
    time, of words that have so many on both sides. Both the word in the middle and those around
    are left out at random, with probability 1 - sqrt(t / (f + t)) for a word of frequency f, t
    being the 85th percentile of all frequencies; windows are laid before that. 50 negatives for
    each pair, from counts to the power 0.75: the article says in proportion to frequency, its
    code has the power. 300 numbers, of no bound. Binary cross-entropy, Adam at 0.001 without
    decay, 5 epochs; the mean over a batch and the sum are one to Adam. ``--probe`` shows
    neighbors after each epoch.

    What differs, and why:

    - There both tables begin in N(0, 1), as PyTorch's ``Embedding`` does, with products of about
      ±17, and the loss takes five epochs over the 77 million words of WikiText-103 to come down:
      near *military* are by, for, although, was, any after one epoch, and army, forces,
      officers, leadership, soldiers after five. Here they begin in N(0, 0.1²), and 17 million
      words are enough: army, armed, forces, officers, troops, defence after three epochs.
      word2vec's start, near 0, is too small: Adam moves all words one way, to cosines of 0.98
      and more.
    - A batch there is of 100 documents, some 4,300 words, which makes 90,000 steps in all. Here
      30 blocks of 32 words are a step, and 17 million words make as many. A block draws 64
      negatives, which its pairs share at a weight of 50/64 each.
    - Rows that a step does not touch rest ("lazy" Adam). Words left out by minimum frequency leave
      no gap. The last hundredth is held out, where WikiText has a part of its own. There a
      placeholder takes the place of the most frequent word, which here is a word.

    Text of a million words gives frequent words vague neighbors (*war*: during, army, british,
    union), WikiText-2 better ones (*military*: support, forces, instead, army, commander), and
    both give rare words chance ones: a warning comes below 4 million. (For WikiText-2 the
    author's code takes ``--epochs 50 --min-count 20 --window 10 --sample-percentile 90 --negative
    100 --vector-size 250``.) ``--max-norm 1``, which other tutorials have, keeps products within
    ±1, so that most words end close to one direction.

    Breslow 2022, "Implementing Word2vec in PyTorch from the Ground Up";
    https://github.com/JonahBreslow/Word2Vec-PyTorch.
    """
    model = NormalSkipGram(
        vector_size=300, window=8, shrink_windows=False, full_windows=True,
        sample_percentile=85.0, close_gaps=False,
        negative=50, ns_exponent=0.75, block_negatives=64, blocks=30, spectral_words=0,
    )  # fmt: skip
    fit = {
        "epochs": 5,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "min_learning_rate": 1e-3,
        "valid": 0.01,
    }
    return Recipe(model, {"tokenizer": "alphanumeric", "min_count": 50}, fit)


def softmax_embedding() -> Recipe:
    """An embedding and a full softmax that predict the next word, as in courses.

    The 10,000 most frequent words, of those that occur twice; an embedding of 100 numbers and a
    full softmax over the vocabulary; the cross-entropy of the next word; Adam at 0.001, its
    usual rate, without decay; batches of 64 words, two blocks of 32; 10 epochs. The layer has no
    biases. Words outside the vocabulary leave no gap. Neighbors are by dot product:
    ``jaxvec similar --dot``, `WordVectors.most_similar_dot`.

    What the embedding is better than: one-hot vectors, the rows of the unit matrix, with which
    every other word is as far away as any.

    >>> import numpy as np
    >>> from jaxvec import WordVectors
    >>> words = ["king", "queen", "river"]
    >>> WordVectors(words, np.eye(len(words))).most_similar("king")
    [('queen', 0.0), ('river', 0.0)]
    """
    model = Softmax(vector_size=100, window=1, symmetric=False, sample=0.0, blocks=2)
    fit = {
        "epochs": 10,
        "optimizer": "adam",
        "learning_rate": 1e-3,
        "min_learning_rate": 1e-3,
    }
    return Recipe(model, {"min_count": 2, "max_size": 10_000}, fit)


RECIPES: dict[str, Recipe] = {
    make.__name__.replace("_", "-"): make()._replace(about=str(make.__doc__).partition("\n")[0])
    for make in (
        word2vec,
        word2vec_skipgram,
        fasttext_sgns,
        glove_stanford,
        d2l_glove,
        wikitext_sgns,
        softmax_embedding,
    )
}
"""All of them by name."""


def get(name: str) -> Recipe:
    """The recipe of that name; ValueError, with their names, if there is none.

    >>> get("glove-stanford").counting["window"]
    15
    """
    if name not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}; got {name!r}")
    return RECIPES[name]
