"""Speed beside quality: what is timed is scored, and a run that learns too little or too well is
marked."""

import argparse
import dataclasses
import functools
import math
import time

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxvec
from benchmarks.suite import (
    bands,
    ceilings,
    counting,
    default,
    options,
    quality,
    scaling,
    sizes,
    workloads,
)
from benchmarks.suite.figures import Figure, rate, score
from benchmarks.suite.planted import plant
from benchmarks.suite.timing import Timer
from jaxvec.models import sampling

SIZE = sizes.QUICK
ONCE = Timer(runs=1)
SEED = 70  # of no reference


@pytest.fixture(scope="module")
def planted():
    return plant(jax.random.key(SEED), SIZE.tokens, SIZE.words, strength=SIZE.strength)


@pytest.fixture(scope="module")
def text(planted):
    return workloads.Text(planted.corpus, quality.exam(planted, SEED), SIZE)


def skip_gram(text, ceilings=None):
    return {one.name: one for one in workloads.skip_gram(text, [SEED], ceilings or {}, ONCE)}


def parsed(*arguments):
    parser = argparse.ArgumentParser(exit_on_error=False)
    options.add_options(parser)
    return parser.parse_args(arguments)


def test_a_sound_run_is_in_its_band_and_its_figures_tell_all(text):
    product = rate("product", 1e12, "GFLOP/s", [1.0], scale=1e9, settings={
        "what": "product", "precision": "float32", "amount": 1e12})  # fmt: skip
    figures = skip_gram(text, {"product": product})
    assert not any(one.marks for one in figures.values())
    raw, kept = (figures[f"skip-gram, {which} words"] for which in ("raw", "kept"))
    assert raw.value * raw.seconds == pytest.approx(SIZE.tokens * SIZE.epochs)
    assert 0.3 < kept.value / raw.value < 0.6
    assert raw.times == kept.times
    assert raw.limit == "product"
    assert raw.fraction == pytest.approx(raw.flops / 1e12 / raw.seconds)
    assert raw.bytes > 0
    assert raw.compile_seconds > 0
    assert raw.peak_bytes > 0
    assert raw.settings["blocks"]
    assert raw.settings["V"] == SIZE.words
    goal = figures["skip-gram, time to 25 % recovery"]
    assert 0 < goal.value < raw.seconds
    assert figures["skip-gram, recovery"].settings["band"].startswith("5")


def test_a_run_that_has_seen_the_answers_is_marked(planted, text, monkeypatch):
    latent = planted.truth.latent
    answers = np.pad(latent, [(0, 0), (0, 100 - latent.shape[1])])
    words = planted.corpus.vocab.words
    cheat = functools.partial(jaxvec.fit, init=jaxvec.WordVectors(words, answers))
    monkeypatch.setattr(jaxvec, "fit", cheat)
    short = dataclasses.replace(text, size=dataclasses.replace(SIZE, epochs=1))
    figures = skip_gram(short)
    (mark,) = figures["skip-gram, recovery"].marks
    assert mark.startswith("learned too well: ")
    assert bands.failed(figures.values())


@pytest.fixture
def anew():
    """Programs are traced anew, and those of broken parts are not kept."""
    jax.clear_caches()
    yield
    jax.clear_caches()


def test_negatives_that_are_not_of_the_noise_are_marked(text, anew, monkeypatch):
    def uniform(table, bits):
        return sampling.scale(bits[..., 0], len(table.alias))

    monkeypatch.setattr(sampling, "draw", uniform)
    figures = skip_gram(text)
    (mark,) = figures["skip-gram, recovery"].marks
    assert mark.startswith("learned too little: ")
    assert "where reference seeds have" in mark
    assert figures["skip-gram, recovery"] in bands.failed(figures.values())


def test_negatives_that_are_all_one_word_are_marked(text, anew, monkeypatch):
    monkeypatch.setattr(sampling, "draw", lambda table, bits: jnp.zeros(bits.shape[:-1], int))
    figures = skip_gram(text)
    assert bands.failed(figures.values())
    marks = [mark for one in figures.values() for mark in one.marks]
    assert any(mark.startswith(("learned too little", "diverged")) for mark in marks)


