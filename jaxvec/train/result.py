"""What `fit` and `sweep` report and return: `Report` and `Result`."""

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.gensim import to_be_called
from jaxvec.optim.probe import Choice
from jaxvec.storage.runs import GrowingArray
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import Model, PredictsWords
from jaxvec.train.documents import DOCUMENTS
from jaxvec.train.joining import PASSES, joined
from jaxvec.train.ngrams import NGRAMS, ngram_rows
from jaxvec.train.processes import fetched
from jaxvec.vectors.keys import term_list
from jaxvec.vectors.ranking import highest
from jaxvec.vectors.word_vectors import WordVectors

_ROWS = 1 << 11  # of a table in shards that the host takes at a time
_TOGETHER = ("sum", "joined")


def vector_tables(params: Any, which: str) -> dict[str, Any]:
    """The tables [V, D] that a model's vectors are made of, by name.

    Args:
      params: the model's, a NamedTuple.
      which: the name of one, or of a way to take ``input`` and ``output`` together: ``"sum"`` or
        ``"joined"``.

    Raises:
      ValueError: if there is no such table.
    """
    tables = {
        name: table for name, table in params._asdict().items()
        if table.ndim == 2 and name != NGRAMS
    }  # fmt: skip
    names = ("input", "output") if which in _TOGETHER else (which,)
    if not set(names) <= set(tables):
        known = [*tables, *(_TOGETHER if {"input", "output"} <= set(tables) else ())]
        raise ValueError(f"vectors must be {' or '.join(map(repr, known))}; got {which!r}")
    return {name: tables[name] for name in names}


def vector_size(params: Any, which: str) -> int:
    """`D`, of the tables that `vector_tables` returns.

    Args:
      params, which: as for `vector_tables`.
    """
    return next(iter(vector_tables(params, which).values())).shape[1]


def row_parts(table: Any, words: int) -> Iterator[np.ndarray]:
    """The first rows of a table in the host's memory, some at a time, wherever its shards are.

    Args:
      table: [V, …], or more rows; of NumPy or JAX.
      words: `V`.

    Yields:
      Parts of the rows in order. One may share memory with the table.
    """
    if isinstance(table, jax.Array) and len(table.sharding.device_set) > 1:
        for start in range(0, words, _ROWS):
            ids = np.arange(start, start + _ROWS)
            yield np.asarray(_taken(table, ids))[: words - start]
    else:
        yield np.asarray(table)[:words]


def _side_by_side(tables: Sequence[Any], words: int) -> Iterator[tuple[np.ndarray, ...]]:
    """The same rows of each table, as `row_parts` has them."""
    return zip(*(row_parts(table, words) for table in tables), strict=True)


@jax.jit
def _taken(table: jax.Array, ids: jax.Array) -> jax.Array:
    """Rows [n, …] of a table, on each device."""
    rows = table.at[ids].get(mode="clip")
    mesh = jax.typeof(table).sharding.mesh
    return jax.lax.with_sharding_constraint(rows, NamedSharding(mesh, P()))


class Report(NamedTuple):
    """The report of an epoch; words are cells if the model trains on counts."""

    epoch: int  # from 1
    loss: float  # mean per `loss_unit` over the epoch, as it was being trained; NaN of none
    valid_loss: float | None  # the same on the held-out data, after the epoch
    learning_rate: float  # at the end of the epoch
    words: int  # tokens read, before subsampling
    pairs: int  # pairs trained on
    seconds: float  # training alone: neither compilation, validation nor callbacks
    words_per_second: float
    compile_seconds: float  # before the first epoch
    start_seconds: float = 0.0  # learning a warm start, some of it beside compilation
    loss_unit: str = ""  # "pair", "word" or "cell"; "" if it is not known


Callback = Callable[[Report, "Result"], None]
"""Called after an epoch. The arrays of the `Result` are donated to the next epoch, after which they
are deleted or overwritten: copy what is to be kept, as `Result.vectors` does."""


