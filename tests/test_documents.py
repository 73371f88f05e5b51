"""Paragraph vectors: the loss, training, and the vectors of texts that were not trained on."""

import dataclasses
import warnings

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import optimize

import jaxvec
from jaxvec import Corpus, ParagraphVectors, SkipGram, cooccurrence, documents, fit, infer, sgns
from jaxvec.cli import main
from jaxvec.train.fit import Stopped
from tests import reference

KEY = jax.random.key(0)
SMALL = ParagraphVectors(vector_size=16, sample=0, spectral_words=0)


def topics(documents):
    """The topic of each document, by its rarest words."""
    return [next(word[:2] for word in words if word.startswith("t") and word != "the")
            for words in documents]  # fmt: skip


def share_right(vectors, classes):
    """How many vectors have one of their class as nearest neighbor."""
    units = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    return np.mean([classes[i] == classes[j] for i, j in enumerate(cosines.argmax(1))])


@pytest.fixture(scope="module")
def result(topic_corpus):
    return fit(topic_corpus, SMALL, key=KEY, epochs=8)


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
    value, slopes = jax.value_and_grad(documents.loss)(params, batch)
    assert float(value) == pytest.approx((pairs * flat[2]).sum(), rel=1e-5)
    expected = reference.sgns_gradients(*tables, *flat[:2], noise, flat[2])
    assert np.allclose(slopes.documents, expected[0], atol=1e-4)
    assert np.allclose(slopes.output, expected[1], atol=1e-4)


def test_the_loss_is_skip_grams_with_documents_as_centers(params, batch):
    blocks = sgns.Blocks(
        batch.documents, batch.words, batch.negatives,
        weights=jnp.eye(4)[None] * batch.weights[..., None],
        negative_weights=batch.negative_weights,
    )  # fmt: skip
    same = sgns.Params(params.documents, params.output)
    assert float(documents.loss(params, batch)) == pytest.approx(float(sgns.loss(same, blocks)))


def test_a_step_has_the_gradient_of_both_losses(topic_corpus):
    """The batches of a draw: each token of the segment once, with its document, and one loss."""
    model = dataclasses.replace(SMALL, blocks=2, documents=600, longest_document=40)
    constants = model.constants(topic_corpus)
    segments, held_out = model.segments(topic_corpus, 0.0, KEY)
    ids, docs = segments.epoch(KEY)(0)
    assert held_out is None
    assert np.array_equal(docs, np.repeat(np.arange(600), 40))
    plan = model.plan(constants, KEY, (jnp.asarray(ids), jnp.asarray(docs)))
    bits = jax.random.bits(KEY, (64, *model.bits()), jnp.uint32)
    batches = [model.batches(constants, plan, bits, jnp.int32(i)) for i in range(0, 448, 64)]
    met = jax.tree.map(lambda *parts: np.concatenate(parts), *(b for b in batches))
    inside = met.weights[: int(plan.steps)] > 0
    pairs = np.stack([met.documents, met.words])[:, : int(plan.steps)][:, inside]
    order = np.lexsort(pairs[::-1])
    assert np.array_equal(pairs[:, order].T, sorted(zip(docs, ids, strict=True)))

    first = jax.tree.map(lambda part: part[0], batches[0])
    rng = np.random.default_rng(0)
    tables = jax.tree.map(
        lambda t: jnp.asarray(rng.normal(size=t.shape), jnp.float32),
        model.init(KEY, len(topic_corpus.vocab)),
    )

    def loss(tables):
        return model.rows_loss(
            jax.tree.map(lambda t, i: t[i], tables, model.rows(first)), first
        ).sum()

    def expected(tables):
        found = documents.loss(documents.Params(tables.output, tables.documents), first)
        return found

    got, wanted = (jax.value_and_grad(one)(tables) for one in (loss, expected))
    assert float(got[0]) == pytest.approx(float(wanted[0]), rel=1e-5)
    for mine, theirs in zip(*map(jax.tree.leaves, (got[1], wanted[1])), strict=True):
        assert np.allclose(mine, theirs, atol=1e-4)
    vectors = jax.tree.map(lambda t, i: t[i], tables, model.rows(first))
    shapes = jax.tree.map(jnp.shape, model.rows_curvature(vectors, first))
    assert shapes == jax.tree.map(jnp.shape, model.rows(first))


def test_documents_of_a_topic_are_near(topic_documents, topic_corpus):
    model = SMALL
    classes = topics(topic_documents)
    begun = dataclasses.replace(model, documents=600).init(KEY, len(topic_corpus.vocab))
    assert share_right(np.asarray(begun.documents), classes) < 0.3
    found = fit(topic_corpus, model, key=KEY, epochs=8)
    assert share_right(np.asarray(found.params.documents), classes) > 0.97
    assert found.vectors().most_similar("0", topn=3)
    assert found.model.documents == 600


