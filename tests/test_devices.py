"""What follows from the device that trains: the rules, and runs on a CPU by an accelerator's."""

import dataclasses
import importlib

import jax
import numpy as np
import pytest

from jaxvec import (
    CBOW,
    Checkpoints,
    Corpus,
    Device,
    GloVe,
    SkipGram,
    Softmax,
    Vocab,
    cooccurrence,
    fit,
    sweep,
)
from jaxvec.cli import main
from jaxvec.cli import train as command
from jaxvec.train import by_device, devices, segments, workers
from jaxvec.train.fit import Stopped

KEY = jax.random.key(0)
CPU, GPU, TPU = Device("cpu"), Device("gpu", "a card"), Device("tpu", memory=16 << 30)
SMALL = SkipGram(vector_size=16, window=3, sample=0)
TINY = SkipGram(vector_size=4, window=3, sample=0, spectral_words=0)
TOPICS, WORDS, TOKENS = 40, 25, 400_000


def text(topics: int, tokens: int) -> Corpus:
    """Documents of 40 words, each of one topic of `WORDS` words, which share no word."""
    rng = np.random.default_rng(0)
    topic = np.repeat(rng.integers(topics, size=tokens // 40), 40)
    ids = (topic * WORDS + rng.integers(WORDS, size=tokens)).astype(np.int32)
    counts = np.bincount(ids, minlength=topics * WORDS)
    order = np.argsort(-counts, kind="stable")
    place = np.empty_like(order)
    place[order] = np.arange(len(order))
    vocab = Vocab([f"t{i // WORDS}w{i % WORDS}" for i in order], counts[order])
    offsets = np.arange(0, tokens + 1, 40)
    return Corpus(vocab, place[ids].astype(np.int32), offsets, raw_words=tokens)


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return text(TOPICS, TOKENS)


def accuracy(vectors) -> float:
    """The share of words whose nearest neighbor is of their topic; 1/40 by chance."""
    words = vectors.index_to_key[:200]
    nearest = [vectors.most_similar(word, topn=1)[0][0] for word in words]
    return float(
        np.mean([a.split("w")[0] == b.split("w")[0] for a, b in zip(words, nearest, strict=True)])
    )


def same(a, b) -> bool:
    leaves = zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True)
    return all(np.array_equal(x, y) for x, y in leaves)


def test_the_device_at_hand_is_described():
    found = devices.here()
    assert (found.platform, found.is_accelerator) == ("cpu", False)
    assert found == devices.described(jax.devices("cpu")[0])
    assert str(found) == found.name
    assert str(TPU) == "tpu"


@pytest.mark.parametrize("device", [GPU, TPU], ids=str)
def test_a_step_is_as_large_as_the_text_allows(device):
    def found(tokens, partners):
        return devices.step_blocks(device, 32, tokens, 1 / partners)

    steps, repeats = devices.LEAST_STEPS, devices.MOST_REPEATS
    assert found(1e10, 1e10) == devices.MOST_BLOCKS
    assert found(16 * 32 * steps, 1e10) == 16
    assert found(16 * 32 * steps - 1, 1e10) == 8
    assert found(1e10, 16 * 32 / repeats * 1.001) == 16
    assert found(1e10, 16 * 32 / repeats * 0.999) == 8
    assert found(2 * 32 * steps, 1e10) is None  # what a CPU takes
    assert devices.step_blocks(CPU, 32, 1e10, 1e-10) is None


def test_segments_fit_in_memory():
    assert devices.segment_length(CPU) is None
    assert devices.segment_length(GPU) == devices.segment_length(TPU) == 1 << 23
    small = dataclasses.replace(TPU, memory=1 << 28)
    assert devices.segment_length(small) * devices._BYTES * devices._SHARE == 1 << 28


def test_options_that_are_given_count(corpus):
    given = SkipGram(blocks=7, segment_tokens=5000)
    assert by_device.filled([given], GPU, corpus) == [given]
    (half,) = by_device.filled([SkipGram(blocks=7)], GPU, corpus)
    assert half == SkipGram(blocks=7, segment_tokens=1 << 23)
    assert by_device.filled([SkipGram(), CBOW()], CPU, corpus) == [SkipGram(), CBOW()]
    assert by_device.filled(["a model of one's own"], GPU, corpus) == ["a model of one's own"]


def test_subsampling_and_workers_leave_less_for_a_step(corpus):
    def blocks(model, device=GPU, workers=1):
        return model.for_device(device, corpus, workers)["blocks"]

    whole = blocks(SMALL)
    assert whole >= 8
    assert blocks(SMALL, workers=2) == whole // 2
    assert blocks(dataclasses.replace(SMALL, sample=1e-4)) < whole
    assert blocks(dataclasses.replace(SMALL, block_tokens=64)) == whole // 2
    assert blocks(SMALL, CPU) is None


def test_a_softmax_takes_no_more_than_fits():
    vocab = Vocab([f"w{i}" for i in range(500_000)], np.full(500_000, 10**6))
    data = Corpus(vocab, np.zeros(2, np.int32), np.array([0, 2]), raw_words=2)
    blocks = Softmax().for_device(GPU, data)["blocks"]
    assert SkipGram().for_device(GPU, data)["blocks"] == devices.MOST_BLOCKS > blocks
    Softmax(blocks=blocks).choices(vocab.counts)
    with pytest.raises(ValueError, match="does not fit"):
        Softmax(blocks=blocks + 1).choices(vocab.counts)


def test_models_of_a_sweep_take_the_same_steps(corpus, monkeypatch):
    models = [dataclasses.replace(TINY, sample=sample) for sample in (0, 1e-4)]
    found = by_device.filled(models, GPU, corpus)
    fewest = models[1].for_device(GPU, corpus)
    assert [one.blocks for one in found] == [fewest["blocks"]] * 2
    assert [one.sample for one in found] == [0, 1e-4]
    monkeypatch.setattr(importlib.import_module("jaxvec.train.sweep"), "here", lambda: GPU)
    results = sweep(text(4, 4000), models, key=KEY, epochs=1)
    assert [result.model.segment_tokens for result in results] == [1 << 23] * 2


@pytest.mark.parametrize("model", [SMALL, CBOW(vector_size=16, window=3, sample=0)], ids=str)
def test_large_steps_learn(corpus, model):
    result = fit(corpus, model, key=KEY, epochs=2, defaults_for=GPU)
    assert result.model.blocks == model.for_device(GPU, corpus)["blocks"] >= 8
    assert result.model.segment_tokens == 1 << 23
    assert accuracy(result.vectors()) > 0.9


def test_large_steps_of_glove_learn():
    counts = cooccurrence.count(text(400, TOKENS), window=5)
    model = GloVe(vector_size=4, x_max=10.0)
    assert len(counts) > 32 * 32 * devices.LEAST_STEPS
    assert model.for_device(GPU, counts) == {"chunks": 32, "segment_cells": 1 << 23}
    assert model.for_device(GPU, counts, 4) == {"chunks": 16, "segment_cells": 1 << 23}
    assert devices.step_chunks(TPU, 32, 10**9) == devices.MOST_CHUNKS
    assert devices.step_chunks(CPU, 32, 10**9) is None
    alone = fit(counts, model, key=KEY, epochs=3)
    result = fit(counts, model, key=KEY, epochs=3, defaults_for=GPU)
    assert (alone.model.step_chunks, result.model.step_chunks) == (16, 32)
    assert result.history[-1].loss < 0.2 * model.untrained_loss(counts)
    assert result.history[-1].loss == pytest.approx(alone.history[-1].loss, rel=0.05)


def test_a_cpu_trains_as_before():
    small = text(4, 8000)
    alone = fit(small, TINY, key=KEY, epochs=1)
    size = segments.SEGMENT_TOKENS
    told = dataclasses.replace(alone.model, segment_tokens=size)
    assert alone.model.segment_tokens is None
    assert alone.model.blocks <= 2
    assert same(alone.params, fit(small, told, key=KEY, epochs=1).params)
    assert same(alone.params, fit(small, TINY, key=KEY, epochs=1, defaults_for=CPU).params)


def test_an_accelerator_is_one_worker(corpus):
    assert workers.default_workers(corpus, SMALL, device=GPU) == 1
    ids = np.broadcast_to(np.int32(0), 20_000_000)
    long = Corpus(corpus.vocab, ids, np.array([0, len(ids)]), raw_words=len(ids))
    assert workers.usual_workers(long, CPU) == 2
    assert workers.usual_workers(long, GPU) == 1


def run(data, model, folder, device, epochs=2, **options):
    checkpoints = Checkpoints(folder, {}, steps=1)
    options |= {"key": KEY, "epochs": epochs, "defaults_for": device}
    try:
        return fit(data, model, **options, checkpoints=checkpoints)
    finally:
        checkpoints.close()


@pytest.mark.parametrize(
    ("first", "then", "kind"),
    [(GPU, CPU, "text"), (CPU, GPU, "text"), (GPU, CPU, "counts")], ids=str,
)  # fmt: skip
def test_a_run_goes_on_elsewhere_with_its_own_steps(corpus, tmp_path, first, then, kind):
    data, model = corpus, dataclasses.replace(TINY, segment_tokens=150_000)
    if kind == "counts":
        data = cooccurrence.count(text(4, 8000), window=2)
        model = GloVe(vector_size=4, segment_cells=2000)
    with pytest.raises(Stopped):
        run(data, model, tmp_path / "c", first, 1, should_stop=lambda: True)
    resumed = run(data, model, tmp_path / "c", then, 1)
    whole = fit(data, model, key=KEY, epochs=1, defaults_for=first)
    assert same(whole.params, resumed.params)
    assert whole.model == resumed.model


def test_a_run_goes_on_with_no_other_steps_or_workers(tmp_path):
    data = text(4, 8000)
    with pytest.raises(Stopped):
        run(data, dataclasses.replace(TINY, blocks=3), tmp_path, CPU, should_stop=lambda: True)
    with pytest.raises(ValueError, match=r"blocks were 3, and this one has blocks=4: leave it out"):
        run(data, dataclasses.replace(TINY, blocks=4), tmp_path, GPU)
    with pytest.raises(ValueError, match=r"segment_tokens were the CPU's default, and .*=5000"):
        run(data, dataclasses.replace(TINY, segment_tokens=5000), tmp_path, GPU)
    with pytest.raises(ValueError, match=r"workers were 1, and this one has workers=2"):
        run(data, TINY, tmp_path, GPU, workers=2)
    assert run(data, TINY, tmp_path, GPU).model.blocks == 3


@pytest.mark.parametrize(
    ("given", "how"),
    [
        ("gpu", r"write jaxvec.Device\('gpu'\)"),
        (7, "jaxvec.Device, not the number 7"),
        (jax, "default_device"),
    ],
)
def test_another_description_of_a_device_is_refused(given, how):
    given = jax.devices()[0] if given is jax else given
    with pytest.raises(TypeError, match=how):
        fit(text(4, 400), SMALL, key=KEY, defaults_for=given)


def test_the_command_line_tells_the_steps_of_an_accelerator(tmp_path, monkeypatch, capsys):
    file = tmp_path / "text.txt"
    file.write_text("a b c d e f g h\n" * 100)
    arguments = ["train", str(file), "--vector-size", "4", "--epochs", "1", "-o"]
    assert main([*arguments, str(tmp_path / "a.npz")]) == 0
    assert "segment_tokens" not in capsys.readouterr().err
    monkeypatch.setattr(command, "here", lambda: GPU)
    assert main([*arguments, str(tmp_path / "b.npz")]) == 0
    told = "on a card: workers 1, blocks as on a CPU, segment_tokens 8388608"
    assert told in capsys.readouterr().err
