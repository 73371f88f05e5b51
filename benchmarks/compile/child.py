"""Compiles one program and prints its report as JSON; a process of its own, see `apart`.

The environment must be set before JAX starts: `apart.compiled` does that.
"""

import collections
import json
import sys
import time
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from benchmarks.compile import counts, gpu, hlo, programs, traffic
from benchmarks.compile.instructions import Instruction, size
from benchmarks.compile.report import DRAW, IN_LOOPS, PHASE, SEGMENT, STEP, Report
from benchmarks.compile.targets import TARGETS, Target
from jaxvec.train.epoch import STEPS_A_DRAW

_COLLECTIVES = (
    "all-reduce", "all-gather", "reduce-scatter", "collective-permute", "all-to-all",
    "ragged-all-to-all", "collective-broadcast",
)  # fmt: skip
_SHOWN = 5
_LARGE = 4096  # bytes; smaller results are bookkeeping


def run(settings: programs.Settings, folder: Path) -> Report:
    """Compiles the program of some settings and reads it.

    Args:
      settings: what to compile.
      folder: where the compiler writes; the program's text goes there too.
    """
    target = TARGETS[settings.target]
    job = programs.job(settings, target.topology(settings.chips).devices)
    since = time.perf_counter()
    compiled = job.traced.lower().compile()
    seconds = time.perf_counter() - since
    text = compiled.as_text()
    (folder / "program.txt").write_text(text)
    program = hlo.Program(text)
    loop = program.step_loop(set(job.tables))
    step, draw = counts.of(job.traced.jaxpr.jaxpr, set(job.tables))
    report = Report(
        target=target.name,
        device=target.about,
        settings={**vars(settings), "workers": settings.groups},
        versions=_versions(target),
        program=job.traced.fun_name,
        seconds=round(seconds, 2),
        tokens=job.tokens * job.steps_together,
        steps_a_draw=loop.trips or STEPS_A_DRAW,
        step=step._asdict(),
        draw=draw._asdict(),
        loops=_loops(program, loop),
        collectives=_collectives(program, loop),
        loss_writes=_loss_writes(program, loop, {dims[0] for dims in job.arrays}),
        memory=_memory(compiled),
        capacity=target.figures.memory,
        by_xla=_by_xla(compiled),
        dearest=[],
        dearest_by="cycles",
        **_done(program, loop, set(job.tables)),
    )
    if target.gpu:
        _add_launches(report, program, loop, gpu.Dump(folder))
    else:
        _add_cycles(report, program, loop)
    report.least = _least(target, report)
    report.expected = _expected(target, report)
    return report


def _place(loop: hlo.Loop | None, step: hlo.Loop) -> tuple[str, int]:
    """Where the operations of a loop belong, and how often they run there; inner loops of an
    unknown trip count are taken to run once."""
    around = list(step.chain())
    names = [STEP, DRAW, *[PHASE] * len(around)]
    turns = 1
    while loop is not None and loop not in around:
        turns *= loop.trips or 1
        loop = loop.parent
    return (SEGMENT if loop is None else names[around.index(loop)]), turns


def _parts(program: hlo.Program, step: hlo.Loop) -> Iterator[tuple[str, int, hlo.Loop | None]]:
    """All loops and the program itself, with `_place`."""
    for loop in [step, *(one for one in program.loops if one is not step), None]:
        yield (*_place(loop, step), loop)


def _loops(program: hlo.Program, step: hlo.Loop) -> list[dict[str, Any]]:
    around = list(step.chain())
    many = "" if step.trips is None else f"{step.trips} "
    names = [f"around a {STEP}", f"around a {DRAW} of {many}{STEP}s", *[f"around a {PHASE}"] * 9]
    found = []
    for loop in [*reversed(around), *(one for one in program.loops if one not in around)]:
        own = loop in around
        where = names[around.index(loop)] if own else f"in a {_place(loop, step)[0]}"
        found.append(
            {"where": where, "trips": loop.trips, "name": loop.name, "source": loop.source}
        )
    return found


def _collectives(program: hlo.Program, step: hlo.Loop) -> list[dict[str, Any]]:
    found: dict[tuple[str, str], list[int]] = {}
    for place, turns, loop in _parts(program, step):
        for one in program.inside(loop, inner=False):
            kind = one.opcode.removesuffix("-start")
            if kind in _COLLECTIVES:
                entry = found.setdefault((kind, place), [0, 0])
                entry[0] += turns
                entry[1] += turns * traffic.payload(program, one)
    return [{"kind": kind, "where": place, "count": count, "bytes": size}
            for (kind, place), (count, size) in found.items()]  # fmt: skip


def _done(program: hlo.Program, step: hlo.Loop, tables: set[tuple[int, ...]]) -> dict[str, int]:
    """Products and gathered rows of a step, as compiled."""
    inside = [(turns, one) for place, turns, loop in _parts(program, step) if place == STEP
              for one in program.inside(loop, inner=False)]  # fmt: skip
    return {
        "products": sum(turns * traffic.products(program, one) for turns, one in inside),
        "gathered": sum(turns * traffic.gathered(program, one, tables) for turns, one in inside),
    }


def _loss_writes(program: hlo.Program, step: hlo.Loop, rows: set[int]) -> int:
    """How many numbers a step writes into vectors that are not of the tables' rows."""
    found = 0
    for one in program.inside(step):
        (dtype, dims), *_ = one.shapes or (("", ()),)
        if one.opcode == "dynamic-update-slice" and dtype[:1] in "bf" and len(dims) == 1:
            found += dims[0] not in rows
    return found