def test_a_document_is_nearest_to_its_own_vector():
    """Each document has words of its own, beside those of all."""
    rng = np.random.default_rng(0)
    words = [f"w{i}" for i in range(200)]
    texts = [rng.choice(rng.choice(words, 12, False), 60).tolist() for _ in range(100)]
    corpus = Corpus.from_documents(texts, min_count=1)
    result = fit(corpus, dataclasses.replace(SMALL, vector_size=32), key=KEY, epochs=40)
    found, trained = infer(result, texts), np.asarray(result.params.documents)
    units = [v / np.linalg.norm(v, axis=1, keepdims=True) for v in (found, trained)]
    assert np.mean((units[0] @ units[1].T).argmax(1) == np.arange(100)) > 0.95


def test_the_vector_is_the_least_of_the_loss(topic_documents, result):
    """SciPy finds the same, from the whole noise distribution, one logarithm at a time."""
    vocab, output = result.data.vocab, np.asarray(result.params.output, np.float64)
    noise = np.asarray(vocab.counts, np.float64) ** 0.75
    noise /= noise.sum()
    ids = vocab.encode(topic_documents[5])

    def loss(d):
        contrast = noise @ np.log(reference.sigmoid(-output @ d))
        return (
            -sum(np.log(reference.sigmoid(output[i] @ d)) + 5 * contrast for i in ids) + 1.5 * d @ d
        )

    best = optimize.minimize(loss, np.zeros(16), method="BFGS").x
    assert np.allclose(infer(result, [topic_documents[5]])[0], best, atol=2e-3)


def test_a_text_has_one_vector_whatever_is_beside_it(topic_documents, result):
    rng = np.random.default_rng(0)
    texts = [words[: rng.integers(1, 40)] for words in topic_documents[:100]]
    texts[7] = topic_documents[0] * 3 + topic_documents[1] + topic_documents[2]
    whole = infer(result, texts)
    order = rng.permutation(100)
    assert np.array_equal(infer(result, [texts[i] for i in order]), whole[order])
    for i in (0, 7, 50):
        assert np.array_equal(infer(result, [texts[i]])[0], whole[i])
    shuffled = [list(rng.permutation(words)) for words in texts]
    assert np.array_equal(infer(result, shuffled), whole)
    assert np.array_equal(infer(result, (" ".join(words) for words in texts)), whole)


def test_texts_of_another_number_compile_nothing(topic_documents, result, caplog):
    infer(result, topic_documents[:3])
    with jax.log_compiles():
        infer(result, topic_documents[:50])
        infer(result, topic_documents[:1], penalty=7.0)
    assert not [r for r in caplog.records if "Compiling" in r.getMessage()]


def test_a_text_without_a_known_word_is_told(result):
    with pytest.warns(UserWarning, match="2 of 3 texts have no known word"):
        found = infer(result, ["unheard of it"[:7], "", "t0w1 t0w2"])
    assert not found[:2].any()
    assert found[2].any()
    assert infer(result, []).shape == (0, 16)


def test_words_by_skip_gram_have_documents_too(topic_documents, topic_corpus):
    run = fit(topic_corpus, SkipGram(vector_size=16, sample=0), key=KEY, epochs=3)
    assert share_right(infer(run, topic_documents[:200]), topics(topic_documents[:200])) > 0.97


def test_a_run_that_was_stopped_ends_in_the_same_bits(tmp_path, topic_corpus):
    model = dataclasses.replace(SMALL, segment_tokens=6000)

    def run(folder, stop=lambda: False):
        kept = jaxvec.Checkpoints(tmp_path / folder, {}, steps=1)
        return fit(topic_corpus, model, key=KEY, epochs=2, checkpoints=kept, should_stop=stop)

    calls = iter([False, True])
    with pytest.raises(Stopped):
        run("stopped", lambda: next(calls))
    whole = run("whole")
    for one, other in zip(
        *(jax.tree.leaves(r.params) for r in (run("stopped"), whole)), strict=True
    ):
        assert np.array_equal(one, other)
    other = fit(topic_corpus, model, key=jax.random.key(1), epochs=2)
    assert not np.array_equal(other.params.documents, whole.params.documents)


def test_workers_and_accelerators_defaults(topic_documents, topic_corpus):
    for options in (
        {"workers": 2},
        {"defaults_for": jaxvec.Device("gpu")},
        {"optimizer": optax.adam(0.01)},
    ):
        found = fit(topic_corpus, SMALL, key=KEY, epochs=8, **options)
        assert share_right(np.asarray(found.params.documents), topics(topic_documents)) > 0.9


def test_few_long_documents_are_stable():
    rng = np.random.default_rng(0)
    corpus = Corpus.from_documents(
        [[f"w{i}" for i in rng.zipf(1.3, 20000) if i < 500]], min_count=1
    )
    found = fit(corpus, ParagraphVectors(vector_size=8), key=KEY, epochs=2)
    assert found.history[-1].loss < 4.2


