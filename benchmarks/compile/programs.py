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
from jaxvec.train.parallel.copies import Twins, rounds, train_copies
from jaxvec.train.parallel.strata import train_strata
from jaxvec.train.placement import WORKERS, Placement, of_model
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
      shard: how a worker's tables are split over its chips: by "rows" or "dim"; None for a worker
        on each chip.
      workers: how many share the chips; None for one with `shard`, else one a chip.
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
    workers: int | None = None
    blocks: int = 256
    vector_size: int = 128
    words: int = 67_867
    write_back: str | None = None
    products: str | None = None
    flags: str | None = None

    @property
    def groups(self) -> int:
        """How many workers share the chips."""
        return self.workers or (1 if self.shard else self.chips)


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
    model, workers = _model(settings), settings.groups
    optimizer = _optimizer(settings, model)
    placement = of_model(_placement(settings, devices), model)
    alone = SingleDeviceSharding(devices[0]) if settings.chips == 1 else placement.everywhere
    each = NamedSharding(placement.mesh, P(WORKERS))

    words = placement.length(settings.words)
    key = jax.eval_shape(lambda: jax.random.key(0))
    params = jax.eval_shape(lambda key: model.init(key, words), key)
    placement.check(params)
    whole = State(params, jax.eval_shape(optimizer.init, params))
    if settings.chips == 1:
        state = _placed(whole, alone)
    else:
        where = placement.shardings(placement.specs(optimizer, whole))
        state = jax.tree.map(lambda leaf, at: _like(leaf, leaf.shape, at), whole, where)
    rates = jax.ShapeDtypeStruct((_RATES,), jnp.float32, sharding=alone)
    segment = _segment(settings, model, words)
    static = compiled_for(model), optimizer
    constants = _placed(_constants(model, words), alone)

    if workers == 1:
        traced = train_segment.trace(
            *static, state, constants, _placed(segment, alone), _placed(key, alone), rates,
            shards=placement.shards,
        )  # fmt: skip
    else:
        by_round = (rounds(placement), workers)
        split = jax.eval_shape(lambda key: jax.random.split(key, by_round), key)
        if settings.model == "glove":
            keys = _placed(jax.eval_shape(lambda key: jax.random.split(key, workers), key), each)
            segments = _placed(_stacked(segment, workers, workers), each)
            traced = train_strata.trace(placement, *static, state, constants, segments, keys, rates)
        else:
            each = NamedSharding(placement.mesh, P(None, WORKERS))
            segments, keys = _placed((_stacked(segment, *by_round), split), each)
            rates = _placed(_stacked(rates, rounds(placement)), alone)
            traced = train_copies.trace(
                placement, *static, Twins(state, state), constants, segments, keys, rates
            )
    return Job(traced, _dims(state), _dims(state.params), _tokens(settings, model), workers)


def _placement(settings: Settings, devices: Sequence[Any]) -> Placement:
    """Workers along one axis of a mesh, and a worker's chips along the other."""
    workers, split = settings.groups, "shards"
    grid = np.asarray(devices[: settings.chips]).reshape(workers, -1)
    mesh = Mesh(grid, (WORKERS, split), axis_types=(AxisType.Auto,) * 2)
    return Placement(
        mesh,
        rows=(split,) if settings.shard == "rows" else (),
        columns=(split,) if settings.shard == "dim" else (),
    )


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
    if settings.chips % settings.groups:
        raise ValueError(
            f"{settings.groups} workers on {settings.chips} chips: "
            "give a --chips that is a multiple"
        )
    if not settings.shard and settings.groups != settings.chips:
        raise ValueError(
            f"{settings.groups} workers on {settings.chips} chips have several each: give --shard"
        )


def _dims(state: PyTree) -> list[tuple[int, ...]]:
    """Dimensions of arrays, as a whole and on a chip."""
    leaves = [leaf for leaf in jax.tree.leaves(state) if leaf.ndim]
    return sorted({leaf.shape for leaf in leaves}
                  | {leaf.sharding.shard_shape(leaf.shape) for leaf in leaves})  # fmt: skip


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
    workers = settings.groups
    if settings.model == "glove":
        chunks = SEGMENT_CELLS // (model.chunk_cells * workers)
        chunks = -(-chunks // model.chunks) * model.chunks
        cells = (chunks, model.chunk_cells)
        return Cells(
            *(jax.ShapeDtypeStruct(shape, dtype) for shape, dtype in
              [((chunks,), jnp.int32), (cells, jnp.int32), (cells, jnp.float32)])
        )  # fmt: skip
    few = [f"w{i % _FEW}" for i in range(_TOKENS)]
    tiny = TokenSegments(Corpus.from_documents([few], min_count=1)).empty()
    length = int(TokenSegments.for_workers(_Long(words), workers).sizes.max())  # type: ignore
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
