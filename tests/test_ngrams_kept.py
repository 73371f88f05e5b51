"""What is made of vectors with n-grams has them, too, or says that it has not: everywhere."""

import ast
import copy
import inspect
import pickle
import pkgutil
import typing
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

import jaxvec
from jaxvec import WordVectors, align, stanford
from jaxvec.cli import main
from jaxvec.nn import rows as nn_rows
from jaxvec.text.vocab import Vocab
from jaxvec.vectors.subwords import Subwords
from jaxvec.vectors.table import WordTable

WORDS, UNKNOWN, NOTHING = ["cat", "dog", "king", "queen"], "kingdom", "\ud800"
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(50, 3))
TURN = np.linalg.qr(RNG.normal(size=(3, 3))).Q
TABLE = RNG.normal(size=(4, 3))


def made(dtype="float64"):
    rows = Subwords(ROWS.astype(dtype), 3, 5)
    return WordVectors(WORDS, TABLE, counts=[4, 3, 2, 1], dtype=dtype, subwords=rows)


def turned():
    return WordVectors(WORDS, TABLE @ TURN, dtype="float64")


MAKERS = {  # word vectors of word vectors, by where they are made
    "jaxvec.interop.stanford.with_unk": stanford.with_unk,
    "jaxvec.vectors.align.align": lambda wv: align.align(wv, turned()),
    "jaxvec.vectors.word_vectors.WordVectors.vectors_for_all": lambda wv: wv.vectors_for_all(
        ["dog", "cat"]
    ),
    "copy": copy.deepcopy,
    "pickle": lambda wv: pickle.loads(pickle.dumps(wv)),
}
FRESH = {  # functions whose vectors are of something else, or of some words to look among
    "train/ppmi.py vectors", "nn/rows.py word_vectors", "vectors/hub.py load",
    "plot/page.py _contents", "train/scores.py __init__", "train/result.py documents",
}  # fmt: skip


@pytest.mark.parametrize("name", MAKERS)
def test_ngrams_are_kept(name):
    wv = made()
    found = MAKERS[name](wv)
    assert found.vectors.dtype == np.float64
    for word in (UNKNOWN, "dog"):
        expected = wv[word] @ TURN if "align" in name else wv[word]
        np.testing.assert_allclose(found[word], expected, rtol=1e-12)
    assert UNKNOWN not in found


def test_all_makers_are_known():
    """By their annotations, so that a new one is tried, too."""
    kinds = (WordVectors, WordTable)
    found = set()
    for module in pkgutil.walk_packages(jaxvec.__path__, "jaxvec."):
        if module.name.endswith("__main__"):
            continue
        here = vars(import_module(module.name))
        made_there = [v for v in here.values() if getattr(v, "__module__", "") == module.name]
        for one in filter(inspect.isfunction, made_there):
            types = dict(one.__annotations__)
            if types.pop("return", None) in kinds and set(kinds) & set(types.values()):
                found.add(f"{module.name}.{one.__name__}")
    for name, member in inspect.getmembers(WordVectors, inspect.isfunction):
        if member.__annotations__.get("return") in (*kinds, typing.Self):
            found.add(f"{WordVectors.__module__}.WordVectors.{name}")
    assert found == {name for name in MAKERS if name.startswith("jaxvec.")}


def test_no_table_is_made_without_them():
    """Each call of a class of vectors says what of n-grams, but where there are none."""
    root, silent = Path(jaxvec.__file__).parent, set()
    for path in root.rglob("*.py"):
        place = path.relative_to(root).as_posix()
        classes = {"WordVectors", "WordTable"}
        classes |= {"type(self)", "cls"} if place.startswith("vectors/") else set()
        for function in ast.walk(ast.parse(path.read_text())):
            if isinstance(function, ast.FunctionDef):
                calls = [one for one in ast.walk(function) if isinstance(one, ast.Call)]
                made = [one for one in calls if ast.unparse(one.func) in classes]
                if not all(any(word.arg == "subwords" for word in one.keywords) for one in made):
                    silent.add(f"{place} {function.name}")
    assert silent == FRESH


def test_vectors_for_all_makes_vectors_of_ngrams():
    wv = made()
    found = wv.vectors_for_all(["dog", UNKNOWN, 0, UNKNOWN, NOTHING, "dog"], copy_vecattrs=True)
    assert found.index_to_key == ["dog", UNKNOWN, "cat"]
    assert found.counts.tolist() == [3, 0, 4]
    np.testing.assert_array_equal(found.vectors, wv[["dog", UNKNOWN, "cat"]])
    assert wv.vectors_for_all([UNKNOWN, 0, "dog"], allow_inference=False).index_to_key == ["dog"]