class Result(NamedTuple):
    """A model in training, or trained.

    Attributes:
      params: the model's tables.
      opt_state: the optimizer's state.
      history: a report of each epoch.
      data: what was trained on.
      model: the one that was trained: as given, with `blocks` and `block_tokens` as they were
        chosen; see `stability`.
      write_back: the strategy that wrote its rows, with the times of a probe if that chose it;
        None of an optimizer that writes by itself, and of a run that was loaded.
    """

    params: Any  # the model's `Params`
    opt_state: Any
    history: list[Report]
    data: Corpus | Cooccurrence
    model: Model
    write_back: Choice | None = None

    def __repr__(self) -> str:
        epochs = len(self.history)
        loss = f", loss {self.history[-1].loss:.4f}" if epochs else ""
        size = vector_size(self.params, self.model.default_vectors)
        what = f"{len(self.data.vocab):,} words"
        if DOCUMENTS in self.params._fields:
            what = f"{len(self.params.documents):,} documents, {what}"
        return (
            f"Result of {type(self.model).__name__}: {what}, {size} numbers each, "
            f"{epochs} epoch{'' if epochs == 1 else 's'}{loss}"
        )

    @to_be_called
    def vectors(
        self, which: str | None = None, *, folder: str | os.PathLike[str] | None = None
    ) -> WordVectors:
        """The word vectors, the most frequent word first; of a model with n-grams, `input` vectors
        have the rows of these, too, for unknown words.

        Of tables in shards of several processes each process must call this, and gets them whole.

        Whether a file's format can hold the words, `jaxvec.formats.check_words` tells before
        there is any training.

        Args:
          which: the name of a table, ``"input"`` or ``"output"``; ``"sum"`` of the two, or
            ``"joined"``, see `joining.joined`; by default the model's usual one, input for
            skip-gram, sum for GloVe, and for paragraph vectors `documents`.
          folder: where to keep them, in a temporary file that is memory-mapped, for more than fit
            in memory; by default in memory.

        Raises:
          ValueError: if there is no such table.
        """
        which = which or self.model.default_vectors
        if which == DOCUMENTS:
            return self.documents(folder=folder)
        vocab, subwords = self.data.vocab, ngram_rows(self.model, self.params)
        tables = [
            table if subwords is None or name != "input"
            else subwords.composed(np.asarray(table), vocab.words)
            for name, table in vector_tables(self.params, which).items()
        ]  # fmt: skip
        growing = GrowingArray(tables[0].dtype, len(vocab), folder, tables[0].shape[1:])
        if which == "joined":
            made = joined(lambda: _side_by_side(tables, len(vocab)), len(vocab))
        else:
            made = (functools.reduce(np.add, rows) for rows in _side_by_side(tables, len(vocab)))
        for rows in made:
            growing.append(rows)  # copies: the next epoch takes the arrays
        vectors = WordVectors(
            vocab.words, growing.array(), counts=vocab.counts,
            subwords=subwords if which == "input" else None,
        )  # fmt: skip
        vectors.sort_by_descending_frequency()
        return vectors

    def documents(
        self,
        tags: Iterable[str] | None = None,
        *,
        folder: str | os.PathLike[str] | None = None,
    ) -> WordVectors:
        """The vectors of the documents that were trained on, in the order of the text; see
        `infer` for others.

        A `Corpus` drops documents without a word of its vocabulary, which have no vector here.

        Args:
          tags: a key for each, `N` in all; by default their numbers from ``"0"`` on.
          folder: as for `vectors`.

        Raises:
          ValueError: if the model has no documents, or there are more or fewer tags.
        """
        table = vector_tables(self.params, DOCUMENTS)[DOCUMENTS]
        keys = list(map(str, range(len(table))) if tags is None else tags)
        if len(keys) != len(table):
            raise ValueError(
                f"{len(keys):,} tags for {len(table):,} documents: a corpus drops those without a "
                "word of its vocabulary, whose tags are to be left out; infer(result, texts) has a "
                "vector for each text"
            )
        growing = GrowingArray(table.dtype, len(table), folder, table.shape[1:])
        growing.append(np.asarray(table))
        return WordVectors(keys, growing.array())

    def whole(self) -> "Result":
        """The same with tables [V, …] in the host's memory, whatever shards they are in; of shards
        of several processes each process must call this."""
        words = len(self.data.vocab)
        rows = len(jax.tree.leaves(self.params)[0])

        def one(array: Any) -> np.ndarray:
            if np.ndim(array) and len(array) == rows:
                parts = list(row_parts(array, words))
                return parts[0] if len(parts) == 1 else np.concatenate(parts)
            return np.asarray(array)

        return self._replace(
            params=jax.tree.map(one, self.params), opt_state=jax.tree.map(one, self.opt_state)
        )

    def sent(self, which: str | None = None, *, whole: bool = False) -> None:
        """What another process needs of this one for its `vectors`, and its `whole` result: takes
        the same rows, and drops them.

        Args:
          which: as for `vectors`.
          whole: whether the other asks for that, too.
        """
        words = len(self.data.vocab)
        which = which or self.model.default_vectors
        tables = list(vector_tables(self.params, which).values())
        for _ in range(PASSES if which == "joined" else 1):
            for _ in _side_by_side(tables, words):
                pass
        if whole:
            rows = len(jax.tree.leaves(self.params)[0])
            for array in jax.tree.leaves((self.params, self.opt_state)):
                if np.ndim(array) and len(array) == rows:
                    for _ in row_parts(array, words):
                        pass

    def predict_output_word(
        self, context_words: Sequence[str], topn: int = 10
    ) -> list[tuple[str, float]]:
        """The likeliest words in a context: the softmax over the vocabulary of u_w · h.

        h is the mean of the context's input vectors (for `CBOW(cbow_mean=False)` the sum) and
        u_w the output vector of a word. Unknown words are left out, as gensim does, unless they
        have n-grams.

        Args:
          context_words: the words around.
          topn: how many to return.

        Returns:
          Pairs of word and probability, the likeliest first.

        Raises:
          ValueError: if the model was not trained to predict words (GloVe), or no word of the
            context is known. (gensim returns None then.)
        """
        if not isinstance(self.model, PredictsWords) or "input" not in self.params._fields:
            raise ValueError(f"{type(self.model).__name__} does not predict words from a context")
        vocab = self.data.vocab
        words = term_list(context_words)
        subwords, made = ngram_rows(self.model, self.params), []
        if subwords is not None:
            unknown = [word for word in words if word not in vocab]
            others, some = subwords.vectors(unknown)
            made = [*others[some]]
            of_ngrams = {*itertools.compress(unknown, some)}
            words = [word for word in words if word not in of_ngrams]
        ids = vocab.encode(words)
        rows = fetched(self.params.input[ids])
        if subwords is not None:
            rows = subwords.composed(rows, [vocab.words[i] for i in ids])
            rows = np.concatenate([rows, *(row[None] for row in made)])
        if not len(rows):
            raise ValueError("no word of the context is in the vocabulary")
        hidden = self.model.context_vector(rows)
        parts = row_parts(self.params.output, len(vocab))
        logits = np.concatenate([part @ hidden for part in parts])
        shares = np.exp(logits - logits.max())
        shares /= shares.sum()
        return [(vocab.words[i], float(shares[i])) for i in highest(shares, topn)]


def _no_attribute(result: Result, name: str) -> Any:
    instead = ""
    if name == "wv":
        instead = ": its vectors are result.vectors()"
    elif name == "loss":
        instead = ": the last epoch's loss is result.history[-1].loss"
    elif hasattr(WordVectors, name) or name in ("index_to_key", "key_to_index"):
        instead = f": write result.vectors().{name}"
    raise AttributeError(f"a Result has no attribute {name!r}{instead}")


# not in the class, where a type checker would take every attribute for one that there is
Result.__getattr__ = _no_attribute  # type: ignore[attr-defined]
