"""What must be true of training programs as the compilers for accelerators leave them.

No device is needed, but the compilers, extra `aot`; without them these tests are skipped. Each
compiles one program in a process of its own: an H100's takes some seconds, a TPU's half a minute.
"""

import pytest

from benchmarks.compile import TARGETS, compiled, missing

NONE = {"waits": 0, "swap loops": 0, "loss writes": 0}
SWAPS = {"swap loops": 0}
BEFORE = 83_805  # cycles a step on a v5e at 64 blocks, at commit 54ca84d
ALL_BEFORE = 553_490  # with inner loops and the step's share of what is done once a draw
BOUNDS = {  # target, settings, and the most of each that there may be
    "SGD": ("h100", {"optimizer": "sgd"}, {"kernels": 10, **NONE}),
    "damped SGD": ("h100", {"optimizer": "damped"}, {"kernels": 14, **NONE}),
    "row-wise AdaGrad": ("h100", {"optimizer": "row_adagrad"}, {"kernels": 14, **NONE}),
    "CBOW": ("h100", {"model": "cbow"}, {"kernels": 19, **NONE}),
    "GloVe": ("h100", {"model": "glove"}, {"kernels": 18, **NONE}),
    "SGD, D = 101": ("h100", {"optimizer": "sgd", "vector_size": 101}, SWAPS),
    "damped SGD, D = 50": ("h100", {"optimizer": "damped", "vector_size": 50}, SWAPS),
    "damped SGD, D = 100": ("h100", {"optimizer": "damped", "vector_size": 100}, SWAPS),
    "damped SGD, D = 101": ("h100", {"optimizer": "damped", "vector_size": 101}, SWAPS),
    "row-wise AdaGrad, D = 50": ("h100", {"optimizer": "row_adagrad", "vector_size": 50}, SWAPS),
    "row-wise AdaGrad, D = 101": ("h100", {"optimizer": "row_adagrad", "vector_size": 101}, SWAPS),
    "SGD on 8 chips": ("h100", {"optimizer": "sgd", "chips": 8}, {"collectives": 0, "kernels": 10}),
    "SGD on a TPU": ("v5e", {"optimizer": "sgd", "blocks": 64}, {
        "cycles": 0.6 * BEFORE, "cycles in all": 0.6 * ALL_BEFORE,
        "waits": 0, "loss writes": 0,
    }),
}  # fmt: skip


def figures(report):
    """The bounded figures of a report."""
    found = {"waits": int(report.step_trips is None), "loss writes": report.loss_writes}
    found["collectives"] = sum(one["count"] for one in report.collectives if one["where"] == "step")
    if report.kernels is not None:
        found["kernels"] = report.kernels["step"]
        found["swap loops"] = sum(report.swap_loops.values())
    if report.cycles is not None:
        found |= {"cycles": report.cycles["step"], "cycles in all": round(report.cycles_a_step)}
    return found


@pytest.mark.parametrize("case", BOUNDS)
def test_a_compiled_step_keeps_its_bounds(case):
    target, settings, bounds = BOUNDS[case]
    lacking = missing(TARGETS[target])
    if lacking:
        pytest.skip(lacking)
    found = figures(compiled(target, **settings))
    over = {what: found[what] for what, bound in bounds.items() if found[what] > bound}
    assert not over, f"above {bounds}"
