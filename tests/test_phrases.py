import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from gensim.models import phrases as gensim_phrases

from jaxvec import Corpus, Phrases, load_phrases, save_phrases
from jaxvec.cli import main
from jaxvec.text import bigrams, docstrings, indexing
from jaxvec.text.phrases import ENGLISH_CONNECTOR_WORDS, PhraseStats
from jaxvec.text.pieces import file_pieces
from jaxvec.text.tokenize import text8
from tests import reference

CONNECTORS = ["of", "the"]
SCORES = {"default": gensim_phrases.original_scorer, "npmi": gensim_phrases.npmi_scorer}


def random_documents(seed, n=400):
    """Words of which some like to follow each other, and connectors."""
    rng = np.random.default_rng(seed)
    words = [f"w{i}" for i in range(60)] + CONNECTORS * 8
    documents = []
    for _ in range(n):
        document = [str(rng.choice(words)) for _ in range(rng.integers(0, 30))]
        for i in rng.integers(0, len(document) + 1, 3):
            pair = rng.integers(0, 12)
            inside = [[], ["of"], ["of", "the"]][pair % 3]
            document[i:i] = [f"a{pair}", *inside, f"b{pair}"]
        documents.append(document)
    return documents


def city_lines():
    """Text about a city, with other words by chance."""
    rng = np.random.default_rng(0)
    lines = []
    for i in range(80):
        words = [f"W{j}" for j in rng.integers(0, 1000, 8)]
        words[3:3] = ["New York City", "New York", "York", "New"][i % 4].split()
        lines.append(" ".join(words))
    return lines


def pieces(documents, seed):
    """The documents in pieces, some of them empty."""
    rng = np.random.default_rng(seed)
    for document in documents:
        cuts = [0, *np.sort(rng.integers(0, len(document) + 1, 3)).tolist(), len(document)]
        for i in range(4):
            yield document[cuts[i] : cuts[i + 1]], i == 3


@pytest.mark.parametrize("connectors", [[], CONNECTORS, ["absent"]])
@pytest.mark.parametrize("min_count", [1, 4])
def test_counts_are_those_of_the_obvious_way(connectors, min_count):
    documents = random_documents(0)
    words, found, total = reference.bigrams(documents, connectors)
    ours = bigrams.count(
        ((d, True) for d in documents), min_count=min_count, connector_words=connectors
    )
    assert ours.len_vocab == len(words) + len(found)
    assert ours.corpus_word_count == total
    expected = {words: n for words, n in found.items() if n >= min_count}
    assert dict(zip(ours.phrases, ours.bigram_count.tolist(), strict=True)) == expected
    assert ours.worda_count.tolist() == [words[phrase[0]] for phrase in ours.phrases]
    assert ours.wordb_count.tolist() == [words[phrase[-1]] for phrase in ours.phrases]


@pytest.mark.parametrize("seed", range(4))
def test_in_pieces_and_batches_as_whole(seed, monkeypatch, tmp_path):
    documents = random_documents(seed, 100)
    options = {"min_count": 2, "threshold": 1.0, "connector_words": CONNECTORS}
    whole = Phrases.from_documents(documents, **options)
    expected = list(whole.apply(documents))
    monkeypatch.setattr(indexing, "_BATCH", 1 + 10 * seed)
    monkeypatch.setattr(bigrams, "_SORTED", 50)
    monkeypatch.setattr(bigrams, "_INTERVAL", 1 << 14)
    folder = tmp_path if seed % 2 else None
    parts = Phrases.from_pieces(pieces(documents, seed), folder=folder, **options)
    assert parts.found == whole.found
    assert len(parts) > 5
    joined, document = [], []
    for words, ends in parts.apply_pieces(pieces(documents, seed)):
        document += words
        if ends:
            joined.append(document)
            document = []
    assert joined == expected
    assert not any(tmp_path.iterdir())


def test_joined_from_left_to_right():
    phrases = Phrases(
        {words: PhraseStats(1.0, 5) for words in [("a", "b"), ("b", "c"), ("b", "of", "d")]}
    )
    rng = np.random.default_rng(0)
    for _ in range(500):
        words = rng.choice(["a", "b", "c", "d", "of", "x"], rng.integers(0, 12)).tolist()
        assert phrases[words] == reference.joined(words, phrases.found)
    assert phrases[("a", "b")] == ["a_b"]


