"""Recipes: the settings of well-known programs and tutorials, by name, and one of our own.

Each function here is a recipe; its docstring says where every number comes from.
`jaxvec train --recipe NAME` uses one; options given with it override it. In Python:

>>> from jaxvec import Corpus, fit, recipes
>>> recipe = recipes.get("word2vec")
>>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, **recipe.text)
>>> import jax
>>> result = fit(corpus, recipe.model, key=jax.random.key(0), **recipe.fit)
>>> type(result.model).__name__, result.params.input.shape
('CBOW', (5, 100))

A recipe for GloVe also has options of `cooccurrence.count`:

>>> from jaxvec.cooccurrence import count
>>> recipe = recipes.get("d2l-glove")
>>> cells = count(Corpus.from_documents(["a rose is a rose"] * 9, **recipe.text), **recipe.counting)
>>> cells.settings["window"]
10

One that says which vectors to take has `vectors`, for `Result.vectors`:

>>> recipes.get("skipgram-quality").vectors
'joined'
"""

from typing import Any, NamedTuple

from jaxvec.recipes.wikitext import NormalSkipGram
from jaxvec.train.cbow import CBOW
from jaxvec.train.contracts import Model
from jaxvec.train.glove import GloVe
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.softmax import Softmax


class Recipe(NamedTuple):
    """A model with the options of its text and its training.

    Attributes:
      model: the model with its options.
      text: options of `Corpus.from_files` and `Corpus.from_documents`.
      fit: options of `fit`.
      counting: options of `cooccurrence.count`, for GloVe.
      vectors: which vectors to take, see `Result.vectors`; None for the model's usual ones.
      about: one line for `jaxvec train --help`.
    """

    model: Model
    text: dict[str, Any]
    fit: dict[str, Any]
    counting: dict[str, Any] = {}  # noqa: RUF012
    vectors: str | None = None
    about: str = ""


def word2vec() -> Recipe:
    """word2vec.c by its defaults, which are CBOW.

    The defaults: ``-cbow 1 -size 100 -window 5 -sample 1e-3 -negative 5 -iter 5 -min-count 5``;
    ``-alpha`` 0.05 for CBOW, decaying linearly to a 10,000th of that; noise from counts to the
    power 0.75; windows drawn from 1 to 5; the mean of the context.

    What differs: the program adds the gradient of the sum to each context word, and this model
    the gradient of the mean. The same learning rate therefore moves input vectors less here; the
    default of `CBOW` is 0.1. The program also breaks lines after 1,000 words, adds a word
    ``</s>`` at their ends, and skips a negative that equals the center word.

    References:
      https://github.com/tmikolov/word2vec, ``word2vec.c``.
    """
    model = CBOW(
        vector_size=100, window=5, sample=1e-3, shrink_windows=True, negative=5, ns_exponent=0.75,
        cbow_mean=True, spectral_words=0,
    )  # fmt: skip
    return Recipe(model, {"min_count": 5}, {"epochs": 5, "optimizer": "sgd", "learning_rate": 0.05})


def word2vec_skipgram() -> Recipe:
    """word2vec.c with ``-cbow 0``, skip-gram.

    The default of ``-alpha`` is then 0.025; everything else is as in `word2vec`.
    """
    model = SkipGram(
        vector_size=100, window=5, sample=1e-3, shrink_windows=True, negative=5, ns_exponent=0.75,
        spectral_words=0,
    )  # fmt: skip
    fit = {"epochs": 5, "optimizer": "sgd", "learning_rate": 0.025}
    return Recipe(model, {"min_count": 5}, fit)


def fasttext_sgns() -> Recipe:
    """``fasttext skipgram`` without n-grams (``-maxn 0``), otherwise by its defaults.

    ``-dim 100 -ws 5 -epoch 5 -lr 0.05 -neg 5 -minCount 5 -t 1e-4 -loss ns``; windows drawn from
    1 to 5; noise from counts to the power 0.5, not 0.75; a learning rate that decays to 0.

    What differs: the program initializes vectors in ±1/D, this model in ±1/(2D); the program
    draws again when a negative equals the context word.

    References:
      Bojanowski et al. 2017, "Enriching Word Vectors with Subword Information";
      https://github.com/facebookresearch/fastText, ``src/args.cc`` and ``src/loss.cc``.
    """
    model = SkipGram(
        vector_size=100, window=5, sample=1e-4, shrink_windows=True, negative=5, ns_exponent=0.5,
        spectral_words=0,
    )  # fmt: skip
    fit = {"epochs": 5, "optimizer": "sgd", "learning_rate": 0.05, "min_learning_rate": 0.0}
    return Recipe(model, {"min_count": 5}, fit)


