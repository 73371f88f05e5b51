"""Workers that share GloVe's tables out."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxvec import GloVe, cooccurrence, fit
from jaxvec.optim.named import resolve_optimizer
from jaxvec.train import cells as cell_segments
from jaxvec.train import parallel, workers
from jaxvec.train.contracts import State
from jaxvec.train.epoch import train_segment
from jaxvec.train.fit import Checkpoints, Stopped
from jaxvec.train.parallel.contract import Program

KEY = jax.random.key(0)
SMALL = GloVe(vector_size=16, x_max=20.0, chunks=4)


@pytest.fixture(scope="module")
def cells(topic_corpus):
    return cooccurrence.count(topic_corpus, window=5)


@pytest.mark.parametrize("n", [2, 3])
@pytest.mark.parametrize("optimizer", ["glove_row_adagrad", "adagrad"])
def test_phases_are_one_worker_taking_turns(cells, monkeypatch, n, optimizer):
    """What all workers do at a time is what one does on the same cells, one block after another."""
    monkeypatch.setattr(cell_segments, "SEGMENT_CELLS", 400)
    optimize, _ = resolve_optimizer(optimizer, False, None, None)
    segments, _ = SMALL.segments(cells, 0, KEY, n)
    params = SMALL.init(KEY, len(cells.vocab))
    state = State(params, optimize.init(params))
    constants = SMALL.constants(cells)
    team = parallel.on(n, Program(SMALL, optimize, constants, None, None), len(cells.vocab))
    parts = [segments.epoch(KEY)(k) for k in range(n)]
    key_data = np.asarray(jax.random.key_data(KEY))
    rates = np.full(2, 0.05, np.float32)
    shared = team.share([[(part, key_data) for part in parts]])
    training, steps = team.train(
        team.begin([jax.tree.map(jnp.copy, state)]), shared, rates[None, None]
    )
    losses = np.asarray(steps.loss).reshape(n, n, -1)
    for phase in range(n):
        for k, part in enumerate(parts):
            words, contexts, counts = (array[phase] for array in part)
            ids = words * n + k, contexts * n + (k + phase) % n
            last = len(cells.vocab) - 1  # padding may be beyond
            local = cell_segments.Cells(*(np.minimum(i, last) for i in ids), counts)
            state, alone = train_segment(SMALL, optimize, state, constants, local, KEY, rates)
            np.testing.assert_allclose(losses[k, phase], alone.loss, rtol=1e-3, atol=1e-5)
    for a, b in zip(jax.tree.leaves(team.end(training)[0]), jax.tree.leaves(state), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)


def test_workers_repeat(cells):
    runs = [fit(cells, SMALL, key=KEY, epochs=2, workers=2, valid=0.1) for _ in range(2)]
    assert np.array_equal(runs[0].params.input, runs[1].params.input)
    assert runs[0].history[-1].valid_loss < runs[0].history[0].valid_loss


@pytest.mark.parametrize("optimizer", [None, "adam"])
def test_resumed_equals_uninterrupted(cells, monkeypatch, tmp_path, optimizer):
    """Adam's count of steps too, of which workers take as many as their blocks have."""
    monkeypatch.setattr(cell_segments, "SEGMENT_CELLS", 1000)
    options = {"key": KEY, "epochs": 2, "workers": 2, "optimizer": optimizer}
    whole = fit(cells, SMALL, **options)
    checkpoints = Checkpoints(tmp_path, {}, steps=1)
    asked = iter([False, True])
    with pytest.raises(Stopped):
        fit(cells, SMALL, **options, checkpoints=checkpoints, should_stop=lambda: next(asked))
    checkpoints.close()
    checkpoints = Checkpoints(tmp_path, {}, steps=10**9)
    resumed = fit(cells, SMALL, **options, checkpoints=checkpoints)
    checkpoints.close()
    for a, b in zip(whole.params, resumed.params, strict=True):
        assert np.array_equal(a, b)


def test_whole_tables_need_one_worker(cells):
    with pytest.raises(ValueError, match="dense=True GloVe trains on one worker, not 2"):
        fit(cells, SMALL, key=KEY, workers=2, dense=True)


def test_a_worker_for_every_4_million_cells(cells, monkeypatch):
    for count, expected in [(2, 1), (7_999_999, 1), (8_000_000, 2), (10**9, 8)]:
        monkeypatch.setattr(type(cells), "__len__", lambda counts, count=count: count)
        assert workers.usual_workers(cells) == expected
