"""Words' n-grams: fastText's ids, vectors made of their rows, and models trained on them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import jaxvec
from jaxvec import CBOW, Corpus, SkipGram, WordVectors, fit, optim, sgns, subwords
from jaxvec.text.ngrams import hashed
from jaxvec.train import epoch, ngram_start
from jaxvec.train.contracts import State
from jaxvec.train.ngrams import ngram_rows
from jaxvec.vectors.subwords import Subwords
from tests import reference

FASTTEXT = {  # of 3 to 6 characters in 2 million buckets, by fastText 0.9.3's get_subwords
    "a": [1087600],
    "of": [997102, 1164528, 728930],
    "the": [1151151, 409726, 1648960, 861980, 60934, 816280],
    "it's": [
        1374342, 148979, 667008, 751770, 1547925, 988434, 213444, 1949101, 1277545, 962051,
    ],
    "naïve": [
        1806890, 1907692, 878190, 933201, 1590546, 1719404, 832043, 156687, 356832, 1223007,
        1505331, 1711570, 1788548, 1088654,
    ],
    "日本語": [758587, 4581, 524609, 35559, 928923, 1674355],
    "</s>": [],
}  # fmt: skip
TEXT = [
    "the cats were walking on the mats",
    "a dog was talking to the cat",
    "walkers talk and talkers walk",
] * 30


@pytest.fixture(scope="module")
def corpus():
    return Corpus.from_documents(TEXT, min_count=1)


def test_ids_are_fasttexts():
    found = hashed(list(FASTTEXT), 3, 6, 2_000_000)
    assert [found.of(i).tolist() for i in range(len(FASTTEXT))] == list(FASTTEXT.values())
    assert found.ids.dtype == np.int32


@pytest.mark.parametrize(("minn", "maxn", "buckets"), [(3, 6, 2_000_000), (1, 4, 1000), (2, 2, 7)])
def test_ids_are_those_of_the_package(tmp_path, minn, maxn, buckets):
    fasttext = pytest.importorskip("fasttext")
    rng = np.random.default_rng(0)
    letters = [*"abcxyz'-<>äöüßñ語日本ж😀", "\u0301"]
    words = ["".join(rng.choice(letters, rng.integers(1, 9))) for _ in range(200)]
    path = tmp_path / "text"
    path.write_text(" ".join(["known", *words[:20]]))
    model = fasttext.train_unsupervised(
        str(path), minn=minn, maxn=maxn, bucket=buckets, dim=2, minCount=1, epoch=0, verbose=0
    )
    known = model.get_words()
    found = hashed(words, minn, maxn, buckets)
    for i, word in enumerate(words):
        expected = model.get_subwords(word)[1][word in known :] - len(known)
        assert found.of(i).tolist() == expected.tolist(), word


def test_lengths_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match="shorter length first"):
        hashed(["a"], 6, 3, 10)
    with pytest.raises(ValueError, match="shortest"):
        SkipGram(subwords=(0, 3))
    with pytest.raises(TypeError, match="whole number"):
        SkipGram(subwords=(3, 6.5))
    with pytest.raises(TypeError, match=r"subwords=\(3, 6\)"):
        SkipGram(subwords=[3, 6])
    with pytest.raises(ValueError, match="buckets"):
        SkipGram(subwords=(3, 6), buckets=0)


def test_words_without_ngrams_keep_their_own_vector():
    found = Subwords(np.ones((5, 2)), 4, 6)
    assert found.vector("a") is None
    assert found.ids("a").size == 0
    own = np.array([[4.0, 8.0], [3.0, 3.0]])
    vectors = found.composed(own, ["a", "ab"])
    np.testing.assert_allclose(vectors, [[4, 8], [2, 2]])
    np.testing.assert_allclose(found.own(vectors, ["a", "ab"]), own)


def lists_of(corpus, model):
    return model.listed(corpus.vocab)


@pytest.mark.parametrize("room", [1, 7, 40, 500])
def test_ngrams_are_listed_as_far_as_there_is_room(corpus, room):
    rng = np.random.default_rng(room)
    model = SkipGram(subwords=(3, 6), buckets=1000)
    lists = lists_of(corpus, model)._replace(room=jnp.zeros(room))
    tokens = rng.integers(0, len(corpus.vocab), 20)
    used = rng.integers(0, 2, 20).astype(bool)
    found, whole = jax.jit(subwords.listed, static_argnums=3)(
        lists, jnp.asarray(tokens), jnp.asarray(used), 1000
    )
    by_word = hashed(corpus.vocab.words, 3, 6, 1000)
    ids, owners, full = [], [], False
    for place, (token, asked) in enumerate(zip(tokens, used, strict=True)):
        own = by_word.of(token) if asked else []
        full |= len(ids) + len(own) > room
        assert bool(whole[place]) == (not full)
        if not full:
            ids, owners = [*ids, *own], [*owners, *[place] * len(own)]
    empty = room - len(ids)
    assert found.ids.tolist() == [*ids, *[1000] * empty]
    assert found.tokens.tolist() == [*owners, *[20] * empty]
    assert found.rows.tolist() == [1 + len(by_word.of(token)) for token in tokens]


def tables(corpus, size=4, buckets=50):
    rng = np.random.default_rng(3)
    shapes = [(len(corpus.vocab), size)] * 2 + [(buckets, size)]
    return [rng.normal(0, 0.5, shape) for shape in shapes]


@pytest.mark.parametrize("for_steps", [False, True])
def test_gradients_equal_a_slow_reference(corpus, for_steps):
    """Of whole tables by autodiff, and by a loop over pairs."""
    own, output, rows = tables(corpus)
    rng = np.random.default_rng(4)
    centers, contexts = rng.integers(0, len(own), (2, 12))
    negatives = rng.integers(0, len(own), (12, 3))
    weights = rng.uniform(0.5, 2, 12)
    by_word = hashed(corpus.vocab.words, 3, 6, len(rows))
    lists = subwords.Lists(jnp.asarray(by_word.ids), jnp.asarray(by_word.offsets), jnp.zeros(600))
    compose = subwords.composed_for_steps if for_steps else subwords.composed

    def loss(params):
        found, _ = subwords.listed(lists, jnp.asarray(centers), jnp.ones(12, bool), len(rows))
        made = compose(params.input[centers], params.ngrams.at[found.ids].get(mode="clip"), found)
        batch = sgns.Batch(jnp.arange(12), contexts, negatives, jnp.asarray(weights, jnp.float32))
        return sgns.loss(sgns.Params(made, params.output), batch)

    params = subwords.Params(*(jnp.asarray(table, jnp.float32) for table in (own, output, rows)))
    value, found = jax.value_and_grad(loss)(params)

    words = [by_word.of(i) for i in range(len(own))]
    vectors = np.array([np.vstack([own[i], rows[ids]]).mean(0) for i, ids in enumerate(words)])
    pairs = (vectors, output, centers, contexts, negatives)
    assert np.isclose(value, reference.sgns_pairs(*pairs) @ weights, rtol=1e-5)
    of_vectors, of_output = reference.sgns_gradients(*pairs, weights)
    of_own, of_rows = np.zeros_like(own), np.zeros_like(rows)
    for i, ids in enumerate(words):
        part = of_vectors[i] / (1 if for_steps else 1 + len(ids))
        of_own[i] += part
        for bucket in ids:
            of_rows[bucket] += part
    for mine, expected in zip(found, (of_own, of_output, of_rows), strict=True):
        np.testing.assert_allclose(mine, expected, rtol=1e-4, atol=1e-6)


def one_step(model, optimizer, params, corpus):
    segments, _ = model.segments(corpus, 0.0, jax.random.key(0))
    segment = segments.epoch(jax.random.key(0))(0)
    state = State(params, optimizer.init(params))
    return epoch.run_segment(
        model, optimizer, state, model.constants(corpus), segment, jax.random.key(5),
        jnp.full(2, 0.1),
    )[0].params  # fmt: skip


@pytest.mark.parametrize("kind", [SkipGram, CBOW])
@pytest.mark.parametrize("write_back", ["scatter", "slots", "sorted"])
def test_sparse_steps_are_dense_steps(corpus, kind, write_back):
    model = kind(vector_size=4, subwords=(3, 4), buckets=60, sample=0, blocks=1, block_tokens=8)
    params = subwords.Params(*(jnp.asarray(table, jnp.float32) for table in tables(corpus, 4, 60)))
    sgd = optax.sgd(1.0)
    sparse = one_step(model, optim.row_sparse(sgd, write_back=write_back), params, corpus)
    dense = one_step(model, optim.dense(sgd), params, corpus)
    for mine, expected in zip(sparse, dense, strict=True):
        np.testing.assert_allclose(mine, expected, atol=2e-5)
    assert all(
        np.abs(now - before).max() > 1e-3 for now, before in zip(sparse, params, strict=True)
    )


def test_one_bucket_for_each_word_is_skip_gram_with_doubled_rows(corpus):
    """Words whose rows no other word shares learn as words of one row do."""
    words = ["ab", "cd", "ef", "gh"]
    text = [" ".join(np.random.default_rng(i).choice(words, 9)) for i in range(20)]
    corpus = Corpus.from_documents(text, min_count=1)
    by_word = hashed(corpus.vocab.words, 4, 4, 1009)  # <ab> alone
    assert len(set(by_word.ids)) == 4
    options = {"vector_size": 4, "sample": 0, "blocks": 1}
    model = SkipGram(subwords=(4, 4), buckets=1009, **options)
    plain = SkipGram(**options)
    own, output, rows = (jnp.asarray(t, jnp.float32) for t in tables(corpus, 4, 1009))
    sgd = optim.row_sparse(optax.sgd(1.0), write_back="scatter")
    found = one_step(model, sgd, subwords.Params(own, output, rows), corpus)
    vectors = (own + rows[by_word.ids]) / 2
    expected = one_step(plain, sgd, sgns.Params(vectors, output), corpus)
    made = (found.input + found.ngrams[by_word.ids]) / 2
    np.testing.assert_allclose(made, expected.input, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(found.output, expected.output, rtol=1e-4, atol=1e-5)


def test_words_that_find_no_room_are_left_out(corpus):
    model = SkipGram(vector_size=4, subwords=(3, 6), buckets=60, sample=0, blocks=1)
    constants = model.constants(corpus)
    none = constants._replace(ngrams=constants.ngrams._replace(room=jnp.zeros(1)))
    segments, _ = model.segments(corpus, 0.0, jax.random.key(0))
    plan = model.plan(constants, jax.random.key(1), segments.epoch(jax.random.key(0))(0))
    bits = jnp.asarray(np.random.default_rng(0).integers(0, 2**32, (1, *model.bits())), jnp.uint32)
    some, least = (model.batch(c, plan, bits[0], jnp.int32(0)) for c in (constants, none))
    assert model.weight(some) > 0 == model.weight(least)
    assert float(some.met.sum()) > 0 == float(least.met.sum())


@pytest.mark.parametrize("kind", [SkipGram, CBOW])
def test_training_gives_vectors_to_unknown_words(corpus, kind):
    model = kind(vector_size=16, subwords=(3, 6), buckets=500, sample=0)
    result = fit(corpus, model, key=jax.random.key(0), epochs=10)
    assert result.history[-1].loss < result.history[0].loss
    vectors = result.vectors()
    subwords_ = ngram_rows(model, result.params)
    i = corpus.vocab["talking"]
    rows = np.vstack([result.params.input[i], subwords_.table[subwords_.ids("talking")]])
    np.testing.assert_allclose(vectors["talking"], rows.mean(0), rtol=1e-5, atol=1e-6)
    unseen = vectors["talked"]
    np.testing.assert_allclose(unseen, subwords_.vector("talked"), rtol=1e-6)
    assert "talked" not in vectors
    assert not unseen.flags.writeable
    assert vectors.most_similar("talked", topn=2)
    assert vectors.similarity("talked", "talking") > 0.3
    assert result.predict_output_word(["the", "cats"], 1)
    assert result.vectors("sum").subwords is None
    with pytest.raises(KeyError):
        result.vectors("output")["talked"]
    with pytest.raises(ValueError, match="'input'"):
        result.vectors("ngrams")


def test_vectors_that_are_given_are_begun_with(corpus):
    model = SkipGram(vector_size=3, subwords=(3, 6), buckets=90, sample=0)
    words = ["talking", "walking", "cat"]
    given = WordVectors(words, np.random.default_rng(0).normal(size=(3, 3)))
    key = jax.random.key(0)
    first = model.init(key, len(corpus.vocab))
    known = np.array([word in given for word in corpus.vocab.words])
    table = np.zeros((len(known), 3), np.float32)
    table[known] = [given[word] for word in np.array(corpus.vocab.words)[known]]
    params = ngram_start.warm(model, first, table, known, corpus.vocab, None)
    made = ngram_rows(model, params).composed(np.asarray(params.input), corpus.vocab.words)
    np.testing.assert_allclose(made[known], table[known], atol=1e-5)
    fit(corpus, model, key=key, epochs=1, init=given)

    rows = Subwords(np.random.default_rng(1).normal(size=(90, 3)).astype(np.float32), 3, 6)
    params = ngram_start.warm(model, first, table, known, corpus.vocab, rows)
    np.testing.assert_array_equal(params.ngrams, rows.table)
    made = rows.composed(np.asarray(params.input), corpus.vocab.words)
    np.testing.assert_allclose(made[known], table[known], atol=1e-5)


@pytest.mark.parametrize("buckets", [90, 60])
def test_words_that_only_ngrams_know_are_begun_with(corpus, buckets):
    """Whether or not the model has the n-grams of the vectors."""
    rng = np.random.default_rng(1)
    rows = Subwords(rng.normal(size=(90, 3)).astype(np.float32), 3, 6)
    given = WordVectors(["talking", "cat"], rng.normal(size=(2, 3)), subwords=rows)
    model = SkipGram(vector_size=3, subwords=(3, 6), buckets=buckets, spectral_words=0)
    found = fit(corpus, model, key=jax.random.key(0), epochs=1, init=given, learning_rate=1e-20)
    words = ["talking", "cat", "walking", "talkers"]
    assert set(words[2:]).isdisjoint(given.index_to_key)
    np.testing.assert_allclose(found.vectors()[words], given[words], atol=1e-5)


def test_a_run_goes_on(corpus, tmp_path):
    model = SkipGram(vector_size=4, subwords=(3, 6), buckets=90, sample=0)
    options = {"key": jax.random.key(0), "epochs": 1, "optimizer": "row_adagrad"}
    earlier = fit(corpus, model, **options)
    jaxvec.save_run(earlier, tmp_path / "run")
    loaded = jaxvec.load_run(tmp_path / "run")
    more = Corpus.from_documents(["a talker talks", "cats talk"] * 9, extend=corpus.vocab)
    results = [fit(more, model, start=start, **options) for start in (earlier, loaded)]
    for one, other in zip(*(r.params for r in results), strict=True):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match=r"90 buckets.*subwords=\(3, 6\), buckets=90"):
        fit(more, dataclasses.replace(model, buckets=91), start=earlier, **options)
    with pytest.raises(ValueError, match="no n-grams"):
        fit(more, SkipGram(vector_size=4), start=earlier, **options)


def test_what_does_not_go_with_ngrams_is_refused(corpus):
    model = SkipGram(vector_size=4, subwords=(3, 6), buckets=90)
    with pytest.raises(ValueError, match="freeze goes without subwords"):
        fit(corpus, model, key=jax.random.key(0), freeze=["cat"])
    mesh = jax.make_mesh((1,), ("rows",))
    rows = jax.NamedSharding(mesh, jax.P("rows", None))
    with pytest.raises(ValueError, match="subwords go without sharding"):
        fit(corpus, model, key=jax.random.key(0), sharding=rows)


def test_checkpoints_of_other_buckets_are_refused(corpus, tmp_path):
    def run(buckets):
        model = SkipGram(vector_size=4, subwords=(3, 6), buckets=buckets)
        checkpoints = jaxvec.Checkpoints(tmp_path / "states", {})
        try:
            return fit(corpus, model, key=jax.random.key(0), epochs=1, checkpoints=checkpoints)
        finally:
            checkpoints.close()

    before, again = run(90), run(90)
    np.testing.assert_array_equal(before.params.ngrams, again.params.ngrams)
    with pytest.raises(ValueError, match="another model"):
        run(91)


def test_many_models_are_each_the_one(corpus):
    model = SkipGram(vector_size=4, subwords=(3, 6), buckets=90, spectral_words=0)
    models = [model, dataclasses.replace(model, sample=1e-2)]
    keys = jax.random.split(jax.random.key(0), 2)
    results = jaxvec.sweep(corpus, models, key=keys, epochs=1)
    alone = fit(corpus, models[1], key=keys[1], epochs=1)
    np.testing.assert_allclose(results[1].params.ngrams, alone.params.ngrams, atol=1e-5)


def test_two_workers_keep_all_rows(corpus):
    """Of buckets there may be more than words: no merge and no epoch leaves any out."""
    buckets = 3 * len(corpus.vocab)
    model = SkipGram(vector_size=4, subwords=(3, 6), buckets=buckets, sample=0, segment_tokens=64)
    results = [fit(corpus, model, key=jax.random.key(0), epochs=2, workers=n) for n in (1, 2)]
    tables = [np.asarray(result.params.ngrams) for result in results]
    assert tables[1].shape == tables[0].shape == (buckets, 4)
    # .09 to .14 by the seed
    assert np.median(np.abs(tables[1] - tables[0])) < 0.3 * np.median(np.abs(tables[0]))
    assert results[1].whole().params.ngrams.shape == (buckets, 4)


def test_unknown_words_count_in_means_and_distances():
    rng = np.random.default_rng(0)
    words = ["the", "cat", "dogs"]
    rows = Subwords(rng.normal(size=(50, 4)).astype(np.float32), 3, 5)
    wv = WordVectors(words, rng.normal(size=(3, 4)).astype(np.float32), subwords=rows)
    assert wv.n_similarity(["catsup"], ["cat"]) == pytest.approx(wv.similarity("catsup", "cat"))
    unit = wv["catsup"] / np.linalg.norm(wv["catsup"])
    assert wv.get_mean_vector(["catsup", ""]) == pytest.approx(unit, rel=1e-5)
    assert wv.wmdistance(["catsup"], ["catsup", "catsup"]) == pytest.approx(0, abs=1e-6)
    assert 0 < wv.wmdistance(["catsup"], ["cat"], norm=False) < np.inf
    same = WordVectors([*words, "catsup"], np.array([*wv.vectors, wv["catsup"]]))
    asked = ["catsup", "cat", "dogs"]
    assert wv.rank_by_centrality(asked) == same.rank_by_centrality(asked)
    with pytest.raises(ValueError, match="set subwords = None first"):
        wv.unit_normalize_all()


def test_no_ngram_that_is_not_finite_is_saved_or_loaded(tmp_path):
    def vectors(value):
        table = np.full((50, 2), value, np.float32)
        return WordVectors(["a"], [[1, 2]], subwords=Subwords(table, 3, 5))

    for name in ("v.npz", "v.fasttext.bin"):
        with pytest.raises(ValueError, match="row 0 of the n-grams is not finite"):
            vectors(np.nan).save(tmp_path / name)
    vectors(1e5).save(tmp_path / "v.npz")
    with pytest.raises(ValueError, match="row 1 of its n-grams is not finite in float16"):
        WordVectors.load(tmp_path / "v.npz", dtype="float16")
    with pytest.warns(UserWarning, match="holds no n-grams"):
        vectors(1).save_pretrained(tmp_path / "hub")
