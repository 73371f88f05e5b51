import functools
import subprocess
import sys

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import optax
import pytest
from flax import linen, nnx

import jaxvec.nn as jnn
from jaxvec import Vocab, WordVectors, stanford

WORDS = ["the", "cat", "sat", "mat"]


@pytest.fixture
def vectors() -> WordVectors:
    table = np.random.default_rng(0).normal(size=(4, 3))
    return WordVectors(WORDS, table, counts=[9, 4, 3, 1], metadata={"model": "skipgram"})


class TestRows:
    def test_a_vocabulary_has_its_specials_first(self, vectors):
        vocab = jnn.vocabulary(vectors)
        assert vocab.words == ["<pad>", "<unk>", *WORDS]
        assert vocab.counts.tolist() == [0, 0, 9, 4, 3, 1]
        assert (vocab.specials, vocab.unk) == (2, "<unk>")
        assert jnn.vocabulary(vectors, pad=None).words == ["<unk>", *WORDS]
        assert jnn.vocabulary(vectors, unk=None).words == ["<pad>", *WORDS]
        assert jnn.vocabulary(vectors, pad=None, unk=None).words == WORDS

    def test_unknown_words_have_the_mean_of_the_rarest_or_what_is_given(self, vectors):
        vocab = jnn.vocabulary(vectors)
        table = jnn.table(vectors, vocab)
        assert not table[0].any()
        np.testing.assert_array_equal(table[1], stanford.unk_vector(vectors))
        np.testing.assert_array_equal(table[2:], vectors.vectors)
        assert jnn.table(vectors, vocab, unk_vector=[1, 2, 3])[1].tolist() == [1, 2, 3]
        with pytest.raises(ValueError, match=r"unk_vector must be \[3\]; got \[2\]"):
            jnn.table(vectors, vocab, unk_vector=[1, 2])

    def test_an_unknown_word_that_the_vectors_hold_keeps_its_vector_and_count(self, vectors):
        vectors.add_vectors("<unk>", [7, 8, 9], {"count": [2]})
        vocab = jnn.vocabulary(vectors)
        assert vocab.words == ["<pad>", "<unk>", *WORDS]
        assert vocab.count("<unk>") == 2
        assert jnn.table(vectors, vocab)[vocab["<unk>"]].tolist() == [7, 8, 9]

    def test_any_vocabulary_has_a_table(self, vectors):
        """The vocabulary of a corpus lacks words of the vectors, and has others."""
        vocab = Vocab(["<s>", "mat", "dog", "the"], [0, 3, 2, 1], specials=1)
        table = jnn.table(vectors, vocab)
        assert not table[0].any()
        np.testing.assert_array_equal(table[[1, 3]], vectors[["mat", "the"]])
        np.testing.assert_array_equal(table[2], stanford.unk_vector(vectors))
        with pytest.raises(ValueError, match="no word of the vocabulary"):
            jnn.table(vectors, Vocab(["dog"], [1]))

    def test_there_and_back(self, vectors):
        vocab = jnn.vocabulary(vectors)
        back = jnn.word_vectors(jnn.table(vectors, vocab), vocab, metadata=vectors.metadata)
        assert back.index_to_key == WORDS
        np.testing.assert_array_equal(back.vectors, vectors.vectors)
        np.testing.assert_array_equal(back.counts, vectors.counts)
        assert back.metadata == vectors.metadata
        everything = jnn.word_vectors(jnn.table(vectors, vocab), vocab, specials=True)
        assert set(everything.index_to_key) == {"<pad>", "<unk>", *WORDS}
        with pytest.raises(ValueError, match=r"must be \[6, D\]; got \[4, 3\]"):
            jnn.word_vectors(vectors.vectors, vocab)

    def test_counts_that_are_unknown_stay_so(self, vectors):
        uncounted = WordVectors(WORDS, vectors.vectors)
        vocab = jnn.vocabulary(uncounted)
        back = jnn.word_vectors(jnn.table(uncounted, vocab), vocab)
        assert back.counts is None
        assert back.index_to_key == WORDS

    @pytest.mark.parametrize("dtype", [np.float16, np.float32, ml_dtypes.bfloat16])
    def test_dtypes(self, vectors, dtype):
        half = WordVectors(WORDS, vectors.vectors, dtype=np.float16)
        assert jnn.nnx_embed(half).embedding.dtype == np.float16
        double = WordVectors(WORDS, vectors.vectors, dtype=np.float64)
        assert jnn.nnx_embed(double).embedding.dtype == np.float32  # JAX has 64 bits off
        embed = jnn.nnx_embed(vectors, dtype=dtype)
        layer, own = jnn.linen_embed(vectors, dtype=dtype)
        words = jnp.array([2])
        assert embed(words).dtype == layer.apply(own, words).dtype == dtype
        back = jnn.word_vectors(embed.embedding, jnn.vocabulary(vectors, pad=None, unk=None))
        assert back.vectors.dtype == (np.float32 if dtype == ml_dtypes.bfloat16 else dtype)
        np.testing.assert_array_equal(back.vectors, vectors.vectors.astype(dtype))


