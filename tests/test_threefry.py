import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec.models.tables import uniform_rows
from jaxvec.models.threefry import fold_in, folded, random_bits, split, split_on_host


def of_jax(key, shape):
    return jax.random.bits(key, shape, jnp.uint32)


@pytest.mark.parametrize(
    "shape", [(), (0,), (1,), (2,), (7,), (3, 5, 7), (1 << 14,), ((1 << 15) + 3,), (4, 0, 2)]
)
def test_the_bits_are_jaxs(shape):
    for seed in (0, 1, (1 << 32) - 1):
        key = jax.random.fold_in(jax.random.key(seed), 5)
        found = jax.jit(random_bits, static_argnums=1)(key, shape)
        assert found.dtype == jnp.uint32
        assert (found == of_jax(key, shape)).all()
        assert (random_bits(key, shape) == found).all()


def test_a_known_answer():
    """Of 20 rounds, key 0 and place 0, from the test vectors of Random123."""
    (found,) = random_bits(jax.random.wrap_key_data(jnp.zeros(2, jnp.uint32)), (1,)).tolist()
    assert found == 0x6B200159 ^ 0x99BA4EFE


def test_many_keys_and_64_bits():
    keys = jax.random.split(jax.random.key(3), 6).reshape(2, 3)
    both = jax.vmap(jax.vmap(lambda key: random_bits(key, (9,))))(keys)
    one_by_one = [[of_jax(key, (9,)) for key in row] for row in keys]
    np.testing.assert_array_equal(both, np.array(one_by_one))
    with jax.enable_x64(True):
        found = random_bits(jax.random.key(1), (40_000,))
        assert found.dtype == jnp.uint32
        assert (found == of_jax(jax.random.key(1), (40_000,))).all()


IMPLS = "threefry2x32", "rbg", "unsafe_rbg"


@pytest.mark.parametrize("impl", IMPLS)
@pytest.mark.parametrize("partitionable", [True, False])
def test_keys_are_jaxs(impl, partitionable):
    """In a program, one by one, and on the host."""
    with jax.threefry_partitionable(partitionable):
        for seed in (0, (1 << 32) - 1):
            key = jax.random.key(seed, impl=impl)
            both = jax.random.split(key)
            for found in (split(key), jax.jit(split)(key), jnp.stack(split_on_host(key, 2))):
                assert found.dtype == key.dtype
                assert (found == both).all()
            numbers = np.array([0, 1, 70_000, (1 << 31) - 1], np.int32)
            expected = jax.vmap(jax.vmap(jax.random.fold_in, (None, 0)), (0, None))(both, numbers)
            mine = jax.vmap(jax.vmap(fold_in, (None, 0)), (0, None))(both, jnp.asarray(numbers))
            assert (mine == expected).all()
            alone = jax.random.fold_in(both[1], numbers[2])  # rbg's differ under vmap
            assert jax.jit(fold_in)(both[1], numbers[2]) == alone
            data = folded(np.asarray(jax.random.key_data(both)), numbers, impl)
            assert data.dtype == np.uint32
            np.testing.assert_array_equal(data, jax.random.key_data(expected))


@pytest.mark.parametrize("impl", IMPLS[1:])
def test_other_kinds_of_key(impl):
    key = jax.random.key(0, impl=impl)
    assert (random_bits(key, (100,)) == of_jax(key, (100,))).all()


def test_keys_of_the_old_form():
    key = jax.random.PRNGKey(0)
    assert (random_bits(key, (100,)) == of_jax(key, (100,))).all()


def test_other_bits_where_jax_is_told_to_draw_them_otherwise():
    with jax.threefry_partitionable(False):
        key = jax.random.key(0)
        told = random_bits(key, (100,))
        assert (told == of_jax(key, (100,))).all()
    assert (told != random_bits(key, (100,))).any()


def test_a_cpu_has_one_kernel_for_all_rounds():
    def kernels(draw):
        """How many write all numbers."""
        lowered = jax.jit(lambda key: draw(key, (12_288,))).lower(jax.random.key(0))
        return lowered.compile().as_text().count("= u32[12288]{0} fusion(")

    assert kernels(random_bits) <= 2  # with what the loop begins with
    assert kernels(of_jax) > 3  # or `random_bits` has no purpose any more


def test_rows_are_drawn_as_jax_draws_uniform_numbers():
    key, rows = jax.random.key(5), jnp.array([0, 9, 70_000], jnp.int32)
    found = jax.jit(lambda key: uniform_rows(key, rows, 12, biases=1))(key)
    for row, numbers in zip(rows, found, strict=True):
        drawn = jax.random.uniform(jax.random.fold_in(key, row), (13,), minval=-0.5, maxval=0.5)
        assert (numbers == drawn / 12).all()


@pytest.mark.parametrize("count", [(1 << 31) - 1, 1 << 31, 3 << 30])
def test_more_numbers_than_places_of_int32(count):
    found = jax.eval_shape(lambda key: random_bits(key, (count,)), jax.random.key(0))
    assert (found.shape, found.dtype) == ((count,), jnp.uint32)