def fasttext_skipgram() -> Recipe:
    """``fasttext skipgram`` by its defaults, with n-grams of 3 to 6 characters.

    ``-minn 3 -maxn 6``; everything else is as in `fasttext_sgns`. What differs: n-grams share
    500,000 rows, not 2 million; ``--buckets 2000000`` gives the program's.
    """
    model = SkipGram(
        vector_size=100, window=5, sample=1e-4, shrink_windows=True, negative=5, ns_exponent=0.5,
        spectral_words=0, subwords=(3, 6),
    )  # fmt: skip
    return fasttext_sgns()._replace(model=model)


def fasttext_cbow() -> Recipe:
    """``fasttext cbow`` by its defaults, with n-grams of 3 to 6 characters.

    Options as in `fasttext_skipgram`. What differs: the context is the mean of its words' vectors,
    each a mean of rows, where the program takes the mean of all rows of all words, in which long
    words weigh more; and the gradient of a context's vector is the mean's, as in `word2vec`.
    """
    model = CBOW(
        vector_size=100, window=5, sample=1e-4, shrink_windows=True, negative=5, ns_exponent=0.5,
        spectral_words=0, subwords=(3, 6),
    )  # fmt: skip
    return fasttext_sgns()._replace(model=model)


def skipgram_quality() -> Recipe:
    """Skip-gram at its best, in less time than gensim's defaults take.

    For whom quality counts more than time: vectors of 200 numbers, 10 negatives, 8 epochs, sample
    1e-4; all words counted for the spectral start (33 million of them if there are more); and
    the vectors of both tables, ``joined`` (see `joining.joined`), which costs no training. On 17
    million words two cores take about four fifths of the time of gensim's five epochs with 100
    numbers and 5 negatives, and solve 49.9 % of the analogies in place of 36.5.

    With ``--vectors input``, or `Result.vectors` without an argument, the vectors are the input
    table alone, as in the other recipes for skip-gram.

    References:
      ``benchmarks/README.md``, "In gensim's time": scores and times, beside gensim's.
    """
    model = SkipGram(
        vector_size=200, window=5, sample=1e-4, shrink_windows=True, negative=10, ns_exponent=0.75,
        spectral_words=1 << 25,
    )  # fmt: skip
    fit = {"epochs": 8, "optimizer": "sgd", "learning_rate": 0.03}
    return Recipe(model, {"min_count": 5}, fit, vectors="joined")


def glove_stanford() -> Recipe:
    """Stanford's vocab_count, cooccur and glove, each by its defaults.

    ``vocab_count -min-count 1``; ``cooccur -window-size 15``, symmetric, with counts weighted by
    1/distance; ``glove -vector-size 50 -iter 25 -eta 0.05 -alpha 0.75 -x-max 100``, with its
    own AdaGrad (one sum per number), gradients clipped at 100, and the sum of both tables as
    vectors. (Its ``demo.sh``, for text8, has ``-min-count 5``, ``-iter 15`` and ``-x-max 10``:
    give ``--min-count 5 --epochs 15 --x-max 10``.)

    References:
      Pennington, Socher and Manning 2014, "GloVe: Global Vectors for Word Representation";
      https://github.com/stanfordnlp/GloVe, ``src/``.
    """
    fit = {"epochs": 25, "optimizer": "glove_adagrad", "learning_rate": 0.05, "grad_clip": 100.0}
    counting = {"window": 15}
    model = GloVe(vector_size=50, x_max=100.0, alpha=0.75, spectral_start=False)
    return Recipe(model, {"min_count": 1}, fit, counting)


def d2l_glove() -> Recipe:
    """GloVe as a tutorial in the manner of "Dive into Deep Learning" trains it.

    Words with a count of at least 5; windows of 10 within a sentence, here a line; a pair at
    distance d counts 1/d, in both directions. Batches of 1,024 cells, shuffled every epoch: one
    cell per chunk and 1,024 chunks per step. Weights min((x / 100)^0.75, 1); vectors of 100
    numbers; AdaGrad at a constant 0.1; 5 epochs; loss and speed reported every 50 batches. The
    vectors are the sum of both tables; neighbors are by cosine, without the word itself.

    The reported loss is half the mean squared error, as for every GloVe here. AdaGrad's sums of
    squares start at optax's 0.1.

    References:
      Zhang, Lipton, Li and Smola, "Dive into Deep Learning", https://d2l.ai, chapter "Word
      Embedding with Global Vectors (GloVe)", for the model; batches, optimizer and reports
      are taken from code that courses train it with.
    """
    model = GloVe(
        vector_size=100, x_max=100.0, alpha=0.75, spectral_start=False, chunk_cells=1, chunks=1024
    )
    fit = {
        "epochs": 5,
        "optimizer": "adagrad",
        "learning_rate": 0.1,
        "min_learning_rate": 0.1,
        "report_every": 50,
    }
    counting = {"window": 10}
    return Recipe(model, {"min_count": 5}, fit, counting)


