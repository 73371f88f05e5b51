"""The training programs to compile: which one, of which shapes. No table is ever made."""

import dataclasses
import functools
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax.sharding import AxisType, Mesh, NamedSharding, SingleDeviceSharding
from jax.sharding import PartitionSpec as P

from jaxvec.optim.named import NAMED
from jaxvec.optim.rows import RowOptimizer, row_sparse
from jaxvec.optim.wrappers import damped, damped_sgd
from jaxvec.optim.writeback import resolve
from jaxvec.text.corpus import Corpus
from jaxvec.train.cells import SEGMENT_CELLS, Cells
from jaxvec.train.contracts import State
from jaxvec.train.epoch import compiled_for, train_segment
from jaxvec.train.parallel.copies import Twins, train_copies
from jaxvec.train.parallel.strata import spread, train_strata
from jaxvec.train.registry import MODELS
from jaxvec.train.segments import TokenSegments

PyTree = Any

_FEW = 7  # words of the text whose shapes are stretched, and its tokens
_TOKENS = 23
_RATES = 33


@dataclasses.dataclass(frozen=True)
class Settings:
    """What to compile.

    Attributes:
      target: a name out of `targets.TARGETS`.
      model: a name out of `jaxvec.train.registry.MODELS`.
      optimizer: a name out of `jaxvec.optim.named.NAMED`, or "damped"; None for the model's own.
      chips: `N`.
      shard: how one copy of the tables is laid over the chips: "rows" or "dim"; None for the
        program that `fit` runs on `N` workers.
      blocks: `B`, blocks of 32 tokens a step, or chunks of up to 32 cells.
      vector_size: `D`.
      words: `V`.
      write_back: a name out of `jaxvec.optim.writeback.STRATEGIES`; None for the optimizer's own
        on an accelerator.
      products: the kind of products, see `jaxvec.models.products`; None for the device's own.
      flags: more of XLA's, as in the variable ``XLA_FLAGS``, which is not read.
    """

    target: str
    model: str = "sgns"
    optimizer: str | None = None
    chips: int = 1
    shard: str | None = None
    blocks: int = 256
    vector_size: int = 128
    words: int = 67_867
    write_back: str | None = None
    products: str | None = None
    flags: str | None = None


class Job(NamedTuple):
    """A program that is traced, and what its figures refer to."""

    traced: Any  # of `jax.jit`
    arrays: list[tuple[int, ...]]  # dimensions of the state's arrays on a chip, and of the whole
    tables: list[tuple[int, ...]]  # the same, of the tables alone
    tokens: int  # of a step of one program; cells for GloVe
    steps_together: int  # how many programs take a step at a time, each with tokens of its own


def job(settings: Settings, devices: Sequence[Any]) -> Job:
    """Traces the program of some settings.

    Args:
      settings: what to compile.
      devices: compile-only ones, at least `N`.

    Raises:
      ValueError: if the settings do not go together.
    """
    _check(settings)
    chips, words = settings.chips, _words(settings)
    model = _model(settings)
    optimizer = _optimizer(settings, model)
    mesh = Mesh(np.asarray(devices[:chips]), ("workers",), axis_types=(AxisType.Auto,))
    alone = SingleDeviceSharding(devices[0]) if chips == 1 else NamedSharding(mesh, P())
    each = NamedSharding(mesh, P("workers"))

    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(lambda key: model.init(key, words), key)
    state = State(params, jax.eval_shape(optimizer.init, params))
    rates = jax.ShapeDtypeStruct((_RATES,), jnp.float32, sharding=alone)
    segment = _segment(settings, model, words)
    static = compiled_for(model), optimizer
    constants = _placed(_constants(model, words), alone)

    if chips == 1 or settings.shard:
        if settings.shard:
            state = jax.tree.map(lambda leaf: _sharded(leaf, mesh, settings), state)
        else:
            state = _placed(state, alone)
        local = state
        traced = train_segment.trace(
            *static, state, constants, _placed(segment, alone), _placed(key, alone), rates
        )
        together = 1
    else:
        keys = _placed(jax.eval_shape(lambda key: jax.random.split(key, chips), key), each)
        if settings.model == "glove":
            shards = _placed(jax.eval_shape(lambda state: spread(state, chips), state), each)
            local = jax.tree.map(lambda leaf: _like(leaf, leaf.shape[1:]), shards)
            segments = _placed(_stacked(segment, chips, chips), each)
            traced = train_strata.trace(mesh, *static, shards, constants, segments, keys, rates)
        else:
            local = _placed(state, alone)
            segments = _placed(_stacked(segment, chips), each)
            traced = train_copies.trace(
                mesh, *static, Twins(local, local), constants, segments, keys, rates
            )
        together = chips
    return Job(traced, _dims(state, local), _dims(state.params, local.params),
               _tokens(settings, model), together)  # fmt: skip


