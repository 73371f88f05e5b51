import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import som


@pytest.fixture(scope="module")
def square():
    """Points spread evenly over a flat square, in a space of three dimensions."""
    points = np.random.default_rng(0).uniform(-1, 1, (1500, 2))
    return jnp.asarray(points @ [[1.0, 0, 0.5], [0, 1, -0.5]], jnp.float32)


def places(shape):
    return np.array([(row, column) for row in range(shape[0]) for column in range(shape[1])])


def distances(weights, vectors):
    """Of each vector to each unit."""
    units = np.asarray(weights, np.float64).reshape(-1, weights.shape[-1])
    return np.array([[np.linalg.norm(v - u) for u in units] for v in np.asarray(vectors)])


def batch_step(weights, vectors, radius):
    """Obviously: the weighted mean of all vectors, unit by unit."""
    where, best = places(weights.shape[:2]), distances(weights, vectors).argmin(axis=1)
    new = np.array(weights, np.float64).reshape(-1, weights.shape[-1])
    for unit in range(len(new)):
        squares = ((where[unit] - where[best]) ** 2).sum(axis=1)
        near = np.exp(-squares / (2 * radius**2))
        if near.sum() > 1e-30:
            new[unit] = (near[:, None] * vectors).sum(axis=0) / near.sum()
    return new.reshape(weights.shape)


@pytest.fixture(params=[1 << 22, 12 * 64])  # blocks of all vectors, of 64
def blocks(request, monkeypatch):
    """Blocks of vectors that do not divide their number."""
    monkeypatch.setattr(som, "_SQUARES", request.param)
    functions = (
        som.best_matching_unit, som.step, som.quantization_error, som.topographic_error, som.train,
    )  # fmt: skip
    for function in functions:
        function.clear_cache()
    yield
    for function in functions:
        function.clear_cache()


@pytest.mark.parametrize("radius", [2.0, 0.7, 0.02])
def test_a_batch_step_is_the_weighted_mean(blocks, radius):
    rng = np.random.default_rng(1)
    weights = rng.normal(size=(3, 4, 5)).astype(np.float32)
    vectors = rng.normal(size=(150, 5)).astype(np.float32)
    weights[0, 0] = 50  # no vector is near to it
    new = som.step(weights, vectors, radius)
    np.testing.assert_allclose(new, batch_step(weights, vectors, radius), rtol=2e-5, atol=2e-5)
    if radius == 0.02:
        assert (new[0, 0] == 50).all()


def test_best_units_and_errors_are_by_distance(blocks):
    rng = np.random.default_rng(2)
    weights = rng.normal(size=(3, 4, 5)).astype(np.float32)
    vectors = rng.normal(size=(151, 5)).astype(np.float32)
    far = distances(weights, vectors)
    order = far.argsort(axis=1)
    assert som.best_matching_unit(weights, vectors).tolist() == order[:, 0].tolist()
    expected = far.min(axis=1).mean()
    np.testing.assert_allclose(som.quantization_error(weights, vectors), expected, rtol=1e-5)
    first, second = places((3, 4))[order[:, :2]].transpose(1, 0, 2)
    apart = np.abs(first - second).max(axis=1) > 1
    assert 0 < apart.mean() < 1
    np.testing.assert_allclose(som.topographic_error(weights, vectors), apart.mean(), rtol=1e-6)


