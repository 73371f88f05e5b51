"""The default benchmark's ceilings: right kernels pass their check, wrong ones are marked."""

import doctest
import importlib
import math
import pkgutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import benchmarks.suite
from benchmarks.suite import ceilings, dense, machine, rows
from benchmarks.suite.figures import Figure, duration, rate, score
from benchmarks.suite.kernels import WRONG, Kernel, measure
from benchmarks.suite.limits import Traffic, bound, limited
from benchmarks.suite.timing import Timer
from jaxvec.optim.writeback import STRATEGIES

ONCE = Timer(runs=1, least=0)
KERNELS = {
    kernel.name: kernel
    for kernel in [
        dense.copy(1 << 12, 3),
        dense.product(16, "float32"),
        dense.product(16, "bf16"),
        dense.product(4, "float32", batch=3, inner=16, wide=5),
        dense.sort(64),
        dense.random_bits(40),
        dense.launch(8),
        dense.call(waits=True),
        *(rows.gather(ids, 50, 8, 3) for ids in ("uniform", "zipf")),
        *(rows.scatter_add(name, one, "zipf", 50, 8, 3) for name, one in STRATEGIES.items()),
    ]
}
GATHER, SCATTER = "gather, zipf ids, V=50, 8 rows", "scatter-add, scatter, zipf ids, V=50, 8 rows"


@pytest.mark.parametrize("kernel", KERNELS.values(), ids=KERNELS)
def test_a_kernel_is_sound_and_one_with_a_single_number_off_is_marked(kernel):
    figure = measure(kernel, ONCE)
    assert figure.marks == ()
    assert figure.value > 0
    assert len(figure.times) == 1

    def last_number_off(*inputs):
        leaves, tree = jax.tree.flatten(kernel.function(*inputs))
        flat = leaves[0].ravel()
        leaves[0] = flat.at[-1].add(jnp.ones((), flat.dtype)).reshape(leaves[0].shape)
        return jax.tree.unflatten(tree, leaves)

    assert measure(kernel, ONCE, last_number_off).marks == (WRONG,)


def in_bf16(a, b):
    return jnp.matmul(a.astype(jnp.bfloat16), b.astype(jnp.bfloat16)).astype(jnp.float32)


def without_the_first_chunk(kernel: Kernel):
    return lambda state, table, ids: kernel.function(state, table, ids[1:])


def each_id_once(state, changes, ids):
    return state[0].at[ids].set(changes[None] + state[0][ids]), state[1]


BROKEN = [
    ("copy, 4 KiB", lambda x: x + 2),
    ("product, float32, 16", in_bf16),
    ("batched product, float32, 3 x 4 x 16 x 5", in_bf16),
    ("sort, 64 keys", lambda keys: -jnp.sort(-keys)),
    ("random bits, 40 words", lambda key: jax.random.bits(jax.random.key(1), (40,))),
    ("kernel in a program", dense.launch(7).function),
    (GATHER, lambda state, table, ids: state),
    (GATHER, without_the_first_chunk(KERNELS[GATHER])),
    (GATHER, lambda state, table, ids: KERNELS[GATHER].function(state, table, (ids + 1) % 50)),
    (SCATTER, lambda state, changes, ids: state),
    (SCATTER, without_the_first_chunk(KERNELS[SCATTER])),
    (SCATTER, each_id_once),
]


@pytest.mark.filterwarnings("ignore:Some donated buffers")
@pytest.mark.parametrize(("name", "program"), BROKEN)
def test_faults_that_one_could_make_are_marked(name, program):
    assert measure(KERNELS[name], ONCE, program).marks == (WRONG,)


def test_a_ceiling_that_the_device_refuses_is_marked_and_the_others_go_on():
    figure = ceilings.measured(dense.product(16, "tf32"), ONCE)
    assert math.isnan(figure.value)
    assert figure.times == ()
    assert len(figure.marks) == 1
    assert "\n" not in figure.marks[0]


