"""Recipes in Python and on the command line, and reports within an epoch."""

import contextlib
import dataclasses

import jax
import numpy as np
import pytest

from jaxvec import Corpus, WordVectors, fit, recipes
from jaxvec.cli import main, make_parser
from jaxvec.cli.models import make_model, set_defaults
from jaxvec.cli.train import warn_if_collapsed
from jaxvec.cooccurrence import count
from jaxvec.train.contracts import STEPS_A_DRAW, Steps
from jaxvec.train.steps import StepReports

KEY = jax.random.key(1)


@pytest.fixture
def folder(tmp_path, monkeypatch, topic_documents):
    """A working folder with a text."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    return tmp_path


@pytest.mark.parametrize("name", recipes.RECIPES)
def test_the_command_line_has_every_setting(name):
    """Every setting of the recipe reaches the model and `fit`."""
    recipe = recipes.get(name)
    options = make_parser("train").parse_args(["train", "text.txt", "--recipe", name])
    set_defaults(options)
    assert make_model(options) == recipe.model
    assert {option: getattr(options, option) for option in recipe.fit} == recipe.fit
    assert options.recipe_text == recipe.text | recipe.counting
    assert options.vectors == recipe.vectors
    assert getattr(recipes, name.replace("-", "_"))() == recipe._replace(about="")


def test_help_lists_them(capsys):
    with pytest.raises(SystemExit):
        main(["train", "--help"])
    shown = capsys.readouterr().out
    for name, recipe in recipes.RECIPES.items():
        about = recipe.about.replace("``", "")
        assert f"\n  {name:18} {about}\n" in shown
        assert len(recipe.about) > 20


def test_from_the_shell_and_in_python_the_same(folder, capsys):
    command = ["train", "text.txt", "-o", "v.npz", "--recipe", "d2l-glove", "--epochs", "1"]
    assert main(command) == 0
    recipe = recipes.get("d2l-glove")
    cells = count(Corpus.from_files("text.txt", **recipe.text), **recipe.counting)
    found = []
    fit_options = {**recipe.fit, "epochs": 1}
    result = fit(cells, recipe.model, key=KEY, step_callbacks=[found.append], **fit_options)
    assert np.array_equal(WordVectors.load("v.npz").vectors, result.vectors().vectors)
    assert len(found) == len(cells) // 1024 // 50
    assert capsys.readouterr().err.count("  step 50: ") == len(found)


def test_a_flag_comes_before_the_recipe(folder):
    command = ["train", "text.txt", "-o", "v.npz", "--recipe", "fasttext-sgns", "--epochs", "1",
               "--vector-size", "8"]  # fmt: skip
    assert main([*command, "--window", "3", "--learning-rate", "0.1", "--min-count", "300"]) == 0
    vectors = WordVectors.load("v.npz")
    run = vectors.metadata["run"]
    assert (run["window"], run["learning_rate"], run["min_learning_rate"]) == (3, 0.1, 0.0)
    assert (run["sample"], run["ns_exponent"]) == (1e-4, 0.5)
    assert min(vectors.counts) >= 300


def test_the_rate_falls_as_steeply_from_another_start(folder):
    command = ["train", "text.txt", "-o", "v.npz", "--recipe", "d2l-glove", "--epochs", "1",
               "--learning-rate", "0.05"]  # fmt: skip
    assert main(command) == 0
    assert WordVectors.load("v.npz").metadata["run"]["min_learning_rate"] == 0.05


def test_the_vectors_of_a_recipe(folder):
    """Both tables joined, unless the command line or another model says otherwise."""
    command = ["train", "text.txt", "--recipe", "skipgram-quality", "--epochs", "1",
               "--vector-size", "16"]  # fmt: skip
    recipe = recipes.get("skipgram-quality")
    corpus = Corpus.from_files("text.txt", **recipe.text)
    model = dataclasses.replace(recipe.model, vector_size=16)
    result = fit(corpus, model, key=KEY, **{**recipe.fit, "epochs": 1})
    for flags, expected in [([], recipe.vectors), (["--vectors", "input"], None)]:
        assert main([*command, "-o", "v.npz", "--force", *flags]) == 0
        ours = WordVectors.load("v.npz").vectors
        assert np.array_equal(ours, result.vectors(expected).vectors)
    options = make_parser("train").parse_args([*command, "--model", "glove"])
    set_defaults(options)
    assert options.vectors is None


def test_another_model_than_the_recipes(folder):
    command = ["train", "text.txt", "-o", "v.npz", "--recipe", "word2vec", "--model", "sgns",
               "--epochs", "1", "--force"]  # fmt: skip
    assert main(command) == 0
    run = WordVectors.load("v.npz").metadata["run"]
    assert (run["model"], run["learning_rate"], run["sample"]) == ("sgns", 0.03, 1e-3)


def test_a_recipe_on_a_saved_corpus_and_on_counts(folder, topic_corpus):
    topic_corpus.save("saved")
    count(topic_corpus, window=10).save("counts")
    for data in ("saved", "counts"):
        command = ["train", data, "-o", f"{data}.npz", "--recipe", "d2l-glove", "--epochs", "1"]
        assert main(command) == 0
    saved, counts = (WordVectors.load(f"{name}.npz").vectors for name in ("saved", "counts"))
    assert np.array_equal(saved, counts)


def test_no_such_recipe(folder, capsys):
    assert main(["train", "text.txt", "--recipe", "word3vec"]) == 2
    assert "recipe must be one of word2vec, " in capsys.readouterr().err
    with pytest.raises(ValueError, match="got 'word3vec'"):
        recipes.get("word3vec")


@pytest.mark.parametrize(("spread", "told"), [(0.2, True), (0.5, False)])
def test_the_shell_tells_of_vectors_that_have_collapsed(spread, told):
    rng = np.random.default_rng(0)
    table = rng.standard_normal(100) + spread * rng.standard_normal((3000, 100))
    table[2000:] = rng.standard_normal((1000, 100))  # rare words are not considered
    units = table[:2000] / np.linalg.norm(table[:2000], axis=1, keepdims=True)
    mean = (units @ units.T)[np.triu_indices(2000, 1)].mean()
    expected = f"the vectors have collapsed, with a mean cosine of {mean:.2f} "
    with pytest.warns(match=expected) if told else contextlib.nullcontext():
        warn_if_collapsed(WordVectors([str(i) for i in range(3000)], table))


def test_the_embedding_and_softmax_on_a_little_text(topic_documents):
    """The next word is of the same topic."""
    recipe = recipes.get("softmax-embedding")
    corpus = Corpus.from_documents(topic_documents, **recipe.text)
    result = fit(corpus, recipe.model, key=KEY, **{**recipe.fit, "epochs": 5})
    assert result.history[-1].loss < result.history[0].loss < np.log(len(corpus.vocab))
    likeliest = [word for word, _ in result.predict_output_word(["t3w5"], topn=15)]
    assert sum(word.startswith("t3") for word in likeliest) > 9
    assert result.vectors().most_similar_dot("t3w5", topn=1)[0][0].startswith("t3")


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("every", [1, 7, 1000])
def test_reports_within_an_epoch(topic_corpus, workers, every):
    found = []
    recipe = recipes.get("word2vec-skipgram")
    result = fit(
        topic_corpus, recipe.model, key=KEY, epochs=2, workers=workers, report_every=every,
        step_callbacks=[found.append],
    )  # fmt: skip
    steps = np.diff([0, *(report.step for report in found)])
    assert (steps >= every).all()
    assert (steps <= every + STEPS_A_DRAW).all()
    assert len(found) > 3 if every <= STEPS_A_DRAW else len(found) < 2
    assert all(report.words_per_second > 0 for report in found)
    if every <= STEPS_A_DRAW:
        first = [report.loss for report in found if report.epoch == 1]
        assert abs(np.mean(first) / result.history[0].loss - 1) < 0.05


def test_reports_add_up_over_segments():
    """Of segments of 2 whole draws and one of 7 steps: every 100 steps end with a draw."""
    rng = np.random.default_rng(0)
    found = []
    reports = StepReports(100, [found.append], step=40)
    losses, weights = rng.random((2, 12, 5))
    taken = np.array([64, 64, 7, 0, 0])
    for loss, weight in zip(losses, weights, strict=True):
        reports.add(1, Steps(loss, weight, taken, loss), words=270, seconds=2.0)
    # 128 steps; then 7 + 64 + 64; then again, as the first segment
    draws = np.stack([losses[:, :3].ravel(), weights[:, :3].ravel()])
    ends = np.cumsum([2, *[3] * 11])
    expected = np.divide(*np.add.reduceat(draws[:, : ends[-1]], [0, *ends[:-1]], axis=1))
    np.testing.assert_allclose([report.loss for report in found], expected)
    assert [report.step for report in found] == [168 + 135 * i for i in range(12)]
    np.testing.assert_allclose([report.words_per_second for report in found], 135)


def test_reports_on_the_command_line(folder, capsys):
    command = ["train", "text.txt", "-o", "v.npz", "--epochs", "1", "--report-every", "50",
               "--vector-size", "8"]  # fmt: skip
    assert main(command) == 0
    assert "\n  step 64: loss 2." in capsys.readouterr().err