def same_as_gensim(documents, scoring, threshold, connectors, min_count=3):
    options = {"min_count": min_count, "threshold": threshold, "scoring": scoring}
    theirs = gensim_phrases.Phrases(documents, connector_words=frozenset(connectors), **options)
    ours = Phrases.from_documents(documents, connector_words=connectors, **options)
    expected = theirs.export_phrases()
    assert ours.export_phrases() == pytest.approx(expected, rel=1e-12)
    assert list(ours.apply(documents)) == [theirs[document] for document in documents]
    frozen = theirs.freeze()
    assert [ours[document] for document in documents] == [frozen[d] for d in documents]
    return len(ours)


@pytest.mark.parametrize("connectors", [[], CONNECTORS])
@pytest.mark.parametrize(
    ("scoring", "threshold"),
    [("default", 1e-9), ("default", 1.0), ("default", 20.0), ("npmi", -1.0), ("npmi", 0.4)],
)
def test_generated_text_is_gensims(scoring, threshold, connectors):
    assert same_as_gensim(random_documents(1), scoring, threshold, connectors) >= 3


@pytest.mark.parametrize(("scoring", "threshold"), [("default", 10.0), ("npmi", 0.5)])
def test_documentation_is_gensims(scoring, threshold, monkeypatch):
    roots = [root for root in docstrings._roots() if root[0] == "optax"]
    monkeypatch.setattr(docstrings, "_roots", lambda: roots)
    documents = [text8(text) for text in docstrings.documentation()]  # words without "_"
    assert ENGLISH_CONNECTOR_WORDS == gensim_phrases.ENGLISH_CONNECTOR_WORDS
    for connectors in ([], ENGLISH_CONNECTOR_WORDS):
        assert same_as_gensim(documents, scoring, threshold, connectors, 5) > 20


def test_words_spelt_like_a_phrase_are_not_counted_with_it():
    documents = [["new", "york"]] * 3 + [["new_york"]] * 7
    assert Phrases.from_documents(documents, min_count=3, threshold=1e-9).found == {}
    found = Phrases.from_documents(documents, min_count=1, threshold=1e-9).found
    assert found == {("new", "york"): PhraseStats((3 - 1) / (3 * 3) * 4, 3)}


def test_no_phrase_across_documents():
    documents = [["x", "a"], ["b", "y"]] * 20
    found = Phrases.from_documents(documents, min_count=1, threshold=1e-9).found
    assert set(found) == {("x", "a"), ("b", "y")}
    assert list(Phrases({("a", "b"): PhraseStats(1, 1)}).apply(documents)) == documents


def test_thresholds_scoring_and_delimiter():
    documents = random_documents(2)
    low = Phrases.from_documents(documents, min_count=2, threshold=0.5, delimiter="~")
    high = Phrases.from_documents(documents, min_count=2, threshold=3, delimiter="~")
    assert low.above(3).found == high.found
    assert 0 < len(high) < len(low)
    assert list(low.above(3).apply(documents)) == list(high.apply(documents))
    assert "a0~b0" in high.export_phrases()
    scores = list(low.export_phrases().values())
    assert scores == sorted(scores, reverse=True)
    own = Phrases.from_documents(
        documents, scoring=lambda a, b, ab, V, least, total: ab / a, threshold=0.8
    )
    assert ("a0", "b0") in own.found
    assert Phrases.from_documents(documents, scoring="npmi").found == (
        Phrases.from_documents(documents, scoring="npmi", threshold=0.5).found
    )


def test_in_front_of_a_corpus_and_twice():
    documents = city_lines()
    first = Phrases.from_documents(documents)
    second = Phrases.from_documents(first.apply(documents))
    assert list(first.found) == [("York", "City"), ("New", "York")]
    assert list(second.found) == [("New_York", "City")]
    joined = Corpus.from_documents(second.apply(first.apply(documents)))
    assert joined.vocab.count(["New_York_City", "New_York", "York"]).tolist() == [20, 20, 20]


