"""The default benchmark from the command line: documents, comparison, roofline, refusals."""

import copy
import dataclasses
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.__main__ import make_parser, with_suite
from benchmarks.suite import ceilings, compare, document, machine, roofline, table, workloads
from benchmarks.suite.document import Document
from benchmarks.suite.figures import Figure, duration, rate, score
from benchmarks.suite.kernels import WRONG

ROOT = Path(__file__).parent.parent
COPY = {"what": "copy", "amount": 4e9}


def a_document(speed=1.0, device="a card", drop=(), **settings):
    """A document of a machine that is `speed` times as fast as another."""

    def times(*seconds):
        return [one / speed for one in seconds]

    cells = {"what": "gather", "ids": "zipf", "V": 67_867, "amount": 1e9}
    product = {"what": "product", "precision": "float32", "amount": 6e9}
    gigabytes = {"unit": "GB/s", "scale": 1e9}
    ceilings = [
        duration("kernel", times(2e-6, 1e-6, 4e-6), settings={"what": "launch", "amount": 1}),
        rate("copy, 1 MiB", 4e9, times=times(0.02, 0.01, 0.04), **gigabytes,
             settings=COPY | {"working_set": 1 << 20}),
        rate("copy, 1 GiB", 4e9, times=times(0.2, 0.1, 0.4), **gigabytes,
             settings=COPY | {"working_set": 1 << 30}),
        rate("gather, zipf ids, V=68k, 4k rows", 1e9, times=times(0.2), **gigabytes,
             settings=cells),
        rate("product, float32, 512", 6e9, "GFLOP/s", times(0.2), scale=1e9, settings=product),
    ]  # fmt: skip
    trained = rate(
        "sgns", 5e6, "words/s", times(1.0, 2.0, 1.25), bytes=3e9, flops=6e9, limit="copy, 1 GiB",
        fraction=0.12, compile_seconds=1.5, peak_bytes=10**9,
        settings={"column": "SGNS", "blocks": 64, **settings},
    )  # fmt: skip
    workloads = [trained, score("recovery", [40.0, 42.0, 41.0], "%").marked("learns too much")]
    workloads.append(Figure("time to 50 %", math.nan, "s", marks=("never reached",)))
    known = machine.describe() | {"device": device}
    return Document(
        "2026-11-28T12:00:00+00:00", 61.5, {"quick": False}, known, ("V=4M left out",),
        *(
            document.by_name(one for one in part if one.name not in drop)
            for part in (ceilings, workloads)
        ),
    )  # fmt: skip


def test_a_document_comes_back_as_it_was_written(tmp_path):
    written = a_document()
    document.write(written, tmp_path / "a.json")
    back = document.read(tmp_path / "a.json")
    reached = written.workloads["time to 50 %"]
    assert math.isnan(back.workloads["time to 50 %"].value)
    finite = [
        dataclasses.replace(one, workloads={**one.workloads, reached.name: reached})
        for one in (written, back)
    ]
    assert finite[0] == finite[1]
    plain = json.loads((tmp_path / "a.json").read_text())
    assert plain["schema"] == document.SCHEMA
    assert {"jax", "jaxlib", "numpy"} <= plain["machine"]["packages"].keys()
    assert {"device", "driver", "flags", "commit", "cores", "before"} <= plain["machine"].keys()
    assert plain["workloads"][0]["times"] == [1.0, 2.0, 1.25]
    assert not {"median", "range"} & plain["workloads"][0].keys()