def test_training_is_its_steps_at_a_falling_radius():
    vectors = np.random.default_rng(4).normal(size=(100, 3)).astype(np.float32)
    start = som.init(vectors, (3, 4))
    weights = start
    for radius in (2.0, 2.0**0.5, 1.0):
        weights = som.step(weights, vectors, radius)
    np.testing.assert_allclose(som.train(start, vectors, 3), weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("key", [None, 0])
def test_a_square_unfolds(square, key):
    start = som.init(square, (8, 8), None if key is None else jax.random.key(key))
    errors = [float(som.quantization_error(start, square))]
    for epochs in (1, 30):
        weights = som.train(start, square, epochs, 4.0, 0.5)
        errors.append(float(som.quantization_error(weights, square)))
    if key is not None:
        assert errors[2] < errors[0]
    assert errors[2] < errors[1] / 2
    assert errors[2] < 0.15  # the sides of the square are over 2, so of a cell over 0.25
    assert som.topographic_error(weights, square) < 0.05
    middle = som.best_matching_unit(weights, jnp.zeros((1, 3)))[0]
    assert (np.abs(places((8, 8))[middle] - 3.5) < 1).all()


def test_a_grid_begins_in_the_plane_of_most_variance(square):
    grid = np.asarray(som.init(3 * square[:, ::-1], (4, 6)))
    normal = np.cross(grid[0, 1] - grid[0, 0], grid[1, 0] - grid[0, 0])
    normal /= np.linalg.norm(normal)
    plane = np.array([-0.5, 0.5, 1])[[2, 1, 0]] / 1.5**0.5  # x₃ = x₁/2 - x₂/2, turned round
    assert abs(normal @ plane) == pytest.approx(1, abs=1e-4)
    points, shift = np.asarray(square), np.float32([3, 1, 2])
    moved, still = (np.asarray(som.init(p, (4, 6))) for p in (points + shift, points))
    np.testing.assert_allclose(moved, still + shift, atol=2e-3)


@pytest.mark.parametrize("shift", [1013.25, 101325])
def test_far_from_zero_it_does_as_float64(shift):
    rng = np.random.default_rng(6)
    points = (rng.uniform(-1, 1, (1000, 5)) + shift).astype(np.float32)
    exact = points.astype(np.float64)
    weights = som.init(points, (4, 5), jax.random.key(0))
    found = np.asarray(som.best_matching_unit(weights, points))
    np.testing.assert_array_equal(found, distances(weights, exact).argmin(axis=1))
    error = distances(weights, exact).min(axis=1).mean()
    np.testing.assert_allclose(som.quantization_error(weights, points), error, rtol=1e-5)
    order = distances(weights, exact).argsort(axis=1, kind="stable")[:, :2]
    first, second = places((4, 5))[order].transpose(1, 0, 2)
    apart = (np.abs(first - second).max(axis=1) > 1).mean()
    np.testing.assert_allclose(som.topographic_error(weights, points), apart, rtol=1e-6)

    unit = np.spacing(np.float32(shift))
    expected = batch_step(weights, exact, 1.0)
    np.testing.assert_allclose(som.step(weights, points, 1.0), expected, rtol=0, atol=unit)
    near = points - points[0]  # exact, so that both maps are the same, one moved
    flat = [np.asarray(som.init(p, (4, 5))) for p in (points, near)]
    drawn = [som.init(p, (4, 5), jax.random.key(1)) for p in (points, near)]
    trained = [np.asarray(som.train(w, p, 5)) for w, p in zip(drawn, (points, near), strict=True)]
    for moved, still in (flat, trained):
        np.testing.assert_allclose(moved, still + points[0], rtol=0, atol=unit)


def test_groups_far_apart_keep_what_is_near():
    points = np.random.default_rng(7).uniform(-1, 1, (300, 3)).astype(np.float32)
    points[:150] -= 2**20
    points[150:] += 2**20
    weights = som.init(points, (4, 4), jax.random.key(0))
    found = np.asarray(som.best_matching_unit(weights, points))
    exact = distances(weights, points.astype(np.float64))
    np.testing.assert_array_equal(exact[np.arange(300), found], exact.min(axis=1))


@pytest.mark.parametrize(("shape", "longer"), [((2, 9), 1), ((9, 2), 0), ((1, 5), 1), ((5, 1), 0)])
def test_the_longer_side_lies_along_the_first_component(shape, longer):
    line = np.random.default_rng(5).normal(size=(200, 2)).astype(np.float32) * np.float32([9, 1])
    ends = np.asarray(som.init(line, shape)).reshape(*shape, 2)
    along = np.ptp(ends, axis=longer).max(axis=0)
    assert along[0] > 20
    assert along[1] < 2


def test_the_same_key_gives_the_same_bits(square):
    runs = [som.train(som.init(square, (4, 5), jax.random.key(k)), square) for k in (0, 0, 1)]
    assert np.array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])


def test_one_program_for_all_trainings_of_a_shape(square):
    som.train.clear_cache()
    for epochs, radius in ((1, 2.0), (5, 3.0), (7, 1.5)):
        som.train(som.init(square, (3, 3)), square, epochs, radius)
    assert som.train._cache_size() == 1


def test_the_u_matrix_is_high_at_a_border():
    left, right = np.zeros((3, 2, 4)), np.full((3, 2, 4), 5.0)
    borders = np.asarray(som.u_matrix(np.concatenate([left, right], axis=1)))
    assert borders[:, [0, 3]].max() == 0
    np.testing.assert_allclose(borders[:, 1:3], [[10 / 3] * 2, [2.5] * 2, [10 / 3] * 2])


@pytest.mark.parametrize(
    ("vectors", "shape", "message"),
    [
        (np.ones((3, 2)), (1, 1), "at least 2 units; got 1x1"),
        (np.ones((3, 2)), (0, 5), "at least 2 units"),
        (np.ones((0, 2)), (2, 2), r"vectors \[V, D\]; got \(0, 2\)"),
        (np.ones(3), (2, 2), r"got \(3,\)"),
    ],
)
def test_bad_input(vectors, shape, message):
    with pytest.raises(ValueError, match=message):
        som.init(vectors, shape)
