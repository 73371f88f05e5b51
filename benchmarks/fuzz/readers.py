"""The readers: valid files, what reads them, and what may never come out of a damaged one."""

import bz2
import functools
import gzip
import json
import lzma
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.fuzz import checkpoints
from benchmarks.fuzz.mutations import Damage, bomb, damaged, packed, tensors, zipped
from jaxvec import Corpus, Phrases, Vocab, WordVectors, cooccurrence, evaluate, formats
from jaxvec.text.phrases import load_phrases, save_phrases
from jaxvec.vectors import hub
from jaxvec.vectors.subwords import Subwords

_WORDS = ["the", "of", "king", "queen", "man", "woman", "new_york"]
_TEXT = "the king of the queen\nthe man of the woman\nof new york the new york\n" * 3


class Reader(NamedTuple):
    """A reader, and how files for it are damaged."""

    seeds: Callable[[], list[bytes]]
    """Valid files, small."""
    read: Callable[[Path], Any]
    faults: Callable[[Any], str]
    """What is wrong with the content that was read; "" for nothing."""
    content: Callable[[Any], object]
    """The content, to compare."""
    damages: tuple[tuple[Damage, float], ...] = ((damaged, 1.0),)
    """Each with its share of the inputs."""
    checksummed: bool = False
    """Whether any damage of the bytes that changes the content must be noticed."""
    starts_jax: bool = False
    """Whether it runs JAX, and so hangs in a process that is forked off one that has read."""


def _saved(save: Callable[[Path], object], suffix: str = "") -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"seed{suffix}"
        save(path)
        return path.read_bytes()


def _vectors(dtype: str = "float32", count: int = 7, size: int = 3) -> WordVectors:
    table = np.random.default_rng(0).normal(size=(count, size)).astype(dtype)
    counts = np.arange(count, 0, -1)
    return WordVectors(_WORDS[:count], table, counts=counts, dtype=dtype, metadata={"by": "hand"})


def _of_vectors(suffix: str) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        made = [_vectors(), _vectors(count=1, size=1), _vectors(count=2, size=30)]
        if suffix in (".npz", ".safetensors"):
            made.append(_vectors("float64"))
            made[1].set_vecattr("the", "hue", "red")
        return [_saved(vectors.save, suffix) for vectors in made]

    return seeds


def _ngrams(suffix: str) -> Callable[[], list[bytes]]:
    def seeds() -> list[bytes]:
        chance = np.random.default_rng(0)
        made = []
        for least, most, buckets in ((3, 6, 5), (1, 2, 1)):
            vectors = _vectors()
            rows = chance.normal(size=(buckets, 3)).astype("f4")
            vectors.subwords = Subwords(rows, least, most)
            made.append(_saved(vectors.save, suffix))
        return made

    return seeds


def _hub(name: str) -> list[bytes]:
    with tempfile.TemporaryDirectory() as folder:
        hub.save(_vectors(), Path(folder) / "model")
        return [(Path(folder) / "model" / name).read_bytes()]


def _of_hub(name: str) -> Callable[[Path], Any]:
    """Reads a folder of which the file is the one of that name, and the others are sound."""
    others = ("tokenizer.json", "model.safetensors")

    def read(path: Path) -> Any:
        folder = path.with_name(f"{path.name}-folder")
        folder.mkdir(exist_ok=True)
        for other in others:
            content = path.read_bytes() if other == name else _sound(other)
            (folder / other).write_bytes(content)
        return hub.load(folder)

    return read


@functools.cache
def _sound(name: str) -> bytes:
    return _hub(name)[0]


def _bad_ngrams(found: Any) -> str:
    more = [] if found.subwords is None else [found.subwords.table, found["unheard of"]]
    return _bad_vectors(found) or _bad_numbers(*more)


def _of_ngrams(found: Any) -> object:
    rows = found.subwords
    return _words(found), None if rows is None else (rows.table.tolist(), rows.minn, rows.maxn)


def _packed_vectors(module) -> Callable[[], list[bytes]]:
    return lambda: [module.compress(seed) for seed in _of_vectors(".txt")()]