def test_documents_that_are_none_are_refused_in_one_line(tmp_path):
    path = tmp_path / "a.json"
    document.write(a_document(), path)
    good = json.loads(path.read_text())

    def refusal(change):
        plain = copy.deepcopy(good)
        change(plain)
        path.write_text(json.dumps(plain))
        with pytest.raises(ValueError, match="json: ") as caught:
            document.read(path)
        assert "\n" not in str(caught.value)
        return str(caught.value)

    def set_to(*keys):
        *lead, last, value = keys

        def change(plain):
            for key in lead:
                plain = plain[key]
            plain[last] = value

        return change

    figure = ("workloads", 0)
    for change, message in [
        (set_to("schema", 2), "schema 2, but this program reads 1: run the benchmark again"),
        (set_to("schema", None), "schema None"),
        (set_to("program", "other"), "not a document that python -m benchmarks --json wrote"),
        (lambda plain: plain.pop("machine"), "the document has no machine"),
        (lambda plain: plain["machine"].pop("cores"), "machine has no cores"),
        (set_to("notes", 0, 5), "notes[0] is 5, expected a text"),
        (
            set_to(*figure, "times", 1, "2"),
            "workloads[0].times[1] is '2', expected a finite",
        ),
        (set_to(*figure, "times", 1, -2), "workloads[0]: sgns: times must be above 0"),
        (set_to(*figure, "value", True), "workloads[0].value is True, expected a finite number"),
        (set_to(*figure, "value", None), "the value is nan, and no mark says why"),
        (set_to(*figure, "peak_bytes", 1.5), "workloads[0].peak_bytes is 1.5, expected a whole"),
        (set_to(*figure, "median", 1.0), "workloads[0] has a field 'median' that no figure has"),
        (set_to(*figure, "settings", "blocks", [1]), "workloads[0].settings.blocks is a list"),
        (lambda plain: plain["ceilings"][0].pop("unit"), "ceilings[0] has no unit"),
        (lambda plain: plain["ceilings"][0].pop("value"), "ceilings[0] has no value"),
        (set_to(*figure, "name", "copy, 1 MiB"), "two figures have the name 'copy, 1 MiB'"),
        (set_to("ceilings", 0, "name", "copy, 1 MiB"), "two figures have the name 'copy, 1 MiB'"),
        (set_to("ceilings", 0, []), "ceilings[0] is [], expected an object"),
    ]:
        assert message in refusal(change)
    path.write_text("{")
    with pytest.raises(ValueError, match="not JSON"):
        document.read(path)
    with pytest.raises(FileNotFoundError, match="no such document of a benchmark"):
        document.read(tmp_path / "none.json")


def test_ratios_are_of_medians_and_their_range_of_raw_times():
    a, b = a_document(), a_document(speed=2.0)
    for name in ("sgns", "kernel"):
        found = compare.ratio(a.figures[name], b.figures[name])
        slow, middle, fast = (2.0, 1.25, 1.0) if name == "sgns" else (4, 2, 1)
        assert found.value == pytest.approx(2)
        assert found.low == pytest.approx(fast / (slow / 2))
        assert found.high == pytest.approx(slow / (fast / 2))
        assert middle == pytest.approx(a.figures[name].seconds * (1 if name == "sgns" else 1e6))
    scores = compare.ratio(score("x", [40, 50, 45], "%"), score("x", [90, 80, 100], "%"))
    assert scores == pytest.approx((2, 1.6, 2.5))
    assert compare.ratio(score("x", [1.0], "%"), score("x", [1.0], "words/s")) is None
    assert compare.ratio(score("x", [0.0], "%"), score("x", [1.0], "%")) is None


