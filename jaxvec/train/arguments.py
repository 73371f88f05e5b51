"""The arguments of `fit` and `sweep`, checked before any work. Messages say the right call."""

import inspect
import os
from collections.abc import Collection, Sequence
from typing import Any, cast

import jax
import numpy as np

from jaxvec.cooccurrence import Cooccurrence
from jaxvec.messages.kinds import corpus_instead, kind
from jaxvec.messages.numbers import check_whole, is_number
from jaxvec.text.corpus import Corpus
from jaxvec.train.alike import check_arguments
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import InitRows, Model, Objective, Source, State
from jaxvec.train.devices import Device
from jaxvec.train.result import Result
from jaxvec.train.skipgram import SkipGram
from jaxvec.vectors.table import WordTable

_MODELS = "SkipGram(), CBOW(), Softmax() or GloVe()"


def checked(given: dict[str, Any]) -> tuple[Model, jax.Array]:
    """The model and the key of a call of `fit`, once all its arguments are checked.

    Args:
      given: the arguments by name.

    Raises:
      TypeError: if one is of another kind; the message says what to write.
      ValueError: for `epochs` below 1, or if there are several processes and they differ.
    """
    check_data(given["data"])
    check_whole("epochs", given["epochs"])
    check_optimizer(given["optimizer"])
    check_write_back(given["write_back"])
    check_rate("learning_rate", given["learning_rate"])
    check_rate("min_learning_rate", given["min_learning_rate"], may_vary=False)
    for name in ("valid", "grad_clip", "max_norm"):
        check_rate(name, given[name], may_vary=False)
    check_init(given["init"])
    check_start(given["start"])
    check_words("freeze", given["freeze"])
    check_callables("callbacks", given["callbacks"])
    check_callables("step_callbacks", given["step_callbacks"])
    check_whole("report_every", given["report_every"])
    if given["workers"] is not None:
        check_whole("workers", given["workers"])
    checkpoints = given["checkpoints"]
    if not isinstance(checkpoints, Checkpoints | None):
        folder = repr(checkpoints) if isinstance(checkpoints, str | os.PathLike) else "folder"
        raise TypeError(
            f"checkpoints are a jaxvec.Checkpoints, not {kind(checkpoints)}: "
            f"write checkpoints=jaxvec.Checkpoints({folder}, {{'text': 'its name'}})"
        )
    if not callable(given["should_stop"]):
        raise TypeError(
            f"should_stop is a function that is asked after each segment, not "
            f"{kind(given['should_stop'])}; a callback ends a run with raise jaxvec.StopTraining"
        )
    check_device(given["defaults_for"])
    model, key = checked_model(given["model"]), checked_key(given["key"])
    check_arguments({**given, "model": model, "key": key})
    return model, key


def missing(model: Any) -> list[str]:
    """The members of a `Model` that an object lacks."""
    members = [
        name for part in (Objective, Source) for name in (*part.__annotations__, *vars(part))
        if not name.startswith("_")
    ]  # fmt: skip
    return [name for name in members if not hasattr(model, name)]


def check_data(data: Any) -> None:
    """Makes sure that the data are text or counts.

    Raises:
      TypeError: for anything else.
      ValueError: if the vocabulary has one word.
    """
    if not isinstance(data, Corpus | Cooccurrence):
        if hasattr(data, "default_optimizer"):
            raise TypeError("the data come first, then the model: write fit(corpus, model, key=…)")
        raise TypeError(corpus_instead(data))
    if len(data.vocab) < 2:
        raise ValueError("the vocabulary has one word; two or more are needed to learn from")


def checked_model(model: Any) -> Model:
    """The model, `SkipGram()` for None.

    Raises:
      TypeError: if it lacks members of `contracts.Model`, or cannot be hashed.
    """
    if model is None:
        return cast(Model, SkipGram())
    if isinstance(model, Corpus | Cooccurrence):
        raise TypeError("the data come first, then the model: write fit(corpus, model, key=…)")
    if inspect.isclass(model):
        raise TypeError(f"the model is an instance: write {model.__name__}(), not the class")
    if isinstance(model, list | tuple):
        raise TypeError("fit trains one model; jaxvec.sweep trains many together")
    lacks = missing(model)
    if lacks:
        own = ""
        if "default_optimizer" not in lacks or "rows_loss" not in lacks:
            own = f", which lacks {', '.join(lacks)} of jaxvec.train.contracts.Model"
        raise TypeError(f"the model must be {_MODELS}; got {kind(model)}{own}")
    made = {name: next((c for c in type(model).__mro__ if name in vars(c)), object)
            for name in ("init", "init_rows")}  # fmt: skip
    if isinstance(model, InitRows) and not issubclass(made["init_rows"], made["init"]):
        raise TypeError(
            f"{made['init'].__name__} has an init of its own, and {made['init_rows'].__name__}'s "
            "init_rows, which makes the first tables: write both, or init_rows = None"
        )
    try:
        hash(model)
    except TypeError as error:
        raise TypeError(
            f"a model must be hashable, such as a dataclass with frozen=True: {error}"
        ) from None
    return cast(Model, model)


