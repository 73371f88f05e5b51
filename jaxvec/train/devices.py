"""Defaults by device: how much a step and a segment hold when the user says nothing.

On a CPU a step of 64 words has its rows in the core's cache, and a larger one is no faster. An
accelerator pays some ten kernel launches of microseconds each for any step, so that a small one
leaves it idle; it wants thousands of words a step. And at the end of each segment it waits for
the host, so that a segment should have hundreds of steps.

What limits a step is what is learned from it, for all pairs of a step take their gradient at the
same point. Two numbers say when a text is too small for a large step: how many steps an epoch has
(`LEAST_STEPS`), and how often a step repeats a word (`MOST_REPEATS`).

A model whose options depend on the device is a `contracts.ByDevice`; `by_device` fills them in.
"""

import dataclasses
import math

import jax
import numpy as np

# Measured on 17 million words, see benchmarks/README.md, "Thousands of tokens a step".
MOST_BLOCKS = 256  # a step of an accelerator; of 32 words each
MOST_CHUNKS = 256  # the same of GloVe, of up to 32 cells each
DEFAULT_CHUNKS = 16  # of a CPU, whose text models have `stability.DEFAULT_BLOCKS`
LEAST_STEPS = 200  # of an epoch; with 66 analogies were still as good, word pairs hardly
MOST_REPEATS = 12.0  # of a word in a step, the mean over its words
SEGMENT = 1 << 23  # words or cells: 1,024 steps of 8,192
_BYTES = 64  # of device memory for a word or a cell of a segment, its neighbors in time included
_SHARE = 16  # of the memory that segments may take: one in this many


@dataclasses.dataclass(frozen=True)
class Device:
    """What the defaults of a run depend on: a description of a device, which need not be here.

    Attributes:
      platform: ``"cpu"``, or what JAX calls an accelerator: ``"gpu"``, ``"tpu"``.
      name: as its maker calls it, such as ``"NVIDIA H100 80GB HBM3"``.
      memory: bytes that JAX may use; None if it does not say.

    >>> Device("gpu", "NVIDIA H100 80GB HBM3").is_accelerator, Device("cpu").is_accelerator
    (True, False)
    """

    platform: str
    name: str = ""
    memory: int | None = None

    @property
    def is_accelerator(self) -> bool:
        """Whether it is anything but a CPU."""
        return self.platform != "cpu"

    def __str__(self) -> str:
        return self.name or self.platform


def described(device: jax.Device) -> Device:
    """The description of a JAX device.

    >>> described(jax.devices("cpu")[0]).platform
    'cpu'
    """
    memory = device.memory_stats() or {}
    return Device(device.platform, device.device_kind, memory.get("bytes_limit"))


def here() -> Device:
    """The description of JAX's default device, on which one worker trains."""
    return described(next(iter(jax.device_put(np.zeros(1)).devices())))


def step_blocks(device: Device, block_tokens: int, tokens: float, repeats: float) -> int | None:
    """How many blocks a step takes on a device, a power of two.

    On a CPU None: as many as plain SGD takes, see `stability`. On an accelerator the most, up
    to `MOST_BLOCKS`, with which

    - an epoch has `LEAST_STEPS` steps,
    - and a word of a step stands in it `MOST_REPEATS` times on average, B · M · Σ p² for the
      shares p of the words: from there on rows move by sums of pairs that agree, and are held
      back (`stability.damping`). This is what limits small vocabularies, on texts of any length.

    None again if that is no more than a CPU would take.

    Args:
      device: that trains.
      block_tokens: `M`.
      tokens: of an epoch, subsampled, on one worker.
      repeats: Σ p² for the shares p of the words among the subsampled tokens.

    >>> step_blocks(Device("gpu"), 32, 9_300_000, 1 / 2800)
    256
    >>> step_blocks(Device("gpu"), 32, 500_000, 1 / 2800)
    64
    >>> step_blocks(Device("cpu"), 32, 9_300_000, 1 / 2800)
    """
    most = min(tokens / LEAST_STEPS, MOST_REPEATS / repeats) / block_tokens
    blocks = _power(min(most, MOST_BLOCKS))
    return blocks if device.is_accelerator and blocks > 2 else None


def step_chunks(device: Device, chunk_cells: int, cells: int) -> int | None:
    """How many chunks of cells a step of GloVe takes on a device, a power of two.

    On a CPU None, for `DEFAULT_CHUNKS`. On an accelerator the most, up to `MOST_CHUNKS`, with
    which an epoch has `LEAST_STEPS` steps; no fewer than on a CPU. AdaGrad needs no damping.

    Args:
      device: that trains.
      chunk_cells: `L`.
      cells: of the counts.

    >>> step_chunks(Device("gpu"), 32, 45_900_000), step_chunks(Device("gpu"), 32, 1000)
    (256, 16)
    """
    chunks = _power(min(cells / LEAST_STEPS / chunk_cells, MOST_CHUNKS))
    return max(chunks, DEFAULT_CHUNKS) if device.is_accelerator else None


def segment_length(device: Device) -> int | None:
    """How many words or cells a segment holds on a device.

    On a CPU None, for the default of a million: a reader, a bar and checkpoints that follow
    closely cost nothing there. On an accelerator `SEGMENT`, or what a sixteenth of the memory
    holds.

    Args:
      device: that trains.

    >>> segment_length(Device("tpu")), segment_length(Device("gpu", memory=2 << 30))
    (8388608, 2097152)
    """
    if not device.is_accelerator:
        return None
    room = math.inf if device.memory is None else device.memory / _SHARE / _BYTES
    return _power(min(SEGMENT, room))


def _power(most: float) -> int:
    """The largest power of two up to `most`; 1 at least."""
    return 1 << max(0, int(math.log2(max(most, 1))))
