"""How compiled programs are read: loops, trip counts, bytes, kernels; and what errors say."""

import json
import math
import subprocess
import sys

import jax
import pytest

from benchmarks.compile import apart, counts, gpu, hlo, programs, targets, traffic
from benchmarks.compile.child import _collectives, _loops, _loss_writes
from benchmarks.compile.report import Report

# a step gathers 4 rows of a table of 10, writes a loss and adds to the rows; 64 steps a draw
PROGRAM = """\
HloModule jit_train_segment, is_scheduled=true

%add (a: f32[], b: f32[]) -> f32[] {
  %a = f32[] parameter(0)
  %b = f32[] parameter(1)
  ROOT %sum = f32[] add(%a, %b)
}

%fused_gather (t: f32[10,8], i: s32[4]) -> f32[4,8] {
  %t = f32[10,8]{1,0:T(8,128)} parameter(0)
  %i = s32[4]{0} parameter(1)
  ROOT %rows = f32[4,8]{1,0} gather(%t, %i), offset_dims={1}, metadata={op_name="jit(f)/gather"}
}

%fused_scatter (t2: f32[10,8], i2: s32[4], u: f32[4,8]) -> f32[10,8] {
  %t2 = f32[10,8]{1,0} parameter(0)
  %i2 = s32[4]{0} parameter(1)
  %u = f32[4,8]{1,0} parameter(2)
  ROOT %new = f32[10,8]{1,0} scatter(%t2, %i2, %u), to_apply=%add
}

%step (p: (s32[], f32[10,8], f32[128], s32[4])) -> (s32[], f32[10,8], f32[128], s32[4]) {
  %p = (s32[], f32[10,8]{1,0}, f32[128]{0}, /*index=3*/s32[4]{0}) parameter(0)
  %n = s32[] get-tuple-element(%p), index=0
  %table = f32[10,8]{1,0} get-tuple-element(%p), index=1
  %losses = f32[128]{0} get-tuple-element(%p), index=2
  %ids = s32[4]{0} get-tuple-element(%p), index=3
  %one = s32[] constant(1)
  %next = s32[] add(%n, %one)
  %g = f32[4,8]{1,0} fusion(%table, %ids), kind=kLoop, calls=%fused_gather, backend_config={"estimated_cycles":"70"}
  %all = f32[4,8]{1,0} all-reduce(%g), to_apply=%add
  %s = f32[10,8]{1,0} fusion(%table, %ids, %all), kind=kInput, calls=%fused_scatter
  %loss = f32[1]{0} constant({0})
  %w = f32[128]{0} dynamic-update-slice(%losses, %loss, %n)
  ROOT %r = (s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) tuple(%next, %s, %w, %ids)
}

%more (q: (s32[], f32[10,8], f32[128], s32[4])) -> pred[] {
  %q = (s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) parameter(0)
  %m = s32[] get-tuple-element(%q), index=0
  %end = s32[] constant(64)
  ROOT %lt = pred[] compare(%m, %end), direction=LT
}

%draw (d: (s32[], s32[], f32[10,8], f32[128], s32[4])) -> (s32[], s32[], f32[10,8], f32[128], s32[4]) {
  %d = (s32[], s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) parameter(0)
  %k = s32[] get-tuple-element(%d), index=0
  %last = s32[] get-tuple-element(%d), index=1
  %dt = f32[10,8]{1,0} get-tuple-element(%d), index=2
  %dl = f32[128]{0} get-tuple-element(%d), index=3
  %di = s32[4]{0} get-tuple-element(%d), index=4
  %zero = s32[] constant(0)
  %unit = s32[] constant(1)
  %inc = s32[] add(%k, %unit)
  %start = (s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) tuple(%zero, %dt, %dl, %di)
  %while.1 = (s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) while(%start), condition=%more, body=%step, metadata={op_name="jit(f)/while/body/while"}
  %ot = f32[10,8]{1,0} get-tuple-element(%while.1), index=1
  %ol = f32[128]{0} get-tuple-element(%while.1), index=2
  ROOT %dr = (s32[], s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) tuple(%inc, %last, %ot, %ol, %di)
}

%again (e: (s32[], s32[], f32[10,8], f32[128], s32[4])) -> pred[] {
  %e = (s32[], s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) parameter(0)
  %ek = s32[] get-tuple-element(%e), index=0
  %el = s32[] get-tuple-element(%e), index=1
  ROOT %lt2 = pred[] compare(%ek, %el), direction=LT
}

ENTRY %main (x: f32[10,8], y: s32[4], z: s32[]) -> f32[10,8] {
  %x = f32[10,8]{1,0} parameter(0)
  %y = s32[4]{0} parameter(1)
  %z = s32[] parameter(2)
  %c0 = s32[] constant(0)
  %l0 = f32[128]{0} broadcast(%c0), dimensions={}
  %t0 = (s32[], s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) tuple(%c0, %z, %x, %l0, %y)
  %while.2 = (s32[], s32[], f32[10,8]{1,0}, f32[128]{0}, s32[4]{0}) while(%t0), condition=%again, body=%draw
  ROOT %out = f32[10,8]{1,0} get-tuple-element(%while.2), index=2
}
"""  # noqa: E501
TABLE = {(10, 8)}


