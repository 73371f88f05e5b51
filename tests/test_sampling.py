import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from jaxvec import sampling
from tests.reference import keep_probability, window_pairs

pytestmark = pytest.mark.usefixtures("strict_dtypes")

KEY = jax.random.key(0)


def distributions():
    rng = np.random.default_rng(0)
    return [
        np.ones(7),
        np.array([1.0]),
        np.array([1.0, 0.0, 0.0]),
        np.array([0.0, 3.0, 1.0]),
        rng.zipf(1.2, 1000).astype(float),
        rng.dirichlet(np.full(50, 0.05)),
        sampling.noise_distribution(rng.zipf(1.1, 100_000).clip(max=10**7)),
    ]


@pytest.mark.parametrize("weights", distributions(), ids=lambda w: str(len(w)))
def test_alias_table_holds_the_distribution(weights):
    table = sampling.alias_table(weights)
    keep = np.asarray(table.keep, np.float64) / (2**32 - 1)
    total = keep.copy()
    np.add.at(total, np.asarray(table.alias), 1 - keep)
    expected = weights / weights.sum() * len(weights)
    np.testing.assert_allclose(total, expected, rtol=1e-6, atol=2e-7 * expected.max())


def test_equal_weights_however_they_round():
    for n in range(1, 400, 9):
        for weight in (1, 5, 7):
            table = sampling.alias_table(np.full(n, weight))
            assert table.alias.shape == (n,)
            assert (np.asarray(table.keep) > 2**32 * 0.999).all()


def test_extreme_exponents_and_counts():
    counts = np.array([10**6, 1, 0])
    assert sampling.noise_distribution(counts, 1000).tolist() == [1, 0, 0]
    assert sampling.noise_distribution(counts, -1000).tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match="at least one word"):
        sampling.noise_distribution(np.zeros(3))


@pytest.mark.parametrize("exponent", [0.75, 0.5, 1.0, 0.0, -0.5])
def test_draws_follow_the_distribution(exponent):
    counts = np.random.default_rng(1).zipf(1.3, 200).clip(max=10**6)
    p = sampling.noise_distribution(counts, exponent)
    table = sampling.alias_table(p)
    drawn = sampling.negatives(KEY, (1000, 1000), 200, table)
    observed = np.bincount(np.asarray(drawn).ravel(), minlength=200)
    assert stats.chisquare(observed, p * 10**6).pvalue > 1e-3


def test_without_a_table_draws_are_uniform():
    observed = np.bincount(np.asarray(sampling.negatives(KEY, (10**6,), 99)), minlength=99)
    assert stats.chisquare(observed).pvalue > 1e-3


def test_words_that_never_occur_are_never_drawn():
    table = sampling.alias_table(sampling.noise_distribution(np.array([5, 0, 3, 0])))
    assert set(np.unique(sampling.negatives(KEY, (100_000,), 4, table))) == {0, 2}


@pytest.mark.parametrize("n", [1, 2, 7, 65_535, 65_536, 65_537, 1_000_003, 2**31 - 1])
def test_scale_is_exact(n):
    bits = np.concatenate(
        [
            np.random.default_rng(0).integers(0, 2**32, 10_000),
            [0, 1, 2**16 - 1, 2**16, 2**31, 2**32 - 1],
        ]
    ).astype(np.uint32)
    expected = (bits.astype(object) * n) // 2**32
    assert sampling.scale(jnp.asarray(bits), n).tolist() == expected.tolist()


@pytest.mark.parametrize("weights", [[], [-1, 2], [np.nan, 1], [0, 0], [[1, 2]]])
def test_what_is_no_distribution_is_refused(weights):
    with pytest.raises(ValueError, match="distribution"):
        sampling.alias_table(np.array(weights, float))


def test_keep_probability_is_word2vecs():
    counts = np.array([900, 90, 10])
    for sample in (1e-3, 1e-1):
        expected = [keep_probability(c, 1000, sample) for c in counts]
        np.testing.assert_allclose(sampling.keep_probability(counts, sample), expected)
    assert sampling.keep_probability(counts, 0).tolist() == [1, 1, 1]


def test_subsample_keeps_order_and_rates():
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, 100_000).astype(np.int32)
    docs = np.repeat(np.arange(100, dtype=np.int32), 1000)
    docs[-500:] = -1  # padding
    p = np.array([1.0, 0.5, 0.1, 0.0])
    # the position of each token rides along in place of its document
    places = np.where(docs >= 0, np.arange(100_000, dtype=np.int32), -1)
    out, kept, count = sampling.subsample(KEY, ids, places, sampling.keep_thresholds(p))
    kept = np.asarray(kept)
    assert (np.diff(kept[:count]) > 0).all()
    assert (kept[count:] == -1).all()
    assert (np.asarray(out)[:count] == ids[kept[:count]]).all()
    present = np.bincount(ids[docs >= 0], minlength=4)
    rates = np.bincount(np.asarray(out)[:count], minlength=4) / present
    np.testing.assert_allclose(rates, p, atol=0.01)
    assert rates[0] == 1


def test_windows_equal_the_obvious_way_and_never_leave_a_document():
    rng = np.random.default_rng(0)
    window = 4
    documents = [list(range(rng.integers(1, 9))) for _ in range(12)]
    docs = np.repeat(np.arange(12), [len(d) for d in documents])
    reach = rng.integers(1, window + 1, len(docs))
    near = (np.minimum(side, reach) for side in sampling.sides(jnp.asarray(docs), window))
    weights = sampling.in_window(*map(jnp.asarray, near), window)
    found = {(int(i), int(j) - window) for i, j in zip(*np.nonzero(weights), strict=True)}
    assert found == window_pairs(documents, reach)


@pytest.mark.parametrize("window", [1, 2, 3, 5, 8, 21])
def test_sides_count_the_tokens_of_the_document(window):
    rng = np.random.default_rng(window)
    docs = np.repeat(np.arange(40) % 7 - (np.arange(40) % 3 == 0), rng.integers(0, 30, 40))
    for sign, found in zip((-1, 1), sampling.sides(jnp.asarray(docs), window), strict=True):
        for i, doc in enumerate(docs):
            run = 0
            while run < window and 0 <= (j := i + sign * (run + 1)) < len(docs) and docs[j] == doc:
                run += 1
            assert found[i] == (run if doc >= 0 else 0)


def test_in_window_beyond_the_block_is_false():
    near = sampling.in_window(jnp.array([[2, 1]]), jnp.array([[2, 2]]), 2, width=9)
    assert near.shape == (1, 2, 9)
    assert np.array_equal(
        near[..., :6], sampling.in_window(jnp.array([[2, 1]]), jnp.array([[2, 2]]), 2)
    )
    assert not near[..., 6:].any()
