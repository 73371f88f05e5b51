"""Paragraph vectors: the loss, training, and the vectors of texts that were not trained on."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize

import jaxvec
from jaxvec import Corpus, ParagraphVectors, SkipGram, cooccurrence, documents, fit, infer
from jaxvec.cli import main
from jaxvec.train.contracts import STEPS_A_DRAW
from jaxvec.train.fit import Stopped
from tests import reference

KEY = jax.random.key(0)
SIZE = 32
SMALL = ParagraphVectors(vector_size=SIZE, sample=0, spectral_words=0, segment_tokens=2100)


def own_nearest(found, trained):
    """How many vectors of texts are nearest to the vector of the same document."""
    units = [
        v / np.linalg.norm(v, axis=1, keepdims=True) for v in map(np.asarray, (found, trained))
    ]
    return np.mean((units[0] @ units[1].T).argmax(1) == np.arange(len(found)))


@pytest.fixture(scope="module")
def texts():
    """100 documents of 60 words, each with 12 words of its own choice."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(200)]
    return [rng.choice(rng.choice(words, 12, False), 60).tolist() for _ in range(100)]


@pytest.fixture(scope="module")
def corpus(texts):
    return Corpus.from_documents(texts, min_count=1)


@pytest.fixture(scope="module")
def result(corpus):
    return fit(corpus, SMALL, key=KEY, epochs=20)


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return documents.Batch(
        documents=jnp.asarray(rng.integers(0, 3, (2, 4))),
        words=jnp.asarray(rng.integers(0, 7, (2, 4))),
        negatives=jnp.asarray(rng.integers(0, 7, (2, 5))),
        weights=jnp.asarray([[1, 1, 1, 0], [1, 2, 1, 1.0]], jnp.float32),
        negative_weights=jnp.asarray([[1, 1, 1, 0], [1, 2, 1, 1.0]], jnp.float32),
    )


@pytest.fixture
def params():
    rng = np.random.default_rng(1)
    return documents.Params(*(jnp.asarray(rng.normal(size=(n, 6)), jnp.float32) for n in (7, 3)))


def test_the_loss_and_its_gradient_are_the_papers(params, batch, strict_dtypes):
    flat = [np.asarray(a).reshape(-1) for a in (batch.documents, batch.words, batch.weights)]
    noise = np.repeat(np.asarray(batch.negatives), 4, axis=0)
    tables = [np.asarray(t, np.float64) for t in (params.documents, params.output)]
    pairs = reference.sgns_pairs(*tables, *flat[:2], noise)
    value, slopes = jax.jit(jax.value_and_grad(documents.loss))(params, batch)
    assert float(value) == pytest.approx((pairs * flat[2]).sum(), rel=1e-5)
    expected = reference.sgns_gradients(*tables, *flat[:2], noise, flat[2])
    assert np.allclose(slopes.documents, expected[0], atol=1e-4)
    assert np.allclose(slopes.output, expected[1], atol=1e-4)


