import numpy as np
import pytest
from gensim.models import Word2Vec

from jaxvec import CBOW, Corpus, GloVe, SkipGram, Softmax, glove, sgns, subwords
from jaxvec.train.result import Result

DOCUMENTS = [["a", "b", "c", "d", "e"][: i + 1] * 3 for i in range(5)]


def result(model, params=sgns.Params, unk=None) -> Result:
    corpus = Corpus.from_documents(DOCUMENTS, min_count=1, unk=unk)
    rng = np.random.default_rng(0)
    tables = rng.normal(size=(2, len(corpus.vocab), 4)).astype(np.float32)
    return Result(params(*tables), None, [], corpus, model)


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize("context", [["a"], ["b", "c"], ["d", "d", "unheard", "e"]])
def test_prediction_is_gensims(mean, context):
    ours = result(CBOW(cbow_mean=mean))
    theirs = Word2Vec(vector_size=4, min_count=1, cbow_mean=mean)
    theirs.build_vocab(DOCUMENTS)
    assert theirs.wv.index_to_key == ours.data.vocab.words
    theirs.wv.vectors, theirs.syn1neg = ours.params.input, ours.params.output
    found, expected = (p.predict_output_word(context, topn=4) for p in (ours, theirs))
    assert [word for word, _ in found] == [word for word, _ in expected]
    np.testing.assert_allclose([p for _, p in found], [p for _, p in expected], rtol=1e-5)


@pytest.mark.parametrize("model", [SkipGram(), Softmax(), CBOW()])
def test_probabilities_add_up(model):
    found = result(model).predict_output_word(["a", "b"], topn=10)
    assert len(found) == 5
    assert sum(probability for _, probability in found) == pytest.approx(1)


def test_unknown_contexts():
    with pytest.raises(ValueError, match="no word of the context"):
        result(SkipGram()).predict_output_word(["unheard"])
    known = result(SkipGram(), unk="<unk>")
    assert known.predict_output_word(["unheard"]) == known.predict_output_word(["<unk>"])


@pytest.mark.parametrize("unk", [None, "<unk>"])
def test_words_of_ngrams_are_known_by_them(unk):
    """Also where other unknown words, without an n-gram, are <unk>."""
    words = [["walk", "talk", "walking"]] * 3
    corpus = Corpus.from_documents(words, min_count=1, unk=unk)
    rng, size = np.random.default_rng(0), len(corpus.vocab)
    params = subwords.Params(
        *(rng.normal(size=(n, 4)).astype(np.float32) for n in (size, size, 30))
    )
    found = Result(params, None, [], corpus, CBOW(subwords=(3, 4), buckets=30))
    vectors = found.vectors()
    context = [vectors["walk"], vectors["talked"], *([vectors[unk]] if unk else [])]
    logits = params.output @ np.mean(context, axis=0)
    shares = np.exp(logits) / np.exp(logits).sum()
    predicted = dict(found.predict_output_word(["talked", "walk", "\ud800"], topn=size))
    for i, word in enumerate(corpus.vocab.words):
        assert predicted[word] == pytest.approx(shares[i], rel=1e-4)
    assert found.predict_output_word(["talked"], topn=1)[0][0] in corpus.vocab.words


def test_glove_does_not_predict():
    def params(input, output):
        return glove.Params(input, output, *np.zeros((2, 5)))

    with pytest.raises(ValueError, match="GloVe does not predict"):
        result(GloVe(), params).predict_output_word(["a"])
