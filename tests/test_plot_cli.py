"""`jaxvec plot`, as it is typed."""

import json
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from jaxvec import WordVectors
from jaxvec.cli import main
from jaxvec.plot import curves, grid, heat, page, wordmap

PNG = b"\x89PNG"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with vectors of words in four groups, and a log, in it."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    members = np.arange(120) % 4
    table = 3 * rng.normal(size=(4, 10))[members] + rng.normal(size=(120, 10))
    WordVectors([f"g{m}w{i}" for i, m in enumerate(members)], table).save("v.npz")
    epochs = [{"epoch": i, "loss": 1 / i, "words_per_second": 1e6} for i in (1, 2)]
    Path("run.jsonl").write_text("".join(json.dumps(epoch) + "\n" for epoch in epochs))
    return tmp_path


@pytest.fixture
def drawn(monkeypatch):
    """The figures that the command draws, as it draws them, and what it draws them from."""
    calls = []
    for module, name in (
        (wordmap, "word_map"), (heat, "heat_map"), (grid, "som_map"), (curves, "curves"),
    ):  # fmt: skip
        draw = getattr(module, name)

        def keep(*arguments, draw=draw, **options):
            figure = draw(*arguments, **options)
            calls.append((figure, arguments, options))
            return figure

        monkeypatch.setattr(module, name, keep)
    return calls


def test_a_map_of_the_most_frequent_words(folder, drawn, capsys):
    assert main(["plot", "v.npz", "-o", "map.png", "--topn", "40", "--skip", "20"]) == 0
    ((figure, (words, points, groups), options),) = drawn
    assert words == [f"g{i % 4}w{i}" for i in range(20, 60)]
    assert points.shape == (40, 2)
    assert len(set(groups)) == 4  # of 40 words
    assert figure.axes[0].get_title() == "The 40 most frequent words of v.npz after the first 20"
    assert re.fullmatch(r"first principal component, \d+\.\d % of variance", options["axes"][0])
    assert Path("map.png").read_bytes().startswith(PNG)
    err = capsys.readouterr().err
    assert re.fullmatch(r"40 words( \(\d+ of them without a label.*\))? are in map\.png\n", err)


def test_words_their_neighbors_and_a_file(folder, drawn):
    Path("words.txt").write_text("g1w1\ng0w0  g2w2\n")
    command = ["plot", "v.npz", "-o", "a.svg", "--words", "g0w0", "--words-file", "words.txt"]
    assert main([*command, "--neighbors", "5"]) == 0
    _, (words, _, groups), options = drawn[0]
    assert words[:3] == ["g0w0", "g1w1", "g2w2"]
    assert len(words) == 18
    assert options["important"] == words[:3]
    assert all(word[:2] == of[:2] for word, of in zip(words, groups, strict=True))
    assert main([*command, "--neighbors", "5", "--groups", "0", "--force"]) == 0
    assert drawn[1][1][2] is None
    assert main([*command, "--neighbors", "5", "--groups", "3", "--force"]) == 0
    assert len(set(drawn[2][1][2])) == 3


def test_pairs_have_arrows(folder, drawn):
    command = ["plot", "v.npz", "-o", "a.png", "--pairs", "g0w0", "g1w1", "g0w4", "g1w5"]
    assert main([*command, "--title", "mine", "--size", "5x4"]) == 0
    figure, (words, _, _), options = drawn[0]
    assert options["pairs"] == [("g0w0", "g1w1"), ("g0w4", "g1w5")]
    assert words == ["g0w0", "g1w1", "g0w4", "g1w5"]
    assert len(figure.axes[0].patches) == 2
    assert figure.axes[0].get_title() == "mine"
    assert figure.get_size_inches().tolist() == [5, 4]


def test_the_seed_of_tsne_counts(folder, drawn):
    command = ["plot", "v.npz", "--method", "tsne", "--topn", "60", "--perplexity", "8"]
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert main([*command, "-o", f"{name}.png", "--seed", seed]) == 0
    a, b, c = (Path(f"{name}.png").read_bytes() for name in "abc")
    assert a == b != c
    assert drawn[0][2]["axes"] is None