@pytest.mark.parametrize("connectors", [[], CONNECTORS])
def test_saved_and_loaded(tmp_path, connectors):
    documents = random_documents(3)
    options = {"threshold": 0.5, "connector_words": connectors, "delimiter": "~"}
    first = Phrases.from_documents(documents, **options)
    second = Phrases.from_documents(first.apply(documents), **options)
    none = Phrases({}, delimiter="~")
    save_phrases([first, second, none], tmp_path / "p.tsv")
    again = load_phrases(tmp_path / "p.tsv", delimiter="~")
    assert [phrases.found for phrases in again] == [first.found, second.found, {}]
    for ours, theirs in zip(again, (first, second), strict=False):
        assert list(ours.apply(documents)) == list(theirs.apply(documents))


def test_files_without_phrases_or_a_last_line_end(tmp_path):
    save_phrases([Phrases({})], tmp_path / "p")
    assert [phrases.found for phrases in load_phrases(tmp_path / "p")] == [{}]
    (tmp_path / "p").write_text("a b\t1.0\t2\n\nc d\t2.0\t3")
    _, phrases = load_phrases(tmp_path / "p")
    assert phrases.found == {("c", "d"): PhraseStats(2.0, 3)}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a b\t1.0\n", "line 1"),
        ("a b\t1.0\t2\na c\tx\t2\n", "line 2: .*expected words with spaces"),
        ("a b\t1.0\t2\n\n\xff", "file of phrases .* is not UTF-8"),
        ("a\t1.0\t2\n", "two words or more"),
        ("a b c\t1.0\t2\nb c\t1.0\t2\n", "may not begin or end"),
    ],
)
def test_broken_files_are_refused(tmp_path, text, message):
    (tmp_path / "p").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=message):
        load_phrases(tmp_path / "p")


def test_words_that_no_file_can_hold(tmp_path):
    with pytest.raises(ValueError, match="white space"):
        save_phrases([Phrases({("a b", "c"): PhraseStats(1, 1)})], tmp_path / "p")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("documents", "options", "message"),
    [
        ([[]], {}, "no words"),
        ("a b", {}, "not a string"),
        ([["a"]], {"min_count": 0}, "min_count"),
        ([["a"]], {"threshold": 0}, "threshold must be above 0"),
        ([["a"]], {"threshold": 10, "scoring": "npmi"}, "from -1 to 1"),
        ([["a"]], {"scoring": "best"}, "one of default, npmi"),
        ([["a"]], {"delimiter": ""}, "delimiter"),
        ([["a"]], {"connector_words": "of"}, "connector_words must be a list of words"),
    ],
)
def test_bad_input(documents, options, message):
    with pytest.raises(ValueError, match=message):
        Phrases.from_documents(documents, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_count": "5"}, "min_count must be a whole number; got the string '5'"),
        ({"threshold": "10"}, "threshold must be a number; got the string '10'"),
        ({"connector_words": 5}, "connector_words must be a list of words; got the number 5"),
        ({"delimiter": 5}, "delimiter must be a string; got the number 5"),
    ],
)
def test_options_of_another_type(options, message):
    with pytest.raises(TypeError, match=message):
        Phrases.from_documents([["a"]], **options)
    if "threshold" in options:
        with pytest.raises(TypeError, match=message):
            Phrases({}).above(options["threshold"])


@pytest.mark.parametrize("words", ["a b", [["a", "b"]], [1]])
def test_only_words_are_looked_into(words):
    with pytest.raises(ValueError, match="words of one document"):
        Phrases({})[words]


def test_nothing_to_find():
    phrases = Phrases.from_documents([["a"], [], ["b"]], min_count=1)
    assert phrases.export_phrases() == {}
    assert list(phrases.apply(["a b", []])) == [["a", "b"], []]


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The working folder, with text in it."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n\n".join(city_lines()))
    return tmp_path


def test_command_writes_text_to_train_on(folder, capsys):
    command = ["phrases", "text.txt", "-o", "joined.txt", "--scores", "p.tsv",
               "--passes", "2", "--tokenizer", "basic_english", "--threshold", "9"]  # fmt: skip
    assert main(command) == 0
    lines = Path("joined.txt").read_text().splitlines()
    assert len(lines) == 80
    assert lines[0].split()[3] == "new_york_city"
    assert lines[1].split()[3] == "new_york"
    messages = capsys.readouterr().err
    assert f"of {sum(len(line.split()) for line in lines)} words" in messages
    assert Corpus.from_files("joined.txt").vocab.count("new_york_city") == 20
    first, second = load_phrases("p.tsv")
    text = list(file_pieces(["text.txt"], "basic_english"))
    assert first.found == Phrases.from_pieces(text, threshold=9).found
    assert second.found

    assert main(command) == 2
    assert "--force" in capsys.readouterr().err
    assert main([*command, "--force"]) == 0
    again = ["phrases", "text.txt", "--phrases", "p.tsv", "-o", "again.txt"]
    assert main([*again, "--tokenizer", "basic_english"]) == 0
    assert Path("again.txt").read_text().splitlines() == lines


