"""`jaxvec train`: from text to a file of word vectors."""

import argparse
import json
from pathlib import Path

from jaxvec import formats
from jaxvec.cli.common import check_output, neighbours_line, number, say, whole
from jaxvec.files import ZIP_MAGIC
from jaxvec.text.corpus import Corpus
from jaxvec.text.docstrings import documentation
from jaxvec.text.vocab import Vocab
from jaxvec.train.fit import Report, Result, fit, resolve_optimizer, single_thread
from jaxvec.train.skipgram import SkipGram
from jaxvec.vectors import WordVectors

_MODELS = ("sgns",)
_NO_CORPUS = {  # the defaults for the documentation, which is small
    "tokenizer": "text8",
    "min_count": 10,
    "epochs": 10,
    "optimizer": "row_adagrad",
    "learning_rate": 0.05,
}
_SHOWN = ["array", "gradient", "matrix", "string", "file", "class"]
_CORPUS = {
    "tokenizer": "whitespace",
    "min_count": 5,
    "epochs": 5,
    "optimizer": "sgd",
    "learning_rate": None,
}

_DESCRIPTION = """\
Trains word vectors on text: files, folders, or - for standard input; plain or compressed
(gzip, bzip2, xz); a line is a document. A corpus saved by jaxvec.Corpus.save will do too.

Without CORPUS, trains on the documentation that is on this disk already: the docstrings
of jax, numpy, scipy, optax, flax, orbax and of Python's own library. Then the defaults
are --tokenizer text8 --min-count 10 --epochs 10 --optimizer row_adagrad --learning-rate
0.05, and neighbours of a few words are shown."""

_EXAMPLES = """\
examples:
  jaxvec train
  jaxvec train text.txt -o vectors.bin --vector-size 200
  jaxvec train news/ --tokenizer basic_english --valid 0.05 --probe king paris --log run.jsonl
  zcat dump.gz | jaxvec train - --min-count 20 -o vectors.txt"""


