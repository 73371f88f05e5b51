"""The models that `jaxvec train` knows, and their options."""

import argparse
import inspect
from typing import Any

from jaxvec import recipes
from jaxvec.cli.common import number, whole
from jaxvec.train import ppmi
from jaxvec.train.cbow import CBOW
from jaxvec.train.contracts import Model
from jaxvec.train.glove import GloVe
from jaxvec.train.skipgram import SkipGram
from jaxvec.train.softmax import Softmax

_MODELS: dict[str, Any] = {
    "sgns": SkipGram, "cbow": CBOW, "softmax": Softmax, "glove": GloVe, "ppmi-svd": ppmi.vectors,
}  # fmt: skip
_SMALL = {"epochs": 10, "sample": 1e-4}  # the documentation that one trains on without a corpus
_SMALL_ADAGRAD = {**_SMALL, "optimizer": "row_adagrad", "learning_rate": 0.05}
_WITHOUT_CORPUS: dict[str, dict[str, Any]] = {
    "sgns": _SMALL_ADAGRAD,
    "cbow": _SMALL,
    "softmax": {**_SMALL, "epochs": 2},
    "glove": {"epochs": 30, "x_max": 10.0},
}


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """Adds what says which model is trained."""
    add = parser.add_argument_group("model").add_argument
    add("--recipe", metavar="NAME",
        help="set all options as a known program or tutorial has them, but for those given; see "
        "below")  # fmt: skip
    add("--model", metavar="NAME",
        help="sgns, skip-gram with negative sampling (default); cbow, continuous bag of words "
        "with negative sampling; softmax, skip-gram with a full softmax, for small "
        "vocabularies; glove; or ppmi-svd, the SVD of positive PMI, without training")  # fmt: skip
    add("--vector-size", type=whole(1), metavar="D", help="default: 100")
    add("--window", type=whole(1), metavar="W",
        help="farthest context word each side (default: 5; 10 for glove and ppmi-svd)")  # fmt: skip
    add("--no-shrink-windows", dest="shrink_windows", action="store_const", const=False,
        help="use all words of the window, not a random 1 to W each time; not for "
        "glove or ppmi-svd")  # fmt: skip
    add("--cbow-sum", dest="cbow_mean", action="store_const", const=False,
        help="cbow: predict from the sum of the context's vectors, not their mean")  # fmt: skip
    add("--negative", type=whole(1), metavar="K",
        help="sgns, cbow: negative samples a prediction (default: 5)")  # fmt: skip
    add("--ns-exponent", type=number(), metavar="A",
        help="sgns, cbow: draw negatives by counts to this power (default: 0.75)")  # fmt: skip
    add("--sample", type=number(0), metavar="T",
        help="threshold of subsampling; 0 for none (default: 1e-3); not for glove or "
        "ppmi-svd")  # fmt: skip
    add("--sample-percentile", type=number(0), metavar="P",
        help="subsample by the Pth percentile of the vocabulary's frequencies, in place of "
        "--sample: keep a word of frequency f with probability sqrt(t / (f + t)); not for "
        "glove or ppmi-svd")  # fmt: skip
    add("--keep-gaps", dest="close_gaps", action="store_const", const=False,
        help="let words that subsampling leaves out keep their place in windows; not for "
        "glove or ppmi-svd")  # fmt: skip
    add("--no-symmetric", dest="symmetric", action="store_const", const=False,
        help="only the words that follow are context; with --window 1, the next word; not for "
        "glove or ppmi-svd")  # fmt: skip
    add("--full-windows", action="store_const", const=True,
        help="leave out words without a whole window around them; not for glove or "
        "ppmi-svd")  # fmt: skip
    add("--spectral-words", type=whole(0), metavar="N",
        help="sgns, cbow: count so many words of the text for the vectors to begin with; 0: begin "
        "with random ones, as word2vec (default: 4194304)")  # fmt: skip
    add("--blocks", type=whole(1), metavar="B",
        help="sgns, cbow, softmax: blocks of 32 words a step (default: 2, or fewer for a small "
        "vocabulary; an accelerator wants hundreds)")  # fmt: skip
    add("--x-max", type=number(0, beyond=True), metavar="X",
        help="glove: counts from here on have full weight (default: 100)")  # fmt: skip
    add("--alpha", type=number(0), metavar="A",
        help="glove: lesser counts weigh (x / X)^A (default: 0.75)")  # fmt: skip
    add("--mittens", type=number(0), metavar="M",
        help="glove: draw the words that --init has towards their vectors there, this "
        "strongly")  # fmt: skip
    add("--cds", type=number(0), metavar="A",
        help="ppmi-svd: context distribution smoothing, counts of contexts to this power "
        "(default: 0.75)")  # fmt: skip
    add("--shift", type=number(1), metavar="K",
        help="ppmi-svd: take log K from each PMI, as K negative samples would "
        "(default: 1)")  # fmt: skip
    add("--eigenvalue-weighting", type=number(0), metavar="P",
        help="ppmi-svd: weigh dimensions by singular values to this power "
        "(default: 0.5)")  # fmt: skip
    add("--vectors", choices=["input", "output", "sum"],
        help="which table to write, or the sum of both (default: input, or sum for "
        "glove)")  # fmt: skip


