"""`jaxvec evaluate`, `analogy`, `convert` and `info`, as they are typed."""

import json
from pathlib import Path

import numpy as np
import pytest

from jaxvec import WordVectors
from jaxvec.cli import main
from jaxvec.vectors import evaluate
from jaxvec.vectors.subwords import Subwords


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder."""
    monkeypatch.chdir(tmp_path)


def test_evaluate(folder, capsys):
    WordVectors(["man", "king", "woman", "queen"], [[0, 1], [1, 1], [0, 2], [1, 2]]).save("v.npz")
    Path("a.txt").write_text(": family\nman king woman queen\nman king woman prince\n")
    Path("p.txt").write_text("man\twoman\t3\nman\tking\t2\nking\tqueen\t1\nking\tprince\t0\n")
    command = ["evaluate", "v.npz", "--analogies", "a.txt", "--pairs", "p.txt", "p.txt"]
    assert main([*command, "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["analogies"] == {
        "sections": [{"section": "family", "correct": 1, "total": 1}],
        "correct": 1,
        "total": 1,
    }
    assert len(report["pairs"]) == 2
    assert report["pairs"][0].keys() == set(evaluate.Pairs._fields)
    assert (report["pairs"][0]["found"], report["pairs"][0]["total"]) == (3, 4)
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "100.0 %" in out
    assert "3 of 4 pairs scored (75.0 %), 1 of 5 words unknown\n" in out
    assert (
        main(["evaluate", "v.npz", "--analogies", "a.txt", "--restrict-vocab", "2", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["analogies"]["total"] == 0


def test_evaluate_unknown_words(folder, capsys):
    rows = Subwords(np.random.default_rng(0).normal(size=(9, 2)), minn=3, maxn=3)
    WordVectors(["king", "man"], [[1, 1], [0, 1]], subwords=rows).save("v.npz")
    Path("p.txt").write_text("king man 1\nking kings 9\nkings mans 3\n")
    assert main(["evaluate", "v.npz", "--pairs", "p.txt", "--oov"]) == 0
    told = "3 of 3 pairs scored (100.0 %), 2 of 4 words unknown, 2 of these made of n-grams\n"
    assert capsys.readouterr().out.endswith(told)
    WordVectors(["king", "man"], [[1, 1], [0, 1]]).save("v.vec")
    for command in ("v.vec --pairs p.txt --oov", "v.npz --analogies p.txt --oov"):
        assert main(["evaluate", *command.split()]) == 2
    refused = capsys.readouterr().err.splitlines()
    assert [line[:31] for line in refused] == [
        "jaxvec evaluate: v.vec has no n",
        "jaxvec evaluate: --oov is for w",
    ]


def test_json_has_no_nan(folder, capsys):
    WordVectors(["a", "b"], np.eye(2)).save("v.npz")
    Path("p.txt").write_text("x\ty\t3\n")
    assert main(["evaluate", "v.npz", "--pairs", "p.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["spearman"] is None


def test_analogy(folder, capsys):
    WordVectors(["man", "king", "woman", "queen"], [[0, 1], [1, 1], [0, 2], [1, 2]]).save("v.npz")
    assert main(["analogy", "v.npz", "man", "king", "woman"]) == 0
    assert capsys.readouterr().out == "man : king = woman : ?\n   0.949  queen\n"
    command = ["analogy", "v.npz", "man", "king", "woman", "--cosmul", "--json"]
    assert main(command) == 0
    expected = WordVectors.load("v.npz").most_similar_cosmul(["king", "woman"], ["man"], topn=1)
    assert json.loads(capsys.readouterr().out) == [
        {"word": word, "similarity": score} for word, score in expected
    ]
    assert main([*command, "--restrict-vocab", "3"]) == 0
    assert json.loads(capsys.readouterr().out) == []


FORMATS = {".txt": "word2vec text", ".vec": "word2vec text", ".bin": "word2vec binary",
           ".glove.txt": "GloVe text", ".npz": "npz", ".safetensors": "safetensors"}  # fmt: skip


def test_convert_and_info(folder, capsys):
    table = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    first = WordVectors([f"w{i}" for i in range(20)], table, metadata={"by": "hand"})
    first.save("v.npz")
    name = "v.npz"
    for i, (suffix, kind) in enumerate(FORMATS.items()):
        assert main(["convert", name, f"{i}{suffix}"]) == 0
        assert "20 vectors of 3 numbers are in " in capsys.readouterr().err
        name = f"{i}{suffix}"
        found = WordVectors.load(name)
        assert found.index_to_key == first.index_to_key
        assert np.array_equal(found.vectors, first.vectors)
        assert main(["info", name, "--json"]) == 0
        assert json.loads(capsys.readouterr().out) == {
            "format": kind,
            "words": 20,
            "vector_size": 3,
            "dtype": "text" if "text" in kind else "float32",
            "bytes": Path(name).stat().st_size,
            "metadata": {},
            "first": first.index_to_key[:8],
            "ngrams": {},
        }


def test_convert_options(folder, capsys):
    WordVectors(["a", "b", "c"], [[1, 2], [3, 4], [5, 1 / 3]], metadata={"by": "hand"}).save(
        "v.npz"
    )
    command = ["convert", "v.npz"]
    assert main([*command, "v.glove.txt", "--limit", "2", "--header"]) == 0
    assert Path("v.glove.txt").read_text() == "2 2\na 1.0 2.0\nb 3.0 4.0\n"
    assert main([*command, "v.glove.txt", "--force"]) == 0
    assert Path("v.glove.txt").read_text() == "a 1.0 2.0\nb 3.0 4.0\nc 5.0 0.33333334\n"
    assert main([*command, "half.npz", "--dtype", "float16"]) == 0
    assert WordVectors.load("half.npz")["c"].tolist() == [5, np.float16(1 / 3)]
    capsys.readouterr()
    assert main(["info", "half.npz"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "format     npz",
        "words      3",
        "dimension  2",
        "dtype      float16",
        f"bytes      {Path('half.npz').stat().st_size:,}",
        'metadata   {"by": "hand"}',
        "first      a b c",
    ]


@pytest.mark.parametrize(
    "command",
    [[], ["train"], ["cooccur"], ["similar"], ["drift"], ["evaluate"], ["convert"], ["info"]],
)
def test_help(capsys, command):
    with pytest.raises(SystemExit) as exit:
        main([*command, "--help"])
    assert exit.value.code == 0
    assert "jaxvec" in capsys.readouterr().out