def _corpus() -> Corpus:
    return Corpus.from_documents(_TEXT.splitlines(), min_count=1)


def _cells() -> cooccurrence.Cooccurrence:
    return cooccurrence.count(_corpus(), window=2)


def _run() -> list[bytes]:
    import jax

    from jaxvec import SkipGram, save_run
    from jaxvec.train.result import Report, Result

    corpus, model = _corpus(), SkipGram(vector_size=4, window=2)
    tables = jax.eval_shape(lambda: model.init(jax.random.key(0), len(corpus.vocab)))
    chance = np.random.default_rng(0)  # nothing is trained: JAX would not run in forked workers
    params = jax.tree.map(lambda table: chance.normal(size=table.shape).astype("f4"), tables)
    history = [Report(1, 0.5, None, 0.05, 42, 99, 1.5, 28.0, 0.5, 0.5, "pair")]
    result = Result(params, [chance.normal(size=3)], history, corpus, model)
    return [_saved(lambda path: save_run(result, path))]


def _read_run(path: Path) -> Any:
    from jaxvec import load_run

    return load_run(path)


def _records() -> list[bytes]:
    from jaxvec.interop import stanford

    return [_saved(lambda path: stanford.save_records(_cells(), path))]


def _read_records(path: Path) -> Any:
    from jaxvec.interop import stanford

    return stanford.load_records(path, _corpus().vocab)


def _parameters() -> list[bytes]:
    numbers = np.random.default_rng(0).normal(size=(2, 7, 4))
    return [numbers.astype("<f8").tobytes()]


def _read_parameters(path: Path) -> Any:
    from jaxvec.interop import stanford

    return [np.asarray(table) for table in stanford.load_parameters(path, 7)]


def _phrases() -> list[bytes]:
    found = Phrases.from_documents(_TEXT.splitlines(), min_count=1, threshold=0.1)
    return [_saved(lambda path: save_phrases([found, found], path))]


def _vocab() -> list[bytes]:
    plain = _corpus().vocab
    special = Vocab(["<unk>", "a b", "c"], [3, 2, 1], specials=1, unk="<unk>")
    return [_saved(plain.save), _saved(special.save)]


_ANALOGIES = b": family\nking queen man woman\nman woman king queen\n# a comment\n: none\na b c d\n"
_PAIRS = b"# a comment\nword1\tword2\tscore\nking\tqueen\t7.5\nman\twoman\t8\nthe\tof\t1e-1\n"


def _bad_numbers(*arrays: Any) -> str:
    for array in arrays:
        if not np.isfinite(np.asarray(array, np.float64)).all():
            return "a number is not finite"
    return ""


def _bad_vectors(found: Any) -> str:
    if len(found.index_to_key) != len(found.vectors) or len(set(found.index_to_key)) != len(found):
        return "words and vectors do not fit"
    if found.counts is not None and (found.counts < 0).any():
        return "a count is negative"
    return _bad_numbers(found.vectors)


def _bad_vocab(vocab: Vocab) -> str:
    negative = vocab.counts.dtype != np.int64 or (vocab.counts < 0).any()
    return "counts are odd" if negative or len(vocab.counts) != len(vocab.words) else ""


def _bad_corpus(corpus: Corpus) -> str:
    ids, offsets = np.asarray(corpus.ids), np.asarray(corpus.offsets)
    if ids.dtype != np.int32 or (ids < 0).any() or (ids >= len(corpus.vocab)).any():
        return "an id is no word's"
    if offsets[0] or offsets[-1] != len(ids) or (np.diff(offsets) < 0).any():
        return "offsets fall"
    return _bad_vocab(corpus.vocab)


def _bad_cells(cells: Any) -> str:
    matrix = cells.matrix()
    size = len(cells.vocab)
    if (matrix.indices < 0).any() or (matrix.indices >= size).any() or not (matrix.data > 0).all():
        return "a cell is odd"
    return _bad_numbers(matrix.data) or _bad_vocab(cells.vocab)


