import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import WordVectors
from jaxvec import classes as module
from jaxvec.cli import main
from jaxvec.cluster.classes import assign, first_centers, kmeans, means, members
from jaxvec.vectors.ranking import unit
from tests import reference

KEY = jax.random.key(0)


def mixture(n=600, d=12, topics=9, spread=0.25, seed=0):
    """Vectors about some directions, of unequal numbers and lengths, as words' are."""
    rng = np.random.default_rng(seed)
    directions = unit(rng.normal(size=(topics, d)))
    topic = np.minimum(rng.geometric(0.25, n) - 1, topics - 1)
    vectors = directions[topic] + spread * rng.normal(size=(n, d))
    return (vectors * rng.uniform(0.5, 3, (n, 1))).astype(np.float32), topic


@pytest.mark.parametrize("k", [1, 30])
def test_each_iteration_is_that_of_the_obvious_way(k):
    vectors, _ = mixture()
    units = unit(jnp.asarray(vectors))
    centers = first_centers(KEY, units, k)
    steps = reference.kmeans(np.asarray(units, np.float64), np.asarray(centers, np.float64), 5)
    for labels, cosines in steps:
        ours = assign(units, centers)
        np.testing.assert_array_equal(ours.labels, labels)
        np.testing.assert_allclose(ours.cosines, cosines, atol=1e-5)
        centers = means(units, ours.labels, k)


def test_empty_classes_get_the_farthest_words():
    units = unit(jnp.asarray(mixture()[0]))
    centers = jnp.zeros((30, 12)).at[0].set(units[0]).at[7].set(-units[0])  # nearer than zeros
    (labels, cosines), *_ = reference.kmeans(np.asarray(units), np.asarray(centers), 1)
    ours = assign(units, centers)
    np.testing.assert_array_equal(ours.labels, labels)
    np.testing.assert_allclose(ours.cosines, cosines, atol=1e-5)
    assert np.bincount(labels).min() == 1
    given = [label for label in range(30) if label not in (0, 7)]
    places = [labels.tolist().index(label) for label in given]
    np.testing.assert_array_equal(ours.centers[jnp.array(given)], units[jnp.array(places)])


@pytest.mark.parametrize("k", [1, 30, 600])
def test_no_class_is_empty_and_the_objective_never_rises(k):
    vectors, _ = mixture(spread=1.0)
    before = np.inf
    for iterations in (0, 1, 2, 3, 5, 8, 100):
        classes, report = kmeans(KEY, vectors, k, iterations=iterations)
        assert np.bincount(classes.labels, minlength=k).min() > 0
        assert report.objective <= before + 1e-6
        assert report.iterations <= iterations
        before = report.objective
    assert report.converged
    units = unit(vectors)
    cosines = (units * np.asarray(classes.centers)[classes.labels]).sum(axis=1)
    np.testing.assert_allclose(classes.cosines, cosines, atol=1e-5)
    np.testing.assert_allclose(report.objective, 1 - cosines.mean(), atol=1e-6)
    settled = assign(jnp.asarray(units), means(jnp.asarray(units), classes.labels, k))
    np.testing.assert_array_equal(settled.labels, classes.labels)


@pytest.mark.parametrize("k", [9, 30])
def test_as_good_as_scikit_learns(k):
    from sklearn.cluster import KMeans  # here, as it takes long to load

    vectors, _ = mixture(spread=0.6)
    units = unit(vectors)
    theirs = KMeans(k, n_init=3, random_state=0).fit(units)
    best = min(float(kmeans(jax.random.key(s), vectors, k)[1].objective) for s in range(3))
    sums = np.array([units[theirs.labels_ == label].sum(axis=0) for label in range(k)])
    objective = 1 - np.linalg.norm(sums, axis=1).sum() / len(units)
    assert best < 1.02 * objective


def test_finds_the_directions_that_there_are():
    vectors, topic = mixture(spread=0.02)
    classes, report = kmeans(KEY, vectors, 9)
    assert report.converged
    assert len(set(zip(topic.tolist(), classes.labels.tolist(), strict=True))) == 9


@pytest.mark.parametrize("shift", [1013.25, 101325])
def test_far_from_zero_it_does_as_float64(shift):
    rng = np.random.default_rng(1)
    blobs = 6 * rng.normal(size=(9, 12))
    vectors = (blobs[rng.integers(9, size=600)] + rng.normal(size=(600, 12)) + shift).astype("f")
    units = unit(jnp.asarray(vectors))
    centers = first_centers(KEY, units, 9)
    exact = [np.asarray(array, np.float64) for array in (units, centers)]
    squares = ((exact[0][:, None] - exact[1][None]) ** 2).sum(axis=2)
    ours = assign(units, centers)
    np.testing.assert_array_equal(ours.labels, squares.argmin(axis=1))

    classes, report = kmeans(KEY, vectors, 9)
    assert report.converged
    units = unit(vectors.astype(np.float64))
    start = np.array([units[np.asarray(classes.labels) == label].sum(axis=0) for label in range(9)])
    labels, cosines = list(reference.kmeans(units, unit(start), 1))[-1]
    np.testing.assert_array_equal(classes.labels, labels)
    np.testing.assert_allclose(report.objective, np.mean(1 - cosines), rtol=0.02)