def read(text=PROGRAM):
    program = hlo.Program(text)
    return program, program.step_loop(TABLE)


def test_loops_and_where_they_stand():
    program, step = read()
    assert [(one["where"], one["trips"]) for one in _loops(program, step)] == [
        ("around a draw of 64 steps", None),
        ("around a step", 64),
    ]
    assert step.name == "while.1"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("%end = s32[] constant(64)", "%end = s32[] get-tuple-element(%q), index=0"),
        ("add(%n, %one)", "subtract(%n, %one)"),
        ("tuple(%zero, %dt", "tuple(%last, %dt"),
        ("compare(%m, %end), direction=LT", "compare(%m, %end), direction=GT"),
    ],
)
def test_a_loop_is_counted_only_from_constants(old, new):
    assert old in PROGRAM
    assert read(PROGRAM.replace(old, new))[1].trips is None


def test_a_trip_count_that_the_compiler_says_is_taken():
    said = 'body=%draw, backend_config={"known_trip_count":{"n":"7"}}'
    program, _ = read(PROGRAM.replace("body=%draw", said))
    assert [loop.trips for loop in program.loops] == [7, 64]


def test_bytes_are_of_the_rows_that_are_moved():
    program, step = read()
    sizes = {one.name: traffic.moved(program, one) for one in program.own(step)}
    rows, ids = 4 * 8 * 4, 4 * 4
    assert sizes["g"] == rows + ids + rows  # read, and the result written
    assert sizes["s"] == rows + ids + rows + rows  # of the table read; ids; gradients; written
    assert sizes["w"] == 4
    assert sizes["ids"] == 0


def test_collectives_and_losses_are_found_in_the_step():
    program, step = read()
    assert _collectives(program, step) == [
        {"kind": "all-reduce", "where": "step", "count": 1, "bytes": 128}
    ]
    assert _loss_writes(program, step, {10}) == 1
    assert _loss_writes(program, step, {128}) == 0  # a bias of each of 128 words
    assert [one.cycles for one in program.own(step) if one.cycles] == [70]


def test_a_program_without_a_step_is_refused():
    with pytest.raises(ValueError, match="there is no step"):
        hlo.Program(PROGRAM).step_loop({(11, 8)})
    with pytest.raises(ValueError, match="no ENTRY"):
        hlo.Program("nothing")


THUNKS = """\
001: kCopy         [source       | next=016 (15)] kCopy
002: kWhile        [prev=015 (1) | sink         ]
condition:
    003: kCustomKernel [source | sink] wrapped_compare grid: [1, 1, 1] threads: [1, 1, 1]  shared_memory: 0 bytes
  body:
    004: kCustomKernel [source       | next=020 (2)] bits grid: [3, 1, 1] threads: [64, 1, 1]  shared_memory: 0 bytes
    005: kWhile        [prev=024 (1) | sink        ]
condition:
        006: kCustomKernel [source | sink] wrapped_compare grid: [1, 1, 1] threads: [1, 1, 1]  shared_memory: 0 bytes
      body:
        007: kCustomKernel [source | sink] scatter grid: [2, 3, 1] threads: [128, 1, 1]  shared_memory: 0 bytes
        008: kMemset [source | sink] fill
        009: kAllReduceDone [source | sink] done
    010: kCustomKernel [source | sink] after grid: [1, 1, 1] threads: [1, 1, 1]  shared_memory: 0 bytes
"""  # noqa: E501
GROUPED = """\
000: kCommandBuffer [source       | next=016 (1)]
    001: kCopy         [source       | sink        ] kCopy
002: kWhile         [prev=000 (1) | sink        ]
condition:
    003: kCustomKernel [source | sink] wrapped_compare grid: [1, 1, 1] threads: [1, 1, 1]
  body:
    000: kCommandBuffer [source       | next=025 (1)]
        004: kCustomKernel [source       | next=020 (2)] bits grid: [3, 1, 1] threads: [64, 1, 1]
        005: kWhile         [prev=000 (1) | sink        ]
condition:
            006: kCustomKernel [source | sink] wrapped_compare grid: [1, 1, 1] threads: [1, 1, 1]
          body:
            000: kCommandBuffer [source | sink]
                007: kCustomKernel [source | sink] scatter grid: [2, 3, 1] threads: [128, 1, 1]
"""
PTX = """\
.visible .entry scatter(
{
	atom.global.v4.f32.add 	{%f1}, [%rd1], {%f2};
	atom.relaxed.sys.global.cas.b32 	%r1, [%rd1], %r2, %r3;
	red.global.add.f32 [%rd1], %f3;
}
.visible .entry after(
{
}
"""