def _check(settings: Settings) -> None:
    """Raises a ValueError for names that are unknown, and settings that do not go together."""
    if settings.optimizer not in (None, "damped", *NAMED):
        raise ValueError(
            f"optimizer must be one of {', '.join(NAMED)} or damped; got {settings.optimizer!r}"
        )
    if settings.write_back is not None:
        resolve(settings.write_back)  # type: ignore
    if settings.shard and settings.chips == 1:
        raise ValueError("tables that are split over chips need more than one: give --chips")
    if settings.shard == "dim" and settings.vector_size % settings.chips:
        raise ValueError(
            f"--shard dim splits vectors of {settings.vector_size} numbers over {settings.chips} "
            "chips: give a --vector-size that is a multiple"
        )


def _dims(whole: PyTree, local: PyTree) -> list[tuple[int, ...]]:
    found = {leaf.shape for leaf in jax.tree.leaves((whole, local)) if leaf.ndim}
    for leaf in jax.tree.leaves(local):
        if leaf.ndim and leaf.sharding is not None:
            found.add(leaf.sharding.shard_shape(leaf.shape))
    return sorted(found)


def _words(settings: Settings) -> int:
    """`V`, rounded up to a multiple of the chips that share its rows."""
    if settings.shard != "rows":
        return settings.words
    return -(-settings.words // settings.chips) * settings.chips


def _model(settings: Settings) -> Any:
    make: Any = MODELS[settings.model].make
    make = functools.partial(make, vector_size=settings.vector_size, products=settings.products)
    if settings.model == "glove":
        return make(chunks=settings.blocks)
    return make(blocks=settings.blocks, sample=1e-4)


def _optimizer(settings: Settings, model: Any) -> RowOptimizer:
    name, write_back = settings.optimizer or model.default_optimizer, settings.write_back
    if name == "damped":
        if write_back is None:
            return damped_sgd(0.1)
        return damped(row_sparse(optax.sgd(1.0), write_back=write_back), 0.1)  # type: ignore
    named = NAMED[name]
    transform = named.make(named.learning_rate if named.rate_is_fixed else 1.0)
    return row_sparse(transform, write_back=write_back or named.accelerator or named.write_back)  # type: ignore


def _tokens(settings: Settings, model: Any) -> int:
    if settings.model == "glove":
        return model.chunks * model.chunk_cells
    return model.step_tokens


def _constants(model: Any, words: int) -> PyTree:
    """The shapes of a model's constants: those of a text of few words, stretched to `V`."""
    few = [f"w{i}" for i in range(_FEW)]
    tiny = Corpus.from_documents([few + few[:3]], min_count=1)
    return _stretched(model.constants(tiny), {_FEW: words})


def _segment(settings: Settings, model: Any, words: int) -> PyTree:
    """The shapes of a worker's segment of a text, or count, that is larger than any."""
    chips = 1 if settings.shard else settings.chips
    if settings.model == "glove":
        chunks = SEGMENT_CELLS // (model.chunk_cells * chips)
        chunks = -(-chunks // model.chunks) * model.chunks
        cells = (chunks, model.chunk_cells)
        return Cells(
            *(jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in
              [((chunks,), jnp.int32), (cells, jnp.int32), (cells, jnp.float32)])
        )  # fmt: skip
    few = [f"w{i % _FEW}" for i in range(_TOKENS)]
    tiny = TokenSegments(Corpus.from_documents([few], min_count=1)).empty()
    length = int(TokenSegments.for_workers(_Long(words), chips).sizes.max())  # type: ignore
    return _stretched(tiny, {_TOKENS: length})


class _Long:
    """Stands for a text that fills any segment."""

    def __init__(self, words: int):
        self.vocab = range(words)

    def __len__(self) -> int:
        return max(1 << 32, len(self.vocab) << 10)


def _stretched(tree: PyTree, lengths: dict[int, int]) -> PyTree:
    def one(leaf):
        shape = tuple(lengths.get(n, n) for n in np.shape(leaf))
        return jax.ShapeDtypeStruct(shape, leaf.dtype)

    return jax.tree.map(one, tree)


def _stacked(tree: PyTree, *counts: int) -> PyTree:
    return jax.tree.map(lambda leaf: _like(leaf, (*counts, *leaf.shape)), tree)


def _placed(tree: PyTree, where: Any) -> PyTree:
    return jax.tree.map(lambda leaf: _like(leaf, leaf.shape, where), tree)


def _like(leaf: Any, shape: tuple[int, ...], where: Any = None) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(shape, leaf.dtype, sharding=where)


def _sharded(leaf: Any, mesh: Mesh, settings: Settings) -> jax.ShapeDtypeStruct:
    """An array of the state with its rows, or columns, split over the chips."""
    split = P()
    if settings.shard == "rows" and leaf.ndim:
        split = P("workers")
    elif settings.shard == "dim" and leaf.ndim > 1 and leaf.shape[1] > 1:
        split = P(None, "workers")
    return _like(leaf, leaf.shape, NamedSharding(mesh, split))
