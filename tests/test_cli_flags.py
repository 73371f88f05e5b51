"""The flags of `jaxvec train`: generated from the models, and tagged as the identity of a run."""

import dataclasses
from typing import Annotated

import pytest

from jaxvec import SkipGram
from jaxvec.cli import main, make_parser
from jaxvec.cli.models import make_model, set_defaults
from jaxvec.train.options import Option
from jaxvec.train.registry import MODELS, Entry, name_of

APART = {
    "corpus", "output", "force", "probe", "analogies", "pairs", "restrict_vocab", "report_every",
    "log", "checkpoint", "checkpoint_every", "resume", "save_run", "header", "unk_vector",
    "save_parameters", "save_gradsq", "memory", "shard",
    "coordinator", "num_processes", "process_id", "distributed",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Toy(SkipGram):
    """Skip-gram with an option more."""

    speed: Annotated[float, Option("of the toy", "S", above=0)] = 2.0
    loud: Annotated[bool, Option("make it quiet")] = True


def test_every_flag_is_of_the_identity_of_a_run_or_known_not_to_be():
    """A checkpoint is resumed with the same values of all other flags than these."""
    options = vars(make_parser("train").parse_args(["train", "text.txt"]))
    flags = options.keys() - {"command", "run", "identity", "trained"}
    assert flags - set(options["identity"]) == APART


def parsed(*arguments):
    options = make_parser("train").parse_args(["train", "text.txt", *arguments])
    set_defaults(options)
    return options


@pytest.mark.parametrize(
    ("arguments", "rate"), [([], 0.1), (["--cbow-sum"], 0.0125), (["--learning-rate", "0.2"], 0.2)]
)
def test_the_rate_of_a_sum_is_its_own(arguments, rate):
    assert parsed("--model", "cbow", *arguments).learning_rate == rate


def test_a_model_is_one_line_of_the_registry(monkeypatch, capsys):
    monkeypatch.setitem(MODELS, "toy", Entry(Toy, "skip-gram with an option more", epochs=7))
    options = parsed("--model", "toy", "--speed", "3", "--no-loud", "--window", "2")
    assert make_model(options) == Toy(speed=3.0, loud=False, window=2, vector_size=100)
    assert (options.epochs, options.optimizer, options.learning_rate) == (7, "sgd", 0.03)
    assert {"speed", "loud"} <= set(options.identity)
    assert name_of(Toy()) == "toy"
    with pytest.raises(ValueError, match="--speed is for --model toy, not sgns"):
        parsed("--speed", "3")
    for arguments in (["--help"], ["--speed", "0"]):
        with pytest.raises(SystemExit):
            main(["train", *arguments])
    out, err = capsys.readouterr()
    out = " ".join(out.split())
    assert "--speed S of the toy (toy; default: 2)" in out
    assert "--no-loud make it quiet (toy)" in out
    assert "toy, skip-gram with an option more" in out
    assert "expected a finite number above 0, not '0'" in err


def test_the_help_tells_defaults_and_models(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    out = " ".join(capsys.readouterr().out.split())
    models = "sgns, cbow, softmax, glove, ppmi-svd"
    assert f"context word each side ({models}; default: 5; 10 for glove and ppmi-" in out
    assert "negative samples of a prediction (sgns, cbow, pv-dbow; default: 5)" in out
    assert "--vector-size D numbers in a vector (default: 100)" in out


def test_a_model_that_is_not_registered():
    with pytest.raises(ValueError, match=r'MODELS\["object"\] = Entry\(object, "…"\)'):
        name_of(object())
