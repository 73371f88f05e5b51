"""How tables lie on several devices: split by rows, by columns, or both.

JAX compiles a step of sharded tables as it is: of tables split by rows each device gathers its
own of a step's rows and one all-reduce adds them up; of tables split by columns one all-reduce adds
up the logits. A `Placement` says where tables are, has them made there, and deals their rows out
for training (`dealing`).

Letters: `V` vocabulary, `V'` rows of a table, a multiple of n², the last of them zeros; `D`
dimension, `n` shards of rows.
"""

import dataclasses
import math
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from jaxvec.messages.kinds import kind
from jaxvec.optim.rows import RowOptimizer
from jaxvec.train.contracts import InitRows, Model, Prior, State, Stratified
from jaxvec.train.dealing import exchanged, padded
from jaxvec.train.documents import ParagraphVectors
from jaxvec.train.drawing import compile_ahead, first_tables, in_pieces
from jaxvec.train.ngrams import has_ngrams
from jaxvec.train.processes import put, whole_here

PyTree = Any

WORKERS = "workers"
"""The axis of a mesh along which workers are."""


@dataclasses.dataclass(frozen=True)
class Placement:
    """Tables on a mesh; along axes that are not named each device has a copy.

    Attributes:
      mesh: of devices.
      rows: its axes that split the rows of tables.
      columns: its axes that split the columns of tables [V, D].
      whole: `V`, if tables are whole between epochs, on the first device of each process; None if
        they stay in shards.
    """

    mesh: Mesh
    rows: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    whole: int | None = None

    @property
    def shards(self) -> int:
        """`n`, in how many shards the rows are."""
        return math.prod(self.mesh.shape[axis] for axis in self.rows)

    @property
    def everywhere(self) -> NamedSharding:
        """A copy on each device."""
        return NamedSharding(self.mesh, P())

    def length(self, words: int) -> int:
        """`V'`, the rows of the tables of a vocabulary.

        Args:
          words: `V`.
        """
        unit = self.shards**2
        return -(-words // unit) * unit

    def spec(self, table: Any) -> P:
        """Where the axes of a table [V', …] are split.

        Args:
          table: an array or its shape; columns are split if it has more than one.
        """
        columns = self.columns if len(table.shape) > 1 and table.shape[1] > 1 else ()
        return P(*([self.rows or None] + [columns or None] * (len(table.shape) > 1)))

    def specs(self, optimizer: RowOptimizer, state: State) -> State:
        """Where a state is split: a tree as the state, of partition specs.

        Args:
          optimizer: whose state it is.
          state: or its shapes.
        """
        leaves = optimizer.leaves(state.params, state.opt_state)
        owned = jax.tree.map(
            lambda leaf, array: P() if leaf.table is None else self.spec(array),
            leaves, state.opt_state,
        )  # fmt: skip
        return State(jax.tree.map(self.spec, state.params), owned)

    def of_worker(self, spec: P) -> P:
        """Where a worker's shards of tables are split, [N, V' / N, …], from where the tables are,
        whose rows are split along "workers" at last; of a scalar where its `N` copies are.

        Args:
          spec: of a table [V', …], or of a scalar.
        """
        return P(WORKERS, *([self.rows[:-1] or None, *spec[1:]] if len(spec) else []))

    def shardings(self, specs: PyTree) -> PyTree:
        """The shardings of partition specs."""
        return jax.tree.map(lambda spec: NamedSharding(self.mesh, spec), specs)

    def check(self, params: PyTree) -> None:
        """Makes sure that the columns of tables can be split.

        Args:
          params: tables [V, …], or their shapes.

        Raises:
          ValueError: if their number is no multiple of the devices along `columns`.
        """
        parts = math.prod(self.mesh.shape[axis] for axis in self.columns)
        for table in jax.tree.leaves(params):
            if len(table.shape) > 1 and table.shape[1] > 1 and table.shape[1] % parts:
                raise ValueError(
                    f"{table.shape[1]} columns cannot be split over {parts} devices: take a "
                    f"vector_size that is a multiple of {parts}"
                )

    def born(self, model: Model, key: jax.Array, words: int) -> PyTree:
        """A model's first tables, made in shards, in the order of the vocabulary. If it is an
        `InitRows`, neither a device nor the host ever has a table whole.

        Args:
          model: a `contracts.Model`.
          key: of their random numbers.
          words: `V`.
        """
        length = self.length(words)

        def whole():
            return jax.tree.map(lambda t: padded(t, length, jnp), model.init(key, words))

        like = jax.eval_shape(whole)
        specs = jax.tree.map(self.spec, like)
        if not isinstance(model, InitRows):
            return jax.jit(whole, out_shardings=self.shardings(specs))()
        return jax.jit(self._drawn(model, key, words, specs))()

    def compile_born(self, model: Model, key: jax.Array, words: int) -> None:
        """Nothing: what makes tables in shards is compiled when they are made.

        Args:
          model, key, words: as for `born`.
        """

    def _drawn(self, model: InitRows, key: jax.Array, words: int, specs: PyTree):
        """A function that makes tables, each device its own shards, some rows at a time."""
        rows = self.length(words) // self.shards

        def own_columns(part):
            if part.ndim == 1 or not self.columns:
                return part
            width = part.shape[1] // math.prod(self.mesh.shape[axis] for axis in self.columns)
            at = lax.axis_index(self.columns) * width
            return lax.dynamic_slice_in_dim(part, at, width, 1)

        def work():
            first = lax.axis_index(self.rows) * rows if self.rows else 0
            return in_pieces(model, key, first, rows, words, own_columns)

        return jax.shard_map(work, mesh=self.mesh, in_specs=(), out_specs=specs, check_vma=False)

    def placed(self, table: Any) -> jax.Array:
        """A table [V, …] or [V', …] in shards, in the order of the vocabulary.

        Args:
          table: of NumPy, which the devices take their shards of; or of JAX.
        """
        xp = jnp if isinstance(table, jax.Array) else np
        table = padded(table, self.length(len(table)), xp)
        return put(table, NamedSharding(self.mesh, self.spec(table)))

    def begun(self, optimizer: RowOptimizer, params: PyTree) -> State:
        """Tables and the optimizer's state, which is made in shards.

        Args:
          optimizer: whose state it is.
          params: tables in shards.
        """
        like = jax.eval_shape(optimizer.init, params)
        specs = self.specs(optimizer, State(params, like))
        init = jax.jit(optimizer.init, out_shardings=self.shardings(specs.opt_state))
        return State(params, init(params))

    def entered(self, optimizer: RowOptimizer, state: State) -> State:
        """A state as it is trained: in shards, with its rows dealt out. Donated.

        Args:
          optimizer: whose state it is.
          state: as `left` returns it, or `begun`.
        """
        specs = self.specs(optimizer, state)
        if self.whole is not None:

            def placed(array, spec):
                return self.placed(array) if len(spec) else put(array, self.everywhere)

            state = jax.tree.map(placed, state, specs)
        return self._moved(state, specs, back=False)

    def left(self, optimizer: RowOptimizer, state: State) -> State:
        """A state between epochs, in the order of the vocabulary: in shards, or, if tables are to
        be `whole`, on each process's first device. Donated.

        Args:
          optimizer: whose state it is.
          state: as `entered` returned it.
        """
        specs = self.specs(optimizer, state)
        state = self._moved(state, specs, back=True)
        if self.whole is None:
            return state

        def gathered(array, spec):
            found = whole_here(array)
            is_padded = len(spec) and self.shards > 1  # else a table may be of n-grams, longer
            return found[: self.whole] if is_padded else found

        return jax.tree.map(gathered, state, specs)

    def _moved(self, state: State, specs: State, *, back: bool) -> State:
        if self.shards == 1:
            return state

        def moved(leaf, spec):
            if not len(spec):
                return leaf
            return exchanged(leaf, self.mesh, self.rows, spec, back=back)

        return jax.tree.map(moved, state, specs)


@dataclasses.dataclass(frozen=True)
class OneDevice:
    """Tables that are whole on JAX's default device: `Placement`, with nothing to split or deal."""

    shards = 1
    everywhere = None

    def length(self, words: int) -> int:
        """`V`."""
        return words

    def check(self, params: PyTree) -> None:
        """Nothing is split."""

    def born(self, model: Model, key: jax.Array, words: int) -> PyTree:
        """A model's first tables.

        Args:
          model, key, words: as for `Placement.born`.
        """
        return first_tables(model, key, words)

    def compile_born(self, model: Model, key: jax.Array, words: int) -> None:
        """Compiles what `born` runs.

        Args:
          model, key, words: as for `Placement.born`.
        """
        compile_ahead(model, key, words)

    def placed(self, table: Any) -> jax.Array:
        """The table on the device."""
        return jnp.asarray(table)

    def begun(self, optimizer: RowOptimizer, params: PyTree) -> State:
        """The tables and the optimizer's state.

        Args:
          optimizer: whose state it is.
          params: tables.
        """
        return State(params, optimizer.init(params))

    def entered(self, optimizer: RowOptimizer, state: State) -> State:
        """The state as it is.

        Args:
          optimizer, state: as for `Placement.entered`.
        """
        del optimizer
        return state

    def left(self, optimizer: RowOptimizer, state: State) -> State:
        """The state as it is.

        Args:
          optimizer, state: as for `Placement.left`.
        """
        del optimizer
        return state


ON_ONE = OneDevice()


def table_rows(table: Any, words: int) -> int:
    """How many rows a table of a vocabulary has: `V'` if it is in shards, else `V`.

    Args:
      table: of NumPy, or of JAX.
      words: `V`.
    """
    if not isinstance(table, jax.Array):
        return words
    shards = len(table) // table.sharding.shard_shape(table.shape)[0]
    return -(-words // shards**2) * shards**2


def resolved(
    sharding: Any, workers: int | None, model: Any
) -> tuple[Placement | OneDevice, int | None]:
    """Where the tables of a model are, and how many workers train.

    Args:
      sharding: a `NamedSharding` of tables [V, D]. Along a further axis "workers" of its mesh there
        are workers, each a group of devices. None for tables that are not split.
      workers: as asked for; None for as many as the mesh has.
      model: a `contracts.Model`.

    Raises:
      TypeError: if it is no `NamedSharding`.
      ValueError: if its spec or its mesh does not fit tables and workers, or the model has vectors
        that words are drawn to.
    """
    if sharding is None:
        return ON_ONE, workers
    if not isinstance(sharding, NamedSharding):
        raise TypeError(
            f"sharding is a jax.sharding.NamedSharding of tables [V, D], not {kind(sharding)}: "
            "write NamedSharding(mesh, PartitionSpec('rows', None))"
        )
    mesh, spec = sharding.mesh, tuple(sharding.spec)
    if len(spec) > 2:
        raise ValueError(f"tables have two axes, [V, D], and the sharding has {sharding.spec}")
    if not isinstance(mesh, Mesh):
        raise ValueError(f"the sharding needs a mesh of devices, jax.make_mesh; got {mesh}")
    named = [() if axes is None else axes if isinstance(axes, tuple) else (axes,) for axes in spec]
    rows, columns = (*named, (), ())[:2]
    if WORKERS in rows + columns:
        raise ValueError(
            f"{WORKERS!r} is the axis along which workers have their own tables or shares: split "
            f"tables along others; got {sharding.spec}"
        )
    idle = [
        axis for axis, size in mesh.shape.items()
        if size > 1 and axis not in (*rows, *columns, WORKERS)
    ]  # fmt: skip
    if idle:
        raise ValueError(
            f"nothing is split along {idle[0]!r} of the mesh: name it in the PartitionSpec, or "
            f"call it {WORKERS!r} for workers along it"
        )
    if has_ngrams(model):
        raise ValueError(
            "subwords go without sharding: n-grams have a table of another length, which is whole "
            "on each device"
        )
    if isinstance(model, ParagraphVectors):
        raise ValueError(
            "documents go without sharding: they have a table of another length than words"
        )
    if isinstance(model, Prior) and model.has_prior:
        raise ValueError(
            "mittens goes without sharding: the vectors that it draws words to are whole on each "
            "device"
        )
    along = mesh.shape.get(WORKERS, 1)
    if workers is not None and workers != along:
        raise ValueError(
            f"workers={workers} need an axis {WORKERS!r} of that size in the sharding's mesh, "
            f"which has {dict(mesh.shape)}"
        )
    auto = Mesh(mesh.devices, mesh.axis_names, axis_types=(AxisType.Auto,) * len(mesh.axis_names))
    return of_model(Placement(auto, rows, columns), model), along


def of_model(placement: Placement, model: Any) -> Placement:
    """The placement of a model's tables: workers who share them out have rows of their own.

    Args:
      placement: as the user says it.
      model: a `contracts.Model`.
    """
    if not isinstance(model, Stratified) or placement.mesh.shape.get(WORKERS, 1) == 1:
        return placement
    return dataclasses.replace(placement, rows=(*placement.rows, WORKERS))
