"""Texts: classified, compared and found by vectors of texts, by how their words are weighted.

Task, texts and vectors are as in `transfer`: docstrings by package, on vectors of words that are
trained on the docstrings that are not held out. Weights and directions come from
these texts, too. The classifier is logistic regression on the vectors of texts, scaled to length
1. Needs the extra bench.

With --news the texts are those that come with gensim: 300 pieces of news and, of Lee, Pincombe and
Welsh 2005, 50 more with people's judgments of how similar each two are. The cosines of two texts
are correlated with these; and the first sentence of each piece looks for its rest, by cosine, among
the rests of all. Weights and directions come from the 300.
"""

import argparse
import functools
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks import transfer
from benchmarks.common import report, source, target


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("texts", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("--vectors", type=source, metavar="F", help="by default trained here")
    add(
        "--news", action="store_true", help="compare and find texts of news in place of classifying"
    )
    add("--labels", type=int, nargs="+", default=[64, 1024], metavar="N",
        help="numbers of labeled texts (default: %(default)s)")  # fmt: skip
    add("--seeds", type=int, default=10, help="draws of them (default: %(default)s)")
    add("--tested", type=int, default=120, help="test texts per package (default: %(default)s)")
    add("--ways", nargs="+", choices=["words", "documents"], default=["words", "documents"],
        help="means of words, and paragraph vectors (default: both)")  # fmt: skip
    add("--epochs", type=int, default=20, help="of documents (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains a classifier for each way to make vectors of texts, and prints a table of scores."""
    import jaxvec

    jaxvec.use_cores(1)
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    found = list(transfer.texts())
    packages = sorted({text.package for text in found})
    training = [text for text in found if not text.held_out]
    documents = [text.words for text in training]
    if options.news:
        report(of_news(_vectors(options.vectors, documents)), settings, options.json)
        return
    tested = transfer.shuffled([text for text in found if text.held_out], 0)
    tested = tested[: options.tested * len(packages)]
    orders = [
        [text.words[0] for text in transfer.shuffled(
            [text._replace(words=[i]) for i, text in enumerate(training)], seed
        )[: max(options.labels)]]
        for seed in range(options.seeds)
    ]  # fmt: skip
    drawn = sorted({i for order in orders for i in order})
    rows: list[dict[str, Any]] = []
    for name, encoded in ways_to_encode(options, documents):
        start = time.perf_counter()
        found = dict(zip(drawn, unit(encoded([documents[i] for i in drawn])), strict=True))
        seconds = time.perf_counter() - start
        of_tested = unit(encoded([text.words for text in tested]))
        row: dict[str, Any] = {"vectors of texts": name}
        for labels in options.labels:
            scores = []
            for order in orders:
                some = order[:labels]
                classes = [training[i].package for i in some]
                fitted = classifier().fit(np.stack([found[i] for i in some]), classes)
                predicted = fitted.predict(of_tested)
                scores.append(100 * transfer.score([t.package for t in tested], predicted)[-1])
            row[f"F1, {labels} labels"] = round(float(np.mean(scores)), 1)
        rows.append(row | {"texts/s": round(len(drawn) / seconds)})
        print(rows[-1], file=sys.stderr)
    report(rows, settings, options.json)


def _vectors(file: str | None, documents: list[list[str]]):
    """The vectors of a file, or trained on documents."""
    import jaxvec

    return jaxvec.WordVectors.load(file) if file else transfer.pretrained(documents, 100)


class News(NamedTuple):
    """gensim's texts of news.

    Attributes:
      others: 300 texts.
      judged: the 50 of Lee, Pincombe and Welsh 2005, "An Empirical Evaluation of Models of Text
        Document Similarity".
      similar: float[50, 50], people's mean judgments from 0.2 to 1, above the diagonal.
    """

    others: list[str]
    judged: list[str]
    similar: np.ndarray


def news() -> News:
    """Reads them where gensim is installed."""
    from gensim.test.utils import datapath

    others, judged = (
        Path(datapath(name)).read_text("latin-1").splitlines()
        for name in ("lee_background.cor", "lee.cor")
    )
    return News(others, judged, np.loadtxt(datapath("similarities0-1.txt")))


def of_news(vectors) -> list[dict[str, Any]]:
    """A row for each way to make vectors of texts, and for TF-IDF without vectors of words.

    Args:
      vectors: of lower-case words, with counts.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    import jaxvec

    found = news()
    split = jaxvec.text.tokenize.alphanumeric
    others, judged = ([split(text) for text in texts] for texts in (found.others, found.judged))
    parts = [text.partition(". ")[::2] for text in (*found.others, *found.judged)]
    parts = [part for part in parts if all(part)]
    first, rest = ([split(text) for text in texts] for texts in zip(*parts, strict=True))
    rows = []
    for name, table, ways in means(vectors, others):
        encoded = [
            unit(jaxvec.texts.encode(table, texts, **ways)) for texts in (judged, first, rest)
        ]
        rows.append({"vectors of texts": name, **agreement(found.similar, *encoded)})
    sparse = TfidfVectorizer(analyzer=list, sublinear_tf=True).fit(others)
    encoded = [sparse.transform(texts).toarray() for texts in (judged, first, rest)]
    return [*rows, {"vectors of texts": "TF-IDF", **agreement(found.similar, *encoded)}]


def agreement(
    similar: np.ndarray, judged: np.ndarray, first: np.ndarray, rest: np.ndarray
) -> dict[str, float]:
    """How vectors of texts agree with people, and how they find the rest of a text.

    Args:
      similar: judgments of the pairs above the diagonal, [n, n].
      judged: of the `n` texts judged, of length 1, [n, D].
      first, rest: of first sentences and of what follows them, of length 1, [m, D].

    >>> people = np.array([[1, 0.9, 0.5], [0, 1, 0.4], [0, 0, 1]])
    >>> found = agreement(people, people, np.eye(3), np.eye(3)[[0, 2, 1]])
    >>> found["first in %"], round(found["mean 1/rank"], 3)
    (33.3, 0.667)
    """
    from scipy import stats

    pairs = np.triu_indices(len(similar), 1)
    cosines = (judged @ judged.T)[pairs]
    scores = first @ rest.T
    ranks = 1 + (scores > scores.diagonal()[:, None]).sum(1)
    return {
        "Spearman": round(float(stats.spearmanr(cosines, similar[pairs]).statistic), 3),
        "Pearson": round(float(stats.pearsonr(cosines, similar[pairs]).statistic), 3),
        "first in %": round(float(100 * (ranks == 1).mean()), 1),
        "mean 1/rank": round(float((1 / ranks).mean()), 3),
    }


def ways_to_encode(options: argparse.Namespace, documents: list[list[str]]):
    """Ways to make vectors of texts: a name and a function of texts of each.

    Args:
      options: of the suite.
      documents: texts to train on.
    """
    import jaxvec

    if "words" in options.ways:
        for name, table, ways in means(_vectors(options.vectors, documents), documents):
            yield name, functools.partial(jaxvec.texts.encode, table, **ways)
    if "documents" in options.ways:
        yield from paragraph_vectors(documents, options.epochs)


def paragraph_vectors(documents: list[list[str]], epochs: int):
    """Models of documents, each trained when its turn comes: (name, function of texts) of each.

    Args:
      documents: texts to train on.
      epochs: how often.
    """
    import gensim
    import jax

    import jaxvec

    corpus = jaxvec.Corpus.from_documents(documents, min_count=5)
    model = jaxvec.ParagraphVectors()
    result = jaxvec.fit(corpus, model, key=jax.random.key(0), epochs=epochs)
    speed = result.history[-1].words_per_second
    yield f"PV-DBOW, {speed:,.0f} words/s", functools.partial(jaxvec.infer, result)
    tagged = [gensim.models.doc2vec.TaggedDocument(text, [i]) for i, text in enumerate(documents)]
    for name, words in (("gensim's", 0), ("gensim's, dbow_words=1", 1)):
        theirs = gensim.models.Doc2Vec(
            vector_size=100, dm=0, dbow_words=words, min_count=5, sample=1e-3, negative=5,
            alpha=0.03, workers=1, seed=1, epochs=epochs,
        )  # fmt: skip
        theirs.build_vocab(tagged)
        start = time.perf_counter()
        theirs.train(tagged, total_examples=len(tagged), epochs=epochs)
        speed = epochs * sum(map(len, documents)) / (time.perf_counter() - start)
        yield (
            f"{name}, {speed:,.0f} words/s",
            lambda texts, m=theirs: np.stack([m.infer_vector(text) for text in texts]),
        )


def means(vectors, documents: list[list[str]]):
    """Means of words' vectors: (name, vectors of words, options of `encode`) of each.

    Args:
      vectors: of words, with counts.
      documents: texts from which weights and directions come.
    """
    import jaxvec
    from jaxvec import texts

    yield "plain means", vectors, {}
    idf = texts.idf_weights(vectors, documents)
    yield "IDF", vectors, {"weighting": idf}
    yield "SIF weights", vectors, {"weighting": "sif"}
    for name, weighting in (("plain means", None), ("SIF", "sif"), ("IDF", idf)):
        encoded = texts.encode(vectors, documents, weighting=weighting)
        ways = {"weighting": weighting, "remove_components": texts.components(encoded, 1)}
        yield f"{name}, 1 direction removed", vectors, ways
    moved = np.asarray(texts.all_but_the_top(vectors.vectors, 1))
    table = jaxvec.WordVectors(vectors.index_to_key, moved, counts=vectors.counts)
    yield "all-but-the-top words", table, {}


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors scaled to length 1."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def classifier():
    """Logistic regression."""
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=10, max_iter=1000)
