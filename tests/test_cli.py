"""`jaxvec train` and `cooccur`, as they are typed."""

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
from jaxvec.cooccurrence import Cooccurrence
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


def test_nobody_reading_messages_does_not_stop_the_work(folder):
    command = f"{sys.executable} -m jaxvec train text.txt -o v.npz --epochs 5 --window 3"
    subprocess.run(f"{command} 2>&1 | true", shell=True, check=True)
    assert WordVectors.load("v.npz").vectors.shape == (99, 100)


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
     (["softmax", "--sampled", "64", "--ns-exponent", "1"], Softmax(sampled=64, ns_exponent=1)),
     (["sgns", "--blocks", "16"], SkipGram(blocks=16))],
)  # fmt: skip
def test_models(flags, expected):
    options = make_parser("train").parse_args(["train", "text.txt", "--model", *flags])
    set_defaults(options)
    assert make_model(options) == expected
