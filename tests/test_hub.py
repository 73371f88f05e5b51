"""Folders for model hubs, and spaCy: files, and what the programs that open them make of them."""

import json
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

from jaxvec import WordVectors, texts

pytest.importorskip("safetensors")
import safetensors.numpy

TEXTS = ["the cat sat", "cat unheard of", "sat  the\tthe"]


@pytest.fixture(scope="module")
def wv():
    table = np.random.default_rng(0).normal(size=(4, 5))
    facts = {"window": 5, "corpus": "a|b"}
    return WordVectors(["the", "cat", "sat", "[UNK]"], table, counts=[9, 4, 2, 1], metadata=facts)


@pytest.fixture
def folder(wv, tmp_path):
    wv.save_pretrained(tmp_path / "cats", scores={"analogies": 0.5}, license="cc0-1.0")
    return tmp_path / "cats"


def test_files_are_as_documented(wv, folder):
    assert sorted(path.name for path in folder.iterdir()) == [
        "README.md", "config.json", "model.safetensors", "modules.json", "tokenizer.json",
    ]  # fmt: skip
    rows = safetensors.numpy.load_file(folder / "model.safetensors")["embeddings"]
    assert rows.dtype == np.float32
    assert np.array_equal(rows[:4], wv.vectors)
    assert not rows[4].any()
    model = json.loads((folder / "tokenizer.json").read_text())["model"]
    assert model["type"] == "WordLevel"
    assert model["vocab"] == {"the": 0, "cat": 1, "sat": 2, "[UNK]": 3, "[[UNK]]": 4}
    assert model["unk_token"] == "[[UNK]]"
    config = json.loads((folder / "config.json").read_text())
    assert (config["normalize"], config["max_length"]) == (False, None)
    (module,) = json.loads((folder / "modules.json").read_text())
    assert (module["path"], module["type"].rpartition(".")[2]) == (".", "StaticEmbedding")
    card = (folder / "README.md").read_text()
    for line in ("license: \"cc0-1.0\"", "| words | 4 |", "| window | 5 |", "| corpus | a\\|b |",
                 "| words of the text | 16 |", "| analogies | 0.5 |"):  # fmt: skip
        assert line in card.splitlines()


def test_all_of_a_folder_is_on_the_disk(wv, tmp_path, monkeypatch):
    synced, real = set(), os.fsync

    def fsync(number):
        synced.add(os.fstat(number).st_ino)
        real(number)

    monkeypatch.setattr(os, "fsync", fsync)
    wv.save_pretrained(tmp_path / "cats")
    places = [tmp_path, *tmp_path.rglob("*")]
    if os.name == "nt":  # which syncs no folders
        places = [place for place in places if place.is_file()]
    assert {place.stat().st_ino for place in places} <= synced


def test_read_again(wv, folder):
    again = WordVectors.from_pretrained(folder)
    assert type(again) is WordVectors
    assert again.index_to_key == wv.index_to_key
    assert np.array_equal(again.vectors, wv.vectors)
    assert again.counts.tolist() == wv.counts.tolist()
    assert again.metadata == wv.metadata
    half = WordVectors(["a"], [[1, 2]], dtype=np.float16)
    half.save_pretrained(folder.parent / "half")
    assert WordVectors.from_pretrained(folder.parent / "half").vectors.dtype == np.float16