def test_saved_runs_infer_the_same(tmp_path, topic_documents, result):
    jaxvec.save_run(result, tmp_path / "run")
    again = jaxvec.load_run(tmp_path / "run")
    assert np.array_equal(infer(again, topic_documents[:5]), infer(result, topic_documents[:5]))
    assert again.documents()["7"].tolist() == result.documents()["7"].tolist()
    result.vectors().save(tmp_path / "v.npz")
    assert jaxvec.WordVectors.load(tmp_path / "v.npz").index_to_key[-1] == "599"


def test_tags(result):
    tagged = result.documents(f"doc-{i}" for i in range(600))
    assert tagged["doc-599"].tolist() == result.vectors()["599"].tolist()
    with pytest.raises(ValueError, match="2 tags for 600 documents: a corpus drops those without"):
        result.documents(["a", "b"])


def test_further_training(topic_corpus, result):
    """Words go on from where they were, and documents, which are others, begin anew."""
    again = fit(topic_corpus, SMALL, key=KEY, epochs=1, start=result, learning_rate=1e-9)
    assert np.allclose(again.params.output, result.params.output, atol=1e-5)
    assert np.abs(again.params.documents).max() < 0.04
    state = jaxvec.State(result.params, None)
    kept = fit(topic_corpus, SMALL, key=KEY, epochs=1, start=state, learning_rate=1e-9)
    assert np.allclose(kept.params.documents, result.params.documents, atol=1e-5)


def test_sweeps(topic_corpus, result):
    found = jaxvec.sweep(topic_corpus, SMALL, key=jax.random.split(KEY, 2), epochs=1)
    alone = fit(topic_corpus, SMALL, key=jax.random.split(KEY, 2)[1], epochs=1)
    assert np.allclose(found[1].params.documents, alone.params.documents, atol=1e-5)


def test_what_does_not_go_with_documents(topic_corpus, result):
    vectors = result.vectors("output")
    with pytest.raises(ValueError, match="holds nothing out"):
        fit(topic_corpus, SMALL, key=KEY, valid=0.1)
    for given in ({"freeze": ["the"]}, {"init": vectors}):
        with pytest.raises(ValueError, match=r"goes without documents: infer\(result, texts\)"):
            fit(topic_corpus, SMALL, key=KEY, **given)
    with pytest.raises(ValueError, match="documents=7"):
        fit(topic_corpus, dataclasses.replace(SMALL, documents=7), key=KEY)
    with pytest.raises(ValueError, match="trains on text"):
        fit(cooccurrence.count(topic_corpus), SMALL, key=KEY)
    with pytest.raises(TypeError, match="subwords"):
        ParagraphVectors(subwords=(3, 6))
    with pytest.raises(ValueError, match="does not predict words from a context"):
        result.predict_output_word(["the"])
    with pytest.raises(ValueError, match="vectors must be"):
        fit(topic_corpus, SkipGram(vector_size=8), key=KEY, epochs=1).documents()


def test_what_infer_refuses(result):
    with pytest.raises(TypeError, match="infer takes the Result of fit"):
        infer(result.vectors(), ["a"])
    with pytest.raises(ValueError, match="penalty must be above 0; got 0"):
        infer(result, ["a"], penalty=0)
    with pytest.raises(ValueError, match="not a string: write"):
        infer(result, "t0w1 t0w2")
    with pytest.raises(TypeError):
        infer(result, [b"t0w1"])
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
    lines = ["the cat sat on the mat", "a bank lends money for a rate"] * 40
    (tmp_path / "text.txt").write_text("\n".join(lines))
    (tmp_path / "new.txt").write_text("a cat sat\na bank lends\nunheard\n")


def test_the_shell(files, capsys):
    train = ["train", "text.txt", "--model", "pv-dbow", "--min-count", "1", "--sample", "0"]
    train += ["--vector-size", "8", "--save-run", "docs.run", "-o", "docs.npz", "--epochs", "5"]
    assert main([*train, "--probe", "cat"]) == 0
    assert "80 vectors of 8 numbers are in docs.npz" in capsys.readouterr().err
    assert jaxvec.WordVectors.load("docs.npz").index_to_key[:2] == ["0", "1"]
    with pytest.warns(UserWarning, match="1 of 3 texts"):
        assert main(["encode", "docs.run", "--lines", "new.txt", "-o", "new.npz"]) == 0
    found, run = np.load("new.npz")["vectors"], jaxvec.load_run("docs.run")
    assert np.array_equal(found[:2], infer(run, ["a cat sat", "a bank lends"]))
    near = [run.documents().similar_by_vector(v, topn=1)[0][0] for v in found[:2]]
    assert [int(key) % 2 for key in near] == [0, 1]


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