def test_threefry_is_that_of_jax():
    bits = jax.random.bits(jax.random.key(7, impl="threefry2x32"), (5000,))
    assert np.array_equal(dense.threefry(np.array([0, 7], np.uint32), 5000), bits)


def test_zipf_ids_follow_their_law():
    ids = rows.draw_ids("zipf", 1000, 200_000)
    counts, expected = np.bincount(ids, minlength=1000), 1 / np.arange(1, 1001)
    expected *= 200_000 / expected.sum()
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected.max())
    assert ((counts - expected) ** 2 / expected).sum() < 1000 + 5 * np.sqrt(2000)
    assert np.bincount(rows.draw_ids("uniform", 1000, 200_000)).max() < 200 + 6 * np.sqrt(200)


def test_names_are_different_and_say_what_is_left_out():
    for sizes in (ceilings.QUICK, ceilings.CPU, ceilings.ACCELERATOR):
        names = [kernel.name for kernel in ceilings.kernels(sizes)]
        assert len(set(names)) == len(names)
    assert all(f"scatter-add, {name}, zipf ids, V=4M, 4k rows" in names for name in STRATEGIES)
    small, notes = ceilings.fit(ceilings.CPU, 4 * 10**9)
    assert small.vocabularies == (68_000, 1_000_000)
    assert "V=4,000,000" in notes[0]
    assert ceilings.fit(ceilings.CPU, None) == (ceilings.CPU, [])
    assert ceilings.fit(ceilings.CPU, 10**12) == (ceilings.CPU, [])


def test_a_chain_gives_its_buffers_up_and_counts_its_runs():
    start, seen = jnp.zeros(1000), []
    program, compile_seconds = ONCE.compiled(lambda x: x + 1, start, donate=(0,))
    timed = Timer(runs=3, least=1e-4).chained(lambda x: seen.append(0) or program(x), start)
    assert start.is_deleted()
    assert timed.result[0] == len(seen) > 4
    assert len(timed.times) == 3
    assert min(timed.times) > 0
    assert compile_seconds > 0
    times, results = Timer(runs=2).runs_of(lambda number: number + 1)
    assert (len(times), results) == (2, [1, 2])
    for wrong in ({"runs": 0}, {"least": -1}):
        with pytest.raises(ValueError, match="must be"):
            Timer(**wrong)


def test_the_peak_of_memory_is_that_of_the_block():
    with ONCE.peak() as before:
        pass
    with ONCE.peak() as peak:
        jnp.ones(1 << 25).block_until_ready()
    assert before.bytes + (1 << 26) < peak.bytes < before.bytes + (1 << 29)


def ceiling(name, amount, seconds, **settings):
    """A ceiling whose best run takes so many seconds."""
    settings = {"what": name.split(",")[0], "amount": amount, **settings}
    times = [3 * seconds, seconds, 2 * seconds]
    return rate(name, amount, "GB/s", times, scale=1e9, settings=settings)


CEILINGS = {
    one.name: one
    for one in [
        ceiling("gather, small", 100, 1.0, ids="zipf", V=10),
        ceiling("gather, large", 100, 4.0, ids="zipf", V=1000),
        ceiling("gather, large, fast", 100, 2.0, ids="zipf", V=1000),
        ceiling("gather, uniform", 100, 50.0, ids="uniform", V=1000),
        ceiling("copy, cache", 100, 0.1, working_set=10),
        ceiling("copy, memory", 100, 0.5, working_set=1000),
        ceiling("product", 100, 1.0, precision="float32"),
        ceiling("product, wrong", 100, 0.001, precision="float32").marked(WRONG),
    ]
}


