"""Calls as users of gensim, and newcomers to JAX, write them: each is told what to write."""

import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import optax
import pytest

import jaxvec
from jaxvec import (
    CBOW,
    Corpus,
    GloVe,
    Phrases,
    SkipGram,
    Softmax,
    Vocab,
    WordVectors,
    cooccurrence,
    fit,
    ppmi,
    save_run,
    sgns,
    sweep,
)
from jaxvec.train.bar import bar, in_notebook
from jaxvec.train.result import Report, Result
from jaxvec.train.scores import Scores
from jaxvec.train.store import load_run
from jaxvec.vectors.evaluate import Analogies, Section, analogies

KEY = jax.random.key(0)
SENTENCES = [["the", "cat", "sat", "on", "the", "mat"]] * 20
CORPUS = Corpus.from_documents(SENTENCES, min_count=1)
MODEL = SkipGram(vector_size=4)
WV = WordVectors(["cat", "dog"], [[1.0, 0, 0, 0], [0, 1, 0, 0]])
PARAMS = sgns.init(KEY, 5, 4)
RESULT = Result(PARAMS, (), [], CORPUS, MODEL)


@pytest.mark.parametrize(
    ("data", "instead"),
    [
        (SENTENCES, r"not a list: make one by Corpus.from_documents\(sentences\)"),
        ((words for words in SENTENCES), r"not a generator: .*from_documents"),
        ("text.txt", r"Corpus.from_files\('text.txt'\)"),
        (Path("text.txt"), r"Corpus.from_files\('text.txt'\)"),
        (CORPUS.ids, r"Corpus.from_ids\(ids, breaks, words=vocab.words\)"),
        (jax.numpy.arange(3), r"Corpus.from_ids\(ids, breaks"),
        (np.array(["a b", "c d"]), "Corpus.from_documents"),
        (cooccurrence.count(CORPUS).matrix(), "Cooccurrence.vocab, matrix.indptr"),
        (CORPUS.vocab, "not a Vocab: make one by Corpus.from_documents"),
        (None, "not None"),
        (MODEL, r"the data come first, then the model: write fit\(corpus, model, key=…\)"),
    ],
)
def test_data_of_another_kind(data, instead):
    for train in (fit, sweep):
        with pytest.raises(TypeError, match=instead):
            train(data, MODEL, key=KEY)