def test_kernels_by_loop(tmp_path):
    stem = "module_0001.jit_train_segment."
    (tmp_path / f"{stem}thunk_sequence.txt").write_text(THUNKS)
    (tmp_path / f"{stem}thunk_sequence_after_thunk_passes.txt").write_text(GROUPED)
    (tmp_path / f"{stem}thunk_metadata.txt").write_text("".join(
        f'thunk_metadata {{\n  thunk_info {{\n    profile_annotation: "{name}"\n'
        f"    thunk_id: {number}\n  }}\n}}\n"
        for number, name in [(2, "while.2"), (5, "while.1"), (7, "scatter.3")]
    ))  # fmt: skip
    (tmp_path / f"{stem}1.ptx").write_text(PTX)
    dump = gpu.Dump(tmp_path)
    assert [(one.name, one.blocks * one.threads) for one in dump.of_loop("while.1")] == [
        ("scatter.3", 768), ("fill", 0),
    ]  # fmt: skip
    assert [one.name for one in dump.of_loop("while.2")] == [
        "bits", "wrapped_compare", "scatter.3", "fill", "after",
    ]  # fmt: skip
    assert [one.loop for one in dump.kernels if one.condition] == [
        ("while.2",), ("while.2", "while.1"),
    ]  # fmt: skip
    assert [dump.buffers_of(loop) for loop in (None, "while.2", "while.1")] == [1, 1, 0]
    assert dump.swap_loops() == {"scatter": 1}
    assert dump.atomics() == {
        "atom.global.v4.f32.add": 1, "atom.relaxed.sys.global.cas.b32": 1, "red.global.add.f32": 1,
    }  # fmt: skip
    with pytest.raises(FileNotFoundError, match="thunk sequences"):
        gpu.Dump(tmp_path / "none")


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
    rows, text, noise = 3 * 106 * 20 * 4, 3 * 2 * 42 * 4, 3 * 32 * 2 * 4
    bits = 3 * (2 * 32 + 32) * 4
    assert 0 <= step.bytes - (3 * rows + text + noise + bits) < 64  # and the learning rate


def test_state_of_rows_is_counted_with_them():
    sgd, adagrad = counted(optimizer="sgd"), counted(optimizer="row_adagrad")
    assert adagrad.products == sgd.products
    slots, sums = 2 * 4, 2 * 4  # read and written: a slot a row, a sum of squares a row
    assert adagrad.bytes - sgd.bytes == 3 * 106 * (slots + sums)


def test_a_step_of_glove_is_counted_as_by_hand():
    step = counted(model="glove", optimizer="sgd")
    cells = 3 * 32
    assert step.products == 3 * 2 * cells * 20
    vectors, biases = 3 * (3 + cells) * 20 * 4, 3 * (3 + cells) * 4
    assert 0 <= step.bytes - (vectors + biases + (3 + 2 * cells) * 4) < 64


def test_nothing_of_ten_million_words_is_made():
    devices = jax.devices()
    given = programs.Settings(
        "v5e", words=10_000_001, vector_size=512, chips=4, shard="rows", optimizer="row_adagrad"
    )
    job = programs.job(given, devices)
    assert (2_500_001, 512) in job.tables  # a chip's rows of 10,000,004
    assert (2_500_001, 1) in job.arrays
    assert job.steps_together == 1
    split = programs.job(programs.Settings("v5e", chips=4, shard="dim"), devices)
    assert (67_867, 32) in split.tables


def test_programs_of_several_chips():
    copies, strata = traced(chips=4), traced(chips=4, model="glove")
    assert (copies.traced.fun_name, strata.traced.fun_name) == ("train_copies", "train_strata")
    assert (250, 20) in strata.tables
    assert copies.steps_together == strata.steps_together == 4
    assert copies.tokens == 96


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"optimizer": "sgdd"}, "optimizer must be one of"),
        ({"write_back": "slot"}, "write_back must be one of"),
        ({"shard": "rows"}, "give --chips"),
        ({"shard": "dim", "chips": 3}, "that is a multiple"),
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
        target="h100", device="card", settings={"model": "sgns", "chips": 2, "shard": None},
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
