"""fastText's `.bin`: read, written, gone on from; what is damaged is refused."""

import struct
import tracemalloc

import jax
import numpy as np
import pytest

import jaxvec
from jaxvec import CBOW, Corpus, SkipGram, WordVectors, fit, formats
from jaxvec.cli import main
from jaxvec.vectors.subwords import Subwords

TEXT = ["the cats were walking on the mats", "a dog was talking to the cat"] * 30
UNKNOWN = ("walker", "naïveté", "zzz")
HEAD = 8 + 56 + 28  # bytes before the first word


@pytest.fixture(scope="module")
def corpus():
    return Corpus.from_documents(TEXT, min_count=1)


@pytest.fixture(scope="module")
def result(corpus):
    model = SkipGram(vector_size=4, subwords=(3, 5), buckets=70, sample=0)
    return fit(corpus, model, key=jax.random.key(0), epochs=1)


@pytest.fixture
def path(result, tmp_path):
    path = tmp_path / "model.fasttext.bin"
    jaxvec.save_run(result, path)
    return path


def same(first, second):
    assert first.index_to_key == second.index_to_key
    np.testing.assert_allclose(first.vectors, second.vectors, atol=1e-6)
    np.testing.assert_array_equal(first.counts, second.counts)
    for word in UNKNOWN:
        np.testing.assert_allclose(first[word], second[word], atol=1e-6)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".fasttext.bin"])
def test_files_keep_ngrams(result, tmp_path, suffix):
    vectors = result.vectors()
    vectors.save(tmp_path / f"v{suffix}")
    found = WordVectors.load(tmp_path / f"v{suffix}")
    same(found, vectors)
    assert "3 to 5 characters in 70 buckets" in repr(found.subwords)
    some = WordVectors.load(tmp_path / f"v{suffix}", limit=2, dtype="float64")
    np.testing.assert_allclose(some["walker"], vectors["walker"], rtol=1e-6)
    np.testing.assert_allclose(some.vectors, vectors.vectors[:2], atol=1e-6)


@pytest.mark.parametrize("suffix", [".bin", ".vec", ".glove.txt"])
def test_other_files_say_that_they_leave_ngrams_out(result, tmp_path, suffix):
    with pytest.warns(UserWarning, match="holds no n-grams"):
        result.vectors().save(tmp_path / f"v{suffix}")
    assert WordVectors.load(tmp_path / f"v{suffix}").subwords is None


def test_bin_is_told_by_its_content(result, tmp_path, path):
    with pytest.warns(UserWarning, match="no n-grams"):
        result.vectors().save(tmp_path / "v.bin")
    renamed = tmp_path / "renamed.bin"
    path.rename(renamed)
    assert formats.kind(tmp_path / "v.bin") == "word2vec binary"
    assert formats.kind(renamed) == formats.info(renamed).format == "fastText model"
    assert formats.info(renamed).words == len(result.data.vocab)
    same(WordVectors.load(renamed), result.vectors())


def test_a_run_keeps_its_tables(result, path):
    found = jaxvec.load_run(path)
    for mine, expected in zip(found.params, result.params, strict=True):
        np.testing.assert_array_equal(mine, expected)
    assert (found.model.subwords, found.model.buckets) == ((3, 5), 70)
    same(found.vectors(), result.vectors())


@pytest.mark.parametrize("model", [SkipGram(vector_size=4), CBOW(vector_size=4)])
def test_models_without_ngrams(corpus, tmp_path, model):
    result = fit(corpus, model, key=jax.random.key(0), epochs=1)
    jaxvec.save_run(result, tmp_path / "m.fasttext.bin")
    found = jaxvec.load_run(tmp_path / "m.fasttext.bin")
    assert type(found.model) is type(model)
    assert found.model.subwords is None
    np.testing.assert_array_equal(found.params.output, result.params.output)
    vectors = WordVectors.load(tmp_path / "m.fasttext.bin")
    np.testing.assert_array_equal(vectors.vectors, result.vectors().vectors)


