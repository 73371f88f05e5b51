"""Files of Stanford's GloVe, compared with files built byte by byte."""

import math
import struct

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import Corpus, GloVe, SkipGram, Vocab, WordVectors, cooccurrence, fit, glove, optim
from jaxvec import stanford as files
from jaxvec.train.checkpoint import Checkpoints
from jaxvec.train.contracts import State

V, D, ETA = 7, 4, 0.3
KEY = jax.random.key(0)
SMALL = GloVe(vector_size=8)


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


@pytest.fixture
def params():
    rng = np.random.default_rng(0)
    shapes = [(V, D), (V, D), (V,), (V,)]
    return glove.Params(*(jnp.asarray(rng.normal(0, 0.5, s), jnp.float32) for s in shapes))


def rows(tables) -> np.ndarray:
    """The program's 2V rows of D + 1 numbers."""
    words, contexts, word_biases, context_biases = (np.asarray(t, np.float64) for t in tables)
    vectors, biases = [*words, *contexts], [*word_biases, *context_biases]
    return np.array([[*vector, bias] for vector, bias in zip(vectors, biases, strict=True)])


def record(word1, word2, value) -> bytes:
    return struct.pack("<iid", word1, word2, value)


@pytest.mark.parametrize("at_a_time", [1, 7, 1 << 20])
def test_records_are_the_cells_row_by_row(tmp_path, monkeypatch, at_a_time):
    monkeypatch.setattr(files, "_RECORDS", at_a_time)
    few = cooccurrence.count(Corpus.from_documents(["b a c a", "d", "a"], min_count=1), window=2)
    files.save_records(few, tmp_path / "few.bin")
    dense = few.matrix().toarray()
    assert (tmp_path / "few.bin").read_bytes() == b"".join(
        record(i + 1, j + 1, dense[i, j]) for i, j in np.argwhere(dense)
    )
    again = files.load_records(tmp_path / "few.bin", few.vocab)
    for name in ("indptr", "indices", "data"):
        ours, theirs = getattr(few, name), getattr(again, name)
        assert np.array_equal(ours, theirs)
        assert ours.dtype == theirs.dtype


def test_records_in_any_order_and_repeated(cells, tmp_path):
    files.save_records(cells, tmp_path / "cells.bin")
    records = np.fromfile(tmp_path / "cells.bin", "V16")
    np.random.default_rng(0).permutation(records).tofile(tmp_path / "shuffled.bin")
    shuffled = files.load_records(tmp_path / "shuffled.bin", cells.vocab)
    assert np.array_equal(shuffled.matrix().toarray(), cells.matrix().toarray())
    (tmp_path / "cells.bin").write_bytes(
        record(2, 1, 0.5) + record(1, 3, 2.0) + record(2, 1, 0.25) + record(1, 2, 1.0)
    )
    summed = files.load_records(tmp_path / "cells.bin", Vocab(["a", "b", "c"], [3, 2, 1]))
    assert summed.matrix().toarray().tolist() == [[0, 1, 2], [0.75, 0, 0], [0, 0, 0]]
    assert summed.indices.tolist() == [1, 2, 0]
    (tmp_path / "cells.bin").write_bytes(
        record(1, 1, 0.0) + record(2, 3, 2.0**24) + 3 * record(2, 3, 1.0) + record(3, 1, 0.0)
    )
    summed = files.load_records(tmp_path / "cells.bin", Vocab(["a", "b", "c"], [3, 2, 1]))
    assert (summed.indices.tolist(), summed.data.tolist()) == ([2], [np.float32(2**24 + 3)])


