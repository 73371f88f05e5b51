"""Commands that are refused: one line on standard error, exit status 2, and no file changed."""

from pathlib import Path

import numpy as np
import pytest

from jaxvec import Corpus, WordVectors
from jaxvec.cli import main
from jaxvec.cooccurrence import count


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder with files to read, good and bad, for all commands: they leave it as it is."""
    folder = tmp_path_factory.mktemp("refused")
    for name in ("empty", "folder.npz", "texts"):
        (folder / name).mkdir()
    texts = {
        "text.txt": "\n".join(" ".join(f"t{i % 3}w{j}" for j in range(9)) for i in range(60)),
        "texts/v.txt": "a b " * 50,
        "v.txt": "a 9\nb 8\n",
        "lines.txt": "a\nb\n" * 50,
        "empty.txt": " \n\n",
        "one.txt": "one " * 50,
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "damaged.zip").write_bytes(b"PK\x03\x04 cut off")
    (folder / "binary").write_bytes(b"a\0b" * 100)
    (folder / "latin.txt").write_bytes(b"caf\xe9 " * 100)
    WordVectors(["a", "b"], np.eye(2)).save(folder / "old.npz")
    count(Corpus.from_documents([["a", "b", "c"]], min_count=1)).save(folder / "cells")
    return folder


def contents(folder: Path) -> dict[Path, bytes | None]:
    """Every file and folder below."""
    return {path: path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


NEW = ["-o", "new.npz", "--log", "new.log"]
BAD = {
    "missing file": (["train", "nowhere.txt", *NEW], "no such file or folder: nowhere.txt"),
    "folder without text": (["train", "empty", *NEW], "holds no text"),
    "empty corpus": (["train", "empty.txt", *NEW], "no words in empty.txt"),
    "rare words": (["train", "text.txt", "--min-count", "99999", *NEW], "min_count=99999"),
    "one word": (["train", "one.txt", *NEW], "two or more"),
    "tokenizer, before a download": (
        ["train", "text8", "--tokenizer", "x", *NEW], "tokenizer must be"
    ),
    "tokenizer of phrases": (["phrases", "text8", "--tokenizer", "x"], "tokenizer must be"),
    "binary": (["train", "binary", *NEW], "not text: byte 1 is zero"),
    "broken utf-8": (["train", "latin.txt", *NEW], "latin.txt is not UTF-8: byte offset 3"),
    "vector size": (["train", "text.txt", "--vector-size", "0", *NEW], "--vector-size"),
    "window": (["train", "text.txt", "--window", "0", *NEW], "--window"),
    "rate": (["train", "text.txt", "--learning-rate", "-1", *NEW], "--learning-rate"),
    "rate nan": (["train", "text.txt", "--learning-rate", "nan", *NEW], "--learning-rate"),
    "least rate": (["train", "text.txt", "--min-learning-rate", "1", *NEW], "between 0 and"),
    "epochs": (["train", "text.txt", "--epochs", "0", *NEW], "--epochs"),
    "epochs word": (["train", "text.txt", "--epochs", "two", *NEW], "not 'two'"),
    "negative": (["train", "text.txt", "--negative", "0", *NEW], "--negative"),
    "sample": (["train", "text.txt", "--sample", "-1", *NEW], "--sample"),
    "valid": (["train", "text.txt", "--valid", "1", *NEW], "at least 0 and below 1, not '1'"),
    "optimizer": (["train", "text.txt", "--optimizer", "sgdd", *NEW], "one of sgd, adagrad"),
    "model": (["train", "text.txt", "--model", "lda", *NEW], "glove, pv-dbow, ppmi-svd; got 'lda'"),
    "tokenizer": (["train", "text.txt", "--tokenizer", "bert", *NEW], "one of whitespace"),
    "other model": (["train", "text.txt", "--model", "glove", "--sample", "0", *NEW], "is for"),
    "x-max": (["train", "text.txt", "--model", "glove", "--x-max", "0", *NEW], "--x-max"),
    "counts": (["train", "cells", *NEW], "train GloVe on it"),
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
    "saved": (["train", "cells", "--min-count", "3", *NEW], "--min-count does not go"),
    "archive": (["train", "old.npz", *NEW], "neither a saved corpus nor"),
    "resume": (["train", "text.txt", "--resume", *NEW], "needs --checkpoint"),
    "interval": (["train", "text.txt", "--checkpoint-every", "0", *NEW], "10m"),
    "no checkpoint": (["train", "text.txt", "--checkpoint-every", "5", *NEW], "needs --ch"),
    "checkpoint file": (["train", "text.txt", "--checkpoint", "text.txt", *NEW], "no folder"),
    "checkpoint proc": (["train", "text.txt", "--checkpoint", "/proc/x", *NEW], "cannot write"),
    "below input": (["train", "texts", "-o", "texts/v.txt"], "also an input"),
    "over vocab": (["train", "text.txt", "--vocab", "v.txt", "-o", "v.txt", "--force"],
        "also an input"),
    "log is output": (["train", "text.txt", "-o", "n.txt", "--log", "n.txt"], "also an input"),
    "device": (["cooccur", "text.txt", "-o", "/dev/null", "--force"], "no plain file"),
    "log kept": (["train", "text.txt", "-o", "n.txt", "--log", "v.txt", "--checkpoint", "new",
        "--resume"], "exists; --force"),
    "counted": (["train", "cells", "--model", "glove", "--window", "3", *NEW], "is counted"),
    "damaged": (["train", "damaged.zip", *NEW], "not an .npz"),
    "one word a line": (["train", "lines.txt", *NEW], "nothing to learn from"),
    "no cells": (["train", "lines.txt", "--model", "glove", *NEW], "nothing to learn from"),
    "errors alone": (["train", "--errors", "replace", *NEW], "needs a CORPUS"),
    "checkpoint late": (["train", "one.txt", "--checkpoint", "new.c", *NEW], "two or more"),
    "suffix": (["train", "text.txt", "-o", "new.dat"], "must end in"),
    "output is a folder": (["train", "text.txt", "-o", "empty"], "must end in"),
    "output folder": (["train", "text.txt", "-o", "folder.npz"], "is a folder"),
    "unwritable": (["train", "text.txt", "-o", "/proc/none/v.npz"], "cannot write"),
    "below a file": (["train", "text.txt", "-o", "text.txt/v.npz"], "cannot write"),
    "exists": (["train", "text.txt", "-o", "old.npz"], "exists; --force"),
    "log": (["train", "text.txt", "-o", "v.npz", "--log", "text.txt"], "also an input"),
    "over the input": (["train", "text.txt", "-o", "text.txt", "--force"], "also an input"),
    "probe": (["train", "text.txt", "--probe", "t1w", *NEW], "close matches: t1w"),
    "vocab": (["train", "text.txt", "--vocab", "text.txt", *NEW], "not a vocabulary file"),
    "unknown option": (["train", "text.txt", "--windw", "3", *NEW], "--windw"),
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
    "analogies missing": (["train", "text.txt", "--analogies", "no", *NEW], "no such file of"),
    "pairs": (["train", "text.txt", "--pairs", "lines.txt", *NEW], "not a file of word pairs"),
    "evaluate missing": (["evaluate", "old.npz", "--analogies", "no"], "no such file of an"),
    "evaluate text": (["evaluate", "old.npz", "--pairs", "text.txt"], "not a file of word p"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_is_one_line_and_changes_nothing(files, monkeypatch, capsys, name):
    monkeypatch.chdir(files)
    before = contents(files)
    command, message = BAD[name]
    try:
        status = main(command)
    except SystemExit as exit:  # from argparse
        status = exit.code
    out, err = capsys.readouterr()
    assert status == 2
    error = err.splitlines()[-1]  # after what it said of the text
    assert error.startswith("jaxvec")
    assert message in error
    assert err.count("jaxvec") == 1
    assert out == ""
    assert contents(files) == before


@pytest.mark.parametrize("count", ["100000000000000000000", "1e20", "-5", "1.5", "inf", ""])
def test_counts_out_of_range_are_one_line(tmp_path, monkeypatch, capsys, count):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("the t3w3 " * 9)
    Path("vocab.txt").write_text(f"t3w3 9\nthe {count}\n")
    Path("cells.bin").write_bytes(b"")
    for command in (["train", "text.txt"], ["train", "--model", "glove", "cells.bin"]):
        assert main([*command, "--vocab", "vocab.txt", "-o", "v.npz"]) == 2
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1
        assert "vocab.txt is not a vocabulary file: line 2 is 'the" in told[0]


def test_options_of_other_models_are_refused(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("a b " * 50)
    for model, flag in [("softmax", "--negative"), ("cbow", "--alpha"), ("glove", "--blocks"),
                        ("sgns", "--sampled")]:  # fmt: skip
        assert main(["train", "text.txt", "--model", model, flag, "2", "-o", "new.txt"]) == 2
        assert f"{flag} is for --model" in capsys.readouterr().err
    alone = ["--model", "softmax", "--ns-exponent", "1", "-o", "new.txt"]
    assert main(["train", "text.txt", *alone]) == 2
    assert "--ns-exponent is for the words that --sampled draws" in capsys.readouterr().err