def test_an_epoch_meets_each_token_once_with_its_document(corpus):
    model = dataclasses.replace(SMALL, blocks=2).of(corpus)
    constants = model.constants(corpus)
    segments, held_out = model.segments(corpus, 0.0, KEY)
    assert held_out is None
    batches, met = jax.jit(model.batches), []
    for i, size in enumerate(segments.sizes):
        plan = model.plan(constants, KEY, tuple(map(jnp.asarray, segments.epoch(KEY)(i))))
        assert int(plan.steps) == -(-size // 64)
        bits = jax.random.bits(KEY, (STEPS_A_DRAW, *model.bits()), jnp.uint32)
        batch = batches(constants, plan, bits, jnp.int32(0))
        inside = np.asarray(batch.weights[: plan.steps]) > 0
        met += [np.stack(t)[: plan.steps][inside] for t in (batch.documents, batch.words)]
    pairs = zip(np.concatenate(met[::2]), np.concatenate(met[1::2]), strict=True)
    numbers = np.repeat(np.arange(100), 60)
    assert len(segments.sizes) == 3
    assert sorted(pairs) == sorted(zip(numbers, corpus.ids, strict=True))


def test_an_inferred_vector_is_nearest_to_the_trained_one(texts, corpus, result):
    assert own_nearest(infer(result, texts), result.params.documents) > 0.95
    begun = result.model.init(KEY, len(corpus.vocab))
    assert own_nearest(infer(result, texts), begun.documents) < 0.1
    assert repr(result).startswith("Result of ParagraphVectors: 100 documents, 199 words, 32")


@pytest.mark.parametrize("penalty", [0.3, 3.0, 100.0])
def test_the_vector_is_the_least_of_the_loss(texts, result, penalty):
    """SciPy finds the same, from the whole noise distribution."""
    vocab, output = result.data.vocab, np.asarray(result.params.output, np.float64)
    noise = np.asarray(vocab.counts, np.float64) ** 0.75
    noise /= noise.sum()
    ids = vocab.encode(texts[5])

    def loss(d):
        words = np.log(reference.sigmoid(output[ids] @ d)).sum()
        contrast = noise @ np.log(reference.sigmoid(-output @ d))
        return -words - 5 * len(ids) * contrast + penalty * d @ d / 2

    def slope(d):
        rising = reference.sigmoid(output @ d)
        of_words = (rising[ids] - 1) @ output[ids]
        return of_words + 5 * len(ids) * (noise * rising) @ output + penalty * d

    best = optimize.minimize(loss, np.zeros(SIZE), jac=slope, method="BFGS", tol=1e-9).x
    found = infer(result, texts[:9], penalty=penalty)[5]
    assert np.abs(found - best).max() < 2e-4 * np.abs(best).max()


def test_the_slope_of_vectors_by_words():
    """By differences, as the least point moves with the words."""
    rng = np.random.default_rng(0)
    output, direction = (jnp.asarray(table, jnp.float32) for table in rng.normal(size=(2, 6, 4)))
    noise = documents.Noise(jnp.arange(6), jnp.full(6, 1 / 6))
    ids, counts = jnp.asarray([[0, 1], [2, 0]]), jnp.asarray([[3.0, 1.0], [2.0, 0.0]])
    along = jnp.asarray(rng.normal(size=(2, 4)), jnp.float32)

    def found(output):
        return (along * documents.fitted(output, noise, ids, counts, 5, 1.0)).sum()

    expected = (found(output + 0.01 * direction) - found(output - 0.01 * direction)) / 0.02
    slope = (jax.grad(found)(output) * direction).sum()
    assert float(slope) == pytest.approx(float(expected), rel=0.01)


def test_a_text_has_one_vector_whatever_is_beside_it(texts, result):
    rng = np.random.default_rng(0)
    texts = [words[: rng.integers(1, 60)] for words in texts]
    texts[7] = [*texts[1], *texts[2], *texts[3], *texts[4]]  # has a batch of another shape
    whole = infer(result, texts)
    order = rng.permutation(100)
    assert np.array_equal(infer(result, [texts[i] for i in order]), whole[order])
    for i in (0, 7, 50):
        assert np.array_equal(infer(result, [texts[i]])[0], whole[i])
    shuffled = (" ".join(rng.permutation(words)) for words in texts)
    assert np.array_equal(infer(result, shuffled), whole)


def test_texts_of_another_number_compile_nothing(texts, result, caplog):
    infer(result, texts[:3])
    with jax.log_compiles():
        infer(result, texts[:50])
        infer(result, texts[:1], penalty=7.0)
    assert not [r for r in caplog.records if "Compiling" in r.getMessage()]


def test_a_text_without_a_known_word_is_told(result):
    with pytest.warns(UserWarning, match="2 of 3 texts have no known word") as told:
        found = infer(result, ["unheard", "", "w1 w2"])
    assert told[0].filename == __file__
    assert not found[:2].any()
    assert found[2].any()
    assert infer(result, []).shape == (0, 32)


def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path, corpus):
    def run(folder, stop=lambda: False):
        kept = jaxvec.Checkpoints(tmp_path / folder, {}, steps=1)
        return fit(corpus, SMALL, key=KEY, epochs=2, checkpoints=kept, should_stop=stop)

    calls = iter([False, True])
    with pytest.raises(Stopped):
        run("stopped", lambda: next(calls))
    whole = run("whole").params
    for one, other in zip(run("stopped").params, whole, strict=True):
        assert np.array_equal(one, other)
    other = fit(corpus, SMALL, key=jax.random.key(1), epochs=2)
    assert not np.array_equal(other.params.documents, whole.documents)