def test_a_comparison_lists_all_that_it_cannot_compare():
    text = compare.report(
        a_document(drop=["kernel"]), a_document(2.0, "another card", ["copy, 1 GiB"], blocks=256)
    )
    row = next(line for line in text.splitlines() if line.startswith("| sgns"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells == [
        "sgns", "4.00M words/s", "8.00M words/s", "2.00", "1.00 to 4.00", "12%", "12%",
    ]  # fmt: skip
    for line in [
        "only in A: copy, 1 GiB",
        "only in B: kernel",
        "sgns: other settings, blocks 64 and 256",
        "(!) recovery, A: learns too much",
        "time to 50 %: not compared, a value is not above 0",
    ]:
        assert line in text.splitlines()
    assert "another card" in text


def test_the_line_of_a_device_has_its_best_sound_ceilings():
    cells = table.columns(a_document())
    assert cells["SGNS"] == "4.00M words/s, 12% of limit"
    assert (cells["copy, cache"], cells["copy, memory"]) == ("200 GB/s", "20.0 GB/s")
    assert cells["gather, zipf, V=68k"] == "5.00 GB/s"
    assert cells["kernel"] == "2.00 µs"
    found = a_document()
    wrong = found.ceilings["copy, 1 MiB"].marked("computes wrong values")
    marked = dataclasses.replace(found, ceilings={**found.ceilings, wrong.name: wrong})
    assert table.columns(marked)["copy, cache"] == "20.0 GB/s"
    assert "(!) copy, 1 MiB: computes wrong values" in table.marks(marked.figures.values())
    assert roofline.roofs(marked).slopes["copy, cache"] == pytest.approx(40)
    details = table.details(found.figures.values())
    assert len(details.splitlines()) == 2 + len(found.figures)
    assert "4.00M words/s" in details
    assert "learns" not in details
    assert "blocks" not in table.footnote(found)
    assert "V=4M left out" in table.footnote(found)


def test_the_roofline_has_roofs_and_points_where_they_belong(tmp_path):
    first, second = a_document(), a_document(4.0, "another card")
    kept = dataclasses.replace(first.workloads["sgns"], name="sgns, kept", value=2e6)
    first = dataclasses.replace(first, workloads={**first.workloads, kept.name: kept})
    figure = roofline.draw([first, second])
    (legend,) = figure.legends
    names = [text.get_text() for text in legend.get_texts()]
    assert names == ["a card, 2026-11-28", "another card, 2026-11-28", "sgns"]
    (ax,) = figure.axes
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    slopes = [line for line in ax.lines if len(set(line.get_ydata())) == 2]
    slopes = [y / x for line in slopes[:3] for x, y in zip(*line.get_data(), strict=True)]
    assert slopes == pytest.approx([400, 400, 40, 40, 5, 5])
    points = [line for line in ax.lines if line.get_marker() == "o"]
    assert [line.get_xdata()[0] for line in points] == pytest.approx([2, 2])
    assert [line.get_ydata()[0] for line in points] == pytest.approx([6 / 1.25, 4 * 6 / 1.25])
    with pytest.raises(ValueError, match="no copy or product"):
        roofline.draw([a_document(drop=["product, float32, 512"])])
    document.write(a_document(), tmp_path / "a.json")
    options = ["roofline", str(tmp_path / "a.json"), "-o", str(tmp_path / "r.png")]
    parsed = make_parser().parse_args(options)
    parsed.run(parsed)
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["compare", "A", "none.json"], "no such document"),
        (["compare", "A", "broken.json"], "not JSON"),
        (["compare", "A"], "arguments are required: FILE"),
        (["roofline", "A", "-o", "a.txt"], "must end in .png"),
        (["roofline", "A", "-o", "none/a.png"], "there is no folder"),
        (["--runs", "3"], "expected a whole number of 5 or more"),
        (["--json", "none/a.json"], "there is no folder"),
        (["--quick", "sgns"], "unrecognized arguments: sgns"),
        (["--quik"], "unrecognized arguments: --quik"),
        (["no-suite"], "invalid choice"),
    ],
)
def test_commands_that_cannot_be_are_refused_in_one_line(
    arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    document.write(a_document(), "A")
    Path("broken.json").write_text("[")
    with pytest.raises(SystemExit) as caught:
        make_parser().parse_args(with_suite(arguments))
    assert caught.value.code == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


@pytest.mark.filterwarnings("ignore:use_cores")
def test_what_was_measured_is_kept_when_a_workload_fails(tmp_path, monkeypatch, capsys):
    copied = a_document().ceilings["copy, 1 MiB"]

    def fails(*_):
        yield rate("sgns", 5e6, "words/s", [1.0])
        raise MemoryError("no\nroom")

    def run(*others):
        options = make_parser().parse_args(["device", "--json", str(tmp_path / "a.json"), *others])
        options.run(options)

    monkeypatch.setattr(ceilings, "run", lambda *_: ({copied.name: copied}, ["V=4M left out"]))
    monkeypatch.setattr(workloads, "run", fails)
    with pytest.raises(MemoryError):
        run()
    found = document.read(tmp_path / "a.json")
    assert list(found.figures) == ["copy, 1 MiB", "sgns"]
    assert found.notes[-2:] == ("ended early: MemoryError: no room", "V=4M left out")
    assert "5.00M words/s" in capsys.readouterr().out
    wrong = copied.marked(WRONG)
    monkeypatch.setattr(ceilings, "run", lambda *_: ({wrong.name: wrong}, []))
    with pytest.raises(SystemExit) as caught:
        run("--ceilings-only")
    assert caught.value.code == 1
    assert "(!) copy, 1 MiB: computes wrong values" in capsys.readouterr().out


def test_one_command_measures_this_machine(tmp_path):
    environment = {k: v for k, v in os.environ.items() if k != "XLA_FLAGS"}  # fast programs pay
    command = [sys.executable, "-m", "benchmarks", "--quick", "--tokens", "200000", "--json"]
    done = subprocess.run(
        [*command, tmp_path / "a.json"], cwd=ROOT, env=environment | {"JAX_PLATFORMS": "cpu"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found = document.read(tmp_path / "a.json")
    assert {"skip-gram, raw words", "glove, cells", "counting, host"} <= found.workloads.keys()
    assert all(len(one.times) == 5 and not one.marks for one in found.ceilings.values())
    kinds = {one.settings["what"] for one in found.ceilings.values()}
    assert {"copy", "product", "gather", "scatter-add", "sort", "random bits", "launch"} <= kinds
    assert found.workloads["skip-gram, raw words"].limit in found.ceilings
    assert found.device in done.stdout
    assert all(name in done.stdout for name in found.figures)
    assert {compare.ratio(one, one).value for one in found.ceilings.values()} == {1.0}