@pytest.mark.parametrize("settings", [None, {"window": 5, "symmetric": True}])
def test_settings_survive_saving(cells, tmp_path, settings):
    files.save_records(cells, tmp_path / "cells.bin")
    loaded = files.load_records(tmp_path / "cells.bin", cells.vocab, settings)
    loaded.save(tmp_path / "cells")
    again = cooccurrence.Cooccurrence.load(tmp_path / "cells")
    assert again.settings == loaded.settings == (settings or {})
    assert np.array_equal(again.data, cells.data)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (record(1, 2, 3.0)[:9], "16 bytes; record 3, the last, has 9"),
        (record(0, 2, 3.0), r"record 3 is \(0, 2, 3.0\): expected two word numbers from 1 to 3"),
        (record(1, 4, 3.0), r"record 3 is \(1, 4, 3.0\): expected two word numbers from 1 to 3"),
        (record(-(2**31), 1, 3.0), "record 3 is .*: expected two word numbers from 1 to 3"),
        (record(1, 2, -1.0), "record 3 is .* and a count that is positive"),
        (record(1, 2, math.nan), "record 3 is .* and a count that is positive"),
        (record(1, 2, math.inf), "record 3 is .* and a count that is positive"),
        (record(1, 2, 1e300), "record 3 is .* and a count that is positive"),
        (record(1, 2, 1e-300), "record 3 is .* and a count that is positive"),
    ],
)
@pytest.mark.parametrize("at_a_time", [2, 1 << 20])
def test_broken_records(tmp_path, monkeypatch, last, message, at_a_time):
    monkeypatch.setattr(files, "_RECORDS", at_a_time)
    (tmp_path / "cells.bin").write_bytes(record(1, 1, 1.0) + record(3, 3, 1.0) + last)
    with pytest.raises(ValueError, match=message):
        files.load_records(tmp_path / "cells.bin", Vocab(["a", "b", "c"], [3, 2, 1]))
    with pytest.raises(FileNotFoundError):
        files.load_records(tmp_path / "none.bin", Vocab(["a"], [1]))


def test_vocabulary_is_byte_for_byte_the_programs(tmp_path):
    """On x86 it sorts letters beyond ASCII before others of the same count."""
    text = "the 10\nétude 5\nof 5\n日本 5\n10 1\n".encode()
    (tmp_path / "theirs").write_bytes(text)
    Vocab.load(tmp_path / "theirs").save(tmp_path / "ours")
    assert (tmp_path / "ours").read_bytes() == text
    Corpus.from_documents(["b a a", "a b ü"], min_count=1).vocab.save(tmp_path / "counted")
    assert (tmp_path / "counted").read_bytes() == "a 3\nb 2\nü 1\n".encode()


@pytest.mark.parametrize("rows_at_a_time", [2, 4096])
def test_parameters_are_rows_with_their_bias_at_the_end(
    params, tmp_path, monkeypatch, rows_at_a_time
):
    monkeypatch.setattr(files, "_ROWS", rows_at_a_time)
    files.save_parameters(params, tmp_path / "vectors.bin")
    assert (tmp_path / "vectors.bin").read_bytes() == rows(params).tobytes()
    for vector_size in (None, D):
        again = files.load_parameters(tmp_path / "vectors.bin", V, vector_size)
        for ours, theirs in zip(params, again, strict=True):
            assert np.array_equal(ours, theirs)
            assert theirs.dtype == jnp.float32


@pytest.mark.parametrize(
    ("vocab_size", "size"), [(V, D + 1), (V, 0), (V + 1, None), (20 * V, None)]
)
def test_parameters_of_another_size(params, tmp_path, vocab_size, size):
    files.save_parameters(params, tmp_path / "vectors.bin")
    with pytest.raises(ValueError, match=f"has 560 bytes; vectors of .* biases for {vocab_size} w"):
        files.load_parameters(tmp_path / "vectors.bin", vocab_size, size)
    with pytest.raises(FileNotFoundError):
        files.load_parameters(tmp_path / "none.bin", V)


@pytest.mark.parametrize("bad", [math.nan, math.inf, 1e300])
def test_parameters_that_are_not_finite(params, tmp_path, bad):
    numbers = rows(params)
    numbers[V + 2, 1] = bad
    numbers.tofile(tmp_path / "vectors.bin")
    with pytest.raises(ValueError, match=f"row {V + 3} holds a number that is not finite"):
        files.load_parameters(tmp_path / "vectors.bin", V)


