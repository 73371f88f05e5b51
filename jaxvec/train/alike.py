"""What all processes of a run must have the same of: data, arguments and the state to begin with.
Compared by fingerprints before any training, which would otherwise merge what does not belong
together, and say nothing."""

import dataclasses
import re
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from jax.sharding import NamedSharding

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.storage.arrays import crc
from jaxvec.text.corpus import Corpus
from jaxvec.train.contracts import State
from jaxvec.train.processes import check_alike, digest, several
from jaxvec.train.progress import Progress

_PIECES = 64
_LENGTH = 1 << 12
_OWN = {"data", "key", "freeze", "callbacks", "step_callbacks", "report_every", "progress"}


def check_arguments(given: Mapping[str, Any]) -> None:
    """Makes sure that all processes call `fit` alike, and on the same data.

    Of data, the vocabulary and stretches spread evenly over them are compared; of arguments,
    numbers, names and the model. Callbacks and the bar may differ.

    Args:
      given: the arguments of `fit`, by name.

    Raises:
      ValueError: in all processes, if they do not.
    """
    if not several():
        return
    data = given["data"]
    words = np.frombuffer("\n".join(data.vocab.words).encode(), np.uint8)
    found = {
        "the vocabulary": crc(words, data.vocab.counts),
        "the data": crc(*map(_stretches, _arrays(data))),
        "the key": crc(np.asarray(jax.random.key_data(given["key"]))),
        "the words in freeze": crc(_bytes(str(sorted(given["freeze"])))),
    }
    for name in sorted(given.keys() - _OWN):
        found[f"the argument {name}"] = crc(_bytes(_plain(given[name])))
    check_alike(found)


def check_states(states: list[State], at: Progress) -> Progress:
    """Makes sure that all processes begin with the same.

    Args:
      states: to begin with, after a checkpoint. Tables in shards of several processes are taken to
        be the same.
      at: where the run is.

    Returns:
      `at`.

    Raises:
      ValueError: in all processes, if they do not.
    """
    if not several():
        return at
    leaves = [leaf for leaf in jax.tree.leaves(states) if leaf.is_fully_addressable]
    found = {f"array {i} of the state to begin with": int(digest(a)) for i, a in enumerate(leaves)}
    check_alike({"the place of the last checkpoint": crc(_bytes(str(at)))} | found)
    return at


def _arrays(data: Corpus | Cooccurrence) -> tuple[np.ndarray, ...]:
    if isinstance(data, Corpus):
        return data.ids, data.offsets
    return data.indptr, data.indices, data.data


def _stretches(array: np.ndarray) -> np.ndarray:
    """The length of an array and stretches of it, as bytes."""
    starts = np.linspace(0, max(len(array) - _LENGTH, 0), _PIECES).astype(int)
    parts = [np.ascontiguousarray(array[i : i + _LENGTH]).view(np.uint8) for i in starts]
    return np.concatenate([_bytes(str(len(array))), *parts])


def _plain(value: Any) -> str:
    """A value, if that says what it is in all processes; else its type."""
    if isinstance(value, str | int | float | NamedSharding) or dataclasses.is_dataclass(value):
        return re.sub(r" at 0x[0-9a-f]+", "", str(value))  # of functions
    return type(value).__name__


def _bytes(text: str) -> np.ndarray:
    return np.frombuffer(text.encode(), np.uint8)