def test_the_ids_of_an_array_make_a_corpus_as_told():
    ids = CORPUS.ids
    made = Corpus(CORPUS.vocab, ids, np.array([0, len(ids)]), raw_words=len(ids))
    assert fit(made, MODEL, key=KEY, epochs=1).history[0].words == len(ids)


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        ({"key": 1}, r"not the number 1: write key=jax.random.key\(1\)"),
        ({"key": np.int64(3)}, r"write key=jax.random.key\(3\)"),
        ({"key": None}, r"write key=jax.random.key\(0\)"),
        ({"key": np.random.default_rng(0)}, r"not a Generator: write key=jax.random.key\(0\)"),
        ({"key": jax.numpy.int32(3)}, r"write key=jax.random.key"),
        ({"key": jax.random.split(KEY, 3)}, r"write key=keys\[0\]; sweep"),
        ({"model": SkipGram}, r"write SkipGram\(\), not the class"),
        ({"model": "skipgram"}, r"the model must be SkipGram\(\), .*; got the string 'skipgram'"),
        ({"model": [MODEL, MODEL]}, "jaxvec.sweep trains many"),
        ({"model": sgns}, "the model must be"),
        ({"model": CORPUS}, "the data come first"),
        ({"optimizer": optax.adam}, r"write optimizer=optax.adam\(0.01\)"),
        ({"optimizer": 0.03}, "write learning_rate=0.03"),
        ({"optimizer": object()}, "an object"),
        ({"callbacks": print}, r"callbacks takes a list of functions: write callbacks=\[f\]"),
        ({"callbacks": Scores()}, r"write callbacks=\[f\]"),
        ({"callbacks": [Scores]}, r"write callbacks=\[Scores\(…\)\]"),
        ({"callbacks": [1]}, "got the number 1 in it"),
        ({"callbacks": (f for f in [print])}, "takes a list of functions"),
        ({"callbacks": "print"}, "takes a list of functions"),
        ({"step_callbacks": print}, r"write step_callbacks=\[f\]"),
        ({"start": WV}, "write init=vectors"),
        ({"start": "a.run"}, r"write start=jaxvec.load_run\('a.run'\)"),
        ({"start": PARAMS}, r"write start=jaxvec.State\(params, None\)"),
        ({"start": 3}, "write start=result"),
        ({"init": "a.bin"}, r"write WordVectors.load\('a.bin'\)"),
        ({"init": RESULT}, r"write result.vectors\(\)"),
        ({"init": RESULT.vectors}, r"not a method: write result.vectors\(\)"),
        ({"init": {"a": [1.0]}}, r"WordVectors\(list\(found\), list\(found.values\(\)\)\)"),
        ({"init": np.ones((5, 4))}, r"WordVectors\(corpus.vocab.words, table\)"),
        ({"init": PARAMS}, "start=jaxvec.State"),
        ({"freeze": "cat"}, r"write freeze=\['cat'\]"),
        ({"freeze": True}, "got True"),
        ({"freeze": [3]}, "got the number 3"),
        ({"freeze": iter(["cat"])}, "takes a list of words"),
        ({"checkpoints": "run"}, r"write checkpoints=jaxvec.Checkpoints\('run', "),
        ({"should_stop": True}, "raise jaxvec.StopTraining"),
        ({"epochs": "5"}, "epochs must be a whole number; got the string '5'"),
        ({"epochs": 2.5}, "epochs must be a whole number; got the number 2.5"),
        ({"epochs": True}, "epochs must be a whole number; got True"),
        ({"workers": "2"}, "workers must be a whole number; got the string '2'"),
        ({"report_every": 1.5}, "report_every must be a whole number"),
        ({"learning_rate": "0.1"}, "learning_rate is a number, .*; got the string '0.1'"),
        ({"learning_rate": optax.cosine_decay_schedule}, r"such as optax.cosine_decay_schedule\("),
        ({"min_learning_rate": [0.1]}, "min_learning_rate is a number; got a list"),
        ({"valid": CORPUS}, "valid is a number; got Corpus"),
    ],
)
def test_arguments_of_another_kind(arguments, instead):
    with pytest.raises(TypeError, match=instead):
        fit(CORPUS, **{"model": MODEL, "key": KEY} | arguments)


def test_old_keys_and_numpy_numbers_are_right():
    old = jax.random.PRNGKey(0)
    one, other = (
        fit(CORPUS, MODEL, key=key, epochs=epochs, learning_rate=rate)
        for key, epochs, rate in [(KEY, 1, 0.05), (old, np.int64(1), np.float32(0.05))]
    )
    assert np.array_equal(one.params.input, other.params.input)


@pytest.mark.parametrize(
    ("arguments", "instead"),
    [
        ({"vector_size": 100}, r"SkipGram\(vector_size=…\)"),
        ({"size": 100}, "gensim 3's name for vector_size"),
        ({"window": 5}, r"SkipGram\(window=…\)"),
        ({"iter": 5}, "gensim 3's name for epochs"),
        ({"sg": 1}, r"SkipGram\(\) for sg=1, CBOW\(\) for sg=0"),
        ({"hs": 1}, "hierarchical softmax"),
        ({"min_count": 1}, r"Corpus.from_documents\(sentences, min_count=…\)"),
        ({"seed": 1}, r"jax.random.key\(seed\)"),
        ({"alpha": 0.1}, "here learning_rate"),
        ({"sentences": SENTENCES}, r"corpus = Corpus.from_documents\(sentences\)"),
        ({"learnig_rate": 1}, r"is learning_rate meant\?"),
        ({"size": 1, "seed": 3, "sg": 0}, "size .*, no seed .*, no sg"),
        ({"xyzzy": 1}, r"fit has no argument xyzzy; write fit\(corpus, SkipGram\(\), key="),
        (
            {},
            r"missing a required (keyword-only )?argument: 'key'; write fit\(.*key\(0\)\)",
        ),
    ],
)
def test_names_of_arguments(arguments, instead):
    with pytest.raises(TypeError, match=instead):
        fit(CORPUS, MODEL, **arguments)


def test_a_type_error_of_a_callback_is_its_own():
    def callback(report, result):
        raise TypeError("mine")

    with pytest.raises(TypeError, match=r"^mine$"):
        fit(CORPUS, MODEL, key=KEY, epochs=1, callbacks=[callback])


