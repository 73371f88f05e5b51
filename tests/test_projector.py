import csv
from pathlib import Path

import numpy as np
import pytest
from gensim.scripts.word2vec2tensor import word2vec2tensor

from jaxvec import WordVectors, formats
from jaxvec.cli import main

NAMES = ["metadata.tsv", "projector_config.pbtxt", "vectors.tsv"]
WORDS = ["the", "日本", "<b>", '"', "a b", "\u2028x", "1e5", "word"]


def make(words, **more):
    return WordVectors(words, np.random.default_rng(0).normal(size=(len(words), 3)), **more)


def rows(path):
    with open(path, encoding="utf-8", newline="") as file:
        return list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_words_and_numbers_are_those_of_gensims_script(tmp_path):
    vectors = make([word.replace(" ", "_") for word in WORDS])
    vectors.save(tmp_path / "v.bin")
    word2vec2tensor(str(tmp_path / "v.bin"), str(tmp_path / "theirs"), binary=True)
    vectors.save(tmp_path / "v.projector")
    ours = tmp_path / "v.projector"
    assert sorted(file.name for file in ours.iterdir()) == NAMES
    words = (tmp_path / "theirs_metadata.tsv").read_bytes()
    assert (ours / "metadata.tsv").read_bytes() == words
    theirs = np.loadtxt(tmp_path / "theirs_tensor.tsv", np.float32, delimiter="\t")
    table = np.loadtxt(ours / "vectors.tsv", np.float32, delimiter="\t")
    assert np.array_equal(table, theirs)
    assert np.array_equal(table, vectors.vectors)


def test_counts_are_a_column_under_a_header(tmp_path):
    vectors = make(WORDS, counts=range(len(WORDS), 0, -1))
    vectors.save(tmp_path / "v.projector")
    header, *lines = rows(tmp_path / "v.projector" / "metadata.tsv")
    assert header == ["word", "count"]
    assert lines == [[w, str(c)] for w, c in zip(WORDS, vectors.counts, strict=True)]
    assert len(rows(tmp_path / "v.projector" / "vectors.tsv")) == len(WORDS)


def test_the_config_names_the_files_beside_it(tmp_path):
    formats.save(make(["a", "b"]), tmp_path, format=".projector")
    config = (tmp_path / "projector_config.pbtxt").read_text()
    assert sorted(file.name for file in tmp_path.iterdir()) == NAMES
    assert 'tensor_path: "vectors.tsv"' in config
    assert 'metadata_path: "metadata.tsv"' in config


def test_words_that_would_put_it_out_of_step_are_escaped_with_one_notice(tmp_path):
    words = ["the", "", " ", "\u3000", "\ufeff", "a\tb", "a\rb", "a\nb", "\ufeffx"]
    for more in ({}, {"counts": range(9, 0, -1)}):
        with pytest.warns(
            UserWarning, match=r"cannot read 7 of 9 words, .* as '', ' ', '\\u3000'.*…"
        ) as told:
            make(words, **more).save(tmp_path / "v.projector")
        assert len(told) == 1
        shown = [row[0] for row in rows(tmp_path / "v.projector" / "metadata.tsv")]
        assert shown[-9:] == [
            "the", "''", "' '", r"'\u3000'", r"'\ufeff'", r"'a\tb'", r"'a\rb'", r"'a\nb'", "\ufeffx"
        ]  # fmt: skip


def test_convert_keeps_what_is_there(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    vectors = make(["a", "b", "c"])
    vectors.save("v.npz")
    command = ["convert", "v.npz", "new/v.projector"]
    assert main(command) == 2
    assert "cannot write new/v.projector: there is no folder" in capsys.readouterr().err
    Path("new").mkdir()
    assert main([*command, "--limit", "2"]) == 0
    assert "2 vectors of 3 numbers are in new/v.projector" in capsys.readouterr().err
    folder = Path("new/v.projector")
    assert rows(folder / "metadata.tsv") == [["a"], ["b"]]
    (folder / "vectors.tsv").unlink()
    (folder / "events").write_text("not ours")
    assert main(command) == 2
    assert "v.projector/metadata.tsv exists; --force" in capsys.readouterr().err
    assert main([*command, "--force", "--dtype", "float16"]) == 0
    assert rows(folder / "metadata.tsv") == [["a"], ["b"], ["c"]]
    table = np.loadtxt(folder / "vectors.tsv", np.float16, delimiter="\t")
    assert np.array_equal(table, vectors.vectors.astype(np.float16))
    assert (folder / "events").read_text() == "not ours"
    Path("plain.projector").write_text("a file")
    assert main(["convert", "v.npz", "plain.projector", "--force"]) == 2
    assert "plain.projector" in capsys.readouterr().err
    assert main(["train", "text", "-o", "v.projector"]) == 2
    assert "cannot tell a format" in capsys.readouterr().err
