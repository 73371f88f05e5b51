"""Transfer: text classifiers in flax with and without pretrained vectors, by number of labels.

The task is to classify docstrings of the default corpus by package: Python's own library, jax,
numpy, scipy, optax, flax or orbax. The packages' names and usual abbreviations are removed from
the texts. Of texts with the same first eight words one is kept, or none if their packages
differ. Every fifth file, by a hash of its path, is held out with all its docstrings; the test
set has the same number of texts of each package.

A classifier is a linear layer on the mean of a text's word vectors, or of an LSTM's states. It
is trained on few labels, with an embedding that is random, pretrained and frozen, or pretrained
and fine-tuned, for the same number of steps. The vectors come from --vectors, or are trained
here, without labels, on the docstrings that are not held out. Random vectors have the same words
and standard deviation. The baseline is logistic regression on TF-IDF weights. Needs the extra
bench, and plot for -o.
"""

import argparse
import importlib.util
import itertools
import json
import sys
import zlib
from collections import defaultdict
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from benchmarks.common import report, source, target

NAMES = {"jax", "jaxlib", "jnp", "lax", "numpy", "np", "scipy", "sp", "optax", "flax", "nnx",
         "linen", "orbax", "ocp", "python", "py"}  # fmt: skip
FIRST_WORDS = 8
SHORTEST = 10  # words of a text; shorter ones are skipped
MODELS = ("mean", "LSTM")
EMBEDDINGS = ("random", "frozen", "fine-tuned")
BASELINE = "TF-IDF"
METRICS = ("accuracy", "precision", "recall", "F1")


