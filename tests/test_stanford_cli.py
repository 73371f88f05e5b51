"""Stanford's files on the command line: steps of both programs can be mixed."""

from pathlib import Path

import numpy as np
import pytest

from jaxvec import Vocab, WordVectors, cooccurrence
from jaxvec import stanford as files
from jaxvec.cli import main

QUICK = ["--model", "glove", "--vector-size", "8", "--epochs", "1"]


@pytest.fixture
def folder(tmp_path, monkeypatch, topic_documents):
    """A working folder with a text, its counts as records, and their vocabulary."""
    monkeypatch.chdir(tmp_path)
    Path("text.txt").write_text("\n".join(map(" ".join, topic_documents)))
    assert main(["cooccur", "text.txt", "-o", "cells.bin", "--save-vocab", "vocab.txt"]) == 0
    return tmp_path


def test_counts_go_by_way_of_records(folder, capsys):
    assert main(["cooccur", "text.txt", "-o", "cells"]) == 0
    ours = cooccurrence.Cooccurrence.load("cells")
    theirs = files.load_records("cells.bin", Vocab.load("vocab.txt"))
    assert np.array_equal(ours.matrix().toarray(), theirs.matrix().toarray())
    assert ours.vocab.words == theirs.vocab.words
    assert main(["train", "cells", "-o", "a.txt", *QUICK]) == 0
    assert main(["train", "cells.bin", "--vocab", "vocab.txt", "-o", "b.txt", *QUICK]) == 0
    assert Path("a.txt").read_bytes() == Path("b.txt").read_bytes()
    capsys.readouterr()
    for options, told in [([], True), (["--vocab", "vocab.txt"], False)]:
        assert main(["cooccur", "text.txt", "-o", "cells.bin", "--force", *options]) == 0
        assert ("--save-vocab" in capsys.readouterr().err) == told


def test_trains_on_from_its_own_files(folder):
    command = ["train", "cells.bin", "--vocab", "vocab.txt", *QUICK]
    saving = ["--save-parameters", "p.bin", "--save-gradsq", "g.bin"]
    assert main([*command, "-o", "a.npz", *saving]) == 0
    first = WordVectors.load("a.npz")
    written = files.load_parameters("p.bin", len(first), 8)
    assert np.array_equal(written.input + written.output, first.vectors)
    loading = ["--load-parameters", "p.bin", "--load-gradsq", "g.bin"]
    again = ["--save-gradsq", "g.txt", "--optimizer", "glove_adagrad"]
    assert main([*command, "-o", "b.npz", *loading, *again]) == 0
    assert not np.allclose(first.vectors, WordVectors.load("b.npz").vectors)
    assert len(Path("g.txt").read_text().split()) == len(first) * (1 + 2 * 9)


def test_header_and_unk(folder):
    command = ["train", "cells.bin", "--vocab", "vocab.txt", *QUICK, "-o"]
    assert main([*command, "plain.glove.txt"]) == 0
    assert main([*command, "both.glove.txt", "--header", "--unk-vector"]) == 0
    plain, both = (WordVectors.load(f"{name}.glove.txt") for name in ("plain", "both"))
    assert Path("both.glove.txt").read_text().splitlines()[0] == f"{len(both)} 8"
    assert both.index_to_key == [*plain.index_to_key, "<unk>"]
    np.testing.assert_array_equal(both["<unk>"], files.unk_vector(plain))


def test_a_finished_run_is_not_repeated_but_completed(folder, capsys):
    command = ["train", "cells.bin", "--vocab", "vocab.txt", *QUICK, "-o", "v.npz",
               "--checkpoint", "run", "--resume"]  # fmt: skip
    assert main(command) == 0
    wanting = [*command, "--save-parameters", "p.bin"]
    assert main(wanting) == 2
    assert "v.npz exists; --force" in capsys.readouterr().err
    assert main([*wanting, "--force"]) == 0
    assert main(wanting) == 0
    assert "the run is finished" in capsys.readouterr().err
    vectors, parameters = WordVectors.load("v.npz"), files.load_parameters("p.bin", 99, 8)
    assert np.array_equal(parameters.input + parameters.output, vectors.vectors)


BAD = {
    "no vocabulary": (["cells.bin"], "give its vocabulary, --vocab FILE"),
    "options of text": (["cells.bin", "--vocab", "vocab.txt", "--min-count", "2"], "--min-count d"),
    "window": (["cells.bin", "--vocab", "vocab.txt", "--window", "2"], "is counted"),
    "other vocabulary": (["cells.bin", "--vocab", "few.txt"], "two word numbers from 1 to 2"),
    "init too": (
        ["text.txt", "--model", "glove", "--init", "v.txt", "--load-parameters", "p.bin"],
        "both say where to start",
    ),
    "other model": (["text.txt", "--model", "sgns", "--unk-vector"], "is for --model glove, not s"),
    "other optimizer": (["text.txt", "--optimizer", "adam", "--save-gradsq", "g"],
                        "--save-gradsq is for --optimizer glove_row_adagrad"),
    "header": (["text.txt", "--header"], "--header is for an output .glove.txt, not new.npz"),
    "missing": (["text.txt", "--load-parameters", "none.bin"], "no such file: none.bin"),
    "size": (["text.txt", "--load-gradsq", "cells.bin"], "8 numbers and biases for 99 words"),
    "same output": (["text.txt", "--save-gradsq", "new.npz"], "also an input"),
    "overwrites": (["text.txt", "--save-parameters", "vocab.txt"], "vocab.txt exists; --force"),
    "unk": (["text.txt", "--vocab", "unk.txt", "--unk-vector"], "a word <unk> already"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_commands_change_nothing(folder, capsys, name):
    Path("few.txt").write_text("a 2\nb 1\n")
    Path("unk.txt").write_text("the 2\n<unk> 1\n")
    before = sorted(folder.iterdir())
    options, message = BAD[name]
    assert main(["train", *QUICK, "-o", "new.npz", *options]) == 2
    assert message in capsys.readouterr().err.splitlines()[-1]
    assert sorted(folder.iterdir()) == before


def test_cooccur_keeps_files(folder, capsys):
    command = ["cooccur", "text.txt", "-o", "new.bin", "--save-vocab"]
    for vocab, message in [("vocab.txt", "exists; --force"), ("new.bin", "also an input")]:
        assert main([*command, vocab]) == 2
        assert message in capsys.readouterr().err
    assert not Path("new.bin").exists()