def test_what_cannot_be_written(wv, folder, tmp_path, monkeypatch):
    with pytest.raises(ValueError, match="cats exists: give a name that is free"):
        wv.save_pretrained(folder)
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        wv.save_pretrained(tmp_path / "no" / "cats")
    for word, options in (("new york", {}), ("", {}), ("Cat", {"lowercase": True})):
        with pytest.raises(ValueError, match="the word"):
            WordVectors([word], [[1.0]]).save_pretrained(tmp_path / "new", **options)
    nowhere = WordVectors(["a"], [[1.0]])
    nowhere.vectors[0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        nowhere.save_pretrained(tmp_path / "new")
    monkeypatch.setattr(json, "dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        wv.save_pretrained(tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["cats"]  # nothing is left


def test_what_cannot_be_read(wv, folder):
    with pytest.raises(FileNotFoundError, match="snapshot_download"):
        WordVectors.from_pretrained(folder / "no")
    tokenizer = folder / "tokenizer.json"
    good = json.loads(tokenizer.read_text())

    def check(message, **changes):
        tokenizer.write_text(json.dumps({**good, "model": {**good["model"], **changes}}))
        with pytest.raises(ValueError, match=message):
            WordVectors.from_pretrained(folder)

    check("is WordPiece, of parts of words", type="WordPiece")
    check("4 words and vectors", vocab={"a": 0, "b": 1, "c": 2, "d": 3})
    check("words and vectors", vocab={"a": 0, "b": 1, "c": 2, "d": 3, "e": 7})
    tokenizer.write_text("{")
    with pytest.raises(ValueError, match="is not a folder of a model"):
        WordVectors.from_pretrained(folder)
    tokenizer.write_text(json.dumps(good))
    (folder / "model.safetensors").write_bytes(b"")
    with pytest.raises(ValueError, match="is not a folder of a model"):
        WordVectors.from_pretrained(folder)


def test_pushed(wv, monkeypatch):
    calls = []

    class HfApi:
        def __init__(self, token=None):
            calls.append(("token", token))

        def create_repo(self, repo_id, *, private, exist_ok):
            calls.append((repo_id, private, exist_ok))

        def upload_folder(self, *, repo_id, folder_path):
            calls.append((repo_id, WordVectors.from_pretrained(folder_path).index_to_key))
            assert "# cats" in (folder_path / "README.md").read_text()
            return "https://hub/commit"

    monkeypatch.setitem(sys.modules, "huggingface_hub", types.SimpleNamespace(HfApi=HfApi))
    assert wv.push_to_hub("me/cats", token="t", private=True) == "https://hub/commit"
    assert calls == [("token", "t"), ("me/cats", True, True), ("me/cats", wv.index_to_key)]
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(ValueError, match=r"pip install 'jaxvec\[hub\]'"):
        wv.push_to_hub("me/cats")


def test_model2vec_gives_our_vectors(wv, folder):
    model2vec = pytest.importorskip("model2vec")
    model = model2vec.StaticModel.from_pretrained(folder)
    found = model.encode([*TEXTS, " ".join(["cat", "sat", "sat"] * 400)])
    expected = texts.encode(wv, [*TEXTS, ["cat", "sat", "sat"] * 400])
    assert np.allclose(found, expected, atol=1e-6)


def test_lower_case(folder):
    model2vec = pytest.importorskip("model2vec")
    WordVectors(["a", "b"], np.eye(2)).save_pretrained(folder.parent / "low", lowercase=True)
    model = model2vec.StaticModel.from_pretrained(folder.parent / "low")
    assert model.encode(["A b"]).tolist() == [[0.5, 0.5]]


def test_sentence_transformers_give_our_directions(wv, folder):
    package = pytest.importorskip("sentence_transformers")
    found = package.SentenceTransformer(str(folder), device="cpu").encode(TEXTS)
    shares = [[1], [1 / 3], [1]]  # of known words
    assert np.allclose(found, texts.encode(wv, TEXTS) * shares, atol=1e-6)


def test_the_recipe_for_spacy(tmp_path, monkeypatch):
    pytest.importorskip("spacy")
    readme = (Path(__file__).parent.parent / "jaxvec/vectors/README.md").read_text("utf-8")
    command = re.search(r"^python -m (spacy init vectors .*)$", readme, re.MULTILINE)[1]
    code = re.search(r"```python\n(import spacy\n.*?)```", readme, re.DOTALL)[1]
    monkeypatch.chdir(tmp_path)
    made = WordVectors(["the", "king", "café"], np.eye(3, 4) + 0.1)
    made.save("v.txt")
    subprocess.run([sys.executable, "-m", *command.split()], check=True)
    names = {}
    exec(code, names)
    assert np.allclose(names["same"], made["king"], atol=1e-6)
    assert np.allclose(names["of_text"], made[["the", "king"]].mean(0), atol=1e-6)
    assert np.allclose(names["nlp"]("café unheard").vector, made["café"] / 2, atol=1e-6)
