"""Paths of the command line: files and folders that are not there, names, the home folder."""

from pathlib import Path

import numpy as np
import pytest

from jaxvec import Corpus, WordVectors
from jaxvec.cli import main


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with a corpus and vectors in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("the cat sat on the mat\n" * 9)
    WordVectors(["a", "b"], np.eye(2)).save("old.npz")
    Corpus.from_documents([["new york", "b"]] * 9, min_count=1).save("blank")
    (tmp_path / "cut.txt").write_bytes(b"1 2\ncaf\xc3 1 2\n")
    return tmp_path


REFUSED = [
    ("evaluate no.npz --pairs no", "no such file of word pairs: no"),
    ("evaluate no.npz --analogies no", "no such file of analogies: no"),
    ("train text.txt --freeze no", "no such file of words: no"),
    ("train text.txt --init no", "no such vectors file: no"),
    ("train text.txt --start no", "no such file: no"),
    ("train text.txt --vocab no", "no such vocabulary file: no"),
    ("train text.txt --pairs .", ". is a folder, not a file of word pairs"),
    ("train text.txt --model glove --load-parameters no", "no such file: no"),
    ("train text.txt --model glove --load-gradsq no", "no such file: no"),
    ("phrases text.txt --phrases no -o n", "no such file of phrases: no"),
    ("plot old.npz --words-file no -o n.svg", "no such file of words: no"),
    ("plot --log no -o n.svg", "no such log: no"),
    ("drift old.npz no", "no such vectors file: no"),
    (f"train text.txt -o {'a' * 252}.npz", "a.npz: File name too long"),
    ("train blank --epochs 9999999 -o n.bin", "'new york' holds white space"),
    ("train blank --model ppmi-svd -o n.txt", "'new york' holds white space"),
    ("convert cut.txt n.npz", "line 2: the word b'caf\\xc3' is not UTF-8; read it with "),
    ("train text.txt --log=~none/x", "cannot write ~none/x: there is no folder"),
]
PPMI = ["--model", "ppmi-svd", "--vector-size", "2"]
OUTPUTS = [
    "train text.txt -o", "train text.txt --output", "train text.txt --save-run",
    "train text.txt --log", "train text.txt --checkpoint",
    "train text.txt --model glove --save-parameters", "train text.txt --model glove --save-gradsq",
    "cooccur text.txt -o", "cooccur text.txt -o n --save-vocab", "phrases text.txt -o",
    "phrases text.txt --scores", "classes old.npz -k 2 -o", "convert old.npz",
]  # fmt: skip
NO_FOLDER = [f"{command} no/x.npz" for command in OUTPUTS] + [
    "plot old.npz -o no/x.svg", "plot old.npz -o no/x.html", "convert old.npz no/x.projector",
    "cooccur text.txt -o no/x.bin",
]  # fmt: skip


@pytest.mark.parametrize(
    ("command", "message"),
    [*REFUSED, *((command, "there is no folder") for command in NO_FOLDER)],
)
def test_is_one_line_before_the_work_and_changes_nothing(folder, capsys, command, message):
    before = sorted(path.name for path in folder.iterdir())
    assert main(command.split()) == 2
    out, err = capsys.readouterr()
    *told, error = err.splitlines()
    assert message in error
    assert not out
    assert not told or "blank" in command  # whose words are known once it is read
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_home_folder_is_known_in_every_path(folder, monkeypatch):
    """As the shell leaves it in ``--log=~/run`` and Python's callers in strings."""
    monkeypatch.setenv("HOME", str(folder))
    before = {path.name for path in folder.iterdir()}
    monkeypatch.chdir("/")
    assert main(["cooccur", "~/text.txt", "--output=~/c", "--save-vocab=~/vocab"]) == 0
    assert main(["train", "~/c", *PPMI, "--output=~/v.npz"]) == 0
    assert main(["train", "~/text.txt", "--vocab=~/vocab", *PPMI, "-o~/w.bin"]) == 0
    assert main(["convert", "~/w.bin", "~/w.projector"]) == 0
    assert main(["classes", "~/v.npz", "-k", "2", "--output=~/k"]) == 0
    assert main(["phrases", "~/text.txt", "--scores=~/p"]) == 0
    new = {path.name for path in folder.iterdir()} - before
    assert new == {"c", "vocab", "v.npz", "w.bin", "w.projector", "k", "p"}
    assert main(["similar", "~/v.npz", "the"]) == 0


@pytest.mark.filterwarnings("default::UserWarning")
def test_a_notice_is_one_line(folder, capsys):
    Path("v.txt").write_text("3 2\na 1 2\n\ufeff 3 4\na 5 6\n")
    assert main(["convert", "v.txt", "v.projector"]) == 0
    twice, escaped, done = capsys.readouterr().err.splitlines()
    assert twice.startswith(
        "jaxvec convert: warning: v.txt: line 4: the word 'a' comes twice; the first"
    )
    assert escaped.startswith(
        "jaxvec convert: warning: v.projector: the projector cannot read 1 of 2 "
    )
    assert escaped.endswith(r"written as '\ufeff'")
    assert done == "2 vectors of 2 numbers are in v.projector"