def test_command_prints_what_scores_holds(folder, capsys):
    find = ["phrases", "text.txt", "--connector-words", "York", "--min-count", "3"]
    assert main([*find, "--scoring", "npmi"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("New York City\t")
    assert main([*find, "--scoring", "npmi", "--scores", "p.tsv"]) == 0
    assert capsys.readouterr().out == ""
    assert Path("p.tsv").read_text() == printed
    assert sorted(p.name for p in folder.iterdir()) == ["p.tsv", "text.txt"]


def test_command_reads_a_pipe_as_often_as_it_needs(folder):
    command = ["-o", "file.txt", "--passes", "2", "--delimiter", "+"]
    assert main(["phrases", "text.txt", *command]) == 0
    assert "New+York+City" in Path("file.txt").read_text()
    command[1] = "pipe.txt"
    with open("text.txt", "rb") as text:
        subprocess.run([sys.executable, "-m", "jaxvec", "phrases", "-", *command], stdin=text,
                       check=True, capture_output=True)  # fmt: skip
    assert Path("pipe.txt").read_text() == Path("file.txt").read_text()
    assert sorted(p.name for p in folder.iterdir()) == ["file.txt", "pipe.txt", "text.txt"]


def test_english_connector_words(folder, capsys):
    Path("text.txt").write_text("the bank of china\na bank in china\n" * 9 + "of the\n" * 9)
    assert main(["phrases", "text.txt", "--threshold", "0.01", "--connector-words"]) == 0
    assert {line.split("\t")[0] for line in capsys.readouterr().out.splitlines()} == {
        "bank of china", "bank in china",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--delimiter", " "], "--delimiter"),
        (["--threshold", "2", "--scoring", "npmi"], "from -1 to 1"),
        (["--threshold", "0"], "above 0"),
        (["--phrases", "p.tsv"], "needs -o"),
        (["--phrases", "p.tsv", "-o", "o", "--min-count", "3"], "--min-count does not go"),
        (["--phrases", "p.tsv", "-o", "o", "--passes", "2"], "--passes does not go"),
        (["--phrases", "p.tsv", "-o", "o"], "p.tsv"),
        (["-o", "text.txt"], "also an input"),
        (["-o", "o", "--scores", "o"], "also an input"),
        (["--tokenizer", "none"], "tokenizer must be"),
        (["absent.txt"], "absent.txt"),
    ],
)
def test_bad_commands_leave_nothing(folder, capsys, monkeypatch, arguments, message):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert main(["phrases", "text.txt", *arguments]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
    assert [p.name for p in folder.iterdir()] == ["text.txt"]


def test_counts_whose_product_is_beyond_64_bits():
    counts = np.array([4 * 10**9, 2**62]), np.array([5 * 10**9, 2**62]), np.array([10**9, 2**61])
    expected = [(10**9 - 5) / (2 * 10**19) * 10**6, (2**61 - 5) / 2**124 * 10**6]
    found = bigrams.original_scorer(*counts, 10**6, 5, 2**62)
    np.testing.assert_allclose(found, expected, rtol=1e-12)
    narrow = [array[:1].astype(np.uint32) for array in (counts[0], counts[0], counts[2])]
    assert bigrams.original_scorer(*narrow, 10**6, 2 * 10**9, 2**62) < 0


def test_a_phrase_is_no_string_and_a_document_no_bytes():
    with pytest.raises(ValueError, match="a tuple of two words or more"):
        Phrases({"new york": PhraseStats(1.0, 2)})
    with pytest.raises(
        TypeError, match="document 1 must be a string or a list of words; got bytes"
    ):
        Phrases.from_documents(["a b", b"x y"])


def test_a_byte_order_mark_is_no_part_of_a_phrase(tmp_path):
    (tmp_path / "p").write_bytes("\ufeffnew york\t2.5\t3\r\n".encode())
    assert list(load_phrases(tmp_path / "p")[0].found) == [("new", "york")]