def add_parser(commands) -> None:
    """Adds the command to a parser."""
    parser = commands.add_parser(
        "train",
        help="train word vectors",
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("corpus", nargs="*", metavar="CORPUS", help="text files, folders, - or a saved corpus")
    add("-o", "--output", default="vectors.npz", metavar="FILE",
        help="where the vectors go; .txt or .vec (word2vec text), .bin (word2vec binary), "
        ".glove.txt (GloVe text) or .npz (default: %(default)s)")  # fmt: skip
    add("--force", action="store_true", help="overwrite the output, and the log")

    text = parser.add_argument_group("text")
    add = text.add_argument
    add("--tokenizer", metavar="NAME", help="whitespace (default), basic_english or text8")
    add("--errors", default="strict", choices=["strict", "replace", "ignore"],
        help="what to do about bytes that are not UTF-8 (default: %(default)s)")  # fmt: skip
    add(
        "--min-count",
        type=whole(1),
        metavar="N",
        help="leave out words rarer than this (default: 5)",
    )
    add("--max-vocab", type=whole(1), metavar="N", help="keep the N most frequent words only")
    add("--vocab", metavar="FILE", help="use this vocabulary, a word and its count a line")

    model = parser.add_argument_group("model")
    add = model.add_argument
    add("--model", default="sgns", metavar="NAME",
        help="sgns: skip-gram with negative sampling (default)")  # fmt: skip
    add("--vector-size", type=whole(1), default=100, metavar="D", help="default: %(default)s")
    add("--window", type=whole(1), default=5, metavar="W",
        help="farthest context word each side (default: %(default)s)")  # fmt: skip
    add("--no-shrink-windows", action="store_true",
        help="use all words of the window, not a random 1 to W each time")  # fmt: skip
    add("--negative", type=whole(1), default=5, metavar="K",
        help="negative samples a pair (default: %(default)s)")  # fmt: skip
    add("--ns-exponent", type=number(), default=0.75, metavar="A",
        help="draw negatives by counts to this power (default: %(default)s)")  # fmt: skip
    add("--sample", type=number(0), default=1e-4, metavar="T",
        help="threshold of subsampling; 0 for none (default: %(default)s)")  # fmt: skip
    add("--vectors", default="input", choices=["input", "output", "sum"],
        help="which table to write, or the sum of both (default: %(default)s)")  # fmt: skip

    training = parser.add_argument_group("training")
    add = training.add_argument
    add("--epochs", type=whole(1), metavar="N", help="default: 5")
    add("--optimizer", metavar="NAME", help="sgd (default), adagrad, row_adagrad or adam")
    add("--learning-rate", type=number(0, beyond=True), metavar="R",
        help="at the start (default: 0.035; 0.2 for AdaGrad, 0.01 for Adam)")  # fmt: skip
    add("--min-learning-rate", type=number(0), metavar="R",
        help="at the end (default: a 10,000th of the start)")  # fmt: skip
    add("--seed", type=whole(0), default=1, metavar="N", help="default: %(default)s")
    add("--valid", type=number(0, 1), default=0.0, metavar="F",
        help="hold out this fraction of the text, from its end, and report its loss")  # fmt: skip
    add("--probe", nargs="+", default=[], metavar="WORD",
        help="show the neighbours of these words after each epoch")  # fmt: skip
    add("--log", metavar="FILE", help="write a JSON line for each epoch")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Trains and writes the vectors.

    Raises:
      ValueError, KeyError, OSError: for bad input, before anything is written.
    """
    single_thread()
    import jax

    defaults = dict(_CORPUS if options.corpus else _NO_CORPUS)
    if options.optimizer:  # the rate is one for the optimizer that goes with it
        defaults["learning_rate"] = None
    for name, value in defaults.items():
        if getattr(options, name) is None:
            setattr(options, name, value)
    model = _model(options)
    resolve_optimizer(options.optimizer, False, options.learning_rate, options.min_learning_rate)
    formats.writer(options.output)
    _check_outputs(options)
    corpus = _read(options)
    for word in options.probe:
        corpus.vocab[word]  # raises a KeyError that names close matches
    say(
        f"{corpus.raw_words:,} words; {len(corpus):,} are of the vocabulary of "
        f"{len(corpus.vocab):,}"
    )

    def after_epoch(report: Report, result: Result) -> None:
        say(_line(report))
        if options.log:
            with open(options.log, "w" if report.epoch == 1 else "a", encoding="utf-8") as log:
                log.write(json.dumps(report._asdict()) + "\n")
        if options.probe:
            vectors = result.vectors(options.vectors)
            for word in options.probe:
                say("  " + neighbours_line(vectors, word))

    result = fit(
        corpus,
        model,
        key=jax.random.key(options.seed),
        epochs=options.epochs,
        optimizer=options.optimizer,
        learning_rate=options.learning_rate,
        min_learning_rate=options.min_learning_rate,
        valid=options.valid,
        callbacks=[after_epoch],
    )
    vectors = result.vectors(options.vectors)
    vectors.metadata["options"] = {k: v for k, v in vars(options).items() if k != "run"}
    vectors.save(options.output)
    say(f"{len(vectors):,} vectors of {vectors.vector_size} numbers are in {options.output}")
    if not options.corpus:
        for word in _SHOWN:
            if word in vectors:
                print(neighbours_line(vectors, word))


def _model(options: argparse.Namespace) -> SkipGram:
    if options.model not in _MODELS:
        raise ValueError(f"model must be one of {', '.join(_MODELS)}; got {options.model!r}")
    return SkipGram(
        vector_size=options.vector_size,
        window=options.window,
        negative=options.negative,
        ns_exponent=options.ns_exponent,
        sample=options.sample,
        shrink_windows=not options.no_shrink_windows,
    )


def _check_outputs(options: argparse.Namespace) -> None:
    """Refuses what would lose a file, before the work is done."""
    force = options.force
    if not options.corpus and not force and Path(options.output).is_file():
        force = _is_of_documentation(options.output)
    check_output(options.output, force=force, inputs=options.corpus)
    if options.log:
        check_output(options.log, force=options.force, inputs=[*options.corpus, options.output])


def _is_of_documentation(path: str) -> bool:
    """Whether a file is what an earlier run without CORPUS wrote."""
    try:
        metadata = WordVectors.load(path).metadata
    except ValueError:
        return False
    return metadata.get("options", {}).get("corpus") == []


def _read(options: argparse.Namespace) -> Corpus:
    building = {"max_size": options.max_vocab, "min_count": options.min_count}
    if options.vocab:
        if options.max_vocab:
            raise ValueError("--max-vocab does not go with --vocab")
        building = {"vocab": Vocab.load(options.vocab)}
    if not options.corpus:
        say("no corpus given: reading the documentation that is installed here")
        return Corpus.from_documents(documentation(), tokenizer=options.tokenizer, **building)
    if len(options.corpus) == 1 and _is_archive(options.corpus[0]):
        if options.vocab or options.max_vocab:
            raise ValueError("a saved corpus has its vocabulary: no --vocab, no --max-vocab")
        return Corpus.load(options.corpus[0])
    return Corpus.from_files(
        *options.corpus, tokenizer=options.tokenizer, errors=options.errors, **building
    )


def _is_archive(path: str) -> bool:
    if not Path(path).is_file():
        return False
    with open(path, "rb") as file:
        return file.read(len(ZIP_MAGIC)) == ZIP_MAGIC


def _line(report: Report) -> str:
    valid = "" if report.valid_loss is None else f", held out {report.valid_loss:.4f}"
    compiled = f", compiled in {report.compile_seconds:.1f} s" if report.compile_seconds else ""
    return (
        f"epoch {report.epoch}: loss {report.loss:.4f}{valid}, {report.seconds:.1f} s, "
        f"{report.words_per_second:,.0f} words/s{compiled}"
    )
