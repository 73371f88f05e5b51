"""Machines of many chips, and how long a text takes on them by the formulas.

What the makers' data sheets do not say, or what nobody has measured, is a guess, and says so.
"""

import dataclasses
import math
from collections.abc import Iterator
from typing import NamedTuple

from benchmarks.compile.targets import TARGETS, Figures
from benchmarks.paper.formulas import (
    NUMBER,
    STEPS,
    Layout,
    Split,
    Step,
    Work,
    kept,
    memory,
    merged,
    ring,
    segment_tokens,
    work,
)


@dataclasses.dataclass(frozen=True)
class Site:
    """A machine of many chips.

    Attributes:
      about: its name.
      target: its chips, of `benchmarks.compile.targets`.
      chips: how many.
      group: how many have the chip's own links among them.
      between: bytes/s that a chip sends to another group; infinite if there is one.
      hosts: that read text.
      cores: of a host.
      disk: bytes/s that a host reads.
      collective: seconds that a collective takes beside its bytes.
      products: the type that products of float32 take by default.
    """

    about: str
    target: str
    chips: int
    group: int
    between: float
    hosts: int
    cores: int
    disk: float
    collective: float
    products: str

    @property
    def figures(self) -> Figures:
        """Of a chip."""
        return TARGETS[self.target].figures

    def added_up(self, payload: float, members: int, together: int) -> float:
        """Seconds in which chips add up what each has: first those of a group over their own links,
        then each its part of the sum with its like in other groups.

        Args:
          payload: bytes of the sum.
          members: chips that take part.
          together: how many of them are of one group.
        """
        inside = ring(payload, together) / (self.figures.links / 2)
        beside = ring(payload / together, members // together)
        return inside + (beside / self.between if beside else 0)

    def exchanged(self, payload: float, members: int) -> float:
        """Seconds in which each chip sends a part of `payload` bytes to each of the others.

        Args:
          payload: bytes of a chip, its own part with them.
          members: chips that take part.
        """
        near = min(members, self.group)
        inside = payload * (near - 1) / members / (self.figures.links / 2)
        return inside + payload * (members - near) / members / self.between


_GUESSED = 10e9  # bytes/s that a host reads from its disks or over its network
SITES = {
    # NVIDIA, DGX H100 data sheet: 8 GPUs, NVLink 900 GB/s a GPU both ways, a 400 Gb/s adapter for
    # each, 2 × 56 cores. Guesses: disks, 15 µs a collective.
    "64 H100": Site("64 H100", "h100", 64, 8, 50e9, 8, 112, _GUESSED, 15e-6, "tf32"),
    # Google Cloud, "TPU v5e": 256 chips in a torus of 16 × 16, 1,600 Gb/s a chip, hosts of 4 chips
    # and 112 virtual CPUs. Guesses: disks, 10 µs a collective.
    "v5e-256": Site("v5e-256", "v5e", 256, 256, math.inf, 64, 56, _GUESSED, 10e-6, "bfloat16"),
}

# Of a step of damped SGD and its share of a draw, as compiled for 8 chips; of exchange a guess.
KERNELS: dict[Split | None, float] = {
    None: 14 + 20 / STEPS, "rows": 22 + 20 / STEPS, "dim": 19 + 20 / STEPS,
    "exchange": 22 + 20 / STEPS,
}  # fmt: skip


class Text(NamedTuple):
    """What is read.

    Attributes:
      tokens: of the text.
      sample: of subsampling.
      words_a_second: that a process reads, splits and looks up; as measured on a core.
      readers: processes of a host that do so.
    """

    tokens: float = 1e12
    sample: float = 1e-4
    words_a_second: float = 1.6e6
    readers: int = 1


@dataclasses.dataclass(frozen=True)
class Plan:
    """How long a text takes, and by what.

    Attributes:
      site: where.
      layout: of the tables.
      step: its size.
      memory: bytes that a chip holds.
      hours: by term, each as if it were alone.
      training: hours of all terms but text, in turn; where a chip does two at once, the longer.
    """

    site: Site
    layout: Layout
    step: Step
    memory: int
    hours: dict[str, float]

    @property
    def limit(self) -> str:
        """The longest term."""
        return max(self.hours, key=self.hours.__getitem__)

    @property
    def training(self) -> float:
        """Hours of all terms in turn, but for the text, which is read before, and products, which
        hide behind memory or the other way round."""
        both = max(self.hours["memory"], self.hours["products"])
        apart = ("memory", "products", "text")
        return both + sum(hours for term, hours in self.hours.items() if term not in apart)


def plan(site: Site, step: Step, layout: Layout, text: Text) -> Plan:
    """How long a text takes.

    Args:
      site: where.
      step: its size, on each worker.
      layout: of the tables; workers · chips is at most the site's chips.
      text: to train on, once.

    Raises:
      ValueError: if the site has fewer chips.
    """
    if layout.workers * layout.chips > site.chips:
        raise ValueError(f"{site.about} has {site.chips} chips, and the layout is {layout}")
    done = work(step, layout)
    segment = segment_tokens(step.words, layout.workers)
    share = kept(step.words, text.sample)
    steps = text.tokens * share / layout.workers / done.tokens
    merges = text.tokens / layout.workers / segment if layout.workers > 1 else 0.0
    seconds = {term: steps * each for term, each in seconds_a_step(site, layout, done).items()}
    together = min(layout.workers, max(1, site.group // layout.chips))
    whole = site.added_up(merged(step, layout), layout.workers, together) + site.collective
    seconds["merges"] = merges / layout.rounds * whole
    if head := merged(step, layout, head=True):
        each = site.added_up(head, layout.workers, together) + site.collective
        seconds["merges"] += merges * each
    seconds["ids"] = text.tokens * 2 * NUMBER / site.hosts / site.disk
    seconds["text"] = text.tokens / site.hosts / text.readers / text.words_a_second
    hours = {term: amount / 3600 for term, amount in seconds.items()}
    return Plan(site, layout, step, held(step, layout), hours)


def held(step: Step, layout: Layout) -> int:
    """Bytes that a chip holds, its segments as `fit` cuts them; see `memory`.

    Args:
      step: its size.
      layout: of the tables.
    """
    return memory(step, layout, segment_tokens(step.words, layout.workers))


def seconds_a_step(site: Site, layout: Layout, done: Work) -> dict[str, float]:
    """Seconds of a step by term: launches, memory, rows moved one by one, products, network.

    Args:
      site: where.
      layout: of the tables.
      done: what a chip does in the step.
    """
    figures = site.figures
    network = 0.0
    if layout.split == "exchange":
        network = site.collective + site.exchanged(done.payload, layout.chips)
    elif layout.split:
        together = min(layout.chips, site.group)
        network = site.collective + site.added_up(done.payload, layout.chips, together)
    return {
        "launches": KERNELS[layout.split] * figures.launch,
        "memory": done.moved / figures.bandwidth,
        "rows one by one": 3 * done.gathered * figures.row,
        "products": done.products / figures.products[site.products],
        "network": network,
    }


def layouts(
    site: Site, step: Step, splits: tuple[Split, ...] = ("rows", "dim")
) -> Iterator[Layout]:
    """All ways to lay the tables on all chips of a site, a power of two for each worker, of which
    nine tenths of a chip's memory hold its part.

    Args:
      site: where.
      step: whose vectors a split by dimensions must divide.
      splits: to try.
    """
    chips = 1
    while chips <= site.chips:
        for split in splits if chips > 1 else (None,):
            layout = Layout(site.chips // chips, chips, split)
            divides = split != "dim" or step.dim % chips == 0
            if divides and held(step, layout) <= 0.9 * site.figures.memory:
                yield layout
        chips *= 2
