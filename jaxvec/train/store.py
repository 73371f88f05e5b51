"""Finished runs in files, whole, for further text to go on from."""

import dataclasses
import importlib
import json
import os
import re
import sys
from typing import Any

import jax
import numpy as np

from jaxvec.messages.kinds import kind
from jaxvec.storage.arrays import load_arrays, save_arrays
from jaxvec.storage.door import reading
from jaxvec.storage.fields import scalar
from jaxvec.storage.files import existing, to_json
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab
from jaxvec.train import fasttext
from jaxvec.train.contracts import Model
from jaxvec.train.progress import read_reports
from jaxvec.train.registry import MODELS
from jaxvec.train.result import Result
from jaxvec.vectors.formats.fasttext import SUFFIX

_KIND = "run"


def save_run(result: Result, path: str | os.PathLike[str]) -> None:
    """Writes an uncompressed ``.npz`` with tables, optimizer's state, vocabulary and history.

    The text itself is not written. A name that ends in ``.fasttext.bin`` makes it a fastText model,
    of tables and vocabulary alone.

    Args:
      result: of `fit` or `sweep`.
      path: of the file.

    Raises:
      TypeError: if `result` is no `Result`, or its model no dataclass of numbers, texts and tuples.
      ValueError: if a fastText model cannot hold the run.

    >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
    >>> from jaxvec import SkipGram, fit
    >>> result = fit(corpus, SkipGram(vector_size=8), key=jax.random.key(0), epochs=1)
    >>> path = getfixture("tmp_path") / "cats.run"
    >>> save_run(result, path)
    >>> again = load_run(path)
    >>> again.model == result.model, again.history == result.history, again.vectors()
    (True, True, WordVectors of 5 words, 8 numbers each)
    """
    if not isinstance(result, Result):
        raise TypeError(f"save_run takes the Result of fit, then a path; got {kind(result)}")
    if os.fspath(path).lower().endswith(SUFFIX):
        fasttext.save(result, path)
        return
    model = {"name": _name(type(result.model)), **_options(result.model)}
    result = result.whole()
    leaves = jax.tree.leaves(result.opt_state)
    save_arrays(
        path,
        kind=np.array(_KIND),
        model=np.array(to_json(model)),
        history=np.array(to_json([list(report) for report in result.history])),
        **result.data.vocab.to_arrays(),
        **{f"params.{name}": np.asarray(a) for name, a in result.params._asdict().items()},
        **{f"state.{i}": np.asarray(leaf) for i, leaf in enumerate(leaves)},
    )


def load_run(path: str | os.PathLike[str]) -> Result:
    """Reads what `save_run` wrote, or a model of fastText's, as the ``start`` of `fit`, or for its
    vectors.

    Its `data` has the vocabulary but no text, and `opt_state` is a list of arrays; of a fastText
    model it is empty, as that of SGD.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is no such file, or damaged; if its tables are not of the shapes, dtypes
        and finite numbers that its model has; if its model is a class of a module of yours that is
        not imported.
    """
    if fasttext.is_model(existing(path)):
        return fasttext.load(path)
    arrays = load_arrays(path)
    with reading(path, "a saved run"):
        if scalar(arrays, "kind", "U") != _KIND:
            raise ValueError(f"it is a saved {arrays['kind']}")
        fields = _read(scalar(arrays, "model", "U"))
        model: Model = _class(fields.pop("name"))(**fields)
        vocab = Vocab.from_arrays(arrays)
        params = _params(model, arrays, len(vocab))
        states = sum(name.startswith("state.") for name in arrays)
        nothing = np.zeros(0, np.int32), np.zeros(1, np.int64)
        return Result(
            params,
            [_finite(arrays, f"state.{i}") for i in range(states)],
            read_reports(json.loads(scalar(arrays, "history", "U"))),
            Corpus(vocab, *nothing, raw_words=0),
            model,
        )


def _params(model: Model, arrays: dict[str, np.ndarray], words: int) -> Any:
    """The tables of a model: as many, of the shapes and dtypes that it begins with.

    Args:
      model: the model.
      arrays: of the file.
      words: `V`.

    Raises:
      ValueError: if they are others, or hold a number that is not finite.
    """
    structure = jax.eval_shape(lambda: model.init(jax.random.key(0), words))
    expected = {f"params.{name}": table for name, table in structure._asdict().items()}
    held = {name for name in arrays if name.startswith("params.")}
    if held != set(expected):
        raise ValueError(f"its tables are {sorted(held)}, and its model has {sorted(expected)}")
    for name, table in expected.items():
        found = arrays[name]
        if found.shape != table.shape or found.dtype != table.dtype:
            raise ValueError(
                f"its {name} is {found.dtype}{list(found.shape)}; its model and {words} words need "
                f"{table.dtype}{list(table.shape)}"
            )
    return type(structure)(*(_finite(arrays, name) for name in expected))


def _finite(arrays: dict[str, np.ndarray], name: str) -> np.ndarray:
    """An array of real numbers, all of them finite."""
    if name not in arrays or arrays[name].dtype.kind not in "biuf":
        raise ValueError(f"its {name} is missing, or holds no numbers")
    if not np.isfinite(arrays[name]).all():
        raise ValueError(f"its {name} holds a number that is not finite")
    return arrays[name]


def _options(model: Any) -> dict[str, Any]:
    """The fields of a model, once it is sure that the class makes the same model of them again."""
    name = type(model).__name__
    try:
        fields = dataclasses.asdict(model)
        again = type(model)(**_read(to_json(fields)))
    except TypeError as error:
        raise TypeError(f"{name} cannot be saved, for it is no plain dataclass: {error}") from None
    if again != model:
        raise TypeError(f"{name} cannot be saved: read again it would be {again}, not {model}")
    return fields


def _read(fields: str) -> dict[str, Any]:
    """Fields of a model from JSON, which has tuples as lists."""

    def hashable(value):
        return tuple(map(hashable, value)) if isinstance(value, list) else value

    return {name: hashable(value) for name, value in json.loads(fields).items()}


def _made() -> dict[str, Any]:
    return {entry.make.__name__: entry.make for entry in MODELS.values() if entry.trained}


def _name(model: type) -> str:
    """The name of a model's class; of one that is not in the registry, with its module."""
    known = _made().get(model.__name__) is model
    return model.__name__ if known else f"{model.__module__}.{model.__name__}"


def _class(name: Any) -> Any:
    """The class of that `_name`, which makes no other object than a model.

    A file imports no module but jaxvec's own, and calls nothing but a dataclass with a model's
    methods: any function of an imported module would have a name, too.

    Raises:
      ValueError: if there is no such class here.
    """
    if not isinstance(name, str):
        raise ValueError(f"its model is called {name!r}")
    module, _, own = name.rpartition(".")
    if not module:
        if own not in _made():
            raise ValueError(f"its model {own} is not in jaxvec.train.registry.MODELS")
        return _made()[own]
    if re.fullmatch(r"jaxvec(\.[a-z][a-z0-9_]*)+", module):  # not __main__, which runs a command
        importlib.import_module(module)
    if module not in sys.modules:
        raise ValueError(f"it is a run of {name}: import {module} first")
    found = getattr(sys.modules[module], own, None)
    methods = (getattr(found, method, None) for method in ("init", "rows", "rows_loss", "weight"))
    is_model = isinstance(found, type) and dataclasses.is_dataclass(found)
    if not is_model or not all(map(callable, methods)):
        raise ValueError(f"it is a run of {name}, and {module} has no such model")
    return found