def program(weights, gradsq, cells, x_max=100.0, alpha=0.75, clip=100.0):
    """The updates of ``glove``, cell by cell, in place and in its layout."""
    for i, j, x in cells:
        w, c = weights[i], weights[V + j]
        error = w[:D] @ c[:D] + w[D] + c[D] - math.log(x)
        slope = error if x > x_max else (x / x_max) ** alpha * error
        step_w = np.clip(slope * c[:D], -clip, clip) * ETA
        step_c = np.clip(slope * w[:D], -clip, clip) * ETA
        for row, step in ((i, step_w), (V + j, step_c)):
            weights[row, :D] -= step / np.sqrt(gradsq[row, :D])
            weights[row, D] -= slope / np.sqrt(gradsq[row, D])
            gradsq[row, :D] += step**2
            gradsq[row, D] += slope**2


def ours(params, state, cells, optimizer):
    """The same updates by `row_sparse` of an optimizer."""
    optimizer = optim.row_sparse(optimizer)
    scratch = optimizer.scratch(params)
    gradient = jax.grad(lambda vectors, batch: glove.rows_loss(vectors, batch) / 2)
    for cell in cells:
        batch = glove.Batch(*(jnp.asarray([value]) for value in cell))
        picked = glove.rows(batch)
        gradients = gradient(glove.take(params, picked), batch)
        params, state, scratch = optimizer.update(params, state, scratch, picked, gradients, 1.0)
    return params, state


CELLS = [(1, 2, 30.0), (2, 1, 300.0), (1, 2, 0.5), (0, 0, 7.0), (1, 5, 90.0), (2, 2, 12.0)]


def test_either_goes_on_where_the_other_stopped(params, tmp_path):
    """After half of the cells, parameters and sums are written and read."""
    optimizer = optim.glove_adagrad(ETA)
    weights, gradsq = rows(params), np.ones((2 * V, D + 1))
    params, state = ours(params, optimizer.init(params), CELLS[:3], optimizer)
    program(weights, gradsq, CELLS[:3])
    files.save_parameters(params, tmp_path / "vectors.bin")
    files.save_gradsq(state, tmp_path / "gradsq.bin", D, learning_rate=ETA)
    for name, expected in (("vectors", weights), ("gradsq", gradsq)):
        saved = np.fromfile(tmp_path / f"{name}.bin").reshape(2 * V, D + 1)
        np.testing.assert_allclose(saved, expected, rtol=1e-5, atol=1e-6)
        expected.tofile(tmp_path / f"{name}.bin")
    assert (gradsq[1] > 1.0001).all()  # the sums have changed

    params = files.load_parameters(tmp_path / "vectors.bin", V, D)
    state = files.load_gradsq(tmp_path / "gradsq.bin", V, D, learning_rate=ETA)
    params, state = ours(params, state, CELLS[3:], optimizer)
    program(weights, gradsq, CELLS[3:])
    np.testing.assert_allclose(rows(params), weights, rtol=1e-5, atol=1e-6)
    files.save_gradsq(state, tmp_path / "gradsq.bin", D, learning_rate=ETA)
    saved = np.fromfile(tmp_path / "gradsq.bin").reshape(2 * V, D + 1)
    np.testing.assert_allclose(saved, gradsq, rtol=1e-5)


def test_one_sum_a_row_is_repeated_and_the_mean_taken(params, tmp_path):
    optimizer = optim.glove_adagrad(ETA, per_row=True)
    _, state = ours(params, optimizer.init(params), CELLS, optimizer)
    files.save_gradsq(state, tmp_path / "gradsq.bin", D, learning_rate=ETA)
    saved = np.fromfile(tmp_path / "gradsq.bin").reshape(2 * V, D + 1)
    sums = state.sum_of_squares
    expected = [np.repeat(table, D, axis=1) * ETA**2 for table in (sums.input, sums.output)]
    np.testing.assert_allclose(saved, rows([*expected, *sums[2:]]), rtol=1e-6)
    saved[:, :D] += np.linspace(-0.1, 0.1, D)
    saved.tofile(tmp_path / "gradsq.bin")
    again = files.load_gradsq(tmp_path / "gradsq.bin", V, learning_rate=ETA, per_row=True)
    for ours_, theirs in zip(sums, again.sum_of_squares, strict=True):
        np.testing.assert_allclose(theirs, ours_, rtol=1e-6)
        assert theirs.shape == ours_.shape


