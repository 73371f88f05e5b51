import json
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import KeyedVectors

from jaxvec import CBOW, Corpus, SkipGram, Softmax, WordVectors
from jaxvec.cli import data as data_command
from jaxvec.cli import main, make_parser
from jaxvec.cli import train as train_command
from jaxvec.cli.log import Log
from jaxvec.cli.models import make_model, set_defaults
from jaxvec.cooccurrence import Cooccurrence, count
from tests.conftest import topic_accuracy
from tests.reference import cooccurrences

QUICK = ["--vector-size", "8", "--epochs", "1", "--window", "3"]


@pytest.fixture
def folder(tmp_path, monkeypatch, topic_documents):
    """The working folder, with a corpus in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    return tmp_path


def contents(folder: Path) -> dict[str, bytes | None]:
    """Every file and folder below."""
    return {
        str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None
        for p in folder.rglob("*")
    }


def test_from_text_to_vectors_that_gensim_opens(folder, capsys):
    command = ["train", "text.txt", "-o", "v.bin", "--vector-size", "16", "--epochs", "8",
               "--window", "3", "--sample", "0", "--spectral-words", "0", "--valid", "0.1",
               "--learning-rate", "0.05", "--probe", "t1w1", "t2w2",
               "--log", "run.jsonl"]  # fmt: skip
    assert main(command) == 0
    messages = capsys.readouterr().err
    assert "24,000 words" in messages
    assert "t1w1: t1w" in messages
    vectors = KeyedVectors.load_word2vec_format("v.bin", binary=True)
    assert vectors.vectors.shape == (99, 16)
    assert topic_accuracy(vectors) > 0.9
    log = [json.loads(line) for line in Path("run.jsonl").read_text().splitlines()]
    assert [line["epoch"] for line in log] == list(range(1, 9))
    assert log[-1]["valid_loss"] < log[0]["valid_loss"]
    assert log[0]["words_per_second"] > 0


@pytest.mark.parametrize("suffix", [".txt", ".vec", ".bin", ".glove.txt", ".npz"])
def test_every_output_format_and_similar(folder, capsys, suffix):
    assert main(["train", "text.txt", "-o", f"v{suffix}", *QUICK]) == 0
    assert main(["similar", f"v{suffix}", "t1w1", "the", "--topn", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if not line.startswith(" ")] == ["t1w1", "the"]
    assert len(lines) == 6
    assert main(["similar", f"v{suffix}", "t1w1", "--json"]) == 0
    (found,) = json.loads(capsys.readouterr().out).values()
    expected = WordVectors.load(f"v{suffix}").most_similar("t1w1")
    assert [(row["word"], row["similarity"]) for row in found] == expected


def test_same_seed_same_file(folder):
    for name, seed in [("a", "3"), ("b", "3"), ("c", "4")]:
        assert main(["train", "text.txt", "-o", f"{name}.bin", "--seed", seed, *QUICK]) == 0
    a, b, c = (Path(f"{name}.bin").read_bytes() for name in "abc")
    assert a == b != c


def test_which_table_and_options_reach_the_model(folder):
    tables = {}
    for which in ("input", "output", "sum"):
        command = ["train", "text.txt", "-o", f"{which}.npz", "--vectors", which, *QUICK]
        command += ["--negative", "3", "--ns-exponent", "0.5", "--no-shrink-windows"]
        command += ["--optimizer", "row_adagrad", "--min-learning-rate", "0.01"]
        assert main(command) == 0
        tables[which] = WordVectors.load(f"{which}.npz").vectors
    np.testing.assert_allclose(tables["input"] + tables["output"], tables["sum"], rtol=1e-6)
    assert WordVectors.load("sum.npz").metadata["run"]["negative"] == 3


def test_corpus_from_folder_stdin_and_saved(folder, topic_corpus):
    (folder / "texts").mkdir()
    Path("text.txt").rename("texts/a.txt")
    topic_corpus.save("saved")
    assert main(["train", "texts", "-o", "folder.txt", *QUICK]) == 0
    assert main(["train", "saved", "-o", "saved.txt", *QUICK]) == 0
    with open("texts/a.txt", "rb") as text:
        subprocess.run(
            [sys.executable, "-m", "jaxvec", "train", "-", "-o", "stdin.txt", *QUICK],
            stdin=text, check=True, capture_output=True,
        )  # fmt: skip
    texts = [Path(f"{name}.txt").read_text() for name in ("folder", "saved", "stdin")]
    assert texts[0] == texts[1] == texts[2]


def test_glove_from_text_and_from_counts_are_the_same(folder, capsys):
    glove = ["--model", "glove", "--vector-size", "8", "--epochs", "2", "--x-max", "10"]
    assert main(["train", "text.txt", "-o", "a.txt", *glove]) == 0
    assert main(["cooccur", "text.txt", "-o", "counts", "--window", "10"]) == 0
    out = capsys.readouterr().out
    assert re.fullmatch(r"1,\d\d\d cells, counted in \d+\.\d s\n", out)
    assert main(["train", "counts", "-o", "b.txt", *glove]) == 0
    assert "cells/s" in capsys.readouterr().err
    assert Path("a.txt").read_text() == Path("b.txt").read_text()
    assert main(["train", "counts", "-o", "w.txt", *glove, "--vectors", "input"]) == 0
    assert Path("w.txt").read_text() != Path("b.txt").read_text()


def test_warm_start_and_mittens(folder, capsys):
    glove = ["--model", "glove", "--vector-size", "8", "--epochs", "2", "--x-max", "10"]
    assert main(["train", "text.txt", "-o", "first.txt", *glove]) == 0
    first = WordVectors.load("first.txt")
    WordVectors(first.index_to_key[:60], first.vectors[:60]).save("some.txt")
    distances = {}
    for name, options in {
        "afresh": [],
        "warm": ["--init", "some.txt"],
        "drawn": ["--init", "some.txt", "--mittens", "10"],
        "clipped": ["--init", "some.txt", "--grad-clip", "1e-6"],
    }.items():
        assert (
            main(["train", "text.txt", "-o", f"{name}.txt", "--seed", "2", *glove, *options]) == 0
        )
        started = "60 of 99 words start from some.txt" in capsys.readouterr().err
        assert started == (name != "afresh")
        vectors = WordVectors.load(f"{name}.txt").vectors[:60]
        distances[name] = np.square(vectors - first.vectors[:60]).sum()
    assert distances["afresh"] > distances["warm"] > distances["drawn"] > distances["clipped"]


def test_ways_of_counting(folder, topic_documents):
    for flags, symmetric, weighted in [
        ([], True, True),
        (["--no-symmetric"], False, True),
        (["--no-distance-weighting"], True, False),
        (["--memory", "1GB"], True, True),
        (["--on-device"], True, True),
    ]:
        assert main(["cooccur", "text.txt", "-o", "c", "--window", "3", "--force", *flags]) == 0
        cells = Cooccurrence.load("c")
        ids = [[cells.vocab[word] for word in document] for document in topic_documents]
        expected = cooccurrences(ids, 3, symmetric, weighted)
        matrix = cells.matrix().tocoo()
        found = dict(zip(zip(matrix.row, matrix.col, strict=True), matrix.data, strict=True))
        assert found == pytest.approx(dict(expected), rel=1e-5)


def test_vocabulary_file_and_limits(folder, topic_corpus):
    assert main(["train", "text.txt", "-o", "few.npz", "--max-vocab", "10", *QUICK]) == 0
    few = WordVectors.load("few.npz")
    assert few.index_to_key == topic_corpus.vocab.words[:10]
    Path("vocab.txt").write_text("\ufefft3w3 9\nthe 8\nunseen 1\n", "utf-8")
    assert main(["train", "text.txt", "-o", "given.npz", "--vocab", "vocab.txt", *QUICK]) == 0
    assert WordVectors.load("given.npz").index_to_key == ["t3w3", "the", "unseen"]


@pytest.mark.parametrize("count", ["100000000000000000000", "1e20", "-5", "1.5", "inf", ""])
def test_counts_out_of_range_are_one_line(folder, capsys, count):
    Path("vocab.txt").write_text(f"t3w3 9\nthe {count}\n")
    Path("cells.bin").write_bytes(b"")
    for command in (["train", "text.txt"], ["train", "--model", "glove", "cells.bin"]):
        assert main([*command, "--vocab", "vocab.txt", "-o", "v.npz"]) == 2
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1
        assert "vocab.txt is not a vocabulary file: line 2 is 'the" in told[0]


def test_tokenizer_and_broken_bytes(folder):
    Path("raw.txt").write_bytes(b"Caf\xe9 (One, one) " * 20)
    command = ["train", "raw.txt", "--tokenizer", "text8", "--errors", "replace", "-o", "v.npz"]
    assert main([*command, *QUICK, "--sample", "0"]) == 0
    assert WordVectors.load("v.npz").index_to_key == ["one", "caf"]


def test_no_corpus_trains_on_documentation_and_overwrites_only_its_own(
    folder, monkeypatch, capsys, topic_documents
):
    monkeypatch.setattr(data_command, "documentation", lambda: map(" ".join, topic_documents))
    monkeypatch.setattr(train_command, "_SHOWN", ["the", "unknown"])
    options = ["--tokenizer", "whitespace", "--epochs", "1"]
    for _ in range(2):
        assert main(["train", *options]) == 0
        out = capsys.readouterr().out
        assert out.startswith("the: ")
        assert len(out.splitlines()) == 1
    assert main(["train", "text.txt", "-o", "vectors.npz", *QUICK]) == 2
    assert "exists" in capsys.readouterr().err
    assert main(["train", "text.txt", "-o", "vectors.npz", "--force", *QUICK]) == 0
    before = contents(folder)
    capsys.readouterr()
    assert main(["train", *options]) == 2  # vectors.npz is of text.txt now
    assert "exists; --force" in capsys.readouterr().err
    assert contents(folder) == before


def bad_commands():
    new = ["-o", "new.npz", "--log", "new.log"]
    return {
        "missing file": (["train", "nowhere.txt", *new], "no such file or folder: nowhere.txt"),
        "folder without text": (["train", "empty", *new], "holds no text"),
        "empty corpus": (["train", "empty.txt", *new], "no words in empty.txt"),
        "rare words": (["train", "text.txt", "--min-count", "99999", *new], "min_count=99999"),
        "one word": (["train", "one.txt", *new], "two or more"),
        "binary": (["train", "binary", *new], "not text: byte 1 is zero"),
        "broken utf-8": (["train", "latin.txt", *new], "latin.txt is not UTF-8: byte offset 3"),
        "vector size": (["train", "text.txt", "--vector-size", "0", *new], "--vector-size"),
        "window": (["train", "text.txt", "--window", "0", *new], "--window"),
        "rate": (["train", "text.txt", "--learning-rate", "-1", *new], "--learning-rate"),
        "rate nan": (["train", "text.txt", "--learning-rate", "nan", *new], "--learning-rate"),
        "least rate": (["train", "text.txt", "--min-learning-rate", "1", *new], "between 0 and"),
        "epochs": (["train", "text.txt", "--epochs", "0", *new], "--epochs"),
        "epochs word": (["train", "text.txt", "--epochs", "two", *new], "not 'two'"),
        "negative": (["train", "text.txt", "--negative", "0", *new], "--negative"),
        "sample": (["train", "text.txt", "--sample", "-1", *new], "--sample"),
        "valid": (["train", "text.txt", "--valid", "1", *new], "at least 0 and below 1, not '1'"),
        "optimizer": (["train", "text.txt", "--optimizer", "sgdd", *new], "one of sgd, adagrad"),
        "model": (["train", "text.txt", "--model", "lda", *new], "glove, ppmi-svd; got 'lda'"),
        "tokenizer": (["train", "text.txt", "--tokenizer", "bert", *new], "one of whitespace"),
        "other model": (["train", "text.txt", "--model", "glove", "--sample", "0", *new], "is for"),
        "x-max": (["train", "text.txt", "--model", "glove", "--x-max", "0", *new], "--x-max"),
        "counts": (["train", "cells", *new], "train GloVe on it"),
        "count counts": (["cooccur", "cells", "-o", "new.c"], "counts already"),
        "cooccur missing": (["cooccur", "nowhere.txt", "-o", "new.c"], "no such file"),
        "cooccur window": (["cooccur", "text.txt", "-o", "new.c", "--window", "0"], "--window"),
        "mittens alone": (["train", "text.txt", "--model", "glove", "--mittens", "1"], "--init"),
        "mittens of sgns": (["train", "text.txt", "--mittens", "1"], "for --model glove, not sgns"),
        "init missing": (["train", "text.txt", "--init", "nowhere.bin"], "no such vectors file"),
        "clip": (["train", "text.txt", "--grad-clip", "0"], "--grad-clip"),
        "cooccur memory": (["cooccur", "text.txt", "-o", "new.c", "--memory", "1MB"], "must be"),
        "cooccur size": (["cooccur", "text.txt", "-o", "new.c", "--memory", "much"], "such as 1GB"),
        "cooccur exists": (["cooccur", "text.txt", "-o", "cells"], "exists; --force"),
        "saved": (["train", "cells", "--min-count", "3", *new], "--min-count does not go"),
        "archive": (["train", "old.npz", *new], "neither a saved corpus nor"),
        "resume": (["train", "text.txt", "--resume", *new], "needs --checkpoint"),
        "interval": (["train", "text.txt", "--checkpoint-every", "0", *new], "10m"),
        "no checkpoint": (["train", "text.txt", "--checkpoint-every", "5", *new], "needs --ch"),
        "checkpoint file": (["train", "text.txt", "--checkpoint", "text.txt", *new], "no folder"),
        "checkpoint proc": (["train", "text.txt", "--checkpoint", "/proc/x", *new], "cannot write"),
        "below input": (["train", "texts", "-o", "texts/v.txt"], "also an input"),
        "over vocab": (["train", "text.txt", "--vocab", "v.txt", "-o", "v.txt", "--force"],
            "also an input"),
        "log is output": (["train", "text.txt", "-o", "n.txt", "--log", "n.txt"], "also an input"),
        "device": (["cooccur", "text.txt", "-o", "/dev/null", "--force"], "no plain file"),
        "log kept": (["train", "text.txt", "-o", "n.txt", "--log", "v.txt", "--checkpoint", "new",
            "--resume"], "exists; --force"),
        "counted": (["train", "cells", "--model", "glove", "--window", "3", *new], "is counted"),
        "damaged": (["train", "damaged.zip", *new], "not an .npz"),
        "one word a line": (["train", "lines.txt", *new], "nothing to learn from"),
        "no cells": (["train", "lines.txt", "--model", "glove", *new], "nothing to learn from"),
        "errors alone": (["train", "--errors", "replace", *new], "needs a CORPUS"),
        "checkpoint late": (["train", "one.txt", "--checkpoint", "new.c", *new], "two or more"),
        "suffix": (["train", "text.txt", "-o", "new.dat"], "must end in"),
        "output is a folder": (["train", "text.txt", "-o", "empty"], "must end in"),
        "output folder": (["train", "text.txt", "-o", "folder.npz"], "is a folder"),
        "unwritable": (["train", "text.txt", "-o", "/proc/none/v.npz"], "cannot write"),
        "below a file": (["train", "text.txt", "-o", "text.txt/v.npz"], "cannot write"),
        "exists": (["train", "text.txt", "-o", "old.npz"], "exists; --force"),
        "log": (["train", "text.txt", "-o", "v.npz", "--log", "text.txt"], "also an input"),
        "over the input": (["train", "text.txt", "-o", "text.txt", "--force"], "also an input"),
        "probe": (["train", "text.txt", "--probe", "t1w", *new], "close matches: t1w"),
        "vocab": (["train", "text.txt", "--vocab", "text.txt", *new], "not a vocabulary file"),
        "unknown option": (["train", "text.txt", "--windw", "3", *new], "--windw"),
        "no command": ([], "COMMAND"),
        "similar unknown": (["similar", "old.npz", "a", "t1w"], "'t1w' is not in the vocabulary"),
        "similar missing": (["similar", "nowhere.npz", "a"], "no such vectors file"),
        "similar not vectors": (["similar", "text.txt", "a"], "not a file of word vectors"),
        "similar topn": (["similar", "old.npz", "a", "--topn", "0"], "--topn"),
        "convert missing": (["convert", "nowhere.npz", "new.bin"], "no such vectors file"),
        "convert exists": (["convert", "old.npz", "v.txt"], "exists; --force"),
        "convert onto itself": (["convert", "old.npz", "old.npz", "--force"], "also an input"),
        "convert suffix": (["convert", "old.npz", "new.dat"], "must end in"),
        "convert text": (["convert", "text.txt", "new.bin"], "not a file of word vectors"),
        "convert limit": (["convert", "old.npz", "new.bin", "--limit", "0"], "--limit"),
        "convert dtype": (["convert", "old.npz", "new.npz", "--dtype", "int8"], "--dtype"),
        "convert damaged": (["convert", "damaged.zip", "new.bin"], "not an .npz"),
        "info missing": (["info", "nowhere.npz"], "no such vectors file"),
        "info of a folder": (["info", "texts"], "is a folder, not a vectors file"),
        "info empty": (["info", "empty.txt"], "holds no word vectors"),
        "evaluate nothing": (["evaluate", "old.npz"], "nothing to evaluate"),
        "unknown in analogy": (["analogy", "old.npz", "a", "b", "c"], "'c' is not in the"),
        "analogies missing": (["train", "text.txt", "--analogies", "no", *new], "no such file of"),
        "pairs": (["train", "text.txt", "--pairs", "lines.txt", *new], "not a file of word pairs"),
        "evaluate missing": (["evaluate", "old.npz", "--analogies", "no"], "no such file of an"),
        "evaluate text": (["evaluate", "old.npz", "--pairs", "text.txt"], "not a file of word p"),
    }  # fmt: skip


@pytest.mark.parametrize("name", bad_commands())
def test_bad_input_is_one_line_and_changes_nothing(folder, capsys, name):
    (folder / "empty").mkdir()
    (folder / "folder.npz").mkdir()
    (folder / "texts").mkdir()
    (folder / "texts" / "v.txt").write_text("a b " * 50)
    (folder / "v.txt").write_text("a 9\nb 8\n")
    (folder / "lines.txt").write_text("a\nb\n" * 50)
    (folder / "damaged.zip").write_bytes(b"PK\x03\x04 cut off")
    (folder / "empty.txt").write_text(" \n\n")
    (folder / "one.txt").write_text("one " * 50)
    (folder / "binary").write_bytes(b"a\0b" * 100)
    (folder / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    WordVectors(["a", "b"], np.eye(2)).save("old.npz")
    count(Corpus.from_documents([["a", "b", "c"]], min_count=1)).save("cells")
    before = contents(folder)
    command, message = bad_commands()[name]
    try:
        status = main(command)
    except SystemExit as exit:  # from argparse
        status = exit.code
    out, err = capsys.readouterr()
    assert status == 2
    error = err.splitlines()[-1]  # it may have said before what it read
    assert error.startswith("jaxvec")
    assert message in error
    assert err.count("jaxvec") == 1
    assert out == ""
    assert contents(folder) == before


def test_interrupted_training_leaves_no_file(folder):
    Path("long.txt").write_text("a b c d e f g h " * 100_000)
    # a job in the background may have been started with interrupts ignored
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler);"
        "from jaxvec.cli import main; sys.exit(main(sys.argv[1:]))"
    )
    command = ["train", "long.txt", "-o", "v.npz", "--epochs", "10000"]
    with subprocess.Popen(
        [sys.executable, "-c", program, *command], stderr=subprocess.PIPE, text=True
    ) as process:
        while "epoch 1:" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        last = process.communicate(timeout=60)[1].splitlines()[-1]
    assert process.returncode == 130
    assert last == "jaxvec train: interrupted by SIGINT"
    assert contents(folder).keys() == {"long.txt", "text.txt"}


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
    assert report["pairs"][0].keys() == {"file", "spearman", "pearson", "found", "total"}
    assert (report["pairs"][0]["found"], report["pairs"][0]["total"]) == (3, 4)
    assert main(command) == 0
    out = capsys.readouterr().out
    assert "100.0 %" in out
    assert "3 of 4 pairs known" in out
    assert (
        main(["evaluate", "v.npz", "--analogies", "a.txt", "--restrict-vocab", "2", "--json"]) == 0
    )
    assert json.loads(capsys.readouterr().out)["analogies"]["total"] == 0


def test_train_scores_each_epoch_and_a_resumed_log_keeps_its_scores(folder, capsys, monkeypatch):
    Path("a.txt").write_text(": topics\nt1w1 t1w2 t2w1 t2w2\n")
    Path("p.txt").write_text("t1w1\tt1w2\t3\nt1w1\tt2w2\t1\nt1w1\tt3w2\t2\n")
    command = ["train", "text.txt", "-o", "v.npz", "--vector-size", "8", "--analogies", "a.txt",
               "--pairs", "p.txt", "--log", "run.jsonl", "--checkpoint", "run", "--resume",
               "--epochs", "3", "--vectors", "sum"]  # fmt: skip
    report = Log.__call__

    def stop_after_one(log, *reported):
        report(log, *reported)
        monkeypatch.setattr(Log, "__call__", report)
        signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(Log, "__call__", stop_after_one)
    assert main(command) == 128 + signal.SIGTERM
    first = Path("run.jsonl").read_text().splitlines()[0]
    assert main(command) == 0
    lines = Path("run.jsonl").read_text().splitlines()
    assert lines[0] == first
    log = [json.loads(line) for line in lines]
    assert [line["word_pairs"].keys() for line in log] == [{"p.txt"}] * 3
    assert log[-1]["analogies"] in (0, 1)
    last = WordVectors.load("v.npz").evaluate_word_pairs("p.txt")[1].statistic
    assert log[-1]["word_pairs"]["p.txt"] == pytest.approx(last)
    assert f"p.txt: Spearman {last:.4f}" in capsys.readouterr().err.splitlines()[-2]
    Path("run.jsonl").write_text("[]\n")
    assert main(command) == 2
    assert "line 1 is not of a log of 'jaxvec train'" in capsys.readouterr().err


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


def test_nobody_reading_messages_does_not_stop_the_work(folder):
    command = f"{sys.executable} -m jaxvec train text.txt -o v.npz --epochs 5 --window 3"
    subprocess.run(f"{command} 2>&1 | true", shell=True, check=True)
    assert WordVectors.load("v.npz").vectors.shape == (99, 100)


def test_json_has_no_nan(folder, capsys):
    WordVectors(["a", "b"], np.eye(2)).save("v.npz")
    Path("p.txt").write_text("x\ty\t3\n")
    assert main(["evaluate", "v.npz", "--pairs", "p.txt", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pairs"][0]["spearman"] is None


@pytest.mark.parametrize(
    "command",
    [[], ["train"], ["cooccur"], ["similar"], ["drift"], ["evaluate"], ["convert"], ["info"]],
)
def test_help(capsys, command):
    with pytest.raises(SystemExit) as exit:
        main([*command, "--help"])
    assert exit.value.code == 0
    assert "jaxvec" in capsys.readouterr().out


def test_output_to_a_closed_pipe_is_quiet(folder):
    Corpus.from_files("text.txt")
    assert main(["train", "text.txt", "-o", "v.npz", *QUICK]) == 0
    done = subprocess.run(
        f"{sys.executable} -m jaxvec similar v.npz the --topn 99 | true",
        shell=True, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("flags", "expected"),
    [(["cbow"], CBOW()), (["cbow", "--cbow-sum"], CBOW(cbow_mean=False)), (["softmax"], Softmax()),
     (["sgns", "--blocks", "16"], SkipGram(blocks=16))],
)  # fmt: skip
def test_models(flags, expected):
    options = make_parser("train").parse_args(["train", "text.txt", "--model", *flags])
    set_defaults(options)
    assert make_model(options) == expected


def test_the_rate_of_a_sum_is_its_own(folder):
    (folder / "text.txt").write_text("a b c " * 50)
    command = ["train", "text.txt", "--model", "cbow", "--epochs", "1", "-o"]
    for option, rate in [([], 0.1), (["--cbow-sum"], 0.0125), (["--learning-rate", "0.2"], 0.2)]:
        assert main([*command, f"{rate}.npz", *option]) == 0
        assert WordVectors.load(f"{rate}.npz").metadata["run"]["learning_rate"] == rate


def test_options_of_other_models_are_refused(folder, capsys):
    for model, flag in [("softmax", "--negative"), ("cbow", "--alpha"), ("glove", "--blocks")]:
        (folder / "text.txt").write_text("a b " * 50)
        assert main(["train", "text.txt", "--model", model, flag, "2", "-o", "new.txt"]) == 2
        assert f"{flag} is for --model" in capsys.readouterr().err