def test_bands_are_narrow_and_above_their_goals():
    held = {(size, model) for size, model, score in bands.BANDS if score == "recovery"}
    of_cpus = {(size, model) for size in ("quick", "cpu") for model in ("skip-gram", "glove")}
    assert of_cpus | {("accelerator", "skip-gram")} <= held
    for size, model in held:
        band = bands.BANDS[size, model, "recovery"]
        assert 20 < band.low < band.high < 85
        assert band.half < 5
        assert band.low > sizes.SIZES[size].goal(model)


def test_either_side_of_a_band_is_marked(monkeypatch):
    monkeypatch.setitem(bands.BANDS, ("s", "glove", "recovery"), bands.Band(50.0, 1.0, 10))
    seen = {}
    for low, high in [(48, 52), (46.9, 50), (50, 53.1), (1, 99)]:
        figure = bands.judged(score("r", [low, 50.0, high], "%"), "s", "glove", "recovery")
        assert figure.settings["band"] == "47.0 to 53.0"
        seen[low] = [mark.split(":")[0] for mark in figure.marks]
    assert list(seen.values()) == [
        [], ["learned too little"], ["learned too well"],
        ["learned too little", "learned too well"],
    ]  # fmt: skip
    unknown = bands.judged(score("r", [1.0], "%"), "", "glove", "recovery")
    assert not unknown.marks
    assert "none" in unknown.settings["band"]
    assert bands.Band(50, 0.01, 10).half == bands.LEAST


def run_of(*recoveries, seconds=1.0):
    scores = tuple({"recovery": value} for value in recoveries)
    return workloads.Run((seconds,) * len(recoveries), scores, 0.0, None)


def test_a_higher_goal_takes_longer_and_one_out_of_reach_has_no_time():
    run = run_of(10, 30, 20, 50)
    times = [run.seconds_to("recovery", goal) for goal in (5, 10, 11, 30, 40, 50)]
    assert times == [1, 1, 2, 2, 4, 4]
    assert run.seconds_to("recovery", 50.1) is None
    figure = workloads.time_to(40, "glove", [run, run_of(60, seconds=2.0), run_of(50)])
    assert figure.times == (4, 2, 1)
    assert figure.value == 2
    assert not figure.marks
    figure = workloads.time_to(40, "glove", [run, run_of(10, 30)])
    assert math.isnan(figure.value)
    assert not figure.times
    assert figure.marks == ("never reached in 1 of 2 runs",)
    assert bands.failed([figure])


def test_glove_and_counting_have_their_figures(topic_corpus, tmp_path):
    file = tmp_path / "pairs.txt"
    file.write_text("t0w1\tt0w2\t9\nt0w1\tt1w2\t1\nt1w1\tt1w3\t8\n")
    other, unknown = tmp_path / "other" / "pairs.txt", tmp_path / "none.txt"
    other.parent.mkdir()
    other.write_text(file.read_text())
    unknown.write_text("x\ty\t1\nx\tz\t2\n")
    scored = quality.files(None, [str(file)], None)

    def scores(vectors):
        time.sleep(0.2)
        return scored(vectors)

    size = sizes.Size("", len(topic_corpus), len(topic_corpus.vocab), 0.0, 1, 2, ())
    given = workloads.Text(topic_corpus, scores, size)
    cells = jaxvec.cooccurrence.count(topic_corpus, window=10)
    since = time.perf_counter()
    found = {one.name: one for one in workloads.glove(given, cells, [1, 2], {}, ONCE)}
    taken = time.perf_counter() - since
    assert list(found) == ["glove, cells", "glove, an iteration", "glove, pairs"]
    speed, each = found["glove, cells"], found["glove, an iteration"]
    assert speed.value * speed.seconds == pytest.approx(2 * len(cells))
    assert each.seconds == pytest.approx(speed.seconds / 2)
    assert len(found["glove, pairs"].samples) == 2
    assert sum(speed.times) + speed.compile_seconds + 4 * 0.2 <= taken  # two epochs of two runs
    scored = quality.files(None, [str(file), str(other), str(unknown)], None)
    marked = {one.name: one for one in workloads.glove(given, cells, [1], {}, ONCE)}
    assert list(marked)[2:] == ["glove, pairs", f"glove, {other}", "glove, none"]
    assert math.isnan(marked["glove, none"].value)
    assert bands.failed(marked.values()) == [marked["glove, none"]]
    sort, counted = counting.figures(topic_corpus, len(cells), {}, ONCE)
    assert counted.limit == sort.name
    assert counted.fraction == pytest.approx(sort.seconds / counted.seconds)


