"""`jaxvec similar` and `jaxvec evaluate`: questions to a file of word vectors."""

import argparse
import json
import math

from jaxvec import evaluate
from jaxvec.cli.common import whole
from jaxvec.vectors import WordVectors


def add_similar_parser(commands) -> None:
    """Adds `similar` to a parser."""
    parser = commands.add_parser(
        "similar",
        help="nearest neighbours of words",
        description="Lists the words nearest to each WORD by cosine.",
        epilog="example:\n  jaxvec similar vectors.npz array matrix --topn 5",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_file(parser)
    parser.add_argument("words", nargs="+", metavar="WORD")
    parser.add_argument(
        "--topn", type=whole(1), default=10, metavar="N", help="default: %(default)s"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=similar)


def add_evaluate_parser(commands) -> None:
    """Adds `evaluate` to a parser."""
    parser = commands.add_parser(
        "evaluate",
        help="score vectors on analogies and word pairs",
        description="Scores word vectors: analogies by 3CosAdd, word pairs by Spearman's rank "
        "correlation. Case is ignored; what has unknown words is left out and not counted.",
        epilog="example:\n  jaxvec evaluate vectors.npz --analogies questions-words.txt "
        "--pairs wordsim353.txt simlex999.txt --restrict-vocab 30000",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    _add_file(parser)
    parser.add_argument("--analogies", metavar="F", help="': section' lines, and four words a line")
    parser.add_argument(
        "--pairs", nargs="+", default=[], metavar="F", help="two words and a score a line"
    )
    parser.add_argument(
        "--restrict-vocab",
        type=whole(1),
        metavar="N",
        help="know only the N most frequent words in analogies",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run_evaluate)


def _add_file(parser) -> None:
    parser.add_argument(
        "file",
        metavar="FILE",
        help="word vectors: word2vec text or binary, GloVe text, .npz or .safetensors",
    )


def similar(options: argparse.Namespace) -> None:
    """Prints the neighbours of each word; KeyError for the first that is unknown."""
    vectors = WordVectors.load(options.file)
    found = {word: vectors.most_similar(word, topn=options.topn) for word in options.words}
    if options.json:
        rows = {
            word: [{"word": other, "similarity": score} for other, score in neighbours]
            for word, neighbours in found.items()
        }
        print(json.dumps(rows, ensure_ascii=False))
        return
    for word, neighbours in found.items():
        print(word)
        for other, score in neighbours:
            print(f"  {score:6.3f}  {other}")


def run_evaluate(options: argparse.Namespace) -> None:
    """Prints the scores."""
    if not options.analogies and not options.pairs:
        raise ValueError("nothing to evaluate: give --analogies F, --pairs F, or both")
    vectors = WordVectors.load(options.file)
    answers = None
    if options.analogies:
        answers = evaluate.analogies(
            vectors, options.analogies, restrict_vocab=options.restrict_vocab
        )
    pairs = [evaluate.pairs(vectors, file) for file in options.pairs]
    if options.json:
        print(json.dumps(_as_json(answers, pairs)))
        return
    if answers is not None:
        _print_analogies(answers)
    for score in pairs:
        print(
            f"{score.file}: Spearman {score.spearman:.4f}, Pearson {score.pearson:.4f}, "
            f"{score.found} of {score.total} pairs known"
        )


def _as_json(answers: evaluate.Analogies | None, pairs: list[evaluate.Pairs]) -> dict:
    report: dict = {}
    if answers is not None:
        report["analogies"] = {
            "sections": [section._asdict() for section in answers.sections],
            "correct": answers.correct,
            "total": answers.total,
        }
    report["pairs"] = [
        {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in p._asdict().items()}
        for p in pairs
    ]
    return report


def _print_analogies(answers: evaluate.Analogies) -> None:
    rows = [*answers.sections, evaluate.Section("all", answers.correct, answers.total)]
    width = max(len(row.section) for row in rows)
    for name, correct, total in rows:
        share = f"{100 * correct / total:5.1f} %" if total else "      -"
        print(f"{name:{width}}  {share}  {correct:6} of {total}")