def test_a_heat_map_in_either_order(folder, drawn):
    words = [f"g{i % 4}w{i}" for i in range(12)]
    assert main(["plot", "v.npz", "-o", "a.pdf", "--heat", *words]) == 0
    assert main(["plot", "v.npz", "-o", "b.pdf", "--order", "given", "--heat", *words]) == 0
    clustered, given = (arguments[0] for _, arguments, _ in drawn)
    assert given == words
    assert sorted(clustered) == sorted(words)
    assert sum(a[:2] != b[:2] for a, b in pairwise(clustered)) == 3
    vectors = WordVectors.load("v.npz")
    cosines = drawn[0][1][1]
    for i, j in ((0, 1), (3, 8)):
        expected = vectors.similarity(clustered[i], clustered[j])
        assert cosines[i, j] == pytest.approx(expected, abs=1e-6)


def test_a_self_organizing_map(folder, drawn, capsys):
    assert main(["plot", "v.npz", "-o", "a.png", "--som", "--grid", "3x5"]) == 0
    _, (words, units, borders), _ = drawn[0]
    assert (len(words), units.shape, borders.shape) == (120, (120,), (3, 5))
    found = re.fullmatch(
        r"120 words on 3x5 units: quantization error (0\.\d{4}), topographic error (0\.\d{4})\n"
        r"the map is in a\.png\n",
        capsys.readouterr().err,
    )
    assert 0 < float(found[1]) < 0.5
    groups = {}
    for word, unit in zip(words, units.tolist(), strict=True):
        groups.setdefault(unit, set()).add(word[:2])
    assert all(len(group) == 1 for group in groups.values())  # no unit serves two groups
    command = ["plot", "v.npz", "--som", "--grid", "3x5", "--epochs", "3"]
    for name, seed in (("b", "1"), ("c", "1"), ("d", "2")):
        assert main([*command, "-o", f"{name}.png", "--seed", seed]) == 0
    b, c, d = (Path(f"{name}.png").read_bytes() for name in "bcd")
    assert b == c != d
    assert main([*command, "-o", "e.png", "--words", "g0w0", "g3w7", "--topn", "50"]) == 0
    assert drawn[-1][1][0] == ["g0w0", "g3w7"]


def test_curves_of_logs(folder, drawn, capsys):
    (folder / "b").mkdir()
    Path("b/run.jsonl").write_text(Path("run.jsonl").read_text())
    assert main(["plot", "--log", "run.jsonl", "-o", "a.png"]) == 0
    assert list(drawn[0][1][0]) == ["run"]
    assert drawn[0][0].get_suptitle() == "run"
    assert main(["plot", "--log", "run.jsonl", "b/run.jsonl", "-o", "b.png"]) == 0
    assert list(drawn[1][1][0]) == ["run.jsonl", "b/run.jsonl"]
    assert "the curves of 4 epochs are in b.png" in capsys.readouterr().err


def test_a_web_page_of_the_same_words(folder, monkeypatch, capsys):
    calls, write = [], page.write_page

    def keep(*arguments, **options):
        calls.append((arguments, options))
        write(*arguments, **options)

    monkeypatch.setattr(page, "write_page", keep)
    command = ["plot", "v.npz", "-o", "map.html", "--words", "g0w0", "g1w1", "--neighbors", "3"]
    assert main(command) == 0
    (((path, vectors, words, points, groups), options),) = calls
    assert (path, len(vectors), len(words), points.shape) == ("map.html", 120, 8, (8, 2))
    assert set(groups) == {"g0w0", "g1w1"}
    assert options["title"] == "2 words of v.npz and the 3 nearest to each"
    assert capsys.readouterr().err == "8 words are in map.html\n"
    assert f"<title>{options['title']}</title>" in Path("map.html").read_text(encoding="utf-8")