class TestBatches:
    def test_padding(self):
        ids, mask, lengths = jnn.pad([[5, 6, 7], [], np.array([8])], pad_id=1)
        assert ids.tolist() == [[5, 6, 7], [1, 1, 1], [8, 1, 1]]
        assert mask.tolist() == [[True] * 3, [False] * 3, [True, False, False]]
        assert lengths.tolist() == [3, 0, 1]
        assert (ids.dtype, mask.dtype, lengths.dtype) == (np.int32, bool, np.int32)

    @pytest.mark.parametrize(
        ("options", "places"),
        [
            ({}, 7),
            ({"max_length": 5}, 5),
            ({"max_length": 9}, 7),
            ({"max_length": 9, "fixed": True}, 9),
            ({"pad_to_multiple_of": 4}, 8),
            ({"max_length": 5, "pad_to_multiple_of": 4}, 8),
            ({"max_length": 9, "fixed": True, "pad_to_multiple_of": 5}, 10),
        ],
    )
    def test_shapes(self, options, places):
        ids, _, lengths = jnn.pad([np.arange(7), np.arange(2)], **options)
        assert ids.shape == (2, places)
        longest = min(7, options.get("max_length", 7))
        assert lengths.tolist() == [longest, 2]
        assert ids[0].tolist() == [*range(longest), *[0] * (places - longest)]

    def test_no_texts_and_no_words(self):
        assert jnn.pad([]).ids.shape == (0, 1)
        assert jnn.pad([[], []]).ids.tolist() == [[0], [0]]

    def test_texts_and_lists_of_words(self, vectors):
        vocab = jnn.vocabulary(vectors)
        ids, mask, _ = jnn.encode(["The cat!", ["cat", "dog"]], vocab, tokenizer="basic_english")
        assert vocab.decode(ids[0]) == ["the", "cat", "<unk>"]
        assert vocab.decode(ids[1]) == ["cat", "<unk>", "<pad>"]
        assert mask.sum(1).tolist() == [3, 2]

    def test_unknown_words_are_left_out_before_the_cut(self, vectors):
        vocab = jnn.vocabulary(vectors, unk=None)
        padded = jnn.encode(["dog the dog cat sat"], vocab, max_length=2)
        assert vocab.decode(padded.ids[0]) == ["the", "cat"]

    def test_what_cannot_be(self, vectors):
        with pytest.raises(ValueError, match="list of texts"):
            jnn.encode("the cat", jnn.vocabulary(vectors))
        with pytest.raises(ValueError, match="max_length must be at least 1; got 0"):
            jnn.pad([[1]], max_length=0)
        with pytest.raises(ValueError, match="pad_to_multiple_of"):
            jnn.pad([[1]], pad_to_multiple_of=0)
        with pytest.raises(ValueError, match="needs max_length"):
            jnn.pad([[1]], fixed=True)


class NnxClassifier(nnx.Module):
    def __init__(self, embed: nnx.Embed, *, rngs: nnx.Rngs):
        self.embed = embed
        self.head = nnx.Linear(embed.features, 2, rngs=rngs)

    def __call__(self, ids):
        return self.head(self.embed(ids).mean(axis=1))


class LinenClassifier(linen.Module):
    embed: linen.Module

    @linen.compact
    def __call__(self, ids):
        return linen.Dense(2)(self.embed(ids).mean(axis=1))


def classification(logits):
    labels = jnp.arange(len(logits)) % 2
    return optax.losses.softmax_cross_entropy_with_integer_labels(logits, labels).mean()


IDS = jnp.array([[2, 3, 4], [5, 3, 0]])


@nnx.jit
def nnx_step(model, optimizer):
    def loss(model):
        return classification(model(IDS))

    value, gradients = nnx.value_and_grad(loss, argnums=nnx.DiffState(0, nnx.Param))(model)
    optimizer.update(model, gradients)
    return value