def test_gradsq_as_text(params, tmp_path):
    vocab = Vocab([*"abcdef", "ü"], range(V, 0, -1))
    optimizer = optim.glove_adagrad(ETA)
    _, state = ours(params, optimizer.init(params), CELLS, optimizer)
    files.save_gradsq(state, tmp_path / "gradsq.bin", D, learning_rate=ETA)
    files.save_gradsq(state, tmp_path / "gradsq.txt", D, learning_rate=ETA, vocab=vocab)
    numbers = np.fromfile(tmp_path / "gradsq.bin").reshape(2, V, D + 1)
    lines = (tmp_path / "gradsq.txt").read_text().splitlines()
    assert lines == [
        " ".join([word, *(f"{x:.6f}" for x in [*numbers[0, i], *numbers[1, i]])])
        for i, word in enumerate(vocab.words)
    ]


def test_broken_sums(params, tmp_path):
    with pytest.raises(ValueError, match="got tuple"):
        files.save_gradsq((), tmp_path / "gradsq.bin", D)
    np.zeros((2 * V, D + 1)).tofile(tmp_path / "gradsq.bin")
    with pytest.raises(ValueError, match="sums of squares that are not positive"):
        files.load_gradsq(tmp_path / "gradsq.bin", V)


@pytest.mark.parametrize("size", [3, 250])
def test_unk_is_the_mean_of_the_hundred_rarest(size):
    table = np.random.default_rng(0).normal(size=(size, D))
    counts = np.arange(size) + 1  # the rarest first: `WordVectors` puts them last
    vectors = WordVectors([f"w{i}" for i in range(size)], table, counts=counts, metadata={"a": 1})
    expected = sum(row / min(size, 100) for row in table[:100])
    longer = files.with_unk(vectors)
    assert longer.index_to_key == [*vectors.index_to_key, "<unk>"]
    np.testing.assert_allclose(longer["<unk>"], expected, rtol=1e-5, atol=1e-7)
    assert np.array_equal(longer.vectors[:-1], vectors.vectors)
    assert longer.counts[-1] == 0
    assert longer.metadata == {"a": 1}
    with pytest.raises(ValueError, match="a word <unk> already"):
        files.with_unk(longer)


def test_text_of_the_program_opens(tmp_path):
    """Its header leaves out its own last line."""
    for header in ("", "2 2\n", "3 2\n"):
        (tmp_path / "v.txt").write_text(header + "a 1 2\nb 3 4\n<unk> 2 3\n")
        assert WordVectors.load(tmp_path / "v.txt").index_to_key == ["a", "b", "<unk>"]
    (tmp_path / "v.txt").write_text("1 2\na 1 2\nb 3 4\n<unk> 2 3\n")
    with pytest.raises(ValueError, match="promises 1 vectors, but 3 follow"):
        WordVectors.load(tmp_path / "v.txt")


def same(a, b) -> bool:
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in leaves)


def test_fit_starts_from_a_given_state(cells, tmp_path):
    run = {"key": KEY, "epochs": 1}
    scratch = fit(cells, SMALL, **run)
    state = jax.tree.map(jnp.copy, State(scratch.params, scratch.opt_state))
    onward = fit(cells, SMALL, start=state, **run)
    assert onward.history[0].loss < scratch.history[0].loss
    assert not same(onward.params, scratch.params)
    assert same(state, State(scratch.params, scratch.opt_state))  # the given state is not donated
    half = fit(cells, SMALL, start=State(state.params, None), **run)
    assert not same(half.params, onward.params)
    assert same(fit(cells, SMALL, start=State(None, None), **run).params, scratch.params)

    checkpoints = Checkpoints(tmp_path / "c", {})
    saved = fit(cells, SMALL, checkpoints=checkpoints, **run)
    resumed = fit(cells, SMALL, checkpoints=checkpoints, start=state, **run)
    checkpoints.close()
    assert same(saved.params, resumed.params)


def test_fit_refuses_another_shape(cells, topic_corpus, params):
    for start in (State(params, None), State(None, params), State(params._asdict(), None)):
        with pytest.raises(ValueError, match=r"start must have the shapes State.*; got State"):
            fit(cells, SMALL, key=KEY, start=start)
    with pytest.raises(ValueError, match="start must have the shapes"):
        fit(topic_corpus, SkipGram(vector_size=4), key=KEY, start=State(params, None))
