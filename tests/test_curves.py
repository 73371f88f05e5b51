"""Training curves, and the logs that they are drawn from."""

import json

import numpy as np
import pytest

from jaxvec.plot.curves import curves, read_log


def test_curves_hold_the_numbers_of_the_log(tmp_path):
    epochs = [
        {"epoch": i, "loss": 3 / i, "valid_loss": None if i == 1 else 4 / i, "pairs": 7,
         "words_per_second": 1000.0 * i}
        for i in (1, 2, 3)
    ]  # fmt: skip
    path = tmp_path / "run.jsonl"
    path.write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    assert read_log(path) == epochs
    figure = curves({"a": read_log(path), "b": epochs[:2]})
    loss, speed = figure.axes
    lines = [line.get_xydata().tolist() for line in loss.lines]
    assert lines[0] == [[1, 3], [2, 1.5], [3, 1]]
    assert lines[1] == [[2, 2], [3, 4 / 3]]
    assert lines[2:] == [[[1, 3], [2, 1.5]], [[2, 2]]]
    assert [line.get_ydata().tolist() for line in speed.lines] == [[1000, 2000, 3000], [1000, 2000]]
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    assert texts[:2] == ["a", "b"]
    assert "held out" in texts[3]


@pytest.mark.parametrize(
    ("units", "labels"),
    [
        (["pair"], ("loss per pair", "words per second")),
        (["word"], ("loss per word", "words per second")),
        (["cell"], ("loss per cell", "cells per second")),
        (["pair", "cell"], ("loss per pair or cell", "words or cells per second")),
        (["pair", None], ("loss", "words per second")),  # a log of before losses had units
    ],
)
def test_axes_say_what_is_measured(units, labels):
    epoch = {"epoch": 1, "loss": 1.0, "words_per_second": 1.0}
    runs = {str(u): [epoch | ({"loss_unit": u} if u else {})] for u in units}
    figure = curves(runs)
    assert tuple(ax.get_ylabel() for ax in figure.axes) == labels
    if len(units) > 1 and None not in units:
        names = [text.get_text() for text in figure.legends[0].get_texts()]
        assert names == ["pair (per pair)", "cell (per cell)"]


def test_numbers_that_are_not_finite_are_left_out():
    run = [
        {"epoch": i, "loss": s, "words_per_second": s} for i, s in enumerate([1, np.nan, np.inf])
    ]
    figure = curves({"a": run})
    figure.draw_without_rendering()
    assert figure.axes[1].get_ylim() == (0, 1.08)


@pytest.mark.parametrize("speeds", [[909, 955, 909], [1000], [5e6, 1], [0]])
def test_every_marker_of_a_curve_is_drawn_whole(speeds):
    run = [{"epoch": i, "loss": s + 1, "words_per_second": s} for i, s in enumerate(speeds, 1)]
    figure = curves({"a": run})
    figure.draw_without_rendering()
    for ax in figure.axes:
        (line,) = ax.lines
        low, high = ax.get_window_extent().extents[1::2]
        radius = line.get_markersize() / 2 * figure.dpi / 72
        heights = ax.transData.transform(line.get_xydata())[:, 1]
        assert heights.max() + radius < high
        assert heights.min() + radius > low


def test_a_figure_shows_itself_in_a_notebook():
    figure = curves({"a": [{"epoch": 1, "loss": 2.5, "words_per_second": 2e6}]})
    assert figure._repr_png_().startswith(b"\x89PNG")


def test_curves_of_scores():
    pairs = {"/x/sim.txt": 0.5, "rel.txt": None}
    epoch = {"epoch": 1, "loss": 1.0, "words_per_second": 1.0, "analogies": 0.25}
    epoch["word_pairs"] = pairs
    _, _, scores = curves({"a": [epoch]}).axes
    assert [line.get_ydata().tolist() for line in scores.lines] == [[0.25], [0.5]]
    texts = [text.get_text() for text in scores.get_legend().get_texts()]
    assert texts == ["analogies", "sim.txt", "rel.txt"]
    assert len({line.get_linestyle() for line in scores.lines}) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("{}\n", "line 1: expected JSON with the numbers epoch, loss, words_per_second"),
        ('{"epoch": 1, "loss": 2, "words_per_second": 3}\nnot json\n', "line 2"),
        ('{"epoch": 1, "loss": "high", "words_per_second": 3}\n', "line 1"),
        ('{"epoch": 1, "loss": 2.0, "words_per_second": null}\n', "line 1"),
        ("[1]\n", "line 1"),
    ],
)
def test_logs_of_another_form_are_refused(tmp_path, text, message):
    (tmp_path / "run.jsonl").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_log(tmp_path / "run.jsonl")


def test_an_epoch_without_pairs_has_no_loss(tmp_path):
    """As `jaxvec train --log` writes it."""
    lines = [
        f'{{"epoch": {i}, "loss": {loss}, "words_per_second": 3}}'
        for i, loss in [(1, "2.5"), (2, "null")]
    ]
    (tmp_path / "run.jsonl").write_text("\n".join(lines))
    run = read_log(tmp_path / "run.jsonl")
    np.testing.assert_equal([epoch["loss"] for epoch in run], [2.5, np.nan])
    low, high = curves({"a": run}).axes[0].get_ylim()
    assert low <= 2.5 <= high
