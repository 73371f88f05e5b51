"""The flags of `jaxvec train` for models, generated from the options that the models declare."""

import argparse
import inspect
from collections.abc import Callable
from typing import Any

from jaxvec import recipes
from jaxvec.cli.common import Flags, number, whole
from jaxvec.cli.data import IDENTITY
from jaxvec.train.contracts import Model
from jaxvec.train.documents import ParagraphVectors
from jaxvec.train.options import Declared, options_of
from jaxvec.train.registry import MODELS, name_of

TRAINED = "trained"
"""Tag of the flags that go with models that are trained, unlike ppmi-svd."""

_WINDOW = options_of(MODELS["sgns"].make)["window"]._replace(default=10)
"""Of counting, for models that take counts."""

# Options for the documentation, which is small: _SMALL for models that are not in the table.
_SMALL: dict[str, Any] = {"epochs": 10, "sample": 1e-4}
_WITHOUT_CORPUS: dict[str, dict[str, Any]] = {
    "sgns": {**_SMALL, "optimizer": "row_adagrad", "learning_rate": 0.05},
    "softmax": {**_SMALL, "epochs": 2},
    "glove": {"epochs": 30, "x_max": 10.0},
}


def flags_of(model: str) -> dict[str, Declared]:
    """The flags of a model, by name."""
    entry = MODELS[model]
    return options_of(entry.make) | ({"window": _WINDOW} if entry.counts else {})


def _flag(name: str, declared: Declared) -> str:
    no = "no-" if declared.default is True else ""
    return declared.option.flag or f"--{no}{name.replace('_', '-')}"


