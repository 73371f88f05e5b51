import numpy as np
import pytest
from gensim.models import KeyedVectors
from scipy import stats

from jaxvec import Scores, WordVectors, analogies, evaluate
from jaxvec.vectors.subwords import Subwords


@pytest.fixture(scope="module")
def setting(tmp_path_factory):
    """Vectors with regular relations, words in two cases, and files with all kinds of lines."""
    rng = np.random.default_rng(0)
    base, shift = rng.normal(size=(60, 8)), rng.normal(size=8)
    words, rows = [], []
    for i, row in enumerate(base):
        words += [f"one{i}", f"two{i}"]
        rows += [row, row + shift + rng.normal(0, 0.3, 8)]
        if i % 5 == 0:
            words.append(f"ONE{i}" if i % 10 else f"Two{i}")
            rows.append(row + rng.normal(0, 0.1, 8))
    order = rng.permutation(len(words))
    ours = WordVectors([words[i] for i in order], np.array(rows)[order])
    theirs = KeyedVectors(8)
    theirs.add_vectors(ours.index_to_key, ours.vectors)

    folder = tmp_path_factory.mktemp("evaluate")
    questions, pairs = folder / "questions.txt", folder / "pairs.txt"
    picks = rng.integers(0, 62, (400, 2))  # 60 and 61 are unknown
    lines = [f"one{a} TWO{a} One{b} two{b}" for a, b in picks if a != b]
    questions.write_text(
        ": first\n"
        + "\n".join(lines[:150])
        + "\n: second part\r\n"
        + "\r\n".join(lines[150:])
        + "\n"
    )
    lines = [f"One{a}\ttwo{b}\t{rng.normal():.3f}" for a, b in picks]
    pairs.write_text("# a comment\n" + "\n".join(lines) + "\n")
    return ours, theirs, questions, pairs


@pytest.mark.parametrize("restrict", [None, 1000, 80, 20])
@pytest.mark.parametrize("held", [1, 1000, 1 << 24])  # scores: of one word, a few, or all
def test_analogies_are_gensims(setting, restrict, held, monkeypatch):
    monkeypatch.setattr(analogies, "_SCORES", held)
    ours, theirs, questions, _ = setting
    found = evaluate.analogies(ours, questions, restrict_vocab=restrict)
    score, sections = theirs.evaluate_word_analogies(questions, restrict_vocab=restrict or 10**6)
    expected = [
        (s["section"], len(s["correct"]), len(s["correct"]) + len(s["incorrect"])) for s in sections
    ]
    assert [*found.sections, ("Total accuracy", found.correct, found.total)] == expected
    if found.total:
        assert found.accuracy == pytest.approx(score)
        assert restrict == 20 or 0 < found.accuracy < 1


def test_pairs_are_gensims(setting):
    ours, theirs, _, pairs = setting
    found = evaluate.pairs(ours, pairs)
    pearson, spearman, unknown = theirs.evaluate_word_pairs(pairs)
    assert found.spearman == pytest.approx(spearman.statistic, abs=1e-5)
    assert found.pearson == pytest.approx(pearson.statistic, abs=1e-5)
    assert 100 * (1 - found.found / found.total) == pytest.approx(unknown)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"restrict_vocab": 80},
        {"restrict_vocab": 20},
        {"dummy4unknown": True},
        {"case_insensitive": False},
        {"case_insensitive": False, "dummy4unknown": True, "restrict_vocab": 60},
    ],
)
def test_word_analogies_and_pairs_are_gensims(setting, tmp_path, options):
    ours, theirs, questions, pairs = setting
    if "case_insensitive" in options:
        for file in (questions, pairs):
            (tmp_path / file.name).write_text(file.read_text().lower())
        questions, pairs = tmp_path / questions.name, tmp_path / pairs.name
    found = ours.evaluate_word_analogies(questions, **options)
    assert found == theirs.evaluate_word_analogies(questions, **options)
    found = ours.evaluate_word_pairs(pairs, **options)
    expected = theirs.evaluate_word_pairs(pairs, **options)
    for ours_result, theirs_result in zip(found, expected, strict=True):
        assert np.ravel(ours_result) == pytest.approx(np.ravel(theirs_result), abs=1e-5)


@pytest.mark.filterwarnings("ignore:Call to deprecated `init_sims`")  # gensim calls its own
def test_cosmul_analogies_are_gensims_answers(setting):
    ours, theirs, questions, _ = setting
    score, sections = ours.evaluate_word_analogies(
        questions, similarity_function="most_similar_cosmul"
    )
    assert 0.1 < score < 0.9
    first = {word.upper(): word for word in reversed(ours.index_to_key)}
    for question in sections[-1]["correct"] + sections[-1]["incorrect"]:
        a, b, c = (first[word] for word in question[:3])
        found = theirs.most_similar_cosmul([b, c], [a], topn=len(theirs))
        answer = next(word.upper() for word, _ in found if word.upper() not in question[:3])
        assert (question in sections[-1]["correct"]) == (answer == question[3])


