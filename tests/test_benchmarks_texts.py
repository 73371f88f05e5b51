"""`python -m benchmarks texts --news`."""

import numpy as np
import pytest
from scipy import stats

from benchmarks import texts


def test_news_comes_with_gensim():
    found = texts.news()
    assert (len(found.others), len(found.judged), found.similar.shape) == (300, 50, (50, 50))
    above = found.similar[np.triu_indices(50, 1)]
    assert 0.2 <= above.min() < above.max() <= 1
    assert all(len(text.split()) > 40 for text in (*found.others, *found.judged))


def test_agreement_is_that_of_loops():
    rng = np.random.default_rng(0)
    judged, first, rest = (texts.unit(rng.normal(size=(n, 3))) for n in (5, 7, 7))
    people = rng.uniform(size=(5, 5))
    pairs = [(i, j) for i in range(5) for j in range(i + 1, 5)]
    cosines, judgments = [judged[i] @ judged[j] for i, j in pairs], [people[p] for p in pairs]
    ranks = [1 + sum(first[i] @ other > first[i] @ rest[i] for other in rest) for i in range(7)]
    assert texts.agreement(people, judged, first, rest) == {
        "Spearman": round(stats.spearmanr(cosines, judgments).statistic, 3),
        "Pearson": round(stats.pearsonr(cosines, judgments).statistic, 3),
        "first in %": round(100 * ranks.count(1) / 7, 1),
        "mean 1/rank": round(np.mean([1 / rank for rank in ranks]), 3),
    }


def test_a_row_for_each_way_to_weigh_words():
    pytest.importorskip("sklearn")
    from jaxvec import Corpus, WordVectors

    corpus = Corpus.from_documents(texts.news().others, min_count=1, tokenizer="alphanumeric")
    table = np.random.default_rng(0).normal(size=(len(corpus.vocab), 30))
    vectors = WordVectors(corpus.vocab.words, table, counts=corpus.vocab.counts)
    rows = {row.pop("vectors of texts"): row for row in texts.of_news(vectors)}
    assert len(rows) == 8
    # even vectors without a meaning tell which words two texts have in common
    assert rows["IDF"]["first in %"] > 3  # 0.3 by chance
    assert rows["TF-IDF"]["first in %"] > 40