class TestEmbed:
    @pytest.mark.parametrize("trainable", [False, True])
    def test_nnx_trains_what_is_trainable(self, vectors, trainable):
        vocab = jnn.vocabulary(vectors)
        embed = jnn.nnx_embed(vectors, vocab, trainable=trainable)
        model = NnxClassifier(embed, rngs=nnx.Rngs(1))
        before = np.array(model.embed.embedding)
        kernel = np.array(model.head.kernel)
        optimizer = nnx.Optimizer(model, optax.adam(0.1), wrt=nnx.Param)
        tables = [leaf for leaf in jax.tree.leaves(optimizer) if leaf.shape == before.shape]
        assert len(tables) == (2 if trainable else 0)  # Adam's moments
        losses = [float(nnx_step(model, optimizer)) for _ in range(20)]
        assert losses[-1] < losses[0] / 2
        assert (np.array(model.head.kernel) != kernel).any()
        moved = (np.array(model.embed.embedding) != before).any(axis=1)
        assert moved.tolist() == (
            [True, False, True, True, True, True] if trainable else [False] * 6
        )

    def test_nnx_frozen_table_can_be_trained_later(self, vectors):
        model = NnxClassifier(
            jnn.nnx_embed(vectors, jnn.vocabulary(vectors), trainable=False), rngs=nnx.Rngs(1)
        )
        nnx_step(model, nnx.Optimizer(model, optax.adam(0.1), wrt=nnx.Param))
        before = np.array(model.embed.embedding)
        model.embed.embedding = nnx.Param(model.embed.embedding[...])
        nnx_step(model, nnx.Optimizer(model, optax.adam(0.1), wrt=nnx.Param))
        assert (np.array(model.embed.embedding) != before).any()

    def test_nnx_state_splits_and_merges(self, vectors):
        model = NnxClassifier(jnn.nnx_embed(vectors, trainable=False), rngs=nnx.Rngs(1))
        graphdef, params, rest = nnx.split(model, nnx.Param, ...)
        assert set(params) == {"head"}
        assert set(rest) == {"embed"}
        assert isinstance(rest["embed"]["embedding"], jnn.Frozen)
        again = nnx.merge(graphdef, params, rest)
        np.testing.assert_array_equal(again(IDS % 4), model(IDS % 4))

    def test_linen_model_starts_with_the_table(self, vectors):
        layer, own = jnn.linen_embed(vectors, jnn.vocabulary(vectors))
        expected = linen.Embed(6, 3).init(jax.random.key(0), IDS)
        assert jax.tree.map(jnp.shape, own) == jax.tree.map(jnp.shape, expected)
        variables = LinenClassifier(layer).init(jax.random.key(0), IDS)
        np.testing.assert_array_equal(
            variables["params"]["embed"]["embedding"], own["params"]["embedding"]
        )

    @pytest.mark.parametrize("frozen", [(), ("embed",), ("embed/embedding", "Dense_0/bias")])
    def test_linen_trains_what_is_not_labeled_frozen(self, vectors, frozen):
        layer, _ = jnn.linen_embed(vectors, jnn.vocabulary(vectors))
        model = LinenClassifier(layer)
        params = model.init(jax.random.key(0), IDS)["params"]
        optimizer = optax.partition(
            {"trainable": optax.adam(0.1), "frozen": optax.set_to_zero()},
            lambda tree: jnn.frozen_labels(tree, *frozen),
        )

        @jax.jit
        def step(params, state):
            gradients = jax.grad(lambda p: classification(model.apply({"params": p}, IDS)))(params)
            updates, state = optimizer.update(gradients, state)
            return optax.apply_updates(params, updates), state

        trained, _ = step(params, optimizer.init(params))
        moved = jax.tree.map(lambda a, b: bool((a != b).any()), params, trained)
        assert moved == {
            "embed": {"embedding": not frozen},
            "Dense_0": {"kernel": True, "bias": "Dense_0/bias" not in frozen},
        }
        back = jnn.word_vectors(trained["embed"]["embedding"], jnn.vocabulary(vectors))
        assert back.index_to_key == WORDS

    def test_a_path_that_leads_nowhere_is_refused(self):
        params = {"embed": {"embedding": jnp.ones(1)}, "embedded": jnp.ones(1)}
        assert jnn.frozen_labels(params, "embed")["embedded"] == "trainable"
        with pytest.raises(ValueError, match="no parameter is at 'emb'; there are embed/embedding"):
            jnn.frozen_labels(params, "emb")

    def test_nnx_and_linen_agree(self, vectors):
        layer, own = jnn.linen_embed(vectors)
        embed = jnn.nnx_embed(vectors)
        np.testing.assert_array_equal(layer.apply(own, IDS % 4), embed(IDS % 4))
        np.testing.assert_array_equal(embed(jnp.arange(4)), vectors.vectors)


def test_shapes_that_repeat_do_not_compile_anew(vectors):
    vocab, embed = jnn.vocabulary(vectors), jnn.nnx_embed(vectors)
    traced = []

    @functools.partial(jax.jit)
    def mean(table, ids):
        traced.append(ids.shape)
        return table[ids].mean()

    rng = np.random.default_rng(0)
    for _ in range(20):
        texts = [rng.choice(WORDS, rng.integers(1, 60)) for _ in range(4)]
        mean(embed.embedding[...], jnn.encode(texts, vocab, pad_to_multiple_of=32).ids)
    assert sorted(traced) == [(4, 32), (4, 64)]


def test_flax_is_loaded_when_it_is_needed():
    code = """
import sys, jaxvec
jaxvec.fit, jaxvec.sgns.loss, jaxvec.WordVectors
assert "flax" not in sys.modules
jaxvec.nn.SkipGramNeg
assert "flax" in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