def test_scaling_is_relative_to_the_default(monkeypatch):
    monkeypatch.setattr(scaling, "WORDS", 500)
    monkeypatch.setattr(scaling, "VECTOR", 8)
    points = [scaling.Point("devices", 2), scaling.Point("V", 10**9)]
    found = list(scaling.measure({}, ONCE, full=False, tokens=30_000, points=points))
    assert [one.name for one in found] == [
        "scaling, default", "scaling, devices=2", "scaling, V=1000M",
    ]  # fmt: skip
    base, both, none = found
    assert base.settings["of_default"] == 1
    assert (base.settings["D"], base.settings["V"], base.settings["devices"]) == (8, 500, 1)
    assert both.settings["of_default"] == pytest.approx(both.value / base.value, abs=1e-4)
    assert both.settings["devices"] == 2
    assert math.isnan(none.value)
    assert none.marks[0].startswith("left out: needs ")


def test_the_grid_has_devices_there_are():
    assert {point.axis for point in scaling.grid(True, 1)} == {"blocks", "D", "V"}
    devices = [point.value for point in scaling.grid(True, 8) if point.axis == "devices"]
    assert devices == [2, 4, 8]
    assert len(scaling.grid(False, 1)) < len(scaling.grid(True, 1))


def test_sizes_follow_the_device():
    assert sizes.chosen(True, "gpu").name == "quick"
    assert [sizes.chosen(False, name).name for name in ("cpu", "gpu", "tpu")] == [
        "cpu", "accelerator", "accelerator",
    ]  # fmt: skip
    other = sizes.chosen(False, "cpu", 500_000)
    assert (other.name, other.tokens, other.words) == ("", 500_000, sizes.CPU.words)


def test_options_that_do_not_go_together_are_refused(tmp_path):
    file = tmp_path / "text"
    file.write_text("a b")
    for arguments, message in {
        ("--analogies", str(file)): "name that too",
        ("--corpus", str(file)): "needs --analogies or --pairs",
        ("--corpus", str(file), "--pairs", str(file), "--tokens", "300000"): "leave it out",
    }.items():
        assert message in options.refused(parsed(*arguments))
    assert options.refused(parsed("--corpus", str(file), "--pairs", str(file))) is None
    for arguments, message in {
        ("--tokens", "1000"): "200,000 or more",
        ("--seed", "-1"): "expected 0 or",
        ("--corpus", f"{file}x"): "no such file",
    }.items():
        with pytest.raises(argparse.ArgumentError, match=message):
            parsed(*arguments)


@pytest.mark.parametrize(("marks", "status"), [((), 0), (("learned too well: 99 %",), 1)])
def test_a_marked_run_ends_with_a_status_above_0(marks, status, monkeypatch, capsys):
    figure = Figure("skip-gram, recovery", 99.0, "%", marks=marks)
    monkeypatch.setattr(ceilings, "run", lambda *_: ({}, []))
    monkeypatch.setattr(workloads, "run", lambda *_: [figure])
    parser = argparse.ArgumentParser()
    default.add_parser(parser.add_subparsers())
    given = parser.parse_args(["device", "--quick"])
    if status:
        with pytest.raises(SystemExit) as ended:
            given.run(given)
        assert ended.value.code == status
        assert "(!) skip-gram, recovery: learned too well" in capsys.readouterr().out
    else:
        given.run(given)