BAD = {
    "no vectors": (["-o", "a.png"], "give VECTORS"),
    "both": (["v.npz", "--log", "run.jsonl", "-o", "a.png"], "--log takes no vectors"),
    "two kinds": (["v.npz", "--som", "--heat", "g0w0", "-o", "a.png"], "not allowed with"),
    "suffix": (["v.npz", "-o", "a.jpg"], "must end in .png, .svg, .pdf or .html"),
    "page of another kind": (["v.npz", "--som", "-o", "a.html"], "must end in .png, .svg or .pdf"),
    "exists": (["v.npz", "-o", "old.png"], "exists; --force"),
    "onto the input": (["--log", "run.png", "-o", "run.png", "--force"], "also an input"),
    "missing": (["no.npz", "-o", "a.png"], "no such vectors file"),
    "missing log": (["--log", "no.jsonl", "-o", "a.png"], "no such log"),
    "missing words": (["v.npz", "--words-file", "no.txt", "-o", "a.png"], "no such file of words"),
    "log": (["--log", "words.txt", "-o", "a.png"], "words.txt, line 1: expected JSON"),
    "unknown word": (["v.npz", "--words", "g0w0", "g1w1", "g0w", "-o", "a.png"], "close matches"),
    "unknown in heat": (["v.npz", "-o", "a.png", "--heat", "g0w0", "xyz"], "'xyz'"),
    "few words": (["v.npz", "--words", "g0w0", "g1w1", "-o", "a.png"], "3 words at least; got 2"),
    "one word": (["v.npz", "-o", "a.png", "--heat", "g0w0"], "2 words or more; got 1"),
    "odd pairs": (["v.npz", "-o", "a.png", "--pairs", "g0w0", "g1w1", "g0w4"], "two words a pair"),
    "neighbors of none": (["v.npz", "-o", "a.png", "--neighbors", "3"], "give --words"),
    "skip": (["v.npz", "-o", "a.png", "--skip", "120"], "leaves out all of the 120 words"),
    "topn": (["v.npz", "-o", "a.png", "--topn", "9", "--words", "g0w0"], "--topn and --skip"),
    "perplexity": (["v.npz", "-o", "a.png", "--perplexity", "9"], "--method tsne"),
    "high": (["v.npz", "-o", "a.png", "--topn", "9", "--method", "tsne", "--perplexity", "9"],
             "perplexity must be below 9"),
    "grid": (["v.npz", "-o", "a.png", "--som", "--grid", "12"], "such as 12x16"),
    "grid of one": (["v.npz", "-o", "a.png", "--som", "--grid", "1x1"], "at least 2 units"),
    "grid of a map": (["v.npz", "-o", "a.png", "--grid", "3x3"], "--grid does not go with a map"),
    "size": (["v.npz", "-o", "a.png", "--size", "0x3"], "such as 12x9"),
    "size of a page": (["v.npz", "-o", "a.html", "--size", "3x3"], "--size does not go with a web"),
    "order of a map": (["v.npz", "-o", "a.png", "--order", "given"], "--order does not go with"),
    "words of a log": (["--log", "run.jsonl", "--words", "a", "-o", "a.png"], "--words does not"),
    "binary words": (["v.npz", "--words-file", "run.png", "-o", "a.png"], "is UTF-16 text"),
    "no words": (["v.npz", "--words-file", "empty.txt", "-o", "a.png"], "holds no words"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_writes_nothing(folder, capsys, name):
    Path("old.png").write_text("mine")
    Path("run.png").write_bytes(b"\xff\xfe\xff")
    Path("words.txt").write_text("g0w0")
    Path("empty.txt").write_text("\n")
    before = {path: path.read_bytes() for path in folder.rglob("*")}
    arguments, message = BAD[name]
    try:
        status = main(["plot", *arguments])
    except SystemExit as exit:  # from argparse
        status = exit.code
    out, err = capsys.readouterr()
    assert (status, out, err.count("\n")) == (2, "", 1)
    assert message in err
    assert {path: path.read_bytes() for path in folder.rglob("*")} == before
