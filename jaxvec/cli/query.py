"""`jaxvec similar`, `analogy` and `evaluate`: questions to a file of word vectors."""

import argparse
import json
import math

from jaxvec.cli.common import Flags, check_input, check_known, load_mapped, path, whole
from jaxvec.vectors import evaluate
from jaxvec.vectors.word_vectors import Neighbors, WordVectors

_FILE = "word vectors: word2vec text or binary, GloVe text, fastText .bin, .npz or .safetensors"


def add_similar_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `similar` to a parser."""
    parser.description = "Lists the words nearest to each WORD by cosine, or by dot product."
    parser.epilog = (
        "examples:\n  jaxvec similar vectors.npz array matrix --topn 5\n"
        "  jaxvec similar vectors.npz array --restrict-vocab 10000 --json\n"
        "  jaxvec similar model.bin unseenword --oov"
    )
    add = Flags(parser)
    add("file FILE", _FILE, path)
    add("words WORD", "words to look up", nargs="+")
    add("--dot", "by dot product, not cosine")
    _add_neighbor_options(parser)
    parser.set_defaults(run=similar)


def add_analogy_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `analogy` to a parser."""
    parser.description = (
        "Answers 'A is to B as C is to ?' by the words nearest to B - A + C (3CosAdd), "
        "except A, B and C themselves."
    )
    parser.epilog = (
        "examples:\n  jaxvec analogy vectors.bin man king woman\n"
        "  jaxvec analogy vectors.bin paris france rome --topn 3 --cosmul"
    )
    add = Flags(parser)
    add("file FILE", _FILE, path)
    for name in "abc":
        add(f"{name} {name.upper()}", "a word")
    _add_neighbor_options(parser)
    _add_cosmul(parser)
    parser.set_defaults(run=analogy)


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `evaluate` to a parser."""
    parser.description = (
        "Scores word vectors: analogies by 3CosAdd, word pairs by Spearman's rank "
        "correlation. Case is ignored; lines with unknown words are not counted. Of a file of rare "
        "words --oov counts more pairs."
    )
    parser.epilog = (
        "examples:\n  jaxvec evaluate vectors.npz --analogies questions-words.txt "
        "--pairs wordsim353.txt simlex999.txt --restrict-vocab 30000\n"
        "  jaxvec evaluate vectors.npz --pairs rw.txt --oov"
    )
    add = Flags(parser)
    add("file FILE", _FILE, path)
    add("--analogies F", "': section' lines, and four words a line", path)
    add("--pairs F", "two words and a score a line", path, nargs="+", default=[])
    add("--restrict-vocab N", "use only the N most frequent words in analogies", whole(1))
    add("--oov", "in pairs, give words that FILE does not have a vector from their n-grams")
    _add_cosmul(parser)
    add("--json", "print JSON")
    parser.set_defaults(run=run_evaluate)


def _add_neighbor_options(parser: argparse.ArgumentParser) -> None:
    add = Flags(parser)
    add("--oov", "give words that FILE does not have a vector from their n-grams, if it has these")
    add("--topn N", "default: %(default)s", whole(1), default=10)
    add("--restrict-vocab N", "look among the N most frequent words only", whole(1))
    add("--json", "print JSON")


def _add_cosmul(parser: argparse.ArgumentParser) -> None:
    Flags(parser)(
        "--cosmul",
        "score by 3CosMul in place of 3CosAdd",
        dest="similarity_function",
        action="store_const",
        const="most_similar_cosmul",
        default="most_similar",
    )


def similar(options: argparse.Namespace) -> None:
    """Prints the neighbors of each word.

    Raises:
      KeyError: for the first word that is unknown, and has no n-grams.
      ValueError: if vectors are to be made of n-grams that the file does not have.
    """
    vectors = _known(options, options.words)
    nearest = vectors.most_similar_dot if options.dot else vectors.most_similar
    found = {
        word: nearest(word, topn=options.topn, restrict_vocab=options.restrict_vocab)
        for word in options.words
    }
    if options.json:
        rows = {word: _rows(neighbors) for word, neighbors in found.items()}
        print(json.dumps(rows, ensure_ascii=False))
        return
    for word, neighbors in found.items():
        _print_neighbors(word, neighbors)


def analogy(options: argparse.Namespace) -> None:
    """Prints the answers to one analogy.

    Raises:
      KeyError, ValueError: as `similar`.
    """
    vectors = _known(options, [options.a, options.b, options.c])
    ask = getattr(vectors, options.similarity_function)
    found = ask(
        [options.b, options.c],
        [options.a],
        topn=options.topn,
        restrict_vocab=options.restrict_vocab,
    )
    if options.json:
        print(json.dumps(_rows(found), ensure_ascii=False))
    else:
        _print_neighbors(f"{options.a} : {options.b} = {options.c} : ?", found)


def _known(options: argparse.Namespace, words: list[str]) -> WordVectors:
    """The vectors of the file, which has the words asked for, or with `--oov` n-grams of them."""
    vectors = load_mapped(options.file)
    if options.oov:
        _check_ngrams(vectors, options.file)
    else:
        check_known(vectors, words)
    return vectors


def _check_ngrams(vectors: WordVectors, file: str) -> None:
    if vectors.subwords is None:
        raise ValueError(
            f"{file} has no n-grams, of which --oov makes vectors of unknown words: train with "
            "--subwords 3-6, and write .npz, .safetensors or .fasttext.bin"
        )


def _rows(neighbors: Neighbors) -> list[dict]:
    return [{"word": word, "similarity": score} for word, score in neighbors]


def _print_neighbors(heading: str, neighbors: Neighbors) -> None:
    print(heading)
    for word, score in neighbors:
        print(f"  {score:6.3f}  {word}")


def run_evaluate(options: argparse.Namespace) -> None:
    """Prints the scores.

    Raises:
      ValueError, OSError: if there is nothing to evaluate, or a file cannot be read.
    """
    if not options.analogies and not options.pairs:
        raise ValueError("nothing to evaluate: give --analogies F, --pairs F, or both")
    check_input(options.analogies, "file of analogies")
    for file in options.pairs:
        check_input(file, "file of word pairs")
    if options.oov and not options.pairs:
        raise ValueError("--oov is for word pairs: give --pairs F")
    vectors = WordVectors.load(options.file)
    if options.oov:
        _check_ngrams(vectors, options.file)
    answers = None
    if options.analogies:
        answers = evaluate.analogies(
            vectors,
            options.analogies,
            restrict_vocab=options.restrict_vocab,
            similarity_function=options.similarity_function,
        )
    pairs = [evaluate.pairs(vectors, file, oov=options.oov) for file in options.pairs]
    if options.json:
        print(json.dumps(_as_json(answers, pairs)))
        return
    if answers is not None:
        _print_analogies(answers)
    for score in pairs:
        print(pairs_line(score))


def pairs_line(score: evaluate.Pairs) -> str:
    """The score on a file of word pairs, on one line."""
    share = f"{score.found} of {score.total} pairs scored ({100 * score.found / score.total:.1f} %)"
    unknown = f"{score.unknown} of {score.words} words unknown"
    composed = f", {score.composed} of these made of n-grams" if score.composed else ""
    return (
        f"{score.file}: Spearman {score.spearman:.4f}, Pearson {score.pearson:.4f}, {share}, "
        f"{unknown}{composed}"
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