@pytest.mark.parametrize(
    "options", [{"workers": 2}, {"defaults_for": jaxvec.Device("gpu"), "optimizer": "adam"}]
)
def test_workers_and_accelerators_defaults(texts, corpus, options):
    found = fit(corpus, SMALL, key=KEY, epochs=20, **options)
    assert own_nearest(infer(found, texts), found.params.documents) > 0.9


def test_a_longer_document_takes_smaller_steps(corpus):
    counts = corpus.vocab.counts
    share = counts / counts.sum()
    model = SMALL.of(corpus)
    longer = dataclasses.replace(model, longest_document=3000)
    shares = [each.steepest_share(counts, share, []) for each in (model, longer)]
    assert shares[0] == pytest.approx(
        max(6 * 60 / 6000, SkipGram().steepest_share(counts, share, []))
    )
    assert shares[1] == pytest.approx(6 * 3000 / 6000)


def test_saved_runs_infer_the_same(tmp_path, texts, result):
    jaxvec.save_run(result, tmp_path / "run")
    again = jaxvec.load_run(tmp_path / "run")
    assert np.array_equal(infer(again, texts[:5]), infer(result, texts[:5]))
    assert again.documents()["7"].tolist() == result.documents()["7"].tolist()
    result.vectors().save(tmp_path / "v.npz")
    assert jaxvec.WordVectors.load(tmp_path / "v.npz").index_to_key[-1] == "99"


def test_tags(result):
    tagged = result.documents(f"doc-{i}" for i in range(100))
    assert tagged["doc-99"].tolist() == result.vectors()["99"].tolist()
    with pytest.raises(ValueError, match="2 tags for 100 documents: a corpus drops those without"):
        result.documents(["a", "b"])


def test_further_training(corpus, result):
    """Words go on from where they were, and documents, which are others, begin anew."""
    options = {"key": KEY, "epochs": 1, "learning_rate": 1e-9}
    again = fit(corpus, SMALL, start=result, **options)
    assert np.allclose(again.params.output, result.params.output, atol=1e-5)
    assert np.abs(again.params.documents).max() < 1 / 64 + 1e-5
    kept = fit(corpus, SMALL, start=jaxvec.State(result.params, None), **options)
    assert np.allclose(kept.params.documents, result.params.documents, atol=1e-5)


def test_sweeps(corpus):
    found = jaxvec.sweep(corpus, SMALL, key=jax.random.split(KEY, 2), epochs=1)
    alone = fit(corpus, SMALL, key=jax.random.split(KEY, 2)[1], epochs=1)
    assert np.allclose(found[1].params.documents, alone.params.documents, atol=1e-5)


def test_what_does_not_go_with_documents(texts, corpus, result):
    vectors = result.vectors("output")
    with pytest.raises(ValueError, match="holds nothing out"):
        fit(corpus, SMALL, key=KEY, valid=0.1)
    for given in ({"freeze": ["w1"]}, {"init": vectors}):
        with pytest.raises(ValueError, match=r"goes without documents: infer\(result, texts\)"):
            fit(corpus, SMALL, key=KEY, **given)
    with pytest.raises(ValueError, match="documents go without sharding"):
        fit(corpus, SMALL, key=KEY, sharding=jaxvec.train.workers.shared_out("rows", 1))
    with pytest.raises(ValueError, match="documents=7"):
        fit(corpus, dataclasses.replace(SMALL, documents=7), key=KEY)
    with pytest.raises(ValueError, match="trains on text"):
        fit(cooccurrence.count(corpus), SMALL, key=KEY)
    with pytest.raises(TypeError, match="subwords"):
        ParagraphVectors(subwords=(3, 6))
    with pytest.raises(ValueError, match="does not predict words from a context"):
        result.predict_output_word(["w1"])


def test_words_by_skip_gram_have_documents_too(texts, corpus):
    run = fit(corpus, SkipGram(vector_size=32, sample=0, spectral_words=0), key=KEY, epochs=5)
    found = infer(run, [words[i::2] for i in (0, 1) for words in texts])
    assert own_nearest(found[:100], found[100:]) > 0.9
    with pytest.raises(ValueError, match="vectors must be"):
        run.documents()