def wikitext_sgns() -> Recipe:
    """Skip-gram as a tutorial in PyTorch trains it on WikiText-103.

    Letters and digits only; words with a count of at least 50. Fixed windows of 8 words on each
    side, around words that have 8 on both sides. Centers and contexts are dropped at random,
    with probability 1 - sqrt(t / (f + t)) for a word of frequency f, where t is the 85th
    percentile of the vocabulary's frequencies; windows are laid out before that. 50 negatives
    per pair from counts to the power 0.75 (so the author's code; the article says in proportion
    to frequency). Vectors of 300 numbers, not normalized. Binary cross-entropy; Adam at a
    constant 0.001, for which the sum over a batch is as good as the mean; 5 epochs. ``--probe``
    shows neighbors after each epoch. The model is `wikitext.NormalSkipGram`.

    What differs, and why:

    - The tutorial initializes both tables from N(0, 1), the default of PyTorch's ``Embedding``.
      Products are then about ±17, and the loss needs five epochs over the 77 million words of
      WikiText-103 to come down: the neighbors of *military* are by, for, although, was, any
      after one epoch, and army, forces, officers, leadership, soldiers after five. Here the
      tables start from N(0, 0.1²), and 17 million words are enough: army, armed, forces,
      officers, troops, defence after three epochs. word2vec's initial tables, near 0, are too
      small: Adam moves all words in one direction, to cosines of 0.98 and more.
    - The tutorial's batch is 100 documents, about 4,300 words, which makes 90,000 steps in all.
      Here a step is 30 blocks of 32 words, so that 17 million words make 90,000 steps. The pairs
      of a block share 64 negatives, each with weight 50/64.
    - Adam updates only the rows that a step reads ("lazy" Adam). Words below the minimum count
      leave no gap in windows. The last hundredth of the text is held out; WikiText has its own
      validation part. The tutorial replaces the most frequent word by a placeholder; here it
      stays a word.

    With a million words of text, frequent words have vague neighbors (*war*: during, army,
    british, union); with WikiText-2 better ones (*military*: support, forces, instead, army,
    commander); rare words have random ones with either. Below 4 million words there is a
    warning. (For WikiText-2 the author's code has 50 epochs, words with a count of at least 20,
    and ``window=10, sample_percentile=90, negative=100, vector_size=250``.) Other tutorials have
    ``--max-norm 1``, which keeps products within ±1; most vectors then end up close to one
    direction.

    References:
      Breslow 2022, "Implementing Word2vec in PyTorch from the Ground Up";
      https://github.com/JonahBreslow/Word2Vec-PyTorch.
    """
    model = NormalSkipGram(
        vector_size=300, window=8, shrink_windows=False, sample_percentile=85.0,
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

    The 10,000 most frequent words with a count of at least 2; an embedding of 100 numbers and a
    full softmax over the vocabulary, without biases; the cross-entropy of the next word; Adam at
    a constant 0.001; batches of 64 words, 2 blocks of 32; 10 epochs. Words outside the
    vocabulary leave no gap. Neighbors are by dot product: ``jaxvec similar --dot``,
    `WordVectors.most_similar_dot`.

    Courses compare the embedding with one-hot vectors, the rows of the identity matrix, for
    which all other words are equally distant.

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
        fasttext_skipgram,
        fasttext_cbow,
        skipgram_quality,
        glove_stanford,
        d2l_glove,
        wikitext_sgns,
        softmax_embedding,
    )
}
"""Every recipe by name."""


def get(name: str) -> Recipe:
    """The recipe of a name, such as ``"word2vec"``.

    Raises:
      ValueError: if there is no such recipe; the message lists the names.

    >>> get("glove-stanford").counting["window"]
    15
    """
    if name not in RECIPES:
        raise ValueError(f"recipe must be one of {', '.join(RECIPES)}; got {name!r}")
    return RECIPES[name]