@pytest.mark.parametrize(
    ("call", "instead"),
    [
        (lambda: SkipGram(SENTENCES), r"options alone, and got a list: .*fit\(corpus, SkipGram\("),
        (lambda: CBOW(CORPUS), r"fit\(corpus, CBOW\("),
        (lambda: GloVe(SENTENCES), r"fit\(corpus, GloVe\("),
        (lambda: Softmax(vector_size=SENTENCES), r"fit\(corpus, Softmax\("),
        (lambda: SkipGram(size=100), "gensim 3's name for vector_size"),
        (lambda: SkipGram(epochs=5), r"fit\(corpus, model, key=…, epochs=…\)"),
        (lambda: CBOW(sg=0), r"CBOW\(\) for sg=0"),
        (lambda: SkipGram(vector_size="100"), "vector_size of SkipGram must be a number"),
        (lambda: SkipGram(100, "5"), "window of SkipGram must be a number; got the string '5'"),
        (lambda: GloVe(x_max="1"), "x_max of GloVe must be a number"),
        (lambda: Corpus(SENTENCES), r"Corpus.from_documents\(sentences\) or Corpus.from_files"),
        (lambda: Corpus("a.txt"), r"Corpus.from_files\(path\)"),
        (lambda: Corpus.from_files(["a.txt"]), r"from_files\(\*paths\)"),
        (lambda: Phrases.from_files(["a.txt"]), r"from_files\(\*paths\)"),
        (lambda: Corpus.from_documents(Path("a")), r"from_files\('a'\)"),
        (
            lambda: Phrases.from_documents(CORPUS),
            "an iterable of strings or word lists; got Corpus",
        ),
        (lambda: Phrases.from_documents([[1, 2]]), "words must be strings; got the number 1"),
        (lambda: Corpus.from_documents([{"text": "a"}]), "a list of words; got a dict"),
        (lambda: Corpus.from_documents(SENTENCES, vocab=["a"]), "vocab must be a Vocab.*a list"),
        (lambda: Corpus.from_documents(SENTENCES, extend=RESULT), "extend must be a Vocab"),
        (lambda: Vocab.from_counts(["a"]), "the count of each word; got a list"),
        (
            lambda: Corpus.from_documents([["a", 1]], min_count=1),
            "words must be strings; .*number 1",
        ),
        (lambda: Corpus.from_documents([[["a"]]]), "words must be strings; got a list"),
        (lambda: Corpus.from_documents(["a", None]), "a list of words; got None"),
        (lambda: Corpus.from_documents([float("nan")]), "a list of words; got the number nan"),
        (lambda: Corpus.from_documents([b"a b"]), "a list of words; got bytes"),
        (lambda: Corpus.from_documents(SENTENCES, vector_size=3), r"SkipGram\(vector_size=…\)"),
        (lambda: Corpus.from_documents(SENTENCES, max_final_vocab=3), "here max_size"),
        (lambda: Vocab(["a"]), r"Vocab.from_counts\(counts\), or corpus.vocab"),
        (lambda: Phrases(SENTENCES), r"not a list: .*Phrases.from_documents\(sentences"),
        (lambda: Phrases(SENTENCES, min_count=1), r"Phrases.from_documents\(sentences"),
        (lambda: WordVectors("a.bin"), r"WordVectors.load\(path\)"),
        (lambda: cooccurrence.count(SENTENCES), r"Corpus.from_documents\(sentences\)"),
        (lambda: ppmi.vectors(CORPUS), r"cooccurrence.count\(corpus, window=5\)"),
        (lambda: save_run("a.run", RESULT), "the Result of fit, then a path"),
        (lambda: jaxvec.Checkpoints("a"), r"Checkpoints\(folder, \{"),
        (lambda: jaxvec.Checkpoints("a", "b"), "settings are a dict"),
        (lambda: jaxvec.Checkpoints("a", {"model": MODEL}), "as JSON"),
        (lambda: sweep(CORPUS, SkipGram, key=KEY), r"write SkipGram\(\)"),
        (lambda: sweep(CORPUS, MODEL, key=1), r"write key=jax.random.key\(1\)"),
        (lambda: sweep(CORPUS, MODEL, key=[KEY, KEY]), r"write key=jax.numpy.stack\(keys\)"),
        (lambda: sweep(CORPUS, MODEL, key=KEY, optimizer=optax.adam), r"optax.adam\(0.01\)"),
        (
            lambda: sweep(CORPUS, MODEL, key=KEY, learning_rate=["fast"]),
            "learning_rate is a number",
        ),
        (lambda: sweep(CORPUS, MODEL, key=KEY, valid="0.1"), "valid is a number"),
        (lambda: sweep(CORPUS, MODEL, key=KEY, workers=1.5), "workers must be a whole number"),
        (lambda: sweep(CORPUS, MODEL, key=KEY, callbacks=[print]), "and fit for what sweep lacks"),
        (lambda: RESULT.vectors["cat"], r"write vectors\(\)\['cat'\]"),
    ],
)
def test_other_calls(call, instead):
    with pytest.raises(TypeError, match=instead):
        call()