def _bad_run(run: Any) -> str:
    shapes = {len(table) for table in run.params if table.ndim == 2}
    if shapes != {len(run.data.vocab)} or any(table.dtype != np.float32 for table in run.params):
        return "tables are odd"
    return _bad_numbers(*run.params) or _bad_vectors(run.vectors())


def _bad_fasttext_run(run: Any) -> str:
    odd = len(run.params.input) != len(run.data.vocab) or not run.model.vector_size
    return "tables are odd" if odd else _bad_numbers(*run.params) or _bad_vocab(run.data.vocab)


def _bad_phrases(passes: Any) -> str:
    found = [stats for phrases in passes for stats in phrases.found.values()]
    return _bad_numbers([stats.score for stats in found]) or (
        "a count is negative" if any(stats.bigram_count < 0 for stats in found) else ""
    )


def _words(vectors: Any) -> object:
    counts = None if vectors.counts is None else vectors.counts.tolist()
    names = sorted(vectors.attributes)
    return vectors.index_to_key, np.asarray(vectors.vectors).tobytes(), counts, names


def _of_vocab(vocab: Vocab) -> object:
    return vocab.words, vocab.counts.tolist(), vocab.specials, vocab.unk


def _of_corpus(corpus: Corpus) -> object:
    ids, offsets = np.asarray(corpus.ids).tolist(), np.asarray(corpus.offsets).tolist()
    return _of_vocab(corpus.vocab), ids, offsets, corpus.raw_words


def _of_cells(cells: Any) -> object:
    matrix = cells.matrix()
    arrays = (matrix.indptr.tolist(), matrix.indices.tolist(), matrix.data.tolist())
    return _of_vocab(cells.vocab), arrays, sorted(cells.settings.items())


def _of_run(run: Any) -> object:
    arrays = [np.asarray(array).tobytes() for array in (*run.params, *run.opt_state)]
    return _of_vocab(run.data.vocab), arrays, run.history, run.model


def _tables(tables: Sequence[np.ndarray]) -> object:
    return [table.tolist() for table in tables]


_ARCHIVED = ((damaged, 0.45), (zipped, 0.5499), (bomb, 0.0001))
_TENSORS = ((damaged, 0.5), (tensors, 0.5))


def _load(**options: Any) -> Callable[[Path], Any]:
    return lambda path: WordVectors.load(path, **options)


def _text(**options: Any) -> Callable[[Path], Any]:
    return lambda path: Corpus.from_files(path, min_count=1, **options)


def _scores(path: Path) -> Any:
    found = evaluate.analogies(_vectors(), path)
    return [(section.correct, section.total) for section in found.sections]


def _pairs(path: Path) -> Any:
    return evaluate.judgments(_vectors(), path)[0]


def _log() -> list[bytes]:
    lines = [
        {"epoch": i, "loss": 2.5 / i, "valid_loss": 2.7, "words_per_second": 1e6,
         "loss_unit": "pair", "analogies": 0.5, "word_pairs": {"pairs.txt": 0.25}}
        for i in (1, 2, 3)
    ]  # fmt: skip
    return ["\n".join(map(json.dumps, lines)).encode()]


def _read_log(path: Path) -> Any:
    from jaxvec.plot.curves import read_log

    return [[epoch["epoch"], epoch["loss"], epoch["words_per_second"]] for epoch in read_log(path)]


def _plain_text() -> list[bytes]:
    return [_TEXT.encode(), "naïve café — 東京 \u3000 x\r\n".encode() * 3]


def _vector_reader(suffix: str, read: Callable[[Path], Any] | None = None, **about: Any) -> Reader:
    return Reader(_of_vectors(suffix), read or _load(), _bad_vectors, _words, **about)


def _packed_text(module) -> Reader:
    seeds = [module.compress(text) for text in _plain_text()]
    shares = ((damaged, 0.5), (packed(module), 0.5))
    return Reader(lambda: seeds, _text(), _bad_corpus, _of_corpus, shares)


