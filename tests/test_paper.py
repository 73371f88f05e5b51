"""The formulas of benchmarks/paper, held against traced and compiled programs and by hand."""

import json
import math

import jax
import pytest

from benchmarks.__main__ import make_parser
from benchmarks.compile import TARGETS, compiled, counts, hlo, missing, programs, traffic
from benchmarks.paper import sites, suite
from benchmarks.paper.formulas import Layout, Step, kept, memory, merged, segment_tokens, work
from jaxvec.train.segments import SEGMENT_TOKENS, TokenSegments

WORDS, DIM, BLOCKS = 1_000_000, 64, 64  # a table of 256 MB; a step's rows are 1.7 MB
STEP = Step(WORDS, DIM, BLOCKS)
H100, V5E = sites.SITES["64 H100"], sites.SITES["v5e-256"]
LAYOUTS = {
    "rows": Layout(1, 4, "rows"),
    "two workers, dim": Layout(2, 2, "dim"),
}


def settings(layout):
    return {
        "optimizer": "damped", "chips": layout.workers * layout.chips, "shard": layout.split,
        "workers": layout.workers, "words": WORDS, "vector_size": DIM, "blocks": BLOCKS,
    }  # fmt: skip


def test_least_bytes_and_products_are_those_of_the_traced_program():
    job = programs.job(programs.Settings("h100", **settings(Layout())), jax.devices())
    step, draw = counts.of(job.traced.jaxpr.jaxpr, set(job.tables))
    done = work(STEP, Layout())
    assert done.products == step.products
    assert done.least == pytest.approx(step.bytes + draw.bytes / 64, rel=0.02)
    assert done.tokens == job.tokens


@pytest.mark.parametrize("layout", LAYOUTS)
def test_formulas_and_a_compiled_program(layout):
    """Network, products and memory to a hundredth; bytes moved within a factor of 1.4. No part of
    a table is copied, and no collective of a step is larger than its rows."""
    lacking = missing(TARGETS["h100"])
    if lacking:
        pytest.skip(lacking)
    layout = LAYOUTS[layout]
    found, done = compiled("h100", **settings(layout)), work(STEP, layout)
    sent = {place: sum(one["bytes"] for one in found.collectives if one["where"] == place)
            for place in ("step", "draw", "phase", "segment")}  # fmt: skip
    assert sent["step"] == pytest.approx(done.payload, rel=0.01)
    assert sent["step"] <= work(STEP, LAYOUTS["rows"]).payload
    assert sent["segment"] == pytest.approx(merged(STEP, layout), rel=0.01, abs=1000)
    assert sent["phase"] == pytest.approx(merged(STEP, layout, head=True), rel=0.01, abs=1000)
    assert sent["draw"] == 0
    assert found.products == done.products
    assert found.gathered == done.gathered == STEP.rows
    assert done.moved / 1.4 < found.moved < done.moved * 1.4
    segment = segment_tokens(WORDS, layout.workers, SEGMENT_TOKENS)
    held = memory(STEP, layout, segment) - 8 * WORDS  # the damping's weights are no argument
    assert found.memory["arguments"] == pytest.approx(held, rel=0.01)
    assert found.memory["temporaries"] < 4 * WORDS * DIM // layout.chips


def test_products_of_a_tpu_are_convolutions():
    """Four products of [2, 3] with [3, 5], as the two compilers write them."""
    program = hlo.Program("""
ENTRY %main (a: f32[4,2,3], b: f32[4,5,3]) -> f32[4,2,5] {
  %a = f32[4,2,3] parameter(0)
  %b = f32[4,5,3] parameter(1)
  %dot = f32[4,2,5] dot(%a, %b), lhs_batch_dims={0}, lhs_contracting_dims={2}, rhs_batch_dims={0}
  %wide = f32[4,2,5] convolution(%a, %b), window={size=4 stride=3 lhs_dilate=4}, dim_labels=0bf_0oi
  ROOT %sum = f32[4,2,5] add(%dot, %wide)
}
""")
    found = [traffic.products(program, one) for one in program.own(None)]
    assert found == [0, 0, 4 * 2 * 2 * 3 * 5, 4 * 2 * 2 * 3 * 5, 0]