def checked_key(key: Any, *, many: bool = False) -> jax.Array:
    """A `jax.random` key, one of the old style converted.

    Args:
      key: as `jax.random.key` or `jax.random.PRNGKey` makes it, or (for `many`) an array of them.
      many: whether there may be several.

    Raises:
      TypeError: for any other object.
    """
    seed = key if isinstance(key, int | np.integer) and not isinstance(key, bool) else 0
    wanted = f"write key=jax.random.key({seed})"
    if many and isinstance(key, list | tuple):
        wanted = "write key=jax.numpy.stack(keys)"
    if not isinstance(key, jax.Array | np.ndarray):
        raise TypeError(f"key must be a jax.random key, not {kind(key)}: {wanted}")
    if not jax.dtypes.issubdtype(key.dtype, jax.dtypes.prng_key):
        if key.dtype != np.uint32 or not key.ndim:
            raise TypeError(f"key must be a jax.random key, not {key.dtype}{key.shape}: {wanted}")
        key = jax.random.wrap_key_data(cast(jax.Array, key))  # of the old kind
    if key.shape and not many:
        raise TypeError(
            f"fit takes one key, not {key.shape}: write key=keys[0]; sweep takes an array of them"
        )
    return cast(jax.Array, key)


def check_optimizer(optimizer: Any) -> None:
    """Makes sure that it is a name, an optax transformation or a `RowOptimizer`.

    Raises:
      TypeError: for any other object.
    """
    if optimizer is None or isinstance(optimizer, str) or hasattr(optimizer, "update"):
        return
    if isinstance(optimizer, float | int | np.number):
        raise TypeError(f"optimizer is a name, or a transformation of optax, not {kind(optimizer)}:"
                        f" write learning_rate={optimizer}")  # fmt: skip
    if callable(optimizer):
        name = f"optax.{getattr(optimizer, '__name__', 'adam')}"
        raise TypeError(f"optimizer is a function, not yet called: write optimizer={name}(0.01)")
    raise TypeError(
        f"optimizer is a name such as 'adam', or a transformation such as optax.adam(0.01), not "
        f"{kind(optimizer)}"
    )


def check_write_back(write_back: Any) -> None:
    """Makes sure that it is a name, a `WriteBack`, or None.

    Raises:
      TypeError: for any other object.
    """
    methods = ("scratch", "combine", "add", "store")
    if write_back is None or isinstance(write_back, str):
        return
    if inspect.isclass(write_back):
        raise TypeError(f"write_back is an instance: write {write_back.__name__}(), not the class")
    lacks = [name for name in methods if not callable(getattr(write_back, name, None))]
    if lacks:
        raise TypeError(
            "write_back is a name such as 'sorted', or a jaxvec.optim.WriteBack; got "
            f"{kind(write_back)}, which lacks {', '.join(lacks)}"
        )


def check_rate(name: str, rate: Any, *, may_vary: bool = True) -> None:
    """Makes sure that a rate is a number, None, or a schedule.

    Args:
      name: of the argument.
      rate: its value.
      may_vary: whether it may be a schedule.

    Raises:
      TypeError: for any other object.
    """
    if rate is None or is_number(rate):
        return
    if not may_vary or not callable(rate):
        schedule = ", or a function of progress from 0 to 1" if may_vary else ""
        raise TypeError(f"{name} is a number{schedule}; got {kind(rate)}")
    try:
        number = is_number(rate(0.0))
    except TypeError:
        number = False
    if not number:
        raise TypeError(
            f"{name} is a function of progress from 0 to 1 that returns a number, such as "
            "optax.cosine_decay_schedule(0.03, 1); this one, called with 0.0, returns none"
        )