def test_training_goes_on(path, result):
    more = Corpus.from_documents(["a talker talks", "cats talk"] * 9, extend=result.data.vocab)
    options = {"key": jax.random.key(1), "epochs": 1}
    found = [
        fit(more, result.model, start=start, **options)
        for start in (jaxvec.load_run(path), result._replace(opt_state=[]))
    ]
    for mine, expected in zip(*(one.params for one in found), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_without_output_matrix(path, result):
    words = len(result.data.vocab)
    data = path.read_bytes()
    path.write_bytes(data[: -(1 + 16 + 4 * 4 * words)])
    same(WordVectors.load(path), result.vectors())
    with pytest.raises(ValueError, match="no output matrix"):
        jaxvec.load_run(path)
    fit(result.data, result.model, key=jax.random.key(0), epochs=1, init=WordVectors.load(path))


def replaced(place, *numbers):
    new = struct.pack(f"<{len(numbers)}i", *numbers)
    return lambda data: data[:place] + new + data[place + len(new) :]


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (replaced(4, 13), "version 13"),
        (replaced(8 + 4 * 7, 3), "supervised"),
        (replaced(8 + 4 * 7, 9), "no kind of model"),
        (replaced(8 + 4 * 8, 1 << 30), "input matrix"),
        (replaced(8, 5), "input matrix"),
        (replaced(8 + 4 * 9, 9), "n-grams of 9 to 5"),
        (replaced(8 + 4 * 8, 0), "no buckets"),
        (replaced(64, 1 << 30, 1 << 30), "damaged: a dictionary of 1,073,741,824 words"),
        (replaced(64, -1, -1), "damaged"),
        (replaced(64 + 20, 5, 0), "pruned"),
        (lambda data: data[:50], "cut short"),
        (lambda data: data[:HEAD] + b"\0" + data[HEAD + 1 :], "word 1 of its dictionary"),
        (lambda data: data[: len(data) // 2], "cut short"),
        (lambda data: data[:-1], "cut short"),
        (lambda data: data + b"\0", "more follows"),
        (lambda data: data[:-4] + struct.pack("<f", np.nan), None),
    ],
)
def test_damaged_files_are_refused(path, damage, message):
    path.write_bytes(damage(path.read_bytes()))
    if message is None:  # the output matrix is not looked at, but for training
        WordVectors.load(path)
        message = "not finite"
    else:
        with pytest.raises(ValueError, match=message) as caught:
            WordVectors.load(path)
        assert str(path) in str(caught.value)
    with pytest.raises(ValueError, match=message):
        jaxvec.load_run(path)


def test_every_cut_is_refused_by_a_sentence(path, result):
    data = path.read_bytes()
    without_output = len(data) - 17 - 4 * 4 * len(result.data.vocab)
    for length in [without_output, *range(4, HEAD + 40, 3), *range(HEAD + 40, len(data), 211)]:
        path.write_bytes(data[:length])
        if length == without_output:
            WordVectors.load(path)
            continue
        with pytest.raises(ValueError, match=r"model\.fasttext\.bin"):
            WordVectors.load(path)


def test_quantised_ones_are_refused(path, result):
    data = path.read_bytes()
    size = sum(len(word.encode()) + 10 for word in result.data.vocab.words)
    place = HEAD + size
    assert data[place] == 0
    path.write_bytes(data[:place] + b"\1" + data[place + 1 :])
    with pytest.raises(ValueError, match="quantised"):
        WordVectors.load(path)


def test_words_that_are_no_utf8_keep_their_bytes_ngrams(tmp_path):
    """fastText cuts no characters, but its texts may."""
    rows = Subwords(np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32), 3, 4)
    word = "caf\udce9"
    vectors = WordVectors(["cafe"], [[1.0, 2.0]], subwords=rows)
    vectors.save(tmp_path / "v.fasttext.bin")
    data = (tmp_path / "v.fasttext.bin").read_bytes().replace(b"cafe\0", b"caf\xe9\0")
    (tmp_path / "v.fasttext.bin").write_bytes(data)
    with pytest.raises(ValueError, match="errors='replace'"):
        WordVectors.load(tmp_path / "v.fasttext.bin")
    found = WordVectors.load(tmp_path / "v.fasttext.bin", errors="replace")
    own = rows.own(np.array([[1.0, 2.0]]), ["cafe"])
    np.testing.assert_allclose(found.vectors, rows.composed(own, [word]), rtol=1e-5)


def test_of_words_that_become_equal_the_first_is_taken(tmp_path):
    rows = Subwords(np.random.default_rng(0).normal(size=(9, 2)).astype(np.float32), 3, 4)
    words, table = ["cafe", "the", "cafo"], [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    path = tmp_path / "v.fasttext.bin"
    WordVectors(words, table, counts=[9, 5, 3], subwords=rows).save(path)
    data = path.read_bytes().replace(b"cafe\0", b"caf\xe9\0").replace(b"cafo\0", b"caf\xe8\0")
    path.write_bytes(data)
    told = "word 3: the word 'caf\ufffd' comes twice; the first is taken"
    with pytest.warns(UserWarning, match=told):
        found = WordVectors.load(path, errors="replace")
    assert (found.index_to_key, found.counts.tolist()) == (["caf\ufffd", "the"], [9, 5])
    alone = WordVectors.load(path, errors="replace", limit=2)
    np.testing.assert_array_equal(found.vectors, alone.vectors)
    np.testing.assert_array_equal(found.subwords.table, rows.table)


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".fasttext.bin"])
def test_info_reads_no_ngrams(tmp_path, capsys, suffix):
    rows = Subwords(np.ones((1_000_000, 4), np.float32), 3, 4)
    path = tmp_path / f"v{suffix}"
    WordVectors(["a", "b"], np.eye(2, 4), subwords=rows).save(path)
    formats.info(path)  # imports what it needs
    tracemalloc.start()
    found = formats.info(path)
    assert tracemalloc.get_traced_memory()[1] < rows.table.nbytes / 4
    WordVectors.load(path)
    assert tracemalloc.get_traced_memory()[1] > rows.table.nbytes
    tracemalloc.stop()
    assert (found.words, found.vector_size, found.first) == (2, 4, ["a", "b"])
    assert found.ngrams == {"lengths": [3, 4], "buckets": 1_000_000}
    assert main(["info", str(path)]) == 0
    told = capsys.readouterr().out.splitlines()
    assert "n-grams    3 to 4 characters in 1,000,000 buckets" in told


