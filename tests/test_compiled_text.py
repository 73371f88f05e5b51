"""How the text of compiled programs is read: loops, trip counts, bytes, kernels."""

import pytest

from benchmarks.compile import gpu, hlo, traffic
from benchmarks.compile.child import _collectives, _loops, _loss_writes

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
