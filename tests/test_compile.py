"""What is compiled for devices that are not here, how it is counted, and what errors say."""

import json
import math
import subprocess
import sys

import jax
import pytest

from benchmarks.compile import apart, counts, programs, targets
from benchmarks.compile.report import Report


def traced(**settings):
    given = programs.Settings("h100", words=1000, vector_size=20, blocks=3, **settings)
    return programs.job(given, jax.devices())


def counted(**settings):
    job = traced(**settings)
    step, draw = counts.of(job.traced.jaxpr.jaxpr, set(job.tables))
    return counts.Step(*(a + b / 64 for a, b in zip(step, draw, strict=True)))


def test_a_step_of_sgns_is_counted_as_by_hand():
    """3 blocks of 32 centers, 42 contexts, 32 negatives: three products, 106 rows."""
    step = counted(optimizer="sgd")
    assert step.products == 3 * 3 * 2 * 32 * 74 * 20
    rows, noise = 3 * 106 * 20 * 4, 3 * 32 * 2 * 4
    # from the draw: ids of rows, text, windows to both sides, negatives, weights met
    drawn = 3 * (106 + 42 + 2 * 32 + 32 + 74) * 4
    assert 0 <= step.bytes - (3 * rows + drawn + noise) < 256  # and rates, a share of the text


def test_state_of_rows_is_counted_with_them():
    sgd, adagrad = counted(optimizer="sgd"), counted(optimizer="row_adagrad")
    assert adagrad.products == sgd.products
    # a sum of squares a row: added to, which reads and writes it, read before and after
    assert adagrad.bytes - sgd.bytes == pytest.approx(3 * 106 * 4 * 4, rel=0.3)


def test_a_step_of_glove_is_counted_as_by_hand():
    step = counted(model="glove", optimizer="sgd")
    cells = 3 * 32
    assert step.products == 3 * 2 * cells * 20
    vectors, biases = 3 * (3 + cells) * 20 * 4, 3 * (3 + cells) * 4
    drawn = (2 * (3 + cells) + 2 * (3 + 2 * cells)) * 4  # ids of rows; chunks, cut and read
    assert 0 <= step.bytes - (vectors + biases + drawn) < 512  # and numbers that a step has once


def test_nothing_of_ten_million_words_is_made():
    devices = jax.devices()
    given = programs.Settings(
        "v5e", words=10_000_001, vector_size=512, chips=4, shard="rows", optimizer="row_adagrad"
    )
    job = programs.job(given, devices)
    assert (2_500_004, 512) in job.tables  # a chip's rows of 10,000,016, a multiple of 4²
    assert (2_500_004, 1) in job.arrays
    assert job.steps_together == 1
    split = programs.job(programs.Settings("v5e", chips=4, shard="dim"), devices)
    assert (67_867, 32) in split.tables


def test_programs_of_several_chips():
    copies, strata = traced(chips=4), traced(chips=4, model="glove")
    assert (copies.traced.fun_name, strata.traced.fun_name) == ("train_copies", "train_strata")
    assert (252, 20) in strata.tables  # of 1,008 rows, a multiple of 4²
    assert copies.steps_together == strata.steps_together == 4
    assert copies.tokens == 96


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sgdd"}, "optimizer must be one of"),
        ({"write_back": "slot"}, "write_back must be one of"),
        ({"shard": "rows"}, "give --chips"),
        ({"shard": "dim", "chips": 3}, "that is a multiple"),
        ({"shard": "rows", "chips": 3, "workers": 2}, "that is a multiple"),
        ({"chips": 4, "workers": 2}, "give --shard"),
    ],
)
def test_settings_that_do_not_go_together(settings, message):
    with pytest.raises(ValueError, match=message):
        programs.job(programs.Settings("h100", vector_size=20, **settings), jax.devices())


def test_topologies():
    assert [targets.sides((2, 2), chips) for chips in (1, 3, 4, 8, 32)] == [
        (2, 2), (2, 2), (2, 2), (2, 4), (4, 8),
    ]  # fmt: skip
    assert [targets.sides((2, 2, 1), chips) for chips in (4, 8, 16, 32)] == [
        (2, 2, 1), (2, 2, 2), (2, 2, 4), (2, 4, 4),
    ]  # fmt: skip
    with pytest.raises(ValueError, match="give 8, a power of two"):
        targets.sides((2, 2), 6)