_ARCHIVE: dict[str, Any] = {"damages": _ARCHIVED, "checksummed": True}
_PACKED = ((damaged, 0.3), (packed(gzip), 0.7))
READERS: dict[str, Reader] = {
    "word2vec-text": _vector_reader(".txt"),
    "glove-text": _vector_reader(".glove.txt"),
    "word2vec-binary": _vector_reader(".bin"),
    "fasttext": Reader(_ngrams(".fasttext.bin"), _load(), _bad_ngrams, _of_ngrams),
    "fasttext-run": Reader(_ngrams(".fasttext.bin"), _read_run, _bad_fasttext_run, _of_run),
    "hub-tokenizer": Reader(lambda: _hub("tokenizer.json"), _of_hub("tokenizer.json"),
                            _bad_vectors, _words),
    "hub-model": Reader(lambda: _hub("model.safetensors"), _of_hub("model.safetensors"),
                        _bad_vectors, _words, damages=_TENSORS),
    "npz-ngrams": Reader(_ngrams(".npz"), _load(), _bad_ngrams, _of_ngrams, **_ARCHIVE),
    "vectors-gz": Reader(_packed_vectors(gzip), _load(), _bad_vectors, _words, _PACKED),
    "npz": _vector_reader(".npz", **_ARCHIVE),
    "npz-mapped": _vector_reader(".npz", _load(mmap=True), **_ARCHIVE),
    "safetensors": _vector_reader(".safetensors", damages=_TENSORS),
    "limit": _vector_reader(".npz", _load(limit=2), damages=_ARCHIVED),
    "info": Reader(
        lambda: [seed for suffix in (".txt", ".bin", ".npz") for seed in _of_vectors(suffix)()],
        formats.info,
        lambda info: "" if info.words >= 0 else "words are negative",
        lambda info: info[:4],
    ),
    "corpus": Reader(lambda: [_saved(_corpus().save)], lambda path: Corpus.load(path, mmap=False),
                     _bad_corpus, _of_corpus, **_ARCHIVE),
    "corpus-mapped": Reader(lambda: [_saved(_corpus().save)], Corpus.load, _bad_corpus,
                            _of_corpus, **_ARCHIVE),
    "cells": Reader(lambda: [_saved(_cells().save)], cooccurrence.Cooccurrence.load, _bad_cells,
                    _of_cells, **_ARCHIVE),
    "run": Reader(_run, _read_run, _bad_run, _of_run, starts_jax=True, **_ARCHIVE),
    "checkpoint": Reader(checkpoints.seeds, checkpoints.read, checkpoints.faults,
                         lambda found: found.arrays, ((checkpoints.misfiled, 1.0),),
                         starts_jax=True),
    "checkpoint-sealed": Reader(checkpoints.seeds, checkpoints.read, checkpoints.impossible,
                                lambda found: found.arrays, ((checkpoints.resealed, 1.0),),
                                starts_jax=True),
    "records": Reader(_records, _read_records, _bad_cells, _of_cells),
    "parameters": Reader(_parameters, _read_parameters, lambda tables: _bad_numbers(*tables),
                         _tables, starts_jax=True),
    "vocab": Reader(_vocab, Vocab.load, _bad_vocab, _of_vocab),
    "phrases": Reader(_phrases, load_phrases, _bad_phrases,
                      lambda passes: [phrases.found for phrases in passes]),
    "analogies": Reader(lambda: [_ANALOGIES], _scores, lambda found: "", lambda found: found),
    "pairs": Reader(lambda: [_PAIRS], _pairs, _bad_numbers, lambda people: people.tolist()),
    "log": Reader(_log, _read_log, lambda found: _bad_numbers(np.nan_to_num(found, posinf=np.inf)),
                  lambda found: found),
    "text": Reader(_plain_text, _text(), _bad_corpus, _of_corpus),
    "text-gz": _packed_text(gzip),
    "text-bz2": _packed_text(bz2),
    "text-xz": _packed_text(lzma),
}  # fmt: skip
"""All that reads a file which a stranger may have made, by name."""
