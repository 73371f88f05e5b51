import json

import numpy as np
import pytest

from jaxvec import Corpus, WordVectors, align, cooccurrence, ppmi
from jaxvec.cli import main

WORDS = [f"w{i}" for i in range(200)]


def orthogonal(seed, size=12):
    return np.linalg.qr(np.random.default_rng(seed).normal(size=(size, size))).Q


@pytest.fixture
def table():
    return np.random.default_rng(0).normal(size=(200, 12)) + 0.5


@pytest.mark.parametrize("options", [{}, {"unit_length": False}, {"center": True}])
def test_a_turned_copy_is_brought_back(table, options):
    """Words in another order, and words that the other has not, too."""
    to = WordVectors(WORDS[:150], table[:150])
    order = np.random.default_rng(1).permutation(200)
    turned = WordVectors([WORDS[i] for i in order], table[order] @ orthogonal(2))
    found = align.align(turned, to, **options)
    assert found.index_to_key == turned.index_to_key
    np.testing.assert_allclose(found.vectors, table[order], atol=1e-5)
    np.testing.assert_allclose(
        found.similarity("w3", "w190"), turned.similarity("w3", "w190"), atol=1e-6
    )
    assert not np.array_equal(turned.vectors, found.vectors)


def test_no_other_rotation_is_nearer(table):
    rng = np.random.default_rng(3)
    target = table @ orthogonal(4) + rng.normal(size=table.shape)
    best = align.rotation(table, target)
    np.testing.assert_allclose(best @ best.T, np.eye(12), atol=1e-9)
    error = np.linalg.norm(table @ best - target)
    for seed in range(20):
        little = np.linalg.qr(np.eye(12) + 0.05 * rng.normal(size=(12, 12))).Q
        little *= np.sign(np.diag(little))
        for other in (best @ little, orthogonal(seed)):
            assert np.linalg.norm(table @ other - target) > error


def test_what_centring_and_unit_length_do(table):
    """A common shift misleads a rotation that is not centered; one long word, one by lengths."""
    to = WordVectors(WORDS, table)
    turn = orthogonal(5)

    def error(moved, **options):
        found = align.align(WordVectors(WORDS, moved), to, unit_length=False, **options).vectors
        return np.linalg.norm(found[1:] - (moved @ turn.T)[1:])

    shifted = table @ turn + 5
    assert error(shifted, center=True) < 1e-2 < error(shifted)

    long = table @ turn
    long[0] = 1000 * orthogonal(6)[0]
    found = align.align(WordVectors(WORDS, long), to, unit_length=True)
    assert np.linalg.norm(found.vectors[1:] - table[1:]) < error(long) / 10


def test_anchors(table):
    """What other words do is nothing to the rotation."""
    moved = table @ orthogonal(7)
    moved[50:] = np.random.default_rng(8).normal(size=(150, 12))
    found = align.align(WordVectors(WORDS, moved), WordVectors(WORDS, table), words=WORDS[:50])
    np.testing.assert_allclose(found.vectors[:50], table[:50], atol=1e-5)


def test_drift_is_of_the_changed_words(table):
    rng = np.random.default_rng(9)
    after = table @ orthogonal(10) + 0.01 * rng.normal(size=table.shape)
    changed = [5, 80, 199]
    after[changed] = 3 * rng.normal(size=(3, 12))
    found = align.drift(WordVectors(WORDS, table), WordVectors(WORDS[::-1], after[::-1]))
    assert {word for word, _ in found[:3]} == {WORDS[i] for i in changed}
    distances = [distance for _, distance in found]
    assert distances == sorted(distances, reverse=True)
    assert distances[2] > 0.2 > 0.01 > distances[3]
    assert len(found) == 200


def test_drift_far_from_zero_is_that_of_float64():
    rng = np.random.default_rng(5)
    points = (rng.normal(size=(40, 4)) + 1013.25).astype(np.float32)
    later = points + np.float32(0.25) * np.arange(40, dtype=np.float32)[:, None] % 3
    words = [f"w{i}" for i in range(40)]
    found = dict(align.drift(WordVectors(words, points), WordVectors(words, later)))
    before, after = (p.astype(np.float64) for p in (points, later))
    before, after = (p / np.linalg.norm(p, axis=1, keepdims=True) for p in (before, after))
    squares = ((before - after @ align.rotation(after, before)) ** 2).sum(axis=1)
    np.testing.assert_allclose([found[word] for word in words], squares / 2, rtol=2e-3, atol=1e-12)