def test_a_compiler_of_another_version_is_named(monkeypatch):
    found = {"jax": "0.10.2", "jax-cuda12-plugin": "0.9.1", "libtpu": "0.0.41"}
    monkeypatch.setattr(targets, "version", found.__getitem__)
    monkeypatch.setattr(targets, "requires", lambda package: [
        'libtpu==0.0.42.*; extra == "tpu"', 'jax-cuda12-plugin[with-cuda]<=0.10.2; extra == "cuda"',
    ])  # fmt: skip
    for name, wanted in [("h100", "jax-cuda12-plugin 0.10.2, and 0.9.1"), ("v5e", "0.0.42.")]:
        said = targets.missing(targets.TARGETS[name])
        assert wanted in said
        assert said.endswith("pip install 'jaxvec[aot]'")


def test_a_missing_compiler_is_one_line(tmp_path):
    """As for a user: without it, by a Python that sees no package's metadata of that name."""
    hide = (
        "import sys, runpy\n"
        "from importlib import metadata\n"
        "real = metadata.version\n"
        "def version(name):\n"
        "    if name in ('libtpu', 'jax-cuda12-plugin'):\n"
        "        raise metadata.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "metadata.version = version\n"
        "sys.argv = ['benchmarks', 'compile', '--for', sys.argv[1]]\n"
        "runpy.run_module('benchmarks', run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", hide, "v5e"], capture_output=True, text=True, cwd=apart._ROOT
    )
    assert done.returncode == 2
    assert done.stderr.strip() == (
        "python -m benchmarks compile: the compiler for TPU v5e is not installed: "
        "pip install 'jaxvec[aot]'"
    )


def test_a_target_must_be_known():
    with pytest.raises(ValueError, match="target must be one of h100"):
        apart.compiled("h1000")


def test_errors_of_the_child_are_kept_and_noise_is_not(monkeypatch, capfd):
    monkeypatch.setattr(apart, "missing", lambda target: None)
    said = "could not determine TPU accelerator type\nE0000 a real fault\n"

    def run(command, **options):
        return subprocess.CompletedProcess(command, code, json.dumps(answer), said)

    monkeypatch.setattr(apart.subprocess, "run", run)
    code, answer = 1, {}
    with pytest.raises(apart.CompilationError, match=r"^E0000 a real fault$"):
        apart.compiled("h100")
    code, answer = 0, {"error": "settings do not go together"}
    with pytest.raises(ValueError, match="do not go together"):
        apart.compiled("h100")
    assert capfd.readouterr().err == "E0000 a real fault\n"


def test_a_report_as_a_table():
    report = Report(
        target="h100", device="card",
        settings={"model": "sgns", "chips": 2, "shard": None, "workers": 2},
        versions={}, program="train_copies", seconds=1.0, tokens=200,
        steps_a_draw=64, step={"bytes": 5_000, "products": 1_000_000, "others": 0},
        draw={"bytes": 64_000, "products": 0, "others": 0},
        loops=[{"where": "around a step", "trips": None, "name": "while.1", "source": ""}],
        collectives=[{"kind": "all-reduce", "where": "segment", "count": 3, "bytes": 2_000_000}],
        loss_writes=2, capacity=80 * 10**9, memory={
            "arguments": 3_000_000_000, "outputs": 2_000_000_000, "temporaries": 10**9,
            "outputs that reuse arguments": 2_000_000_000,
        }, by_xla=None,
        dearest=[{"by": "bytes", "amount": 1500, "name": "scatter", "source": "scatter-add",
                  "blocks": 2, "threads": 128}],
        dearest_by="bytes", kernels={"step": 18, "draw": 64}, buffers={"step": 1}, counters=4,
        swap_loops={"scatter": 1}, atomics={"atom.global.add": 2}, least={"launches": 36e-6},
    )  # fmt: skip
    rows = {row["what"]: row["figure"] for row in report.rows()}
    assert rows["kernels a step"] == "18, its condition's beside, 4 of them of one thread"
    assert rows["kernels a draw"] == "64"
    assert rows["command buffers a step"] == "1"
    assert report.launches_a_step == 19
    assert rows["loop around a step"] == "unknown trip count (while.1)"
    assert rows["compare-and-swap loops"] == "1 in scatter"
    assert rows["all-reduce a segment"] == "3, 2 MB"
    assert rows["arguments, a chip"] == "3 GB"
    assert rows["share of the chip's memory"] == "5.0%"
    # a chip takes 100 of the 200 tokens
    assert rows["bytes a step"] == "5 kB, and 64 kB a draw; in all 60 a token"
    assert rows["least time a step, by launches"] == "36.0 µs"
    assert rows["dearest by bytes, 1"].startswith("1.5 kB: scatter, 2 blocks of 128 threads")
    assert report.step_trips is None
    assert math.isclose(json.loads(json.dumps(report.as_json()))["seconds"], 1.0)