def check_init(init: Any) -> None:
    """Makes sure that `init` is word vectors, or None.

    Raises:
      TypeError: for any other object.
    """
    if init is None or isinstance(init, WordTable):
        return
    how = "WordVectors(words, table)"
    if isinstance(init, str | os.PathLike):
        how = f"WordVectors.load({init!r})"
    elif isinstance(init, Result):
        how = "result.vectors()"
    elif callable(init):
        how = "result.vectors(), with brackets"
    elif isinstance(init, dict):
        how = "WordVectors(list(found), list(found.values()))"
    elif isinstance(init, State) or hasattr(init, "_fields"):
        how = "start=jaxvec.State(params, None), for parameters"
    elif hasattr(init, "index_to_key"):
        how = "WordVectors(kv.index_to_key, kv.vectors)"
    elif hasattr(init, "__array__"):
        how = "WordVectors(corpus.vocab.words, table)"
    raise TypeError(f"init takes the WordVectors to begin with, not {kind(init)}: write {how}")


def check_start(start: Any) -> None:
    """Makes sure that `start` is a `State`, a `Result`, or None.

    Raises:
      TypeError: for any other object.
    """
    if start is None or isinstance(start, State | Result):
        return
    how = "start=result, of an earlier fit"
    if isinstance(start, WordTable):
        how = "init=vectors, for vectors to begin with"
    elif isinstance(start, str | os.PathLike):
        how = f"start=jaxvec.load_run({start!r})"
    elif isinstance(start, Checkpoints):
        how = "checkpoints=…, from which fit goes on by itself"
    elif hasattr(start, "_fields"):
        how = "start=jaxvec.State(params, None), for parameters"
    raise TypeError(f"start takes the Result of an earlier run, not {kind(start)}: write {how}")


def check_device(device: Any) -> None:
    """Makes sure that it is the description of a device, or None.

    Raises:
      TypeError: for any other object.
    """
    if device is None or isinstance(device, Device):
        return
    how = "jaxvec.Device('gpu')"
    if isinstance(device, jax.Device):
        how = "jax.default_device, to train on it: with jax.default_device(device): fit(…)"
    elif isinstance(device, str):
        how = f"jaxvec.Device({device!r})"
    raise TypeError(f"defaults_for takes a jaxvec.Device, not {kind(device)}: write {how}")


def check_words(name: str, words: Any) -> None:
    """Makes sure that an argument is a collection of words.

    Args:
      name: of the argument.
      words: its value.

    Raises:
      TypeError: for any other object.
    """
    if isinstance(words, str):
        raise TypeError(f"{name} takes a list of words: write {name}=[{words!r}]")
    odd = words  # an iterator could be read only once
    if isinstance(words, Collection):
        odd = next((word for word in words if not isinstance(word, str)), None)
    if odd is not None:
        raise TypeError(f"{name} takes a list of words, such as ['king']; got {kind(odd)}")


def check_callables(name: str, found: Any) -> None:
    """Makes sure that an argument is a list of functions.

    Args:
      name: of the argument.
      found: its value.

    Raises:
      TypeError: for any other object.
    """
    if callable(found) and not isinstance(found, Sequence):
        raise TypeError(f"{name} takes a list of functions: write {name}=[f]")
    if not isinstance(found, list | tuple):
        raise TypeError(f"{name} takes a list of functions, such as [f]; got {kind(found)}")
    for one in found:
        if inspect.isclass(one):
            raise TypeError(
                f"{name} holds the class {one.__name__}, and takes functions or instances: "
                f"write {name}=[{one.__name__}(…)]"
            )
        if not callable(one):
            raise TypeError(f"{name} takes a list of functions, such as [f]; got {kind(one)} in it")


def check_sweep(given: dict[str, Any]) -> jax.Array:
    """The keys of a call of `sweep`, once all its arguments are checked; see `checked`."""
    check_data(given["data"])
    check_whole("epochs", given["epochs"])
    check_optimizer(given["optimizer"])
    check_write_back(given["write_back"])
    for rate in as_list(given["learning_rate"]):
        check_rate("learning_rate", rate)
    for name in ("min_learning_rate", "valid"):
        check_rate(name, given[name], may_vary=False)
    if given["workers"] is not None:
        check_whole("workers", given["workers"])
    for model in as_list(given["model"]):
        checked_model(model)
    return checked_key(given["key"], many=True)


def as_list(given: Any) -> list[Any]:
    """A list or array [n] as a list; of anything else the list of it alone."""
    is_many = isinstance(given, list | tuple) or np.ndim(given) == 1
    return list(given) if is_many else [given]
