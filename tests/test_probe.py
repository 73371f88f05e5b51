"""The probe that chooses a strategy of write-back, and the runs that it chooses for."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxvec import Checkpoints, GloVe, SkipGram, cooccurrence, fit, optim, sweep
from jaxvec.cli import main
from jaxvec.optim import probe
from jaxvec.optim.probe import Choice, fastest
from jaxvec.train import segments as token_segments
from jaxvec.train import settle, start, written
from jaxvec.train.devices import Device
from jaxvec.train.fit import Stopped

KEY = jax.random.key(0)
SMALL = SkipGram(vector_size=8, window=3)
TABLES = {"table": jax.ShapeDtypeStruct((40, 8), np.float32),
          "bias": jax.ShapeDtypeStruct((40,), np.float32)}  # fmt: skip
PLACES = {"table": jax.ShapeDtypeStruct((5, 4), np.int32),
          "bias": jax.ShapeDtypeStruct((3,), np.int32)}  # fmt: skip


def slowed(optimizer, times):
    """An optimizer whose step is followed by a chain of sorts."""

    def update(params, *rest):
        params, *others = optimizer.update(params, *rest)
        big = jnp.broadcast_to(params["table"][0, 0], 5000) + jnp.arange(5000.0)
        big = jax.lax.fori_loop(0, times, lambda _, x: jnp.sort(-x), big)
        return (params | {"table": params["table"].at[0, 0].add(1e-9 * big[0])}, *others)

    return optim.RowOptimizer(optimizer.init, optimizer.scratch, update)


def test_the_fastest_is_chosen_and_the_hopeless_timed_once(monkeypatch):
    rows = optim.row_sparse(optim.row_adagrad(1.0))
    damped = optim.damped_sgd()  # takes the curvature
    candidates = {"slow": slowed(rows, 100), "fast": rows, "damped": damped}
    clock, calls = itertools.count(), []
    choice = fastest(candidates, TABLES, PLACES)
    assert choice.name == min(choice.seconds, key=choice.seconds.get) != "slow"
    assert list(choice.seconds) == list(candidates)
    assert 10 * choice.seconds[choice.name] < choice.seconds["slow"] < 1
    monkeypatch.setattr(probe, "_Trial", None)
    assert fastest(candidates, TABLES, PLACES) is choice  # kept, not timed again

    class Trial:
        """Of 1 s, 0.1 s and 5 s a step."""

        def __init__(self, optimizer, *shapes):
            self.took = {"a": 1.0, "b": 0.1, "c": 5.0}[optimizer]

        def seconds(self, enough):
            calls.append((self.took, enough, next(clock)))
            return self.took

    monkeypatch.setattr(probe, "_Trial", Trial)
    choice = probe._fastest("kind", tuple(zip("abc", "abc", strict=True)), None, (), ())
    assert choice == ("b", {"a": 1.0, "b": 0.1, "c": 5.0})
    assert calls == [(1.0, np.inf, 0), (0.1, 10.0, 1), (5.0, 1.0, 2)]


def test_large_tables_are_cut_and_ids_are_skewed():
    trial = probe._Trial.__new__(probe._Trial)
    trial._optimizer = optim.row_sparse(optax.sgd(1.0))
    trial._treedef = jax.tree.structure((0, 0))
    trial._shapes = ((1 << 21, 4), np.dtype(np.float32)), ((1 << 21,), np.dtype(np.float32))
    trial._places = (1000,), (7, 3)
    (params, _, scratch), ids, gradients, bends, _ = jax.eval_shape(trial._arguments)
    assert [table.shape for table in params] == [(1 << 18, 4), (1 << 18,)]
    assert [place.shape for place in ids] == [(4, 1000), (4, 7, 3)]
    assert [gradient.shape for gradient in gradients] == [(1000, 4), (7, 3)]
    assert [slots.shape for slots in scratch] == [(1 << 18,)] * 2
    assert [bend.shape for bend in bends] == [(1000,), (7, 3)]
    drawn = probe._zipf(1000, (100_000,))
    shares = np.bincount(drawn, minlength=1000) / len(drawn)
    assert (drawn.min(), drawn.max()) == (0, 999)
    np.testing.assert_allclose(shares[:3], np.log([2, 3 / 2, 4 / 3]) / np.log(1001), rtol=0.05)
    np.testing.assert_array_equal(drawn, probe._zipf(1000, (100_000,)))


def _take_for_a_gpu(monkeypatch):
    for module in ("fit", "sweep", "settle"):
        monkeypatch.setattr(f"jaxvec.train.{module}.here", lambda: Device("gpu"))


@pytest.fixture
def accelerator(monkeypatch):
    """What is asked of a probe, on a CPU that is taken for an accelerator; it takes the last."""
    asked = []

    def chosen(optimizers, params, rows):
        asked.append((list(optimizers), jax.tree.leaves(params), jax.tree.leaves(rows)))
        assert all(isinstance(one, optim.RowOptimizer) for one in optimizers.values())
        return Choice(list(optimizers)[-1], dict.fromkeys(optimizers, 0.5))

    _take_for_a_gpu(monkeypatch)
    monkeypatch.setattr(written, "fastest", chosen)
    return asked


class Asked(Exception):
    """A run got as far as its probe."""


def test_a_run_on_an_accelerator_is_probed_with_its_own_shapes(
    topic_corpus, accelerator, monkeypatch
):
    def raises(*_):
        raise Asked

    def asked(data, model, train=fit, **options):
        with monkeypatch.context() as patch:
            patch.setattr(start, "states", raises)  # what comes next
            with pytest.raises(Asked):
                train(data, model, **{"key": KEY, "epochs": 1} | options)
        return accelerator.pop()

    words = len(topic_corpus.vocab)
    names, params, rows = asked(topic_corpus, SMALL, optimizer="adam")
    assert names == ["slots", "sorted", "head"]
    assert [table.shape for table in params] == [(words, 8)] * 2
    assert sum(ids.size for ids in rows) > 32
    cells = cooccurrence.count(topic_corpus, window=3)
    glove = GloVe(vector_size=8, chunks=4, chunk_cells=8)
    for workers, kept in ((1, words), (2, -(-words // 2))):
        names, params, rows = asked(cells, glove, workers=workers)
        assert names == ["scatter", "sorted_scatter"]
        assert [table.shape for table in params] == [(kept, 8)] * 2 + [(kept,)] * 2
        assert [ids.size for ids in rows] == [4, 32, 4, 32]
    names, *_ = asked(topic_corpus, SMALL, sweep, key=jax.random.split(KEY, 2))
    assert names[0] == "scatter"
    assert len(names) == 6
    for own in {"optimizer": optim.damped_sgd()}, {"dense": True}, {"write_back": "slots"}:
        with pytest.raises(IndexError):  # nothing was asked
            asked(topic_corpus, SMALL, **own)


def test_a_probe_in_a_run(topic_corpus, monkeypatch):
    """The true one, of what it is given; and none on a CPU, whose bits it must not change."""
    plain = fit(topic_corpus, SMALL, key=KEY, epochs=1)
    assert plain.write_back == ("scatter", {})
    _take_for_a_gpu(monkeypatch)
    monkeypatch.setattr(settle, "write_backs", lambda *_: ("scatter", "sorted_scatter"))
    probed = fit(topic_corpus, SMALL, key=KEY, epochs=1)
    assert set(probed.write_back.seconds) == {"scatter", "sorted_scatter"}
    for ours, theirs in zip(probed.params, plain.params, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_a_resumed_run_keeps_its_strategy(topic_corpus, accelerator, monkeypatch, tmp_path):
    monkeypatch.setattr(token_segments, "SEGMENT_TOKENS", 9000)

    def run(**options):
        return fit(topic_corpus, SMALL, key=KEY, epochs=2, optimizer="adam", **options)

    whole = run()
    with pytest.raises(Stopped):
        run(checkpoints=Checkpoints(tmp_path / "c", {}), should_stop=lambda: True)
    monkeypatch.setattr(written, "fastest", lambda *_: pytest.fail("probed anew"))
    with pytest.raises(ValueError, match="of a run with write_back 'head', and write_back is 'so"):
        run(checkpoints=Checkpoints(tmp_path / "c", {}), write_back="sorted")
    resumed = run(checkpoints=Checkpoints(tmp_path / "c", {}))
    assert resumed.write_back == ("head", {})
    for ours, theirs in zip(*map(jax.tree.leaves, (resumed[:2], whole[:2])), strict=True):
        assert np.array_equal(ours, theirs)


def test_a_strategy_of_ones_own_is_given_again(topic_corpus, tmp_path):
    own = type("Own", (optim.writeback.Slots,), {})()
    run = {"key": KEY, "epochs": 1, "checkpoints": Checkpoints(tmp_path / "c", {})}
    first = fit(topic_corpus, SMALL, write_back=own, **run)
    assert first.write_back == ("Own", {})
    with pytest.raises(ValueError, match="with write_back 'Own', and write_back is None"):
        fit(topic_corpus, SMALL, **run)
    again = fit(topic_corpus, SMALL, write_back=own, **run)
    assert np.array_equal(again.params.input, first.params.input)


def test_the_shell_says_which(tmp_path, capsys, accelerator, topic_documents):
    text = tmp_path / "text.txt"
    text.write_text("\n".join(" ".join(words) for words in topic_documents[:100]))
    run = ["train", str(text), "--min-count", "1", "--vector-size", "8", "--epochs", "2", "--force"]
    run += ["-o", str(tmp_path / "v.npz")]
    assert main([*run, "--write-back", "sorted"]) == 0
    assert capsys.readouterr().err.count("write-back: sorted\n") == 1
    assert main(run) == 0
    assert "write-back: head_scatter (probe: " in capsys.readouterr().err
    for options, message in [
        (["--write-back", "sort"], "write_back must be one of slots, sorted"),
        (["--write-back", "scatter", "--optimizer", "adam"], "adam has state that decays"),
    ]:
        assert main([*run, *options]) == 2
        (line,) = capsys.readouterr().err.splitlines()
        assert message in line


def test_a_jaxlib_with_slow_scatters_is_named():
    told = probe._slow_scatters("PJRT C API\ncuda 12090", "0.10.2", "")
    assert told.startswith("jaxlib 0.10.2 compiles")
    assert "\n" not in told
    heals = "--xla_backend_extra_options=-nvptx-allow-ftz-atomics"
    assert heals in told
    for platform, version, flags in [
        ("cuda 12090", "0.10.3", ""),
        ("cuda 12090", "0.9.0", ""),
        ("rocm 60300", "0.10.2", ""),
        ("cuda 12090", "0.11.0", f"--xla_a=1 {heals}"),
        ("cuda 12090", "0.11.0", "--xla_gpu_ftz=true"),
    ]:
        assert probe._slow_scatters(platform, version, flags) is None
    assert probe._slow_scatters("cuda 12090", "0.11.0", "--xla_gpu_ftz=false")
    assert probe.slow_scatters() is None  # here, on a CPU