def _help(takers: dict[str, Declared]) -> str:
    """The help of an option, with its default and the models that take it."""
    first, *_ = takers.values()
    notes = [] if len(takers) == len(MODELS) else [", ".join(takers)]
    if first.default is not None and first.kind is not bool:
        of: dict[Any, list[str]] = {}
        for model, declared in takers.items():
            of.setdefault(declared.default, []).append(model)
        (usual, _), *others = of.items()
        shown = f"{usual:g}" if first.kind is float else str(usual)
        rest = [f"; {default} for {' and '.join(models)}" for default, models in others]
        notes.append("".join([f"default: {shown}", *rest]))
    return first.option.help + (f" ({'; '.join(notes)})" if notes else "")


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say which model is trained."""
    add = Flags(parser, "model", tags=[IDENTITY])
    add(
        "--recipe NAME",
        "take the options of a known program or tutorial, except those given; see below",
        tags=[IDENTITY, TRAINED],
    )
    names = "; ".join(f"{name}, {entry.about}" for name, entry in MODELS.items())
    add("--model NAME", f"{names} (default: sgns)")
    table: dict[str, dict[str, Declared]] = {}
    for model in MODELS:
        for name, declared in flags_of(model).items():
            table.setdefault(name, {})[model] = declared
    for name, takers in table.items():
        declared, *_ = takers.values()
        flag, (_, metavar, least, above, _, choices, read) = _flag(name, declared), declared.option
        if read:
            add(f"{flag} {metavar}", _help(takers), _written(read))
        elif choices:
            add(f"{flag} {metavar}", _help(takers), choices=choices)
        elif declared.kind is bool:
            const = not declared.default
            add(flag, _help(takers), dest=name, action="store_const", const=const)
        elif declared.kind is int:
            add(f"{flag} {metavar}", _help(takers), whole(int(least or 0)))
        elif above is not None:
            add(f"{flag} {metavar}", _help(takers), number(above, beyond=True))
        else:
            add(f"{flag} {metavar}", _help(takers), number() if least is None else number(least))
    add(
        "--vectors",
        "table to write; the sum of both; or joined, both without their means, in the D directions "
        "that tell most words apart (default: input; sum for glove; documents for pv-dbow)",
        choices=["input", "output", "sum", "joined", "documents"],
    )


def _written(read: Callable[[str], Any]) -> Callable[[str], Any]:
    """A type of arguments: what a function makes of a text."""

    def convert(text: str) -> Any:
        try:
            return read(text)
        except ValueError as error:
            raise argparse.ArgumentTypeError(str(error)) from None

    return convert


def set_defaults(options: argparse.Namespace) -> None:
    """Fills in the defaults of the recipe and the model.

    Raises:
      ValueError: if there is no such recipe or model, or the model does not take an option.
    """
    recipe = None if options.recipe is None else recipes.get(options.recipe)
    if options.model is None:
        options.model = "sgns" if recipe is None else name_of(recipe.model)
    if options.model not in MODELS:
        raise ValueError(f"model must be one of {', '.join(MODELS)}; got {options.model!r}")
    _refuse_foreign(options)
    if options.model == "softmax" and options.ns_exponent is not None and options.sampled is None:
        raise ValueError("--ns-exponent is for the words that --sampled draws: give both")
    if MODELS[options.model].trained:
        for name, value in _defaults(options, recipe).items():
            if getattr(options, name, None) is None:
                setattr(options, name, value)
    elif options.vector_size is None:
        options.vector_size = flags_of(options.model)["vector_size"].default
    options.identity = tuple(dict.fromkeys((*options.identity, *given(options))))


def _refuse_foreign(options: argparse.Namespace) -> None:
    """ValueError for an option that the model does not take."""
    taken = flags_of(options.model)
    for model in MODELS:
        for name, declared in flags_of(model).items():
            if getattr(options, name) is not None and name not in taken:
                *others, last = (other for other in MODELS if name in flags_of(other))
                having = f"{', '.join(others)} or {last}" if others else last
                flag = _flag(name, declared)
                raise ValueError(f"{flag} is for --model {having}, not {options.model}")
    for name in options.trained:
        value = getattr(options, name)
        if not MODELS[options.model].trained and value is not None and value is not False:
            flag = f"--{name.replace('_', '-')}"
            raise ValueError(f"{flag} is for models that are trained, not {options.model}")


def _defaults(options: argparse.Namespace, recipe: recipes.Recipe | None) -> dict[str, Any]:
    """The defaults of the options: of the recipe, else for the documentation, else of the model."""
    entry = MODELS[options.model]
    model = make_model(options)
    defaults: dict[str, Any] = {
        "vector_size": flags_of(options.model)["vector_size"].default,
        "valid": 0.0,
        "epochs": entry.epochs,
        "optimizer": model.default_optimizer,
        "learning_rate": model.default_learning_rate,
    }
    if not options.corpus:
        defaults |= _WITHOUT_CORPUS.get(options.model, _SMALL)
    if recipe is not None:
        defaults |= _of_recipe(recipe, options)
    if options.optimizer not in (None, defaults["optimizer"]):  # the rates are for that one
        defaults.pop("learning_rate", None)
        defaults.pop("min_learning_rate", None)
    return defaults


def _of_recipe(recipe: recipes.Recipe, options: argparse.Namespace) -> dict[str, Any]:
    """The options of a recipe. Another model than the recipe's gets the options that it shares,
    without the optimizer and its rates."""
    fields = dict(vars(recipe.model))
    if options.sample is not None:
        fields.pop("sample_percentile", None)  # both say how to subsample
    fit = dict(recipe.fit)
    if options.model != name_of(recipe.model):
        taken = inspect.signature(MODELS[options.model].make).parameters
        fields = {name: value for name, value in fields.items() if name in taken}
        for name in ("optimizer", "learning_rate", "min_learning_rate"):
            fit.pop(name, None)
    elif options.learning_rate is not None and "min_learning_rate" in fit:  # falls as steeply
        fit["min_learning_rate"] *= options.learning_rate / fit["learning_rate"]
    options.recipe_text = recipe.text | recipe.counting
    if options.vectors is None and options.model == name_of(recipe.model):
        options.vectors = recipe.vectors
    return fields | fit


def make_model(options: argparse.Namespace) -> Model:
    """The model that the options describe, one that `fit` trains."""
    return _class(options)(**given(options))


def word_table(options: argparse.Namespace) -> str | None:
    """The table by which words are scored and shown, for `Result.vectors`: the one to write, or if
    that has documents, the words' own."""
    model = make_model(options) if MODELS[options.model].trained else None
    if not isinstance(model, ParagraphVectors) or options.vectors not in (None, "documents"):
        return options.vectors
    return "output"


def check_documents(options: argparse.Namespace) -> None:
    """Checks what goes with documents, which only some models have.

    Raises:
      ValueError: for an option that does not go with the model.
    """
    model = make_model(options)
    if not isinstance(model, ParagraphVectors):
        if options.vectors == "documents":
            raise ValueError(f"--vectors documents is for pv-dbow, not {options.model}")
        return
    for name in ("valid", "init", "freeze", "freeze_known", "shard"):
        if getattr(options, name):
            raise ValueError(f"--{name.replace('_', '-')} goes without documents, and so not with "
                             f"--model {options.model}")  # fmt: skip
    if options.vectors in ("input", "sum", "joined"):
        raise ValueError(f"{options.model} has --vectors documents, or output for words")


def given(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of the model that the options give, those without a flag too."""
    names = inspect.signature(_class(options)).parameters
    return {k: v for k, v in vars(options).items() if k in names and v is not None}


def _class(options: argparse.Namespace) -> Callable[..., Any]:
    """The class of the model; a recipe may have one of its own that derives from it."""
    recipe = None if options.recipe is None else recipes.get(options.recipe).model
    if recipe is not None and options.model == name_of(recipe):
        return type(recipe)
    return MODELS[options.model].make