def test_what_infer_refuses(result):
    with pytest.raises(TypeError, match="infer takes the Result of fit"):
        infer(result.vectors(), ["a"])
    with pytest.raises(ValueError, match="penalty must be above 0; got 0"):
        infer(result, ["a"], penalty=0)
    with pytest.raises(ValueError, match="not a string: write"):
        infer(result, "w1 w2")
    with pytest.raises(TypeError):
        infer(result, [b"w1"])
    with pytest.raises(ValueError, match="has no negative samples"):
        infer(result._replace(model=jaxvec.Softmax()), ["a"])


def test_quantiles_are_the_distribution():
    shares = np.sort(np.random.default_rng(0).pareto(1, 5000))[::-1]
    shares /= shares.sum()
    found = documents.quantiles(shares, 1000)
    assert float(found.shares.sum()) == pytest.approx(1)
    place = np.arange(5000) / 5000
    assert float(found.shares @ place[found.ids]) == pytest.approx(shares @ place, abs=1e-3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert len(documents.quantiles(shares, 5000).ids) == 5000


@pytest.fixture
def files(tmp_path, monkeypatch):
    """The working folder, with a text of two kinds of lines."""
    monkeypatch.chdir(tmp_path)
    lines = ["the cat sat on the mat", "a bank lends money for a rate"] * 40 + [""]
    (tmp_path / "text.txt").write_text("\n".join(lines))
    (tmp_path / "new.txt").write_text("a cat sat\na bank lends\nunheard\n")


def test_the_shell(files, capsys):
    train = ["train", "text.txt", "--model", "pv-dbow", "--min-count", "1", "--sample", "0"]
    train += ["--vector-size", "8", "--save-run", "docs.run", "-o", "docs.npz", "--epochs", "5"]
    assert main([*train, "--probe", "cat"]) == 0
    told = capsys.readouterr().err
    assert "80 documents, numbered from 0; a line without a word" in told
    assert "80 vectors of 8 numbers are in docs.npz" in told
    assert jaxvec.WordVectors.load("docs.npz").index_to_key[:2] == ["0", "1"]
    assert main(["encode", "docs.run", "--lines", "new.txt", "-o", "new.npz"]) == 0
    assert "1 of 3 texts have no known word" in capsys.readouterr().err
    found, run = np.load("new.npz")["vectors"], jaxvec.load_run("docs.run")
    assert np.array_equal(found[:2], infer(run, ["a cat sat", "a bank lends"]))
    near = [run.documents().similar_by_vector(v, topn=1)[0][0] for v in found[:2]]
    assert [int(key) % 2 for key in near] == [0, 1]


def test_the_shell_goes_on_from_a_run(files, capsys):
    """At a rate of next to nothing: words as they were, documents anew, of the new text."""
    quick = ["--model", "pv-dbow", "--min-count", "1", "--vector-size", "8", "--epochs", "1"]
    assert main(["train", "text.txt", *quick, "--save-run", "old.run", "-o", "old.npz"]) == 0
    go_on = ["train", "new.txt", *quick, "--start", "old.run", "--learning-rate", "1e-20"]
    assert main([*go_on, "--save-run", "new.run", "-o", "new.npz"]) == 0
    assert "3 vectors of 8 numbers are in new.npz" in capsys.readouterr().err
    old, new = (jaxvec.load_run(f"{name}.run").vectors("output") for name in ("old", "new"))
    assert set(new.index_to_key) == {*old.index_to_key, "unheard"}
    assert np.allclose(new[old.index_to_key], old.vectors, atol=1e-6)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("train text.txt --model pv-dbow --valid 0.1", "--valid goes without documents"),
        ("train text.txt --model pv-dbow --vectors sum", "has --vectors documents, or output"),
        ("train text.txt --vectors documents", "is for pv-dbow, not sgns"),
        ("train text.txt --model pv-dbow --window 3", "--window is for --model"),
        ("encode v.npz --lines new.txt -o n.npz --penalty 2", "--penalty is for a run"),
        ("encode docs.run --lines new.txt -o n.npz --weighting sif", "--weighting is for word"),
    ],
)
def test_what_the_shell_refuses(files, capsys, result, command, told):
    jaxvec.save_run(result, "docs.run")
    result.vectors("output").save("v.npz")
    assert main(command.split()) == 2
    assert told in capsys.readouterr().err