def test_which_words_are_compared(table):
    counts = np.arange(400, 200, -1)
    before = WordVectors(WORDS, table, counts=counts)
    after = WordVectors(WORDS[::-1], table, counts=counts)
    assert align.shared_words(before, after) == WORDS
    assert align.shared_words(before, after, restrict_vocab=110) == WORDS[90:110]
    assert align.shared_words(before, after, min_count=300) == WORDS[99:101]
    assert {word for word, _ in align.drift(before, after, min_count=290)} == set(WORDS[89:111])
    for options in ({"restrict_vocab": 100}, {"min_count": 301}):
        with pytest.raises(ValueError, match="no word in common"):
            align.drift(before, after, **options)
    with pytest.raises(ValueError, match="min_count needs vectors with counts"):
        align.drift(before, WordVectors(WORDS, table), min_count=3)


def test_bad_input(table):
    vectors = WordVectors(WORDS, table)
    with pytest.raises(ValueError, match="of 12 numbers cannot be turned into a space of 5"):
        align.align(vectors, WordVectors(WORDS, table[:, :5]))
    with pytest.raises(ValueError, match="no word in common"):
        align.align(vectors, WordVectors(["x"], table[:1]))
    with pytest.raises(ValueError, match="needs words that both have; got none"):
        align.align(vectors, vectors, words=[])
    with pytest.raises(KeyError, match="'w999' is not in the vocabulary"):
        align.align(vectors, vectors, words=["w999"])


@pytest.fixture(scope="module")
def spaces():
    """Of two texts of 8 topics, in the second of which two words have changed places."""
    swap = {"t1w1": "t2w2", "t2w2": "t1w1"}
    found = []
    for seed, changes in ((0, {}), (1, swap)):
        rng = np.random.default_rng(seed)
        topics, words = rng.integers(0, 8, 3000), rng.integers(0, 12, (3000, 20))
        text = [[f"t{t}w{w}" for w in row] for t, row in zip(topics, words, strict=True)]
        text = [[changes.get(word, word) for word in document] for document in text]
        corpus = Corpus.from_documents(text, min_count=1)
        found.append(ppmi.vectors(cooccurrence.count(corpus, window=5), vector_size=8))
    return found


def test_words_that_swap_their_contexts_come_first(spaces):
    found = align.drift(*spaces)
    assert {word for word, _ in found[:2]} == {"t1w1", "t2w2"}
    assert found[1][1] > 10 * found[2][1]


def test_command(spaces, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name, vectors in zip("ab", spaces, strict=True):
        vectors.save(f"{name}.npz")
    assert main(["drift", "a.npz", "b.npz", "--topn", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 6
    assert {line.split()[1] for line in lines[::3]} == {"t1w1", "t2w2"}
    assert main(["drift", "a.npz", "b.npz", "--words", "t3w3", "t1w1", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [row["word"] for row in rows] == ["t3w3", "t1w1"]
    assert rows[0]["distance"] < 0.1 < 0.9 < rows[1]["distance"]
    assert rows[1]["distance"] == pytest.approx(dict(align.drift(*spaces))["t1w1"], abs=1e-6)
    assert all(word.startswith("t1") for word in rows[1]["before"])
    assert all(word.startswith("t2") for word in rows[1]["after"])
    restricted = ["drift", "a.npz", "b.npz", "--restrict-vocab", "50", "--json", "--topn", "96"]
    assert main([*restricted, "--center"]) == 0
    rows = json.loads(capsys.readouterr().out)
    expected = align.drift(*spaces, restrict_vocab=50, center=True)
    assert [row["word"] for row in rows] == [word for word, _ in expected]
    rare = next(word for word in spaces[0].index_to_key if word not in dict(expected))
    assert main([*restricted, "--words", rare]) == 2
    assert f"{rare!r} is not frequent enough to be compared" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["b.npz", "--words", "t9w9"], "'t9w9' is not in the vocabulary"),
        (["b.npz", "--words", "t1w1", "--min-count", "99999"], "no word in common"),
        (["other.bin", "--min-count", "5"], "min_count needs vectors with counts"),
        (["small.npz"], "of 1 numbers cannot be turned into a space of 8"),
        (["none.npz"], "no such vectors file"),
        (["b.npz", "--topn", "0"], "--topn"),
    ],
)
def test_bad_commands(spaces, tmp_path, monkeypatch, capsys, options, message):
    monkeypatch.chdir(tmp_path)
    for name, vectors in zip(("a.npz", "b.npz", "other.bin"), (*spaces, spaces[1]), strict=True):
        vectors.save(name)
    WordVectors(["t1w1"], [[1.0]]).save("small.npz")
    try:
        status = main(["drift", "a.npz", *options])
    except SystemExit as exit:
        status = exit.code
    assert status == 2
    assert message in capsys.readouterr().err