def test_similarity_function_is_known(setting):
    with pytest.raises(ValueError, match="must be most_similar or most_similar_cosmul; got 'x'"):
        evaluate.analogies(setting[0], setting[2], similarity_function="x")


def test_no_word_left_is_no_answer(tmp_path):
    (tmp_path / "q").write_text("a b c c\n")
    vectors = WordVectors(["a", "b", "c"], np.eye(3))
    assert evaluate.analogies(vectors, tmp_path / "q").correct == 0


def test_delimiter(setting, tmp_path):
    ours, theirs, _, pairs = setting
    (tmp_path / "p.csv").write_text(pairs.read_text().replace("\t", ","))
    found = ours.evaluate_word_pairs(tmp_path / "p.csv", delimiter=",")
    assert found[1].statistic == pytest.approx(theirs.evaluate_word_pairs(pairs)[1].statistic)


def test_nothing_known_is_no_score(setting):
    _, _, questions, pairs = setting
    vectors = WordVectors(["x", "y"], np.eye(2))
    score, sections = vectors.evaluate_word_analogies(questions)
    assert (score, sections[-1]["correct"], sections[-1]["incorrect"]) == (0, [], [])
    with pytest.raises(ValueError, match="two pairs of known words are needed; 0 found"):
        vectors.evaluate_word_pairs(pairs)


def test_nothing_known_is_nan_not_an_error(setting, tmp_path):
    _, _, questions, pairs = setting
    vectors = WordVectors(["x", "y"], np.eye(2))
    assert np.isnan(evaluate.pairs(vectors, pairs).spearman)
    assert np.isnan(evaluate.analogies(vectors, questions).accuracy)


def test_byte_order_marks_are_dropped(tmp_path):
    vectors = WordVectors(["a", "b", "c", "d"], np.random.default_rng(0).normal(size=(4, 3)))
    (tmp_path / "p").write_text("\ufeffa b 1\r\nb c 2\r\n", "utf-8")
    assert Scores(pairs=tmp_path / "p").score(vectors).pairs[0][3:5] == (2, 2)
    (tmp_path / "q").write_text("\ufeff: letters\na b c d\n", "utf-8")
    assert evaluate.analogies(vectors, tmp_path / "q").sections[0][::2] == ("letters", 1)
    (tmp_path / "q").write_text("a b c d\n", "utf-16")
    with pytest.raises(ValueError, match="is UTF-16 text"):
        evaluate.analogies(vectors, tmp_path / "q")
    with pytest.raises(FileNotFoundError, match="no such file of word pairs: none"):
        evaluate.pairs(vectors, "none")


def test_heading_and_spaces(tmp_path):
    (tmp_path / "p").write_text(
        "# from people\nWord 1\tWord 2\tHuman (mean)\na\tb\t1\n\na c 2\nB  C 5\n"
    )
    vectors = WordVectors(["a", "b", "c"], np.random.default_rng(0).normal(size=(3, 4)))
    assert evaluate.pairs(vectors, tmp_path / "p")[3:] == (3, 3, 3, 0, 0)


@pytest.mark.parametrize(
    ("content", "score", "message"),
    [
        (b": a\none two three\n", evaluate.analogies, "line 2 has 3 words"),
        (b"a b\nc d\n", evaluate.pairs, "line 2 is 'c d'"),
        (b"", evaluate.pairs, "no word pairs"),
        (b"\xff\xfe", evaluate.pairs, "not UTF-8"),
        (b"", evaluate.analogies, "no questions"),
        (b"a b nan\n", evaluate.pairs, "line 1 is 'a b nan'; .* finite number"),
        (b"a b 1\na c inf\n", evaluate.pairs, "line 2 is 'a c inf'"),
        (b"a b 0,0\nb c 1\n", evaluate.pairs, "line 1 is 'a b 0,0'; .* a decimal point"),
        (b"a b 7,35\nb c 1\n", evaluate.pairs, "line 1 is 'a b 7,35'; .* a decimal point"),
    ],
)
def test_broken_files(setting, tmp_path, content, score, message):
    (tmp_path / "f").write_bytes(content)
    with pytest.raises(ValueError, match=message):
        score(setting[0], tmp_path / "f")


def test_missing_files_and_folders(setting, tmp_path):
    for score, what in {evaluate.analogies: "analogies", evaluate.pairs: "word pairs"}.items():
        with pytest.raises(FileNotFoundError, match=f"no such file of {what}: .*none"):
            score(setting[0], tmp_path / "none")
        with pytest.raises(ValueError, match=f"is a folder, not a file of {what}"):
            score(setting[0], tmp_path)


