"""`jaxvec phrases`: finds phrases and writes the text with each joined to one word."""

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxvec.cli.common import Flags, check_output, number, path, say, text_paths, whole
from jaxvec.storage.files import atomic_write

if TYPE_CHECKING:
    from jaxvec.text.phrases import Phrases
    from jaxvec.text.pieces import Pieces


def add_phrases_options(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `phrases` to a parser."""
    parser.description = (
        "Finds pairs of words that follow each other far more often than by chance, and writes "
        "the text with each joined to one word, a document a line, for 'jaxvec train'. Without "
        "-o and --scores it prints the phrases, the best first: words, score and count, between "
        "tabs."
    )
    parser.epilog = (
        "examples:\n  jaxvec phrases text.txt | head\n"
        "  jaxvec phrases text.txt -o joined.txt --scores phrases.tsv --passes 2\n"
        "  jaxvec phrases new.txt -o new.joined.txt --phrases phrases.tsv"
    )
    add = Flags(parser)
    add("corpus TEXT", "text files, folders, - or a named corpus", path, nargs="+")
    add("-o --output FILE", "where the text with joined phrases goes", path)
    add("--scores FILE", "write the phrases with their scores and counts", path)
    add("--force", "overwrite the outputs")
    add = Flags(parser, "text")
    add(
        "--tokenizer NAME",
        "whitespace (default), basic_english, text8 or alphanumeric",
        default="whitespace",
    )
    add(
        "--errors",
        "what to do about bytes that are not UTF-8 (default: strict)",
        choices=["strict", "replace", "ignore"],
        default="strict",
    )
    add = Flags(parser, "phrases")
    add("--min-count N", "leave out phrases rarer than N (default: 5)", whole(1))
    add("--threshold S", "take phrases with a score above S (default: 10; 0.5 for npmi)", number())
    add(
        "--scoring",
        "(count(ab) - min_count) V / (count(a) count(b)) with V different words and pairs, as "
        "gensim; or normalized mutual information, -1 to 1",
        choices=["default", "npmi"],
    )
    add(
        "--connector-words WORD",
        "words allowed inside phrases, bank_of_china, not at their ends; English ones without WORD",
        nargs="*",
    )
    add("--passes N", "find phrases of phrases: 2 for new_york_city (default: 1)", whole(1))
    add("--delimiter STR", "what joins words (default: _)", default="_")
    add("--phrases FILE", "join only these phrases, from --scores", path)
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Finds or reads phrases, and writes them or the text.

    Raises:
      ValueError, OSError: for bad input, before anything is written.
    """
    from jaxvec.text import phrases as core
    from jaxvec.text.pieces import file_pieces
    from jaxvec.text.tokenize import get_tokenizer

    if options.delimiter.split() != [options.delimiter]:
        raise ValueError("--delimiter must be one or more characters without white space")
    get_tokenizer(options.tokenizer)  # raises before a corpus is downloaded
    finding = _finding(options)
    inputs = [*options.corpus, *([options.phrases] if options.phrases else [])]
    for output in filter(None, (options.output, options.scores)):
        check_output(output, force=options.force, inputs=inputs)
        inputs.append(output)
    paths = [file for name in options.corpus for file in text_paths(name)]
    target = Path(options.output or options.scores or Path(tempfile.gettempdir(), "none"))
    folder = target.resolve().parent
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(_readable(file, folder)) for file in paths]

        def text(passes: list["Phrases"]) -> "Pieces":
            pieces: Pieces = file_pieces(files, options.tokenizer, options.errors)
            for phrases in passes:
                pieces = phrases.apply_pieces(pieces)
            return pieces

        passes = []
        if options.phrases:
            passes = core.load_phrases(options.phrases, delimiter=options.delimiter)
        else:
            for _ in range(options.passes or 1):
                passes.append(core.Phrases.from_pieces(text(passes), folder=folder, **finding))
                say(f"{len(passes[-1]):,} phrases{_such_as(passes[-1])}")
        if options.scores:
            core.save_phrases(passes, options.scores)
        if options.output:
            words = _write(text(passes), options.output)
            say(f"the text of {words:,} words is in {options.output}")
        if not options.output and not options.scores:
            sys.stdout.writelines(core.phrase_lines(passes))


def _finding(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of `Phrases`; ValueError for options that do not go together."""
    from jaxvec.text import phrases as core

    names = ("min_count", "threshold", "scoring", "connector_words")
    given = {name: getattr(options, name) for name in names if getattr(options, name) is not None}
    if options.phrases:
        if not options.output or options.scores:
            raise ValueError("--phrases needs -o FILE for the text, and does not go with --scores")
        for name in [*given, *(["passes"] if options.passes else [])]:
            raise ValueError(f"--{name.replace('_', '-')} does not go with --phrases")
    if given.get("connector_words") == []:
        given["connector_words"] = core.ENGLISH_CONNECTOR_WORDS
    return given | {"delimiter": options.delimiter}


@contextlib.contextmanager
def _readable(name: str, folder: Path) -> Iterator[str]:
    """A file that can be read twice: a temporary copy of standard input or a pipe."""
    if name != "-" and (Path(name).is_file() or Path(name).is_dir() or not Path(name).exists()):
        yield name
        return
    from jaxvec.text.read import standard_input

    with tempfile.NamedTemporaryFile(prefix=".standard-input-", dir=folder) as copy:
        with contextlib.ExitStack() as stack:
            opened = None if name == "-" else stack.enter_context(open(name, "rb"))
            source = standard_input() if opened is None else opened
            shutil.copyfileobj(source, copy)
        copy.flush()
        yield copy.name


def _such_as(phrases: "Phrases") -> str:
    """The most frequent phrases, as part of a sentence."""
    often = sorted(phrases.found, key=lambda words: -phrases.found[words].bigram_count)[:6]
    return ", most often " + " ".join(map(phrases.delimiter.join, often)) if often else ""


def _write(pieces: "Pieces", output: str) -> int:
    """Writes a document a line, except empty ones; returns the number of words."""
    total, begun = 0, False
    with (
        atomic_write(output) as temporary,
        open(temporary, "w", encoding="utf-8", newline="\n") as file,
    ):
        for words, ends in pieces:
            if words:
                file.write(" " * begun + " ".join(words))
                total, begun = total + len(words), True
            if ends and begun:
                file.write("\n")
                begun = False
    return total
