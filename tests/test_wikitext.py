"""The model of the recipe wikitext-sgns: its start, subsampling and windows."""

import dataclasses
import itertools

import jax
import numpy as np
import pytest

from jaxvec import Corpus, fit, load_run, recipes, save_run
from jaxvec.cli import main, make_parser
from jaxvec.cli.models import make_model, set_defaults
from jaxvec.recipes.wikitext import NormalSkipGram
from jaxvec.train.segments import TokenSegments
from tests.conftest import topic_accuracy

KEY = jax.random.key(1)
RECIPE = recipes.get("wikitext-sgns")


def planned(model, corpus):
    """The constants and the plan of the one segment of a corpus, and which tokens are kept."""
    constants = model.constants(corpus)
    plan = model.plan(constants, KEY, TokenSegments(corpus).epoch(KEY)(0))
    return constants, plan, np.asarray(plan.ids)[model.margin :][: len(corpus)] >= 0


@pytest.mark.parametrize("symmetric", [True, False])
def test_pairs_are_the_obvious_ones(symmetric):
    """Of words that are kept, the center with whole windows; dropped words keep their place."""
    rng = np.random.default_rng(0)
    documents = [[f"w{i}" for i in rng.integers(0, 20, rng.integers(1, 40))] for _ in range(40)]
    corpus = Corpus.from_documents(documents, min_count=1)
    model = dataclasses.replace(
        RECIPE.model, vector_size=8, window=3, blocks=3, block_tokens=16, symmetric=symmetric,
        sample_percentile=50,
    )  # fmt: skip
    constants, plan, kept = planned(model, corpus)
    assert 0.3 < kept.mean() < 0.9
    bits = jax.random.bits(KEY, (int(plan.steps), *model.bits()))
    found, expected = np.zeros((2, 20, 20))
    for t in range(int(plan.steps)):
        batch = model.expanded(model.batch(constants, plan, bits[t], t))
        centers = np.broadcast_to(batch.centers[:, :, None], batch.weights.shape)
        contexts = np.broadcast_to(batch.contexts[:, None, :], batch.weights.shape)
        np.add.at(found, (centers, contexts), batch.weights)
    start = 0
    for document in documents:
        for i, j in itertools.permutations(range(len(document)), 2):
            near = abs(i - j) <= 3 and (symmetric or j > i)
            whole = i + 3 < len(document) and (i >= 3 or not symmetric)
            if near and whole and kept[start + i] and kept[start + j]:
                expected[corpus.ids[start + i], corpus.ids[start + j]] += 1
        start += len(document)
    assert np.array_equal(found, expected)


def test_percentile_subsampling_keeps_what_it_says(topic_corpus):
    counts = topic_corpus.vocab.counts
    f = counts / counts.sum()
    discard = 1 - np.sqrt(np.percentile(f, 85) / (f + np.percentile(f, 85)))
    expected = RECIPE.model.keep_probability(counts)
    np.testing.assert_allclose(expected, 1 - discard)
    kept = planned(RECIPE.model, topic_corpus)[2]
    found = np.bincount(topic_corpus.ids[kept], minlength=len(counts)) / counts
    error = np.sqrt(expected * (1 - expected) / counts)
    assert (np.abs(found - expected) < 5 * error + 1e-9).all()


@pytest.mark.parametrize("percentile", [-1, 101, float("nan")])
def test_bad_percentile(percentile):
    with pytest.raises(ValueError, match="sample_percentile must be between 0 and 100; got"):
        NormalSkipGram(sample_percentile=percentile)


def test_sample_comes_before_the_recipes_percentile():
    command = ["train", "text.txt", "--recipe", "wikitext-sgns", "--sample", "1e-4"]
    options = make_parser("train").parse_args(command)
    set_defaults(options)
    model = make_model(options)
    assert model == dataclasses.replace(RECIPE.model, sample=1e-4, sample_percentile=None)


def test_it_leaves_its_start_behind_and_is_saved_whole(topic_corpus, tmp_path):
    """With a higher rate, smaller steps and vectors: the text is small, of which it warns."""
    model = dataclasses.replace(
        RECIPE.model, vector_size=32, blocks=5, sample_percentile=None, sample=0, window=4
    )
    options = {**RECIPE.fit, "epochs": 3, "learning_rate": 0.02, "min_learning_rate": 0.02}
    with pytest.warns(UserWarning, match="^24,000 words are too few for wikitext-sgns"):
        result = fit(topic_corpus, model, key=KEY, **options)
    first, last = result.history[0], result.history[-1]
    assert last.valid_loss < first.valid_loss < 51 * np.log(2)
    assert topic_accuracy(result.vectors()) > 0.9
    save_run(result, tmp_path / "run")
    again = load_run(tmp_path / "run")
    assert again.model == model
    assert np.array_equal(again.params.input, result.params.input)


def test_it_begins_with_normal_numbers():
    params = RECIPE.model.init(KEY, 500)
    for table in params:
        assert table.shape == (500, 300)
        assert abs(np.mean(table)) < 1e-3
        assert np.std(table) == pytest.approx(0.1, rel=0.02)
        assert np.mean(np.square(table) < 0.01) == pytest.approx(0.683, abs=0.01)  # within one sd
    assert abs(np.corrcoef(*map(np.ravel, params))[0, 1]) < 0.02


@pytest.mark.filterwarnings("default:.*too few for wikitext-sgns")
def test_the_shell_tells_of_small_text(tmp_path, monkeypatch, topic_documents, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    command = ["train", "text.txt", "-o", "v.npz", "--epochs", "1", "--vector-size", "8"]
    assert main([*command, "--recipe", "wikitext-sgns", "--min-count", "5"]) == 0
    told = capsys.readouterr().err
    assert (
        "\njaxvec train: warning: 24,000 words are too few for wikitext-sgns, whose author had 77 m"
        in told
    )
    assert "collapsed" not in told
