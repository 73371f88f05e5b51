"""Where a run begins.

In order, each on top of the one before:

1. the model's own random tables, ``init`` or `contracts.InitRows`;
2. a warm start learned from the data, if the model has one (`contracts.HeadStart`, such as
   `spectral`) and no tables are given;
3. vectors that are given by word, `init`; with a model's prior they are what its words are drawn
   to as well;
4. an earlier run, `start`: its tables and optimizer state as they are, or matched by word;
5. the last checkpoint.
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.optim.rows import RowOptimizer
from jaxvec.optim.wrappers import shortened
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab
from jaxvec.train import ngram_start, spectral
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import Approximate, HeadStart, Model, Prior, Segments, State
from jaxvec.train.dealing import padded
from jaxvec.train.documents import DOCUMENTS
from jaxvec.train.ngrams import NGRAMS, NgramRows
from jaxvec.train.placement import ON_ONE, OneDevice, Placement, table_rows
from jaxvec.train.processes import fetched, of_first, put
from jaxvec.train.progress import Progress
from jaxvec.train.result import Result, vector_size, vector_tables
from jaxvec.train.workers import by_itself
from jaxvec.vectors.rows import matched
from jaxvec.vectors.word_vectors import WordVectors

PyTree = Any
Array = np.ndarray | jax.Array

_ROWS = 1 << 17  # of an earlier run's tables that are copied together


class Given(NamedTuple):
    """What `fit` is given to begin with."""

    init: WordVectors | None = None
    start: State | Result | None = None
    max_norm: float | None = None

    @property
    def tables(self) -> bool:
        """Whether tables are given, so that no warm start is looked for."""
        return self.init is not None or (self.start is not None and self.start.params is not None)


NOTHING = Given()


def constants(model: Model, data: Corpus | Cooccurrence, given: Given = NOTHING) -> PyTree:
    """A model's constants, with its prior if it has one.

    Args:
      model: what is trained.
      data: the text or its counts.
      given: whose `init` the prior is.

    Raises:
      ValueError: if both `init` and `start` have tables, and the model has no prior; or it has
        one, and `init` is missing.
    """
    prior = model if isinstance(model, Prior) and model.has_prior else None
    start = given.start
    if prior is None and given.init is not None and start is not None and start.params is not None:
        raise ValueError("both init and start say which parameters to begin with: give one")
    found = model.constants(data)
    if prior is None:
        return found
    if given.init is None:
        raise ValueError("mittens needs init, the vectors that words are drawn to")
    params = jax.eval_shape(lambda: model.init(jax.random.key(0), 2))
    table, known = matched(given.init, data.vocab, vector_size(params, model.default_vectors))
    return prior.drawn_to(found, data, table, known)


def segments(
    model: Model, data: Corpus | Cooccurrence, valid: float, key: jax.Array, workers: int = 1
) -> tuple[Segments, Segments | None]:
    """A model's segments to train on, and the held-out ones.

    Args:
      model: what is trained.
      data, valid, key, workers: as for `contracts.Source.segments`.

    Raises:
      ValueError: if the model holds nothing out though `valid` is above 0, or see there.
    """
    train, held_out = model.segments(data, valid, key, workers)
    if valid and held_out is None:
        raise ValueError(f"{type(model).__name__} holds nothing out: leave out valid={valid:g}")
    if held_out is not None and isinstance(model, Approximate):
        try:
            model.exact().constants(data)  # before an epoch is trained
        except ValueError as error:
            raise ValueError(f"valid={valid:g} asks for the exact loss, and {error}") from None
    return train, held_out


def head_start(model: Model, segments: Segments) -> PyTree | None:
    """A model's warm start, learned by this process, on the host; None if it has none.

    Args:
      model: what is trained.
      segments: what it is trained on.
    """
    if not isinstance(model, HeadStart):
        return None
    with by_itself():  # it may run on a thread, whose mesh and guards are not the caller's
        return jax.device_get(model.head_start(segments))  # of no device, nor the thread's own


def states(
    models: list[Model],
    data: Corpus | Cooccurrence,
    keys: jax.Array,
    optimizers: list[RowOptimizer],
    head_start: PyTree | None,
    given: Given = NOTHING,
    where: Placement | OneDevice = ON_ONE,
) -> list[State]:
    """The states that `k` models begin with.

    Args:
      models: which differ at most in `Tunable` options.
      data: the text or its counts.
      keys: one of each model, [k].
      optimizers: whose states they are, `k`.
      head_start: of all of them, if they have one.
      given: what to begin with.
      where: the tables are.

    Raises:
      ValueError: if what is given does not fit the model, its optimizer or the vocabulary.
    """
    # of the first process: another kind of machine may have other bits, or signs
    head_start = of_first(head_start)

    def begun(model: Model, key: jax.Array, optimizer: RowOptimizer) -> State:
        # without the sharding that the key may have in a mesh of the caller's
        data_of_key = jnp.asarray(np.asarray(jax.random.key_data(key)))
        key = jax.random.wrap_key_data(data_of_key, impl=jax.random.key_impl(key))
        params = where.born(model, key, len(data.vocab))
        size = vector_size(params, model.default_vectors)
        if given.init is not None:
            table, known = matched(given.init, data.vocab, size)
            if isinstance(model, NgramRows) and model.subwords is not None:
                params = ngram_start.warm(
                    model, params, table, known, data.vocab, given.init.subwords
                )
            else:
                rows = where.placed(table), where.placed(known)
                params = warm(params, *rows, model.default_vectors)
        if head_start is not None:
            params = spectral.added(params, head_start)
            if given.max_norm is not None:
                params = jax.tree.map(partial(shortened, max_norm=given.max_norm), params)
        own = where.begun(optimizer, params)
        if isinstance(given.start, Result):
            ngram_start.check_alike(model, given.start.model)
            earlier = State(given.start.params, given.start.opt_state)
            leaves = optimizer.leaves(own.params, own.opt_state)
            return extended(own, earlier, data.vocab, given.start.data.vocab, leaves)
        return own if given.start is None else replaced(own, given.start, len(data.vocab))

    return [begun(*one) for one in zip(models, keys, optimizers, strict=True)]


def resumed(
    checkpoints: Checkpoints | None, states: list[State], words: int, segments: int
) -> Progress:
    """Replaces the state to begin with by that of the last checkpoint, if there is one.

    Args:
      checkpoints: where they are, if anywhere.
      states: the one to begin with.
      words: `V`.
      segments: of an epoch.

    Returns:
      The place in the data.

    Raises:
      ValueError: as `Checkpoints.restore`; or if the place is beyond the data.
    """
    at = Progress() if checkpoints is None else checkpoints.restore(states, words)
    if at.segment and at.segment >= segments:
        raise ValueError(
            f"the checkpoints are of other data: the last is at segment {at.segment:,} of an "
            f"epoch, and these have {segments:,}"
        )
    return at


def warm(params: Any, table: Array, known: Array, which: str) -> Any:
    """Parameters in which the known words have the vectors of a table.

    Args:
      params: the model's.
      table: float32[V, D].
      known: bool[V].
      which: what the model's vectors are, the name of a table or the ``"sum"`` of two, each of
        which then gets half.
    """
    own = vector_tables(params, which)
    return params._replace(**{
        name: jnp.where(known[:, None], jnp.asarray(table, mine.dtype) / len(own), mine)
        for name, mine in own.items()
    })  # fmt: skip


def replaced(own: State, start: State, words: int) -> State:
    """A copy of `start`, with missing parts (None) taken from `own`.

    Args:
      own: the state to begin with otherwise.
      start: the state that is given.
      words: `V`. Tables of `own` in shards may have rows of zeros that `start` lacks.

    Raises:
      ValueError: if the shapes of the two differ, or `start` has a floating dtype that is
        narrower.
    """
    start = State(
        *(mine if given is None else given for mine, given in zip(own, start, strict=True))
    )

    def whole(own_shape, array):
        fits = array.ndim and array.shape == (words, *own_shape[1:])
        return own_shape if fits else array.shape

    expected = jax.tree.map(jnp.shape, own)
    got = jax.tree.map(jnp.shape, start)
    if str(jax.tree.structure(own)) == str(jax.tree.structure(start)):
        got = jax.tree.map(lambda mine, given: whole(mine.shape, given), own, start)
    if str(got) != str(expected):
        raise ValueError(
            f"start must have the shapes {expected}; got {got} (of a result in other shards "
            "result.whole() has tables [V, …])"
        )

    def taken(mine: jax.Array, given: Any) -> jax.Array:
        if not mine.committed:
            return _converted(mine, given)
        _check_width(mine, given)  # then on the host, whose devices take their shards
        given = np.array(fetched(given), mine.dtype)
        return put(padded(given, len(mine), np) if mine.ndim else given, mine.sharding)

    return jax.tree.map(taken, own, start)


def extended(
    own: State, earlier: State, vocab: Vocab, before: Vocab, leaves: PyTree = None
) -> State:
    """A state in which the words of an earlier run go on from where it left them.

    Args:
      own: the state to begin with, of `vocab`: other words keep theirs.
      earlier: the state of the earlier run, of the vocabulary `before`.
      vocab, before: the vocabularies.
      leaves: of the optimizer's state, see `RowOptimizer.leaves`; needed with a table of n-grams,
        whose rows are taken as they are, or of documents, which begin anew: they are others.

    Raises:
      ValueError: if the states are not of the same model and optimizer, or the vocabularies
        have no word in common.
    """
    places = np.array([before.ids.get(word, -1) for word in vocab.words])
    known = np.flatnonzero(places >= 0)
    if not len(known):
        raise ValueError("no word of the vocabulary is known to the run to start from")

    names = own.params._fields
    shared, other = (names.index(n) if n in names else -1 for n in (NGRAMS, DOCUMENTS))
    tables = [*range(len(names)), *(leaf.table for leaf in jax.tree.leaves(leaves))]

    def rows(mine: jax.Array, theirs: jax.Array, table: int | None) -> jax.Array:
        if table == shared and mine.shape == theirs.shape:
            return _converted(mine, theirs)
        if table is not None and table == other:
            return mine
        sizes = (table_rows(theirs, len(before)), *mine.shape[1:]) if mine.ndim else ()
        if theirs.shape != sizes:
            raise ValueError(f"expected an array {list(sizes)}; got {list(theirs.shape)}")
        if not mine.ndim:
            return _converted(mine, theirs)
        for first in range(0, len(known), _ROWS):
            at = known[first : first + _ROWS]
            found = fetched(theirs[places[at]])  # which may be on other devices
            mine = _put_rows(mine, at, np.asarray(_converted(mine, found)))
        return mine

    mine, theirs = jax.tree.leaves(own), jax.tree.leaves(earlier)
    try:
        if len(mine) != len(theirs):
            raise ValueError(f"expected {len(mine)} arrays; got {len(theirs)}")
        of_tables = tables if max(shared, other) >= 0 else [None] * len(mine)
        found = [rows(*each) for each in zip(mine, theirs, of_tables, strict=True)]
        return jax.tree.unflatten(jax.tree.structure(own), found)
    except ValueError as error:
        raise ValueError(
            f"the run to start from is of another model or optimizer: {error}"
        ) from None


@partial(jax.jit, donate_argnums=0)
def _put_rows(table: jax.Array, ids: np.ndarray, rows: np.ndarray) -> jax.Array:
    return table.at[ids].set(rows)


def _converted(own: jax.Array, given: Any) -> jax.Array:
    """A copy of `given` in the dtype of `own`; ValueError if that is wider."""
    _check_width(own, given)
    return jnp.array(given, own.dtype)


def _check_width(own: jax.Array, given: Any) -> None:
    if jnp.issubdtype(given.dtype, jnp.floating) and given.dtype.itemsize < own.dtype.itemsize:
        raise ValueError(
            f"start has arrays of {given.dtype}, and training is in {own.dtype}: convert them, "
            f"array.astype({own.dtype})"
        )