def test_segments_are_cut_as_training_cuts_them():
    class Long:
        def __init__(self, words):
            self.vocab = range(words)

        def __len__(self):
            return 10**12

    for words, workers in [(10_000_000, 32), (1000, 4), (1000, 1)]:
        cut = TokenSegments.for_workers(Long(words), workers, None)
        found = segment_tokens(words, workers, SEGMENT_TOKENS)
        assert cut.sizes.max() == pytest.approx(found, rel=0.001)


def test_what_subsampling_keeps():
    """Of two words of shares 2/3 and 1/3 at a threshold of a hundredth, by hand."""
    by_hand = sum(p * (math.sqrt(0.01 / p) + 0.01 / p) for p in (2 / 3, 1 / 3))
    assert kept(2, 0.01) == pytest.approx(by_hand)
    assert kept(10_000_000, 1e-5) < kept(10_000_000, 1e-4) < 1


def test_a_sum_over_groups():
    """8 chips of two groups of 4, 1 GB: 1.5 GB on the links of a group at 450 GB/s, then each
    chip its quarter with one other, 0.25 GB at 50 GB/s."""
    assert H100.added_up(1e9, 8, 4) == pytest.approx(1.5 / 450 + 0.25 / 50)
    assert V5E.added_up(1e9, 256, 256) == pytest.approx(2 * 255 / 256 / 100)
    assert H100.exchanged(1e9, 16) == pytest.approx(7 / 16 / 450 + 8 / 16 / 50)


def test_terms_of_a_plan_follow_their_letters():
    step, text = Step(10_000_000, 512), sites.Text()
    one = sites.plan(H100, step, Layout(8, 8, "dim"), text)
    twice = sites.plan(H100, step, Layout(8, 8, "dim"), text._replace(tokens=2e12))
    assert twice.training == pytest.approx(2 * one.training)
    large = sites.plan(H100, step._replace(blocks=1024), Layout(8, 8, "dim"), text)
    assert large.hours["launches"] == pytest.approx(one.hours["launches"] / 4)
    assert large.hours["merges"] == one.hours["merges"]
    own = sites.plan(V5E, step, Layout(32, 8, "exchange"), text)
    rows = sites.plan(V5E, step, Layout(32, 8, "rows"), text)
    assert own.hours["rows one by one"] == pytest.approx(rows.hours["rows one by one"] / 8)
    fitting = [*sites.layouts(H100, step)]
    assert Layout(64) not in fitting  # 41 GB, and a snapshot, of 85
    assert Layout(32, 2, "dim") in fitting
    with pytest.raises(ValueError, match="has 64 chips"):
        sites.plan(H100, step, Layout(65), text)
    with pytest.raises(ValueError, match="more than one chip, and only then"):
        work(step, Layout(1, 8))


def run(*arguments):
    options = make_parser().parse_args(["paper", *arguments])
    options.run(options)


def test_the_command_prints_plans(capsys):
    run()
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(" | ")[2] for line in lines[2:]].count("dim") == 2
    assert "64 H100 | 32 · 2 | dim" in lines[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--words", "1000000000000"], "fit no layout of 64 H100"),
        (["--compiled", "FILE"], "is not what python -m benchmarks compile --json writes"),
    ],
)
def test_what_cannot_be_is_one_line(arguments, message, tmp_path, capsys):
    path = tmp_path / "compiled.json"
    path.write_text(json.dumps({"settings": {"model": "sgns", "optimizer": "damped"}}))
    with pytest.raises(SystemExit) as ended:
        run(*(str(path) if one == "FILE" else one for one in arguments))
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1


def test_programs_without_formulas_are_refused(tmp_path):
    path = tmp_path / "glove.json"
    path.write_text(json.dumps([{"settings": {"model": "glove", "optimizer": None}}]))
    with pytest.raises(ValueError, match="the formulas are of sgns with the optimizer damped"):
        suite.compared(path)