def test_questions_about_words_that_begin_like_comments(tmp_path):
    """gensim has no comments among questions, and skips what has not four words."""
    words = ["#a", "b", "c", "d"]
    ours = WordVectors(words, [[0, 1], [1, 1], [0, 2], [1, 2]])
    theirs = KeyedVectors(2)
    theirs.add_vectors(words, ours.vectors)
    file = tmp_path / "q"
    file.write_text(": #s\n#a b c d\n# from someone\n#a c b d\n")
    expected, (section, _) = theirs.evaluate_word_analogies(str(file))
    found, (ours_section, _) = ours.evaluate_word_analogies(file)
    assert (found, ours_section["correct"]) == (expected, section["correct"])
    assert evaluate.analogies(ours, file).total == 2


@pytest.mark.parametrize("limit", [0, -1, 1.5])
def test_restrict_vocab_must_be_whole_and_positive(setting, limit):
    vectors, _, questions, pairs = setting
    for score, file in (
        (evaluate.analogies, questions), (evaluate.pairs, pairs),
        (WordVectors.evaluate_word_analogies, questions), (WordVectors.evaluate_word_pairs, pairs),
    ):  # fmt: skip
        error = TypeError if limit == 1.5 else ValueError
        with pytest.raises(error, match="restrict_vocab must be"):
            score(vectors, file, restrict_vocab=limit)


def test_only_the_first_words_are_known(setting):
    ours, _, _, pairs = setting
    found = evaluate.pairs(ours, pairs, restrict_vocab=60)
    assert 0 < found.found < evaluate.pairs(ours, pairs).found
    pearson, spearman, unknown = ours.evaluate_word_pairs(pairs, restrict_vocab=60)
    assert (found.pearson, found.spearman) == (pearson.statistic, spearman.statistic)
    assert 100 * (1 - found.found / found.total) == pytest.approx(unknown)


def test_pairs_in_another_encoding(tmp_path):
    words = ["café", "thé", "eau", "lait"]
    ours = WordVectors(words, np.random.default_rng(0).normal(size=(4, 3)))
    theirs = KeyedVectors(3)
    theirs.add_vectors(words, ours.vectors)
    file = tmp_path / "p"
    file.write_bytes("café\tthé\t9\neau\tlait\t2\nthé\teau\t5\n".encode("latin-1"))
    found = ours.evaluate_word_pairs(file, encoding="latin-1")
    expected = theirs.evaluate_word_pairs(str(file), encoding="latin-1")
    assert found[1].statistic == pytest.approx(expected[1].statistic)
    with pytest.raises(ValueError, match="not UTF-8"):
        ours.evaluate_word_pairs(file)
    with pytest.raises(ValueError, match=r"encoding must be one .* got 'utf-16'"):
        ours.evaluate_word_pairs(file, encoding="utf-16")
    with pytest.raises(ValueError, match="is not ascii"):
        ours.evaluate_word_pairs(file, encoding="ascii")


def test_unknown_words_are_scored_by_their_ngrams(tmp_path):
    """Each cosine beside one of `Subwords.vector`, written out."""
    rng = np.random.default_rng(0)
    rows = Subwords(rng.normal(size=(50, 4)), minn=4, maxn=5)
    vectors = WordVectors(["walk", "talk", "run"], rng.normal(size=(3, 4)), subwords=rows)
    file = tmp_path / "p"
    file.write_text("Walk Walker 7\nwalking TALKING 5\nrun walk 1\ntalk a 2\nRUNNER walk 4\n")

    def cosine(a, b):
        return a @ b / np.linalg.norm(a) / np.linalg.norm(b)

    own, of = vectors.get_vector, rows.vector
    expected = [
        cosine(own("walk"), of("walker")),
        cosine(of("walking"), of("talking")),  # in lower case, as all words are
        cosine(own("run"), own("walk")),
        np.nan,  # "a" is too short for n-grams
        cosine(of("runner"), own("walk")),
    ]
    found = evaluate.judgments(vectors, file, oov=True)
    assert found.cosines == pytest.approx(expected, nan_ok=True)
    assert found[2:] == (8, 5, 4)
    assert evaluate.pairs(vectors, file, oov=True)[3:] == (4, 5, 8, 5, 4)
    assert evaluate.pairs(vectors, file)[3:] == (1, 5, 8, 5, 0)
    _, spearman, unscored = vectors.evaluate_word_pairs(file, oov=True)
    known = ~np.isnan(expected)
    of_people = stats.spearmanr(np.array(expected)[known], [7, 5, 1, 4])
    assert (spearman.statistic, unscored) == pytest.approx((of_people.statistic, 20))
    # among the first word alone "talk" is unknown, and of n-grams
    first = evaluate.judgments(vectors, file, restrict_vocab=1, oov=True)
    assert first.cosines[2] == pytest.approx(cosine(of("run"), own("walk")))
    # with a word in capitals, capitals are kept
    vectors = WordVectors(["walk", "NATO"], rng.normal(size=(2, 4)), subwords=rows)
    capitals = evaluate.judgments(vectors, file, oov=True)
    assert capitals.cosines[4] == pytest.approx(cosine(of("RUNNER"), vectors["walk"]))
    vectors.subwords = None
    with pytest.raises(ValueError, match="these vectors have none"):
        vectors.evaluate_word_pairs(file, oov=True)