def test_words_that_the_format_cannot_hold():
    with pytest.raises(ValueError, match="zero"):
        formats.check_words(["a\0b"], "v.fasttext.bin")
    corpus = Corpus.from_documents(TEXT, min_count=1)
    result = fit(corpus, jaxvec.Softmax(vector_size=4), key=jax.random.key(0), epochs=1)
    with pytest.raises(ValueError, match="SkipGram or CBOW"):
        jaxvec.save_run(result, "m.fasttext.bin")


def test_the_package_gives_the_same_vectors(path, result):
    fasttext = pytest.importorskip("fasttext")
    model = fasttext.load_model(str(path))
    vectors = result.vectors()
    assert model.get_words() == result.data.vocab.words
    for word in (*vectors.index_to_key, *UNKNOWN):
        np.testing.assert_allclose(model.get_word_vector(word), vectors[word], atol=1e-6)
    vectors.save(path)
    model = fasttext.load_model(str(path))
    for word in (*vectors.index_to_key, *UNKNOWN):
        np.testing.assert_allclose(model.get_word_vector(word), vectors[word], atol=1e-6)


@pytest.mark.parametrize("kind", ["skipgram", "cbow"])
def test_models_of_the_package_are_read(tmp_path, kind):
    fasttext = pytest.importorskip("fasttext")
    (tmp_path / "text").write_text("\n".join(TEXT))
    model = fasttext.train_unsupervised(
        str(tmp_path / "text"),
        model=kind,
        dim=4,
        thread=1,
        minCount=1,
        epoch=1,
        bucket=2000,
        t=1.0,
        verbose=0,
    )
    model.save_model(str(tmp_path / "m.bin"))
    vectors = WordVectors.load(tmp_path / "m.bin")
    assert vectors.index_to_key == model.get_words()
    for word in (*model.get_words(), *UNKNOWN):
        np.testing.assert_allclose(vectors[word], model.get_word_vector(word), atol=1e-6)
    np.testing.assert_array_equal(
        jaxvec.load_run(tmp_path / "m.bin").params.output, model.get_output_matrix()
    )


def test_on_the_command_line(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(TEXT))
    common = "train text.txt --min-count 1 --vector-size 4 --epochs 1 --subwords 3-5 --buckets 70"
    assert main([*common.split(), "-o", "v.npz", "--save-run", "m.fasttext.bin"]) == 0
    again = [*common.split(), "-o", "w.fasttext.bin", "--start", "m.fasttext.bin"]
    assert main(again) == 0
    capsys.readouterr()
    for file in ("v.npz", "m.fasttext.bin", "w.fasttext.bin"):
        assert main(["similar", file, "walker", "--topn", "1", "--oov"]) == 0
        assert capsys.readouterr().out.startswith("walker\n")
        assert main(["similar", file, "walker", "--topn", "1"]) == 2
        assert "walker" in capsys.readouterr().err
    assert main(["convert", "v.npz", "v.vec"]) == 0
    assert main(["similar", "v.vec", "walker", "--oov"]) == 2
    assert "--subwords" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        main(["train", "text.txt", "--subwords", "six"])
    assert "3-6" in capsys.readouterr().err


@pytest.mark.parametrize("suffix", [".fasttext.bin", ".npz", ".vec"])
def test_a_finished_run_is_recognized(tmp_path, capsys, monkeypatch, suffix):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "text.txt").write_text("\n".join(TEXT))
    train = (
        "train text.txt --min-count 1 --vector-size 8 --epochs 1 --subwords 3-5 --buckets 70 "
        f"--checkpoint run -o v{suffix}"
    ).split()
    assert main(train) == 0
    written = (tmp_path / f"v{suffix}").read_bytes()
    assert main([*train, "--resume"]) == 0
    assert "the run is finished" in capsys.readouterr().err
    assert (tmp_path / f"v{suffix}").read_bytes() == written
    if suffix != ".vec":  # which has no rows of n-grams
        found = WordVectors.load(f"v{suffix}")
        found.subwords.table[3] += 1
        found.save(f"v{suffix}")
        assert main([*train, "--resume"]) == 2
        assert "--force" in capsys.readouterr().err