_FLAGS = {
    "shrink_windows": "--no-shrink-windows",
    "cbow_mean": "--cbow-sum",
    "negative": "--negative",
    "ns_exponent": "--ns-exponent",
    "sample": "--sample",
    "sample_percentile": "--sample-percentile",
    "close_gaps": "--keep-gaps",
    "symmetric": "--no-symmetric",
    "full_windows": "--full-windows",
    "spectral_words": "--spectral-words",
    "blocks": "--blocks",
    "x_max": "--x-max",
    "alpha": "--alpha",
    "mittens": "--mittens",
    "cds": "--cds",
    "shift": "--shift",
    "eigenvalue_weighting": "--eigenvalue-weighting",
}
_OF_EPOCHS = {  # what a model that is not trained has none of, and the parser's defaults
    "recipe": None, "max_norm": None, "report_every": None,
    "epochs": None, "optimizer": None, "learning_rate": None, "min_learning_rate": None,
    "grad_clip": None, "init": None, "workers": None, "valid": None, "log": None,
    "checkpoint": None, "checkpoint_every": None, "resume": False,
    "save_run": None, "start": None, "freeze": None, "freeze_known": False,
}  # fmt: skip


def set_defaults(options: argparse.Namespace) -> None:
    """Fills in what depends on the recipe and the model; ValueError if there is no such, or it
    has no such option."""
    recipe = None if options.recipe is None else recipes.get(options.recipe)
    if options.model is None:
        options.model = "sgns" if recipe is None else _name(recipe.model)
    if options.model not in _MODELS:
        raise ValueError(f"model must be one of {', '.join(_MODELS)}; got {options.model!r}")
    for name, flag in _FLAGS.items():
        if getattr(options, name) is not None and name not in _fields(options.model):
            having = " or ".join(model for model in _MODELS if name in _fields(model))
            raise ValueError(f"{flag} is for --model {having}, not {options.model}")
    if options.sample is not None and options.sample_percentile is not None:
        raise ValueError("--sample and --sample-percentile both say how to subsample: give one")
    model = _MODELS[options.model]
    if options.model == "ppmi-svd":
        for name, default in _OF_EPOCHS.items():
            if getattr(options, name) != default:
                flag = f"--{name.replace('_', '-')}"
                raise ValueError(f"{flag} is for models that are trained, not ppmi-svd")
        options.vector_size = options.vector_size or 100
        return
    defaults: dict[str, Any] = {
        "vector_size": 100,
        "valid": 0.0,
        "epochs": 15 if options.model == "glove" else 5,
        "optimizer": model.default_optimizer,
        "learning_rate": make_model(options).default_learning_rate,
    }
    if not options.corpus:
        defaults |= _WITHOUT_CORPUS[options.model]
    if recipe is not None:
        defaults = _of_recipe(defaults, recipe, options)
    if options.optimizer not in (None, defaults["optimizer"]):  # the rate is for that one
        defaults.pop("learning_rate", None)
        defaults.pop("min_learning_rate", None)
    for name, value in defaults.items():
        if getattr(options, name, None) is None:
            setattr(options, name, value)


def _of_recipe(
    defaults: dict[str, Any], recipe: recipes.Recipe, options: argparse.Namespace
) -> dict[str, Any]:
    """The defaults of the model, with those of a recipe before them.

    Of a recipe for another model, what this one has too; the optimizer and its rates it has not.
    """
    fields = dict(vars(recipe.model))
    if options.sample is not None:
        fields.pop("sample_percentile", None)
    fit = dict(recipe.fit)
    if options.model != _name(recipe.model):
        for name in ("optimizer", "learning_rate", "min_learning_rate"):
            fit.pop(name, None)
    elif options.learning_rate is not None and "min_learning_rate" in fit:  # falls as steeply
        fit["min_learning_rate"] *= options.learning_rate / fit["learning_rate"]
    options.recipe_text = recipe.text | recipe.counting
    return defaults | {n: v for n, v in fields.items() if n in _fields(options.model)} | fit


def _name(model: Model) -> str:
    return next(name for name, kind in _MODELS.items() if kind in type(model).__mro__)


def make_model(options: argparse.Namespace) -> Model:
    """The model that the options describe, which is one that `fit` trains."""
    kind = _MODELS[options.model]
    if options.recipe is not None and isinstance(recipes.get(options.recipe).model, kind):
        kind = type(recipes.get(options.recipe).model)  # it may be a kind of its own
    return kind(**given(options))


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What the options say of the model."""
    fields = _fields(options.model)
    return {k: v for k, v in vars(options).items() if k in fields and v is not None}


def _fields(model: str) -> set[str]:
    return set(inspect.signature(_MODELS[model]).parameters)