def test_same_key_same_bits():
    vectors, _ = mixture(spread=1.0)
    a, b, c = (kmeans(jax.random.key(seed), vectors, 30)[0] for seed in (3, 3, 4))
    assert all(np.array_equal(*both) for both in zip(a, b, strict=True))
    assert not np.array_equal(a.labels, c.labels)


def test_blocks_of_any_size_are_the_same(monkeypatch):
    vectors, _ = mixture()
    expected, _ = kmeans(KEY, vectors, 9)
    monkeypatch.setattr(module, "_COSINES", 1000)
    compiled = (kmeans, assign, means)
    for function in compiled:
        function.clear_cache()
    ours, _ = kmeans(KEY, vectors, 9)
    for function in compiled:
        function.clear_cache()
    np.testing.assert_array_equal(ours.labels, expected.labels)
    np.testing.assert_allclose(ours.centers, expected.centers, atol=1e-5)


def test_memory_does_not_grow_with_words_times_classes():
    vectors = jax.ShapeDtypeStruct((1_000_000, 10), np.float32)
    memory = kmeans.lower(KEY, vectors, 1000).compile().memory_analysis()
    if memory is not None:  # which a device may not tell
        assert memory.temp_size_in_bytes < 400e6  # all cosines are 4 GB


def test_numbered_by_the_first_vectors():
    classes, _ = kmeans(KEY, mixture()[0], 9)
    _, firsts = np.unique(classes.labels, return_index=True)
    assert firsts.tolist() == sorted(firsts.tolist())
    assert firsts[0] == 0


def test_equal_vectors_and_zeros():
    vectors = np.repeat(np.eye(3, dtype=np.float32), 4, axis=0)
    vectors[11] = 0
    classes, report = kmeans(KEY, vectors, 6)
    assert np.bincount(classes.labels, minlength=6).min() > 0
    assert report.converged
    np.testing.assert_allclose(classes.cosines, [1] * 11 + [0], atol=1e-6)
    classes, _ = kmeans(KEY, np.zeros_like(vectors), 6)
    assert sorted(set(classes.labels.tolist())) == list(range(6))


@pytest.mark.parametrize("k", [0, 601, -1])
def test_bad_numbers_of_classes(k):
    with pytest.raises(ValueError, match="k must be from 1 to 600"):
        kmeans(KEY, mixture()[0], k)


def test_members_are_all_words_once():
    classes = jax.device_get(kmeans(KEY, mixture()[0], 9)[0])
    for central in (False, True):
        groups = members(classes, central=central)
        assert sorted(np.concatenate(groups).tolist()) == list(range(600))
        keys = -classes.cosines if central else np.arange(600)
        for label, places in enumerate(groups):
            assert set(classes.labels[places].tolist()) == {label}
            assert (np.diff(keys[places]) >= 0).all()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with vectors in it."""
    monkeypatch.chdir(tmp_path)
    vectors, topic = mixture(n=90, spread=0.02)
    words = [f"t{t}w{i}" for i, t in enumerate(topic)]
    WordVectors(words, vectors).save("v.bin")
    return tmp_path


def test_command(folder, capsys):
    assert main(["classes", "v.bin", "-k", "9", "--topn", "2"]) == 0
    printed = capsys.readouterr()
    assert "90 words in 9 classes: mean cosine to the center 0.99" in printed.err
    lines = [line.split() for line in printed.out.splitlines()]
    assert [line[0] for line in lines] == [str(i) for i in range(9)]
    assert sum(int(line[1]) for line in lines) == 90
    assert all(len({word[:2] for word in line[2:]}) == 1 for line in lines)

    assert main(["classes", "v.bin", "-k", "9", "-o", "c.txt"]) == 0
    assert capsys.readouterr().out == ""
    rows = [line.split(" ") for line in Path("c.txt").read_text().splitlines()]
    numbers = [int(number) for _, number in rows]
    places = [int(word.split("w")[1]) for word, _ in rows]
    assert list(zip(numbers, places, strict=True)) == sorted(zip(numbers, places, strict=True))
    assert len({(word[:2], number) for word, number in rows}) == 9

    assert main(["classes", "v.bin", "-k", "9", "--json", "--topn", "3"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["converged"] is True
    assert [row["size"] for row in found["classes"]] == np.bincount(numbers).tolist()
    assert found["classes"][0]["words"] != [word for word, _ in rows[:3]]  # the nearest first


def test_command_options(folder, capsys):
    outputs = {}
    for name, *options in [("a",), ("b",), ("c", "--seed", "5")]:
        command = ["classes", "v.bin", "-k", "30", "-o", name, "--iterations", "1", *options]
        assert main(command) == 0
        outputs[name] = Path(name).read_text()
    assert "not converged" in capsys.readouterr().err
    assert outputs["a"] == outputs["b"] != outputs["c"]
    assert main(["classes", "v.bin", "-k", "3", "-o", "a", "--limit", "10", "--force"]) == 0
    assert len(Path("a").read_text().splitlines()) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["v.bin", "-k", "91"], "k must be from 1 to 90, the number of vectors; got 91"),
        (["v.bin", "-k", "9", "-o", "v.bin"], "also an input"),
        (["v.bin", "-k", "9", "-o", "there"], "--force"),
        (["absent", "-k", "9"], "absent"),
    ],
)
def test_bad_commands(folder, capsys, arguments, message):
    Path("there").touch()
    assert main(["classes", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