class Text(NamedTuple):
    """A docstring.

    Attributes:
      words: its words.
      package: the package that it is from, its class.
      held_out: whether it is in the test set.
    """

    words: list[str]
    package: str
    held_out: bool


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("transfer", help=__doc__.splitlines()[0], description=__doc__)
    add = parser.add_argument
    add("--vectors", type=source, metavar="F",
        help="pretrained vectors of lower-case words; by default trained here")  # fmt: skip
    add("--labels", type=int, nargs="+", default=[16, 64, 256, 1024], metavar="N",
        help="numbers of labeled texts (default: %(default)s)")  # fmt: skip
    add("--seeds", type=int, default=3, help="runs of each (default: %(default)s)")
    add("--steps", type=int, default=1000, help="steps of 32 texts (default: %(default)s)")
    add(
        "--places",
        type=int,
        default=64,
        help="truncate texts to this number of words (default: %(default)s)",
    )
    add("--vector-size", type=int, default=100, help="of vectors trained here")
    add("--tested", type=int, default=120, help="test texts per package (default: %(default)s)")
    add("--json", type=target, metavar="FILE", help="write all figures as JSON")
    add(
        "-o",
        "--output",
        type=target,
        metavar="PNG",
        help="plot F1 to this file (needs the extra plot)",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains all classifiers and prints a table of their scores."""
    import jaxvec

    for module, extra in [("sklearn", "bench"), *([("matplotlib", "plot")] * bool(options.output))]:
        if importlib.util.find_spec(module) is None:
            raise SystemExit(f"this suite needs {module}: pip install 'jaxvec[{extra}]'")
    jaxvec.use_cores(1)
    found = list(texts())
    packages = sorted({text.package for text in found})
    training = [text for text in found if not text.held_out]
    if max(options.labels) > len(training):
        raise SystemExit(f"there are {len(training)} texts to train on; --labels asks for more")
    held_out = shuffled([text for text in found if text.held_out], 0)
    held_out = held_out[: options.tested * len(packages)]
    if options.vectors:
        vectors = jaxvec.WordVectors.load(options.vectors)
    else:
        vectors = pretrained([text.words for text in training], options.vector_size)
    # rows of words that occur in no text would only cost time
    occurring = {word for text in found for word in text.words}
    words = [word for word in vectors.index_to_key if word in occurring]
    vectors = jaxvec.WordVectors(words, vectors[words])
    print(f"{', '.join(packages)}: {len(training):,} texts, {len(held_out):,} held out;"
          f" {len(words):,} words\n")  # fmt: skip

    drawn = [shuffled(training, seed)[: max(options.labels)] for seed in range(options.seeds)]
    classes = [packages.index(text.package) for text in held_out]
    rows: list[dict[str, Any]] = []
    for model, embedding, labels, predicted in itertools.chain(
        neural(options, vectors, drawn, held_out, packages),
        bags_of_words(options, drawn, held_out, packages),
    ):
        scores = 100 * np.array([score(classes, prediction) for prediction in predicted])
        row: dict[str, Any] = {"model": model, "embedding": embedding, "labels": labels}
        means, deviations = scores.mean(axis=0), scores.std(axis=0)
        row |= dict(zip(METRICS, means.round(1).tolist(), strict=True))
        row["± F1"] = round(float(deviations[-1]), 1)
        rows.append(row)
        print(json.dumps(row), file=sys.stderr)
    report(rows, {k: v for k, v in vars(options).items() if k != "run"}, options.json)
    if options.output:
        plot(rows, options.output)


def texts() -> Iterator[Text]:
    """The docstrings, without package names and without near-duplicates."""
    from jaxvec.text import docstrings, tokenize

    groups: dict[tuple[str, ...], list[Text]] = defaultdict(list)
    for one in docstrings.docstrings():
        words = [word for word in tokenize.text8(one.text) if word not in NAMES]
        held_out = zlib.crc32(f"{one.package}/{one.file}".encode()) % 5 == 0
        if len(words) >= SHORTEST:
            groups[tuple(words[:FIRST_WORDS])].append(Text(words, one.package, held_out))
    for group in groups.values():
        if len({text.package for text in group}) == 1:
            yield group[0]


def shuffled(texts: list[Text], seed: int) -> list[Text]:
    """The texts in random order, but with the packages taking turns.

    Args:
      texts: the texts.
      seed: of the random order.
    """
    turns: dict[str, int] = defaultdict(int)
    order = []
    for i in np.random.default_rng(seed).permutation(len(texts)):
        turns[texts[i].package] += 1
        order.append((turns[texts[i].package], texts[i]))
    return [text for _, text in sorted(order, key=lambda pair: pair[0])]


def pretrained(documents: list[list[str]], vector_size: int):
    """Trains vectors with the options of ``jaxvec train`` for the default corpus.

    Args:
      documents: texts as lists of words.
      vector_size: `D`.
    """
    import jax

    import jaxvec

    corpus = jaxvec.Corpus.from_documents(documents, min_count=5)
    model = jaxvec.SkipGram(vector_size=vector_size, sample=1e-4)
    result = jaxvec.fit(
        corpus, model, key=jax.random.key(0), epochs=10, optimizer="row_adagrad",
        learning_rate=0.05, progress=False)  # fmt: skip
    return result.vectors()


def neural(options, vectors, drawn, held_out, packages):
    """The predictions of the flax models.

    Args:
      options: of the suite.
      vectors: the pretrained vectors.
      drawn: for each of `S` seeds, the labeled texts in order.
      held_out: the `N` texts to classify.
      packages: the classes.

    Yields:
      Model, embedding, number of labels, and the predicted classes, int[S, N].
    """
    import jax.numpy as jnp
    from flax import nnx

    import jaxvec
    from benchmarks.classifier import Classifier, Examples, Trainer

    vocab = jaxvec.nn.vocabulary(vectors)

    def examples(texts: list[Text]) -> Examples:
        ids, _, lengths = jaxvec.nn.encode(
            [text.words for text in texts], vocab, max_length=options.places, fixed=True
        )
        classes = np.array([packages.index(text.package) for text in texts])
        return Examples(*map(jnp.asarray, (ids, lengths, classes)))

    def embed(embedding: str, seed: int) -> nnx.Embed:
        start = vectors
        if embedding == "random":
            table = np.random.default_rng(seed).normal(size=vectors.vectors.shape)
            start = jaxvec.WordVectors(vectors.index_to_key, table * vectors.vectors.std())
        return jaxvec.nn.nnx_embed(start, vocab, trainable=embedding != "frozen")

    each = max(options.labels)
    rows = jnp.arange(len(drawn) * each).reshape(len(drawn), each)
    training = examples([text for texts in drawn for text in texts])
    tested = examples(held_out)
    for model in MODELS:
        for embedding in EMBEDDINGS:

            def make(seed: int, model=model, embedding=embedding) -> Classifier:
                return Classifier(
                    embed(embedding, seed), len(packages), lstm=model == "LSTM",
                    rngs=nnx.Rngs(seed))  # fmt: skip

            trainer = Trainer(make, len(drawn), options.steps)
            for labels in options.labels:
                predicted = trainer.predictions(training, rows, labels, tested)
                yield model, embedding, labels, np.asarray(predicted)


def bags_of_words(options, drawn, held_out, packages):
    """The predictions of logistic regression on TF-IDF weights.

    Args:
      options, drawn, held_out, packages: see `neural`.

    Yields:
      See `neural`.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    def cut(texts: list[Text]) -> list[list[str]]:
        return [text.words[: options.places] for text in texts]

    for labels in options.labels:
        predicted = []
        for texts in drawn:
            weights = TfidfVectorizer(analyzer=lambda words: words, sublinear_tf=True)
            model = make_pipeline(weights, LogisticRegression(C=10, max_iter=1000))
            model.fit(cut(texts[:labels]), [packages.index(t.package) for t in texts[:labels]])
            predicted.append(model.predict(cut(held_out)))
        yield BASELINE, "", labels, np.array(predicted)


def score(classes: list[int], predicted: np.ndarray) -> list[float]:
    """Accuracy, and the means over classes of precision, recall and F1.

    Args:
      classes: the true class of each text.
      predicted: the predicted class of each text.
    """
    from sklearn.metrics import accuracy_score, precision_recall_fscore_support

    macro = precision_recall_fscore_support(classes, predicted, average="macro", zero_division=0)
    return [accuracy_score(classes, predicted), *macro[:3]]


def plot(rows: list[dict[str, Any]], path: str) -> None:
    """Plots F1 by number of labels, a panel per model.

    Args:
      rows: the table of `run`.
      path: of the image.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    panels = figure.subplots(1, len(MODELS), sharey=True)
    formats = [*zip(EMBEDDINGS, ("C0o:", "C1s--", "C2D-"), strict=True), ("", "C7x-")]
    for model, axes in zip(MODELS, panels, strict=True):
        for embedding, line in formats:
            of = [row for row in rows if row["embedding"] == embedding
                  and row["model"] in (model, BASELINE)]  # fmt: skip
            labels, f1, deviation = ([row[name] for row in of] for name in ("labels", "F1", "± F1"))
            axes.errorbar(labels, f1, deviation, fmt=line, capsize=3, label=embedding or BASELINE)
        axes.set(title=model, xlabel="labeled texts", xscale="log")
        axes.set_xticks(labels, [str(n) for n in labels])
        axes.minorticks_off()
        axes.grid(alpha=0.3)
    panels[0].set_ylabel("F1, mean over packages, %")
    panels[0].legend()
    figure.savefig(path, dpi=150)