def _add_launches(report: Report, program: hlo.Program, step: hlo.Loop, dump: gpu.Dump) -> None:
    by_loop: dict[str, int] = {}
    buffers: dict[str, int] = {}
    parts: list[tuple[int, gpu.Kernel]] = []
    for place, turns, loop in _parts(program, step):
        name = loop.name if loop else ""
        own = [one for one in dump.kernels if (one.loop[-1:] or ("",))[0] == name
               and not one.condition]  # fmt: skip
        by_loop[place] = by_loop.get(place, 0) + turns * len(own)
        if loop is None or loop in step.chain():
            buffers[place] = dump.buffers_of(loop.name if loop else None)
        if place == STEP:
            parts += [(turns, one) for one in own]
    if not by_loop.get(STEP):
        raise ValueError(f"the dump has no kernels in {step.name}, the loop of steps")
    report.kernels, report.buffers = by_loop, buffers
    report.counters = sum(turns for turns, one in parts if one.blocks * one.threads == 1)
    report.swap_loops, report.atomics = dump.swap_loops(), dump.atomics()
    known = {one.name: one for each in program.computations.values() for one in each.values()}
    dear = [
        {"by": "bytes", "amount": turns * traffic.moved(program, known[one.name]), "name": one.name,
         "source": known[one.name].source.rsplit("/", 1)[-1], "blocks": one.blocks,
         "threads": one.threads}
        for turns, one in parts if one.name in known
    ]  # fmt: skip
    report.moved = sum(one["amount"] for one in dear)
    report.dearest_by = "bytes"
    report.dearest = sorted(dear, key=lambda one: -one["amount"])[:_SHOWN]


def _add_cycles(report: Report, program: hlo.Program, step: hlo.Loop) -> None:
    cycles: collections.Counter[str] = collections.Counter()
    beside: collections.Counter[str] = collections.Counter()
    dear = []
    for place, turns, loop in _parts(program, step):
        for one in program.own(loop):
            named = IN_LOOPS if place == STEP and loop is not step else place
            if one.cycles is not None:
                cycles[named] += turns * one.cycles
                if place == STEP:
                    source = one.source or (loop.source if loop else "")
                    dear.append({"by": "cycles", "amount": turns * one.cycles, "name": one.name,
                                 "source": source.rsplit("/", 1)[-1]})  # fmt: skip
            elif place == STEP and size(one.shapes) >= _LARGE:
                beside.update([kind for kind in [_kind(program, one)] if kind])
    order = [STEP, IN_LOOPS, DRAW, PHASE, SEGMENT]
    report.cycles = {place: cycles[place] for place in order if place in cycles}
    report.not_estimated = dict(beside)
    report.dearest = sorted(dear, key=lambda one: -one["amount"])[:_SHOWN]


def _kind(program: hlo.Program, one: Instruction) -> str | None:
    """What an operation is that moves or makes data; None for bookkeeping."""
    if one.opcode in traffic.FREE or one.opcode.endswith(("-start", "-done")):
        return None
    if one.opcode == "fusion":
        within = {part.opcode for part in program.computations[one.called[0]].values()}
        return next((kind for kind in ("scatter", "gather", "sort") if kind in within), "fusion")
    return one.opcode


def _memory(compiled: Any) -> dict[str, int]:
    found = compiled.memory_analysis()
    return {
        "arguments": int(found.argument_size_in_bytes),
        "outputs": int(found.output_size_in_bytes),
        "outputs that reuse arguments": int(found.alias_size_in_bytes),
        "temporaries": int(found.temp_size_in_bytes),
    }


def _by_xla(compiled: Any) -> dict[str, float] | None:
    found = compiled.cost_analysis()
    found = found[0] if isinstance(found, list) and found else found
    if not found:
        return None
    wanted = {"flops": "FLOPs", "bytes accessed": "bytes"}
    return {name: float(found[key]) for key, name in wanted.items() if key in found} or None


def _least(target: Target, report: Report) -> dict[str, float]:
    """The least seconds of a step, by each limit alone."""
    figures = target.figures
    share = report.settings["chips"] // report.settings["workers"]
    found = {"main memory": report.a_step("bytes") / share / figures.bandwidth}
    for dtype, speed in figures.products.items():
        found[f"products in {dtype}"] = (report.products or report.a_step("products")) / speed
    sent = sum(one["bytes"] for one in report.collectives if one["where"] == STEP)
    if sent:
        found["links"] = 2 * sent / figures.links
    if report.kernels is not None:
        found["launches"] = report.launches_a_step * figures.launch
    if report.cycles is not None:
        found["estimated cycles"] = report.cycles_a_step / figures.clock
    return found


def _expected(target: Target, report: Report) -> float:
    """Seconds of a step: our model, for a later run to prove wrong.

    A GPU launches its kernels one after the other, and each moves its operands and results at the
    speed of the main memory. A TPU takes its estimated cycles, and moves rows one by one: all of
    a step on each chip, of tables that are split too.
    """
    figures = target.figures
    if report.moved is not None:
        return report.launches_a_step * figures.launch + report.moved / figures.bandwidth
    rows = report.step["bytes"] / (4 * report.settings["vector_size"])
    return report.cycles_a_step / figures.clock + rows * figures.row


def _versions(target: Target) -> dict[str, str]:
    packages = ["jax", "jaxlib", "jaxvec"]
    packages += ["jax-cuda12-plugin", "nvidia-cuda-nvcc-cu12"] if target.gpu else ["libtpu"]
    found = {}
    for package in packages:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def main() -> None:
    """Reads settings and a folder as JSON, and prints a report, or what is wrong with the
    settings."""
    asked = json.loads(sys.argv[1])
    try:
        report = run(programs.Settings(**asked["settings"]), Path(asked["folder"]))
    except ValueError as error:
        print(json.dumps({"error": str(error)}))
    else:
        print(json.dumps(report.as_json()))


if __name__ == "__main__":
    main()
