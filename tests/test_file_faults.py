"""Under every fault at every operation a file is the old one or the new; the next write is fine.

Checkpoints have tests of their own, in `test_checkpoint_faults`.
"""

import ast
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec import (
    Corpus,
    Phrases,
    SkipGram,
    WordVectors,
    cooccurrence,
    fit,
    load_phrases,
    load_run,
    save_phrases,
    save_run,
)
from tests import faults

# files; folders of parts, of checkpoints, and for hubs
RENAMING = {"files.py", "work.py", "states.py", "hub.py"}
FORMATS = ["v.txt", "v.bin", "v.glove.txt", "v.npz", "v.safetensors", "v.projector"]


def documents(number):
    """Text that no other number has."""
    return [["new", "york", "is", "a", "city", f"w{number % 50}"]] * (number + 2)


def vectors(folder, number, name):
    table = np.full((40, 3), number, np.float32)
    WordVectors([f"w{i}" for i in range(40)], table).save(folder / name)


def counts(folder, number):
    """Beyond memory: its runs and cells are in temporary files."""
    corpus = Corpus.from_documents(documents(number), min_count=1)
    path = folder / "cells"
    cooccurrence.count(corpus, window=2, memory=64 << 20, path=path).save(path)


def corpus(folder, number):
    """Beyond memory, too."""
    read = Corpus.from_documents(documents(number), min_count=1, memory=1 << 20, folder=folder)
    read.save(folder / "corpus")


def phrases(folder, number):
    found = Phrases.from_documents(documents(number), min_count=1, threshold=0.01)
    save_phrases([found], folder / "phrases")


@pytest.fixture(scope="module")
def result():
    corpus = Corpus.from_documents(documents(1), min_count=1)
    return fit(corpus, SkipGram(vector_size=4, sample=0), key=jax.random.key(0), epochs=1)


def run(folder, number, result):
    params = jax.tree.map(lambda table: table + number, result.params)
    save_run(result._replace(params=params), folder / "run")


def pretrained(folder, number):
    """Where there is none, for a folder with files is refused."""
    shutil.rmtree(folder / "pretrained", ignore_errors=True)
    table = np.full((40, 3), number, np.float32)
    WordVectors([f"w{i}" for i in range(40)], table).save_pretrained(folder / "pretrained")


def whole(folder):
    """What a folder for hubs holds, with the names of all files."""
    return sorted(faults.names(folder)), WordVectors.from_pretrained(folder).vectors.tolist()


READERS = {
    "pretrained": whole,
    "cells": lambda path: cooccurrence.Cooccurrence.load(path).data.tolist(),
    "corpus": lambda path: Corpus.load(path).ids.tolist(),
    "phrases": lambda path: [repr(one.__dict__) for one in load_phrases(path)],
    "run": lambda path: np.asarray(load_run(path).params.input).tolist(),
}


def content(folder, name):
    """What its reader finds in a file; of a projector's folder what is in each of its files."""
    path = folder / name
    if path.is_dir() and name not in READERS:
        return {file.name: file.read_bytes() for file in path.iterdir() if file.name[0] != "."}
    if not path.exists():
        return None
    return READERS.get(name, lambda path: WordVectors.load(path).vectors.tolist())(path)


# a temporary file without a name is closed with its array, which an error leaves to the collector
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed")
@pytest.mark.parametrize("name", [*FORMATS, *READERS])
def test_every_fault_leaves_the_old_file_or_the_new(name, tmp_path, request):
    def write(folder, number):
        if name in FORMATS:
            vectors(folder, number, name)
        elif name == "run":
            run(folder, number, request.getfixturevalue("result"))
        else:
            others = {"cells": counts, "corpus": corpus, "phrases": phrases}
            others["pretrained"] = pretrained
            others[name](folder, number)

    clean, folder = tmp_path / "clean", tmp_path / "faulty"
    clean.mkdir()
    folder.mkdir()
    write(clean, 0)  # what is compiled, is compiled
    before = content(folder, name)
    for number, under in faults.every(lambda number: write(folder, number)):
        write(clean, number)
        new, found = content(clean, name), content(folder, name)
        if isinstance(found, dict):  # of files, each of which is old or new
            assert all(
                data in (new[file], (before or {}).get(file)) for file, data in found.items()
            )
        else:
            assert found == new or (under.reached and found == before)
            assert new != before
        assert under.reached or found == new
        before = None if name == "pretrained" else found  # the next write removes it
        if under.fault != faults.KILLED:
            assert faults.names(folder) <= {name}


def test_files_that_stay_get_their_names_in_one_place():
    """What is written has the name of a temporary file, or is in a folder that has one."""
    house = Path(jaxvec.__file__).parent
    for path in sorted(house.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            name, of = node.func.attr, ast.unparse(node.func.value)
            if name in ("write_text", "write_bytes"):
                assert of == "temporary", path
            if of == "os" or (len(node.args) == 1 and not node.keywords):  # and not of a text
                renames = name in ("replace", "rename", "hardlink_to", "link")
                assert not renames or path.name in RENAMING, path
