"""What a compiled program is like: figures, a table of them, JSON."""

import dataclasses
from typing import Any

SCHEMA = 1
STEP, DRAW, PHASE, SEGMENT = "step", "draw", "phase", "segment"
IN_LOOPS = "step, in loops of its own"


@dataclasses.dataclass
class Report:
    """A training program as a compiler left it. Defined in benchmarks/README.md.

    A "draw" is what a loop around the loop of steps does beside them, a "phase" what a loop around
    that does, a "segment" what the program does once. Bytes are a chip's.
    """

    target: str
    device: str
    settings: dict[str, Any]
    versions: dict[str, str]
    program: str  # the function of jaxvec that was compiled
    seconds: float  # to compile
    tokens: int  # a step, of all chips; cells for GloVe
    steps_a_draw: int
    step: dict[str, int]  # bytes and FLOPs of a worker, see `counts`
    draw: dict[str, int]  # the same of a draw, beside its steps
    loops: list[dict[str, Any]]  # where, trips (None if unknown), name, source
    collectives: list[dict[str, Any]]  # kind, where, count, bytes, a turn of that place
    loss_writes: int  # numbers written to a report of losses in each step
    memory: dict[str, int]  # arguments, outputs, aliased, temporaries
    capacity: int  # of the chip's memory
    by_xla: dict[str, float] | None  # its cost analysis: a loop's body counts once
    dearest: list[dict[str, Any]]  # five operations of a step
    dearest_by: str
    products: int = 0  # FLOPs of the matrix products that a chip runs in a step, as compiled
    gathered: int = 0  # rows of tables that a chip gathers in a step, as compiled
    kernels: dict[str, int] | None = None  # of a GPU: launches by place
    buffers: dict[str, int] | None = None  # command buffers of a step, and of a segment's rest
    counters: int = 0  # how many of the step's launches are of one thread
    swap_loops: dict[str, int] | None = None  # by kernel
    atomics: dict[str, int] | None = None  # instructions by kind
    cycles: dict[str, int] | None = None  # of a TPU: estimates by place
    not_estimated: dict[str, int] | None = None  # operations of a step without an estimate
    moved: int | None = None  # bytes of a GPU's kernels in a step, their intermediate results too
    expected: float | None = None  # seconds a step, by our model
    least: dict[str, float] = dataclasses.field(default_factory=dict)  # seconds a step, by limit
    schema: int = SCHEMA

    @property
    def step_trips(self) -> int | None:
        """How often the loop around a step runs before the host or the device must look again
        whether it goes on; None if after each step."""
        return next(loop["trips"] for loop in self.loops if loop["where"] == f"around a {STEP}")

    def a_step(self, what: str) -> float:
        """What a step does, with its share of a draw.

        Args:
          what: "bytes", "products" or "others".
        """
        return self.step[what] + self.draw[what] / self.steps_a_draw

    @property
    def cycles_a_step(self) -> float:
        """The compiler's estimate, with inner loops and a step's share of a draw."""
        known = self.cycles or {}
        own = known.get(STEP, 0) + known.get(IN_LOOPS, 0)
        return own + known.get(DRAW, 0) / self.steps_a_draw

    @property
    def launches_a_step(self) -> float:
        """Launches, with a step's share of a draw."""
        known = self.kernels or {}
        return known.get(STEP, 0) + known.get(DRAW, 0) / self.steps_a_draw

    @property
    def share(self) -> float:
        """The part of a chip's memory that the program takes."""
        new = self.memory["outputs"] - self.memory["outputs that reuse arguments"]
        return (self.memory["arguments"] + new + self.memory["temporaries"]) / self.capacity

    def rows(self) -> list[dict[str, str]]:
        """The table: what, and its figure."""
        found: list[tuple[str, str]] = [
            ("program", f"{self.program}, {_settings(self.settings)}"),
            ("compile time", f"{self.seconds:.1f} s"),
            *self._launches(),
            *((f"loop {loop['where']}", _trips(loop)) for loop in self.loops),
            ("losses written", f"{self.loss_writes} numbers a step"),
            *self._atomics(),
            *self._collectives(),
            *((f"{name}, a chip", _bytes(size)) for name, size in self.memory.items()),
            ("share of the chip's memory", f"{self.share:.1%}"),
            *self._counts(),
            *self._cycles(),
            *((f"least time a step, by {name}", f"{1e6 * seconds:.1f} µs")
              for name, seconds in self.least.items()),
        ]  # fmt: skip
        if self.expected is not None:
            speed = self.tokens / self.expected / 1e6
            found.append(("expected time a step",
                          f"{1e6 * self.expected:.0f} µs, {speed:.1f}M tokens/s"))  # fmt: skip
        for place, one in enumerate(self.dearest, 1):
            found.append((f"dearest by {self.dearest_by}, {place}", _dear(one)))
        return [{"what": what, "figure": figure} for what, figure in found]

    def line(self) -> dict[str, str]:
        """One row for a table of several programs: memory, collectives, and a chip's share of a
        step."""
        inside = [one for one in self.collectives if one["where"] == STEP]
        kinds = ", ".join(f"{one['count']} {one['kind']}" for one in inside)
        links = self.least.get("links")
        total = self.a_step("products")
        return {
            "device": self.target,
            "chips": str(self.settings["chips"]),
            "workers": str(self.settings["workers"]),
            "tables split by": self.settings["shard"] or "",
            "model": self.settings["model"],
            "arguments, a chip": _bytes(self.memory["arguments"]),
            "temporaries": _bytes(self.memory["temporaries"]),
            "of its memory": f"{self.share:.1%}",
            "collectives a step": kinds or "none",
            "their bytes": _bytes(sum(one["bytes"] for one in inside)),
            "on the links, at least": "" if links is None else f"{1e6 * links:.0f} µs",
            "rows gathered, a chip": f"{self.gathered:,}",
            "of a step's products": f"{self.products / total:.1%}" if self.products else "",
            "expected, µs a step": "" if self.expected is None else f"{1e6 * self.expected:.0f}",
        }

    def _launches(self) -> list[tuple[str, str]]:
        if self.kernels is None:
            return []
        rows = []
        for place, count in self.kernels.items():
            beside = ", its condition's beside" if place == STEP and self.step_trips is None else ""
            alone = f", {self.counters} of them of one thread" if place == STEP else ""
            rows.append((f"kernels a {place}", f"{count}{beside}{alone}"))
        buffers = self.buffers or {}
        rows += [(f"command buffers a {place}", str(count)) for place, count in buffers.items()]
        return rows

    def _atomics(self) -> list[tuple[str, str]]:
        if self.swap_loops is None or self.atomics is None:
            return []
        loops = [f"{count} in {name}" for name, count in self.swap_loops.items()]
        kinds = [f"{count} {name}" for name, count in self.atomics.items()]
        return [("compare-and-swap loops", "; ".join(loops) or "none"),
                ("atomics", "; ".join(kinds) or "none")]  # fmt: skip

    def _collectives(self) -> list[tuple[str, str]]:
        rows = [
            (f"{one['kind']} a {one['where']}", f"{one['count']}, {_bytes(one['bytes'])}")
            for one in self.collectives
        ]
        return rows or [("collectives", "none")]

    def _counts(self) -> list[tuple[str, str]]:
        workers = self.settings["workers"]
        names = {"bytes": "bytes", "products": "FLOPs of products", "others": "other FLOPs"}
        rows = []
        for key, name in names.items():
            token = self.a_step(key) * workers / self.tokens
            show = _bytes if key == "bytes" else _millions
            own = f"{show(self.step[key])}, and {show(self.draw[key])} a draw"
            rows.append((f"{name} a step", f"{own}; in all {token:,.0f} a token"))
        rows.append(("FLOPs of products a step, a chip, compiled", _millions(self.products)))
        rows.append(("rows gathered a step, a chip, compiled", f"{self.gathered:,}"))
        if self.by_xla is None:
            return [*rows, ("XLA's own count", "none for this device")]
        said = ", ".join(f"{_millions(number)} {name}" for name, number in self.by_xla.items())
        return [*rows, ("XLA's own count, bodies of loops once", said)]

    def _cycles(self) -> list[tuple[str, str]]:
        if self.cycles is None:
            return []
        rows = [(f"estimated cycles a {name}", f"{count:,}") for name, count in self.cycles.items()]
        beside = ", ".join(f"{count} {kind}" for kind, count in (self.not_estimated or {}).items())
        return [*rows, ("estimated cycles a step in all", f"{self.cycles_a_step:,.0f}"),
                ("large results without an estimate, a step", beside or "none")]  # fmt: skip

    def as_json(self) -> dict[str, Any]:
        """All figures, as JSON has them."""
        return dataclasses.asdict(self)


def _settings(settings: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in settings.items() if value is not None)


def _millions(number: float) -> str:
    return f"{number / 1e6:,.1f} M"


def _trips(loop: dict[str, Any]) -> str:
    trips = "unknown trip count" if loop["trips"] is None else f"{loop['trips']:,} turns"
    return f"{trips} ({loop['name']})"


def _dear(one: dict[str, Any]) -> str:
    grid = f", {one['blocks']} blocks of {one['threads']} threads" if one.get("blocks") else ""
    amount = f"{one['amount']:,} cycles" if one["by"] == "cycles" else _bytes(one["amount"])
    return f"{amount}: {one['name']}{grid} [{one['source']}]"


def _bytes(size: float) -> str:
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.4g} {unit}"
        size /= 1000
    return f"{size:,.4g} GB"