@pytest.mark.parametrize(
    ("traffic", "times"),
    [
        (Traffic(gather_bytes=50, table_rows=10), {"gather, small": 0.5}),
        (Traffic(gather_bytes=50, table_rows=11), {"gather, small": 0.5}),
        (Traffic(gather_bytes=50, table_rows=12), {"gather, large, fast": 1.0}),
        (Traffic(gather_bytes=50, table_rows=5000), {"gather, large, fast": 1.0}),
        (Traffic(gather_bytes=50, ids="uniform", table_rows=10), {"gather, uniform": 25.0}),
        (Traffic(stream_bytes=200, working_set=9), {"copy, cache": 0.2}),
        (Traffic(stream_bytes=200), {"copy, memory": 1.0}),
        (
            Traffic(flops=300, gather_bytes=50, table_rows=10),
            {"product": 3.0, "gather, small": 0.5},
        ),
    ],
)
def test_each_part_meets_the_nearest_sound_ceiling(traffic, times):
    found = bound(traffic, CEILINGS)
    assert found.times == pytest.approx(times)
    assert found.limit == max(times, key=times.get)
    assert found.seconds == pytest.approx(max(times.values()))
    assert found.in_turn == pytest.approx(sum(times.values()))


def test_a_workload_is_told_its_limit_and_marked_above_it():
    traffic = Traffic(flops=300, gather_bytes=50, table_rows=10, scatter_bytes=2)
    figure = limited(rate("w", 1, "words/s", [6.0, 5.0, 9.0]), traffic, CEILINGS)
    assert (figure.limit, figure.fraction, figure.marks) == ("product", pytest.approx(0.5), ())
    assert (figure.bytes, figure.flops) == (56, 300)
    too_fast = limited(rate("w", 1, "words/s", [2.5]), traffic, CEILINGS)
    assert "above its ceiling" in too_fast.marks[0]
    assert limited(rate("w", 1, "words/s", [2.5]), Traffic(random_bits=1), CEILINGS).limit is None
    with pytest.raises(ValueError, match="only a figure with times"):
        limited(score("w", [1.0], "%"), traffic, CEILINGS)


def test_a_figure_holds_no_nonsense():
    for fields, message in [
        ({"times": (0.0,)}, "above 0"),
        ({"times": (float("nan"),)}, "above 0"),
        ({"times": (1.0,), "samples": (1.0,)}, "not both"),
        ({"value": float("nan")}, "no mark says why"),
        ({"samples": (1.0, 3.0, 2.0), "value": 3.0}, "not the median"),
        ({"times": (1.0, 3.0, 2.0), "unit": "s", "value": 3.0}, "not the median"),
    ]:
        with pytest.raises(ValueError, match=message):
            Figure(**({"name": "x", "value": 1.0, "unit": "words/s"} | fields))
    assert duration("x", [1, 4, 2]).range == (1.0, 4.0)
    assert score("x", [1, 4, 2], "%").range == (1.0, 4.0)
    assert Figure("x", 3.0, "%").range == (3.0, 3.0)


@pytest.mark.parametrize(
    "name", [one.name for one in pkgutil.iter_modules(benchmarks.suite.__path__)]
)
def test_examples_run(name):
    found = doctest.testmod(importlib.import_module(f"benchmarks.suite.{name}"))
    assert found.failed == 0


def test_the_machine_is_described():
    found = machine.describe()
    assert found["cores"] >= 1
    assert found["packages"]["jax"] == jax.__version__
    assert found["device_memory"] is None or found["device_memory"] > 1e8
    assert machine.busy({"cores": 2, "before": {"load": 0.5}}) == []
    assert machine.busy({"cores": 2, "before": {"load": None}}) == []


def test_nvidias_tool_is_read(tmp_path, monkeypatch):
    line = "Card, 570.1, 1500 MHz, 1980 MHz, 2619 MHz, 2619 MHz, 70.5 W, 700.00 W, 31, 0x0"
    tool = tmp_path / "nvidia-smi"
    tool.write_text(f"#!/bin/sh\necho '{line}'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    (card,) = machine.state()["gpus"]
    assert (card["clocks.sm"], card["clocks.max.sm"]) == ("1500 MHz", "1980 MHz")
    assert (card["power.draw"], card["power.limit"]) == ("70.5 W", "700.00 W")
    assert machine.driver() == "570.1"
    tool.write_text("#!/bin/sh\necho 'no devices were found'\nexit 6\n")
    assert machine.state()["gpus"] == []