@pytest.mark.parametrize(
    ("look", "instead"),
    [
        (lambda: RESULT.vectors.most_similar("cat"), r"write vectors\(\).most_similar"),
        (lambda: RESULT.wv, r"result.vectors\(\)"),
        (lambda: RESULT.most_similar("cat"), r"write result.vectors\(\).most_similar"),
        (lambda: RESULT.loss, r"result.history\[-1\].loss"),
        (lambda: analogies(RESULT, "README.md"), r"write result.vectors\(\).index_to_key"),
        (lambda: MODEL.fit(CORPUS), r"options alone; write fit\(corpus, SkipGram\("),
        (lambda: GloVe().wv, r"options alone; write fit\(corpus, GloVe\("),
        (lambda: MODEL.nonsense, "SkipGram has no attribute 'nonsense'$"),
        (lambda: WV.wv, "leave .wv out"),
        (lambda: WV.index2word, "write index_to_key"),
        (lambda: WV.nonsense, "no attribute 'nonsense'$"),
        (lambda: jaxvec.Word2Vec, r"Corpus.from_documents\(sentences\) and .*fit\(corpus"),
        (lambda: jaxvec.FastText, r"SkipGram\(subwords=\(3, 6\)\)"),
        (lambda: jaxvec.KeyedVectors, "write jaxvec.WordVectors"),
        (lambda: jaxvec.nonsense, "nonsense"),
    ],
)
def test_attributes(look, instead):
    with pytest.raises(AttributeError, match=instead):
        look()


def test_importing_a_class_of_gensim():
    assert not hasattr(jaxvec, "Word2Vec")
    with pytest.raises(ImportError, match=r"jaxvec has no Word2Vec: write .*from_documents"):
        from jaxvec import Word2Vec  # noqa: F401


def test_a_string_for_a_context_is_one_word():
    assert RESULT.predict_output_word("cat") == RESULT.predict_output_word(["cat"])


def test_short_reprs(tmp_path):
    report = Report(1, 2.5, None, 0.03, 10, 20, 1.0, 10.0, 0.0)
    result = RESULT._replace(history=[report])
    assert repr(result) == "Result of SkipGram: 5 words, 4 numbers each, 1 epoch, loss 2.5000"
    save_run(result, tmp_path / "a.run")
    assert repr(load_run(tmp_path / "a.run")) == repr(result)
    checkpoints = jaxvec.Checkpoints(tmp_path / "run", {"text": "cats"}, minutes=5)
    assert repr(checkpoints) == f"Checkpoints in {tmp_path / 'run'}, every 5 minutes"
    score = Analogies([Section("capitals", 2, 3), Section("all", 1, 1)], 3, 4)
    assert repr(score) == "Analogies: 75.0 %, 3 of 4 right, in 2 sections"


class _Kernel:
    config = {"IPKernelApp": {}}  # noqa: RUF012


def test_a_notebook_has_a_bar(monkeypatch, capsys):
    assert not in_notebook()
    with bar(10, 1, 0, "word", None) as shown:
        assert shown.disable
    module = type("IPython", (), {"get_ipython": staticmethod(_Kernel)})
    monkeypatch.setitem(sys.modules, "IPython", module)
    with bar(10, 1, 0, "word", None) as shown:
        assert not shown.disable
    capsys.readouterr()


def test_a_notebook_without_widgets_is_not_warned():
    script = (
        "import sys, types; m = types.ModuleType('IPython'); "
        "m.get_ipython = lambda: types.SimpleNamespace(config={'IPKernelApp': {}}); "
        "sys.modules['IPython'] = m; import jaxvec.train.bar"
    )
    run = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True)
    assert (run.returncode, run.stderr) == (0, b"")