def test_what_cannot_hold_them_says_so(tmp_path):
    for write in (
        lambda wv: wv.save(tmp_path / "v.txt"),
        lambda wv: wv.save_word2vec_format(tmp_path / "v"),
        lambda wv: wv.save_word2vec_format(tmp_path / "v", binary=True),
        lambda wv: wv.save_pretrained(tmp_path / "hub"),
        lambda wv: wv.save(tmp_path / "v.projector"),
    ):
        with pytest.warns(UserWarning, match="n-grams"):
            write(made())
    with pytest.raises(ValueError, match="subwords = None"):
        made().unit_normalize_all()


def test_in_place_they_stay():
    wv = made()
    before = wv[UNKNOWN].copy()
    wv.sort_by_descending_frequency()
    wv.add_vector("cow", [1, 2, 3])
    wv.set_vecattr("cow", "count", 9)
    wv.sort_by_descending_frequency()
    assert wv.index_to_key[0] == "cow"
    np.testing.assert_array_equal(wv[UNKNOWN], before)


def test_queries_answer_an_unknown_word_as_its_vector():
    wv = made()
    vector = wv[UNKNOWN]
    plain = WordVectors([*WORDS, UNKNOWN], np.vstack([TABLE, vector]), dtype="float64")
    expected = plain.most_similar(UNKNOWN)
    for found in (wv.most_similar(UNKNOWN), *wv.most_similar_many([UNKNOWN, "cat"])[:1]):
        assert [word for word, _ in found] == [word for word, _ in expected]
        np.testing.assert_allclose([s for _, s in found], [s for _, s in expected], rtol=1e-6)
    (found,) = wv.most_similar_many(["cat"], topn=4)
    assert [word for word, _ in found] == [word for word, _ in wv.most_similar("cat", topn=4)]
    assert wv.closer_than(UNKNOWN, "cat") == plain.closer_than(UNKNOWN, "cat")
    near = [word for word in plain.closer_than("cat", UNKNOWN) if word != UNKNOWN]
    assert wv.closer_than("cat", UNKNOWN) == near
    for query in ("most_similar", "most_similar_cosmul", "most_similar_dot", "similar_by_key"):
        assert len(getattr(wv, query)(UNKNOWN, topn=2)) == 2
    wv.relative_cosine_similarity(UNKNOWN, "cat")
    for ask in (
        lambda: wv.most_similar(NOTHING), lambda: wv.most_similar_many(["cat", NOTHING]),
        lambda: wv.most_similar_many([NOTHING], topn=0), lambda: wv.closer_than("cat", NOTHING),
        lambda: wv.closer_than(NOTHING, "cat"), lambda: wv.rank("cat", NOTHING),
    ):  # fmt: skip
        with pytest.raises(KeyError):
            ask()


def test_an_embedding_has_them():
    wv = made("float32")
    vocab = Vocab(["<pad>", "<unk>", "dog", UNKNOWN, "</s>"], [0, 0, 5, 4, 3], specials=2,
                  unk="<unk>")  # fmt: skip
    table = nn_rows.table(wv, vocab, unk_vector=[7, 7, 7])
    expected = [[0, 0, 0], [7, 7, 7], wv["dog"], wv[UNKNOWN], [7, 7, 7]]
    np.testing.assert_array_equal(table, expected)


def test_many_words_are_composed_as_each_is():
    rows = made().subwords
    words = [UNKNOWN, "", NOTHING, "a", "</s>", *(f"word{i}" for i in range(40))]
    found, some = rows.vectors(words)
    for word, row, there in zip(words, found, some.tolist(), strict=True):
        ids = [] if word == NOTHING else rows.ids(word)
        assert there == bool(len(ids))
        np.testing.assert_allclose(row, rows.table[ids].mean(0) if there else 0, atol=1e-15)


def test_commands_ask_for_oov(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made("float32").save("v.npz")
    analogy = ["analogy", "v.npz", "cat", "dog", UNKNOWN]
    assert main(analogy) == 2
    assert UNKNOWN in capsys.readouterr().err
    assert main([*analogy, "--oov", "--topn", "1"]) == 0
    assert UNKNOWN in capsys.readouterr().out
    for command in (
        ["drift", "v.npz", "v.npz", "--words", UNKNOWN],
        ["plot", "v.npz", "-o", "v.png", "--heat", "cat", UNKNOWN],
    ):
        assert main(command) == 2
        assert f"'{UNKNOWN}' is not in the vocabulary" in capsys.readouterr().err
