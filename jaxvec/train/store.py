"""Finished runs in files, whole, for further text to go on from."""

import dataclasses
import json
import os
from typing import Any

import jax
import numpy as np

from jaxvec.messages.gensim import kind
from jaxvec.storage.arrays import load_arrays, save_arrays
from jaxvec.storage.files import to_json
from jaxvec.text.corpus import Corpus
from jaxvec.text.vocab import Vocab
from jaxvec.train.cbow import CBOW
from jaxvec.train.contracts import Model
from jaxvec.train.glove import GloVe
from jaxvec.train.result import Report, Result
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.softmax import Softmax

_MODELS: dict[str, Any] = {model.__name__: model for model in (SkipGram, CBOW, Softmax, GloVe)}
_KIND = "run"


def save_run(result: Result, path: str | os.PathLike[str]) -> None:
    """Writes an uncompressed ``.npz`` with tables, optimizer's state, vocabulary and history.

    The text itself is not written.

    Args:
      result: of `fit` or `sweep`.
      path: of the file.

    >>> corpus = Corpus.from_documents(["the cat sat on the mat"] * 20, min_count=1)
    >>> from jaxvec import fit
    >>> result = fit(corpus, SkipGram(vector_size=8), key=jax.random.key(0), epochs=1)
    >>> path = getfixture("tmp_path") / "cats.run"
    >>> save_run(result, path)
    >>> again = load_run(path)
    >>> again.model == result.model, again.history == result.history, again.vectors()
    (True, True, WordVectors of 5 words, 8 numbers each)
    """
    if not isinstance(result, Result):
        raise TypeError(f"save_run takes the Result of fit, then a path; got {kind(result)}")
    model = {"name": type(result.model).__name__, **dataclasses.asdict(result.model)}  # type: ignore[call-overload]
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
    """Reads what `save_run` wrote, as the ``start`` of `fit`, or for its vectors.

    Its `data` has the vocabulary but no text, and `opt_state` is a list of arrays.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is no such file, or damaged.
    """
    arrays = load_arrays(path)
    if str(arrays.get("kind")) != _KIND:
        raise ValueError(f"{path} is not a saved run")
    fields = json.loads(str(arrays["model"]))
    kind = _MODELS[fields.pop("name")]
    params = {
        name.removeprefix("params."): array
        for name, array in arrays.items()
        if name.startswith("params.")
    }
    model: Model = kind(**fields)
    structure = jax.eval_shape(lambda: model.init(jax.random.key(0), 2))
    states = sum(name.startswith("state.") for name in arrays)
    nothing = np.zeros(0, np.int32), np.zeros(1, np.int64)
    return Result(
        type(structure)(**params),
        [arrays[f"state.{i}"] for i in range(states)],
        [Report(*report) for report in json.loads(str(arrays["history"]))],
        Corpus(Vocab.from_arrays(arrays), *nothing, raw_words=0),
        model,
    )
