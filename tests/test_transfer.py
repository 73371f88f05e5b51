from collections import Counter

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from benchmarks import transfer
from benchmarks.classifier import Classifier, Examples, Trainer
from jaxvec import WordVectors
from jaxvec.nn import nnx_embed
from jaxvec.text import docstrings


def test_texts_are_without_names_and_near_duplicates(monkeypatch):
    eleven = "one two three four five six seven eight nine ten eleven".replace(" ", " numpy ")
    apart = [" ".join(f"{a}{b}" for b in "abcdefghijkl") for a in "mnopqrs"]
    found = [
        docstrings.Docstring("numpy", "a.py", f"jax. {eleven} numpy"),
        docstrings.Docstring("numpy", "b.py", f"{eleven} and more"),
        docstrings.Docstring("numpy", "c.py", "too short"),
        *(docstrings.Docstring("jax", f"{i}.py", text) for i, text in enumerate(apart)),
        docstrings.Docstring("flax", "d.py", apart[0]),
    ]
    monkeypatch.setattr(docstrings, "docstrings", lambda: iter(found))
    texts = list(transfer.texts())
    assert [text.package for text in texts] == ["numpy"] + ["jax"] * (len(apart) - 1)
    assert texts[0].words == eleven.replace(" numpy", "").split()
    assert 0 < sum(text.held_out for text in texts) < len(texts)


def test_packages_take_turns():
    packages = "a" * 50 + "b" * 5 + "c" * 50
    texts = [transfer.Text([str(i)], package, False) for i, package in enumerate(packages)]
    assert transfer.shuffled(texts, 0) != transfer.shuffled(texts, 1)
    for order in (transfer.shuffled(texts, 0), transfer.shuffled(texts, 1)):
        assert sorted(order) == sorted(texts)
        assert Counter(text.package for text in order[:15]) == {"a": 5, "b": 5, "c": 5}
        assert Counter(text.package for text in order[:35]) == {"a": 15, "b": 5, "c": 15}
    assert transfer.shuffled(texts, 0) == transfer.shuffled(texts, 0)


def test_a_classifier_learns_from_its_labels_and_not_from_others():
    """A class has words of its own; what a run must not see has wrong labels."""
    rng = np.random.default_rng(0)
    labels = np.arange(200) % 2
    ids = rng.integers(0, 10, (200, 6)) + 10 * labels[:, None]
    lengths = rng.integers(1, 7, 200)
    ids = np.where(np.arange(6) < lengths[:, None], ids, 19 - ids)  # beyond the length: the other's
    examples = Examples(jnp.asarray(ids), jnp.asarray(lengths), jnp.asarray(labels))
    training = examples._replace(labels=examples.labels.at[50:].set(1 - labels[50:]))
    vectors = WordVectors([f"w{i}" for i in range(20)], rng.normal(size=(20, 32)))
    embed = nnx_embed(vectors, trainable=False)
    trainer = Trainer(
        lambda seed: Classifier(embed, 2, lstm=True, rngs=nnx.Rngs(seed)), seeds=2, steps=200
    )
    rows = jnp.stack([jnp.arange(50), jnp.arange(50)[::-1]])
    guesses = trainer.predictions(training, rows, 50, examples)
    assert guesses.shape == (2, 200)
    accuracy = (np.asarray(guesses) == labels).mean(axis=1)
    assert (accuracy > 0.9).all()
    one = np.asarray(trainer.predictions(training, rows, 1, examples))
    assert ((one == labels[[0, 49], None]).mean(axis=1) > 0.6).all()  # leans to the class it saw
    assert jax.tree.map(jnp.shape, trainer.state[0]["embed"]["embedding"]).get_value() == (
        2,
        20,
        32,
    )


def test_scores():
    accuracy, precision, recall, f1 = transfer.score([0, 0, 0, 1], np.array([0, 0, 1, 1]))
    assert (accuracy, precision, recall) == (0.75, 0.75, (2 / 3 + 1) / 2)
    np.testing.assert_allclose(f1, (0.8 + 2 / 3) / 2)


def test_plot(tmp_path):
    pytest.importorskip("matplotlib")
    kinds = [(m, e) for m in transfer.MODELS for e in transfer.EMBEDDINGS] + [
        (transfer.BASELINE, "")
    ]
    rows = [
        {"model": model, "embedding": embedding, "labels": labels, "F1": 50.0, "± F1": 1.0}
        for model, embedding in kinds
        for labels in (16, 64)
    ]
    transfer.plot(rows, str(tmp_path / "f1.png"))
    assert (tmp_path / "f1.png").read_bytes().startswith(b"\x89PNG")
