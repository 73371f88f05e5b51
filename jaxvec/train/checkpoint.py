"""Checkpoints of a run: written while training goes on, checked when read, resumed to the bit."""

import contextlib
import json
import os
import shutil
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import jax
import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.storage import locks
from jaxvec.storage.files import expanded, to_json, writable
from jaxvec.train import snapshot, states
from jaxvec.train.contracts import State
from jaxvec.train.documents import DOCUMENTS
from jaxvec.train.ngrams import NGRAMS
from jaxvec.train.processes import check_alike, failed, is_first, of_first, several
from jaxvec.train.progress import Progress


@explained("write Checkpoints(folder, {'text': 'its name', 'epochs': 5}), minutes=… beside it")
class Checkpoints:
    """A folder with the last few states of one run.

    Every random number of a run follows from its key and its place in the data, so tables,
    optimizer state and place are all there is to save. A snapshot is written while training
    goes on (of tables in shards before it does); a state is either complete or not there. One that
    cannot be written, as on a full disk, is left out with a warning, and training goes on.

    A state is checked when it is read, by checksums: a run goes on from the newest that is whole,
    with a warning for each newer one. States without checksums, of older versions, are not read.

    While `fit` trains, the folder is locked against other runs, by the first process, until it
    ends, however it ends; not on Windows, which lacks such locks. Of several processes each needs
    the folder, on a file system of all: one writes tables that are whole, each its own shards.

    Args:
      folder: where; made if missing, in a folder that exists.
      settings: what the run depends on: its arguments, and a fingerprint of its data. A run with
        others is refused.
      minutes: how often to save.
      steps: how often to save, in steps, instead; at the end of the segment that they end in.
      keep: how many states to keep.

    Raises:
      FileNotFoundError: if there is no folder to make it in.
      ValueError: if the folder's states are of a run with other settings: the message
        names the differences; or none of them is whole.
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
        self._number = 0  # of the last state
        self._damaged: list[int] = []  # states that are not whole
        self._writing: threading.Thread | None = None
        self._failure = ""  # why the last state was not written
        check_alike(
            {f"the last state in {self.folder}": max(states.numbers(self.folder), default=0)}
        )
        self.write_back = ""
        """The strategy that the run writes its rows by, see `optim.writeback`; of a run that is
        resumed the one of its last state; "" if it is not known."""
        if facts := states.last_facts(self.folder):
            self._refuse_others(facts)
            self.write_back = facts["write_back"]

    def __repr__(self) -> str:
        every = f"{self.minutes:g} minutes" if self.steps is None else f"{self.steps:,} steps"
        return f"Checkpoints in {self.folder}, every {every}"

    @staticmethod
    def exist(folder: str | os.PathLike[str]) -> bool:
        """Whether a run has left states in a folder."""
        return bool(states.numbers(expanded(folder)))

    @classmethod
    def settings_of(cls, folder: str | os.PathLike[str]) -> dict[str, Any]:
        """The settings of the run that left states in a folder; empty if there are none.

        Raises:
          ValueError: if none of them is whole.
        """
        return states.last_facts(expanded(folder)).get("settings", {})

    def progress(self) -> Progress:
        """How far the last state is; the start if there is none.

        Raises:
          ValueError: if none of them is whole.
        """
        return Progress(**states.last_facts(self.folder).get("at", {}))

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """A block in which no other run can use the folder; after it, the last state is on disk.

        Raises:
          ValueError: in all processes, if another run uses it.
          OSError: if the folder cannot be written to.
        """
        with contextlib.ExitStack() as stack:
            error: Exception | None = None
            try:
                if is_first():
                    self.folder.mkdir(exist_ok=True)
                    lock = locks.sole(self.folder / states.LOCK, f"the folder {self.folder}")
                    stack.enter_context(lock)
                    states.remove_leftovers(self.folder)
            except (ValueError, OSError) as found:
                error = found
            reason = failed("" if error is None else str(error))
            if error is not None:
                raise error
            if reason:
                raise ValueError(f"the folder {self.folder} cannot be used: {reason}")
            try:
                yield
            finally:
                self.close()

    def restore(self, begun: list[State], words: int) -> Progress:
        """Puts the last state in the place of one that is structured and placed alike, each device
        reading its own shards, and returns where it is; the beginning if there is none.

        Args:
          begun: one state; out of the list, so that its memory is free before another takes it.
          words: `V`. Tables in shards may have more rows, of zeros.

        Raises:
          ValueError: if no state is whole; or it is of another run, has other tables, or is of
            another optimizer.

        Warns:
          UserWarning: for each newer state that is not whole, with the reason.
        """
        self._words = words
        self._number = int(of_first(np.int32(states.highest(self.folder))))
        number = self._newest()
        if not number:
            return Progress()
        names, leaves, structure = _named(begun.pop())
        likes = [snapshot.Like.of(leaf) for leaf in leaves]
        del leaves
        reasons: dict[int, str] = {}
        while number:
            facts, reason = self._checked(number)
            if not reason:
                self._refuse_others(facts)
                self._refuse_model(facts, names, likes)
                found, reason = self._read(number, facts, likes)
                if not reason:
                    break
            reasons[number] = reason
            number = self._newest(number)
        else:
            raise states.none_whole(self.folder, reasons)
        self._damaged = [*reasons]
        for other, reason in reasons.items():
            warnings.warn(
                f"the state {self.folder / str(other)} is not whole, {reason}: the run goes on "
                f"from {self.folder / str(number)}",
                stacklevel=2,
            )
        begun.append(structure.unflatten(found))
        at = Progress(**facts["at"])
        self._last_step = at.steps
        return at

    def _newest(self, below: int = 1 << 31) -> int:
        """The number of the newest state below another, as the first process sees it; or 0."""
        found = max((n for n in states.numbers(self.folder) if n < below), default=0)
        return int(of_first(np.int32(found)))

    def _checked(self, number: int) -> tuple[dict[str, Any], str]:
        """What a state says of itself; and why it is not whole, or why not in another process."""
        facts, reason = {}, ""
        try:
            facts = states.facts(self.folder, number)
            sizes = [np.dtype(dtype).itemsize for _, _, dtype in facts["arrays"]]
            path, place = self.folder / str(number), states.place(facts)
            snapshot.check_arrays(path, facts["processes"], sizes, place)
        except Exception as error:  # whatever a damage leads to
            reason = _why(error)
        return facts, failed(reason)

    def _read(
        self, number: int, facts: dict[str, Any], likes: Sequence[snapshot.Like]
    ) -> tuple[list[jax.Array], str]:
        """The arrays of a state; and why they cannot be read."""
        arrays, reason = [], ""
        try:
            path = self.folder / str(number)
            shapes = [shape for _, shape, _ in facts["arrays"]]
            arrays = snapshot.read_arrays(path, facts["processes"], likes, shapes)
        except Exception as error:
            reason = _why(error)
        return arrays, failed(reason)

    def due(self, at: Progress) -> bool:
        """Whether it is time to save a state.

        Args:
          at: where the run is.
        """
        if self._writing is not None and not self._writing.is_alive():
            self._finish()
        if self.steps is not None:
            return at.steps - self._last_step >= self.steps
        return time.monotonic() - self._last >= 60 * self.minutes

    def save(self, state: State, at: Progress, *, wait: bool = False) -> None:
        """Saves a state, while training goes on in its memory; one in shards is on disk before.

        Args:
          state: of the run.
          at: where the run is.
          wait: until it is on disk.

        Warns:
          UserWarning: if it, or the last one, could not be written, with the reason.
        """
        self._finish()
        self._last_step, self._last = at.steps, time.monotonic()
        self._number += 1
        names, leaves, _ = _named(state)
        facts = {
            "at": at._replace(history=[list(report) for report in at.history])._asdict(),
            "settings": self.settings, "write_back": self.write_back, "words": self._words,
            "arrays": [
                [name, list(leaf.shape), str(leaf.dtype)]
                for name, leaf in zip(names, leaves, strict=True)
            ],
        }  # fmt: skip
        if all(leaf.is_fully_replicated for leaf in leaves):
            if not is_first():
                return
            copies = [np.array(leaf) for leaf in leaves]
            self._writing = threading.Thread(target=self._write, args=(copies, facts, 1))
            self._writing.start()
        else:
            self._write(leaves, facts, jax.process_count() if several() else 1)
        if wait or self._writing is None:
            self._finish()

    def _write(self, arrays: Sequence[Any], facts: dict[str, Any], processes: int) -> None:
        """Writes a state; says in `_failure` why it could not.

        Args:
          arrays: of this process.
          facts: what the state says of itself.
          processes: how many write.
        """
        together = processes > 1
        part = states.begun(self.folder, self._number)

        def name() -> None:
            states.finished(self.folder, self._number, facts | {"processes": processes})

        def write() -> None:
            process = jax.process_index() if together else 0
            snapshot.write_arrays(part, process, arrays, states.place(facts))

        reason = ""
        for act, by_all in ((part.mkdir, False), (write, True), (name, False)):
            try:
                if by_all or is_first():
                    act()
            except Exception as error:  # whatever it is, training goes on
                reason = _why(error)
            reason = failed(reason) if together else reason
            if reason:
                break
        self._failure = f"{reason}, at step {facts['at']['steps']:,}" if reason else ""
        if is_first() and reason:
            shutil.rmtree(part, ignore_errors=True)
        elif is_first():
            self._remove_old()

    def _remove_old(self) -> None:
        """Removes all states but the last few that are whole."""
        whole = [one for one in states.numbers(self.folder) if one not in self._damaged]
        states.removed(self.folder, [*self._damaged, *whole[: -self._keep]])
        self._damaged = []

    def _finish(self) -> None:
        """Waits until the last state is on disk, and says if it is not."""
        if self._writing is not None:
            self._writing.join()
            self._writing = None
        if self._failure:
            reason, self._failure = self._failure, ""
            warnings.warn(
                f"a checkpoint could not be written in {self.folder}: {reason}; training goes on "
                "without it, and the next is tried when it is due",
                stacklevel=3,
            )

    def close(self) -> None:
        """Waits until the last state is on disk.

        Warns:
          UserWarning: if it could not be written.
        """
        self._finish()

    def _refuse_others(self, facts: dict[str, Any]) -> None:
        saved = facts["settings"]
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

    def _refuse_model(
        self, facts: dict[str, Any], names: list[str], likes: Sequence[snapshot.Like]
    ) -> None:
        """Makes sure that a state has the arrays of this run, but for the rows of zeros of tables
        in shards."""
        words, error = self._words, ""

        def shape(name: str, sizes: Sequence[int]) -> tuple[int, ...]:
            if {NGRAMS, DOCUMENTS} & {*name.split(".")}:
                return tuple(sizes)
            return tuple(min(n, words) if axis == 0 else n for axis, n in enumerate(sizes))

        if facts["words"] != words:
            error = f"it has {facts['words']:,} words, and these are {words:,}"
        else:
            before = {name: (shape(name, sizes), dtype) for name, sizes, dtype in facts["arrays"]}
            now = {
                name: (shape(name, like.shape), str(like.dtype))
                for name, like in zip(names, likes, strict=True)
            }
            if before != now:
                error = f"its arrays are {before}, and these {now}"
        if error:
            raise ValueError(
                f"the state in {self.folder} is of another model, vocabulary or optimizer: give "
                f"the same ones, or another folder ({error})"
            )


def _named(state: State) -> tuple[list[str], list[jax.Array], Any]:
    """The names of a state's arrays, the arrays, and the structure of its tree."""
    found, structure = jax.tree_util.tree_flatten_with_path(state)
    names = [jax.tree_util.keystr(path, simple=True, separator=".") for path, _ in found]
    return names, [leaf for _, leaf in found], structure


def _why(error: Exception) -> str:
    """The reason that an error gives, on a line."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    if isinstance(error, ValueError):
        return str(error)
    return " ".join(f"{type(error).__name__}: {error}".split())
