"""Checkpoints of a run, by orbax: written while training goes on, resumed to the bit."""

import dataclasses
import functools
import json
import os
import shutil
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import orbax.checkpoint as ocp

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.storage.files import expanded, to_json, writable
from jaxvec.train.contracts import State
from jaxvec.train.ngrams import NGRAMS
from jaxvec.train.processes import check_alike, is_first


class Progress(NamedTuple):
    """How far a run has come, with the sums that the report of the current epoch needs."""

    epoch: int = 0  # epochs done
    segment: int = 0  # segments done of the next
    steps: int = 0  # steps done in all
    loss: float = 0.0  # sums over the current epoch
    pairs: float = 0.0
    seconds: float = 0.0
    history: list = []  # noqa: RUF012  a Report, as a list, for each epoch done
    ended: bool = False  # by a callback: no further epoch is trained
    chosen: dict = {}  # noqa: RUF012  what followed from the device that the run began on, by name


@explained("write Checkpoints(folder, {'text': 'its name', 'epochs': 5}), minutes=… beside it")
class Checkpoints:
    """A folder with the last few states of one run.

    Every random number of a run follows from its key and its place in the data, so tables,
    optimizer state and place are all there is to save. A snapshot is written while training
    goes on (of tables in shards before it does); a checkpoint is either complete or not there. Of
    several processes each needs the folder, on a file system that all see: one writes tables that
    are whole, each its own shards.

    Args:
      folder: where; made if missing, in a folder that exists.
      settings: what the run depends on: its arguments, and a fingerprint of its data. A run with
        others is refused.
      minutes: how often to save.
      steps: how often to save, in steps, instead; at the end of the segment that they end in.
      keep: how many states to keep.

    Raises:
      FileNotFoundError: if there is no folder to make it in.
      ValueError: if the folder's states are of a run with other settings; the message
        names the differences.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        settings: dict[str, Any],
        *,
        minutes: float = 10.0,
        steps: int | None = None,
        keep: int = 2,
    ):
        if not isinstance(settings, dict):
            raise TypeError(f"settings are a dict of what the run is; got {kind(settings)}")
        self.folder = expanded(folder).absolute()
        writable(self.folder)
        try:
            self.settings = json.loads(to_json(settings))
        except TypeError as error:
            raise TypeError(f"settings are kept as JSON: {error}; write str(…) of it") from None
        self.minutes = minutes
        self.steps = steps
        self._last_step = 0
        self._last = time.monotonic()
        self._keep = keep
        self._words = 0
        check_alike({f"the last state in {self.folder}": _last(self.folder)})
        self.write_back = ""
        """The strategy that the run writes its rows by, see `optim.writeback`; of a run that is
        resumed the one of its last state; "" if it is not known."""
        if self.exist(self.folder):
            self._refuse_others()
            self.write_back = self._restored_json().get("write_back", "")

    def __repr__(self) -> str:
        every = f"{self.minutes:g} minutes" if self.steps is None else f"{self.steps:,} steps"
        return f"Checkpoints in {self.folder}, every {every}"

    @functools.cached_property
    def _manager(self) -> ocp.CheckpointManager:  # made when needed, for it makes the folder
        return ocp.CheckpointManager(
            self.folder,
            options=ocp.CheckpointManagerOptions(max_to_keep=self._keep, create=True),
            item_handlers={
                # compression saves a tenth of the disk, and takes half of the tables' memory more
                "state": ocp.PyTreeCheckpointHandler(use_compression=False),
                "progress": ocp.JsonCheckpointHandler(),
            },
        )

    @staticmethod
    def exist(folder: str | os.PathLike[str]) -> bool:
        """Whether a run has left states in a folder."""
        return _last(expanded(folder)) > 0

    @classmethod
    def settings_of(cls, folder: str | os.PathLike[str]) -> dict[str, Any]:
        """The settings of the run that left states in a folder; empty if there are none."""
        if not cls.exist(folder):
            return {}
        with ocp.CheckpointManager(
            expanded(folder).absolute(), item_names=("state", "progress")
        ) as manager:
            arguments = ocp.args.Composite(progress=ocp.args.JsonRestore())
            return manager.restore(manager.latest_step(), args=arguments)["progress"]["settings"]

    def progress(self) -> Progress:
        """How far the last state is; the start if there is none."""
        if not self.exist(self.folder):
            return Progress()
        return Progress(**self._restored_json()["at"])

    def _restored_json(self) -> dict[str, Any]:
        arguments = ocp.args.Composite(progress=ocp.args.JsonRestore())
        return self._manager.restore(self._manager.latest_step(), args=arguments)["progress"]

    def restore(self, states: list[State], words: int) -> Progress:
        """Puts the last state in the place of one that is structured and placed alike, each device
        reading its own shards, and returns where it is; the beginning if there is none.

        Args:
          states: one; out of the list, so that its memory is free before another takes it.
          words: `V`. Tables in shards may have more rows, of zeros.

        Raises:
          ValueError: if the last state has other tables, or is of another optimizer.
        """
        self._words = words
        if is_first() and self.folder.is_dir():
            for left in self.folder.glob(f"*{ocp.path.atomicity.TMP_DIR_SUFFIX}*"):
                shutil.rmtree(left)  # of a run that was killed
        if not self.exist(self.folder):
            return Progress()
        like = jax.tree.map(ocp.utils.to_shape_dtype_struct, states.pop())
        step = self._manager.latest_step()
        try:
            before = self._restored_json().get("words", words)
            if before != words:
                raise ValueError(f"it has {before:,} words, and these are {words:,}")
            _check_shapes(self._manager.item_metadata(step)["state"].tree, like, words)
            restored = self._manager.restore(step, args=ocp.args.Composite(state=_any_rows(like)))
        except ValueError as error:
            raise ValueError(
                f"the state in {self.folder} is of another model, vocabulary or optimizer: give "
                f"the same ones, or another folder ({error})"
            ) from error
        states.append(restored["state"])
        at = self.progress()
        self._last_step = at.steps
        return at

    def due(self, at: Progress) -> bool:
        """Whether it is time to save a state.

        Args:
          at: where the run is.
        """
        if self.steps is not None:
            return at.steps - self._last_step >= self.steps
        return time.monotonic() - self._last >= 60 * self.minutes

    def save(self, state: State, at: Progress, *, wait: bool = False) -> None:
        """Saves a state, while training goes on in its memory; one in shards is on disk before.

        Args:
          state: of the run.
          at: where the run is.
          wait: until it is on disk.
        """
        self._last_step, self._last = at.steps, time.monotonic()
        at = at._replace(history=[list(report) for report in at.history])
        step = (self._manager.latest_step() or 0) + 1
        whole = all(array.is_fully_replicated for array in jax.tree.leaves(state))
        progress = {
            "at": at._asdict(), "settings": self.settings, "write_back": self.write_back,
            "words": self._words,
        }  # fmt: skip
        self._manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.PyTreeSave(jax.tree.map(np.array, state) if whole else state),
                progress=ocp.args.JsonSave(progress),
            ),
        )
        if wait or not whole:
            self._manager.wait_until_finished()

    def close(self) -> None:
        """Waits until the last checkpoint is on disk."""
        if "_manager" in vars(self):
            self._manager.close()

    def _refuse_others(self) -> None:
        saved = self._restored_json()["settings"]
        differences = [
            f"{name} was {saved.get(name)!r} and is {self.settings.get(name)!r}"
            for name in sorted(saved.keys() | self.settings.keys())
            if saved.get(name) != self.settings.get(name)
        ]
        if differences:
            raise ValueError(
                f"the checkpoints in {self.folder} are of another run: {'; '.join(differences)}; "
                "give the same settings, or another folder"
            )


def _any_rows(like: State) -> ocp.args.PyTreeRestore:
    """How orbax restores arrays of these shapes: rows that it lacks are zeros, others left out."""
    found = ocp.checkpoint_utils.construct_restore_args(like)
    lenient = jax.tree.map(lambda one: dataclasses.replace(one, strict=False), found)
    return ocp.args.PyTreeRestore(like, restore_args=lenient)


def _last(folder: Path) -> int:
    """The number of the last state in a folder, from 1; 0 if there is none."""
    if not folder.is_dir():
        return 0
    return max((int(p.name) for p in folder.iterdir() if p.name.isdigit()), default=0)


def _check_shapes(saved: Any, like: State, words: int) -> None:
    """Makes sure that a saved state is as another, but for the rows of zeros of tables in shards.

    Args:
      saved: the tree of its arrays, as orbax has read it.
      like: the shapes of the other state.
      words: `V`.

    Raises:
      ValueError: if it is not.
    """

    def shapes(tree):
        leaves = jax.tree_util.tree_leaves_with_path(tree)
        named = {
            jax.tree_util.keystr(path, simple=True, separator="."): leaf.shape
            for path, leaf in leaves
        }
        return {
            name: tuple(
                words if axis == 0 and size > words and NGRAMS not in name.split(".") else size
                for axis, size in enumerate(shape)
            )
            for name, shape in named.items()
        }

    before, now = shapes(saved), shapes(like)
    if before != now:
        raise ValueError(f"its arrays are {before}, and these {now}")
