"""Skip-gram with negative sampling: speed and quality of jaxvec and other programs.

On request also jaxvec's models of counts: glove, and the baseline ppmi-svd.

Each run is a process of its own, with its own peak memory and threads. `jaxvec.evaluate` scores
the vectors of all programs. Options of jaxvec can be swept: each --sweep multiplies its runs.
The training time of jaxvec includes its spectral initialization.
"""

import argparse
import itertools
import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.common import add_options, need, peak_memory, report, run_apart, scores

PROGRAMS = ("jaxvec", "gensim", "fasttext", "glove", "ppmi-svd")
_COUNTED = ("glove", "ppmi-svd")
_TWO_TABLES = ("jaxvec", "gensim")
_FIT = ("optimizer", "learning_rate", "workers", "min_learning_rate")
_SENTENCE = 1000  # words per line for gensim; word2vec.c cuts its input in the same way


def add_parser(suites) -> None:
    """Adds the suite to a parser."""
    parser = suites.add_parser("sgns", help=__doc__.splitlines()[0], description=__doc__)
    add_options(parser, epochs=5)
    add = parser.add_argument
    add("--programs", nargs="+", choices=PROGRAMS, default=PROGRAMS[:2])
    add("--window", type=int, default=5)
    add(
        "--count-window",
        type=int,
        default=10,
        help="window of glove and ppmi-svd (default: %(default)s)",
    )
    add("--negative", type=int, default=5)
    add("--sample", type=float, default=1e-4)
    add("--workers", type=int, default=2, help="of each program (default: %(default)s)")
    add("--joined", action="store_true",
        help="score both tables joined, too, of jaxvec and gensim, in their own rows")  # fmt: skip
    add("--sweep", nargs="+", action="append", default=[], metavar=("KNOB", "VALUE"),
        help="an option of SkipGram, optimizer, learning_rate, min_learning_rate or workers, and "
        "the values to try")  # fmt: skip
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> None:
    """Runs each program, scores its vectors and prints a table."""
    need(*{"gensim", "fasttext"} & set(options.programs))
    settings = {k: v for k, v in vars(options).items() if k != "run"}
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        if set(options.programs) - {"jaxvec", *_COUNTED}:
            settings["lines"] = lines(options.corpus, folder)
        for seed in range(1, options.rounds + 1):
            for program, knobs in _runs(options):
                vectors = Path(folder) / "vectors.bin"
                files = {"usual": vectors}
                if options.joined and program in _TWO_TABLES:
                    files["joined"] = vectors.with_name("joined.bin")
                job = {**settings, "program": program, "seed": seed, "output": str(vectors)}
                job["joined"] = str(files.get("joined", ""))
                figures = run_apart("benchmarks.sgns", {**job, "knobs": knobs})
                for which, path in files.items():
                    told = {"vectors": which} if options.joined else {}
                    rows.append(
                        {"program": program, **knobs, "seed": seed, **figures, **told,
                         **scores(path, options)}
                    )  # fmt: skip
                    print(json.dumps(rows[-1]), file=sys.stderr)
    report(rows, settings, options.json)


def _runs(options: argparse.Namespace) -> list[tuple[str, dict]]:
    """The runs of a round: programs, jaxvec once per combination of swept options."""
    names = [name for name, *_ in options.sweep]
    values = [[_value(text) for text in texts] for _, *texts in options.sweep]
    settings = [dict(zip(names, chosen, strict=True)) for chosen in itertools.product(*values)]
    return [
        (program, knobs)
        for program in options.programs
        for knobs in (settings if program == "jaxvec" else [dict.fromkeys(names, "")])
    ]


def _value(text: str):
    try:
        return json.loads(text)
    except ValueError:
        return text


def _jaxvec(job: dict) -> dict[str, float]:
    import jaxvec

    knobs = {"workers": job["workers"], **job["knobs"]}
    jaxvec.use_cores(knobs["workers"])
    import jax

    start = time.perf_counter()
    corpus = jaxvec.Corpus.from_files(job["corpus"], min_count=job["min_count"])
    read = time.perf_counter() - start
    of_fit = {name: knobs.pop(name) for name in _FIT if name in knobs}
    given = {name: job[name] for name in ("vector_size", "window", "negative", "sample")}
    model = jaxvec.SkipGram(**{**given, **knobs})
    key = jax.random.key(job["seed"])
    since = time.perf_counter()
    result = jaxvec.fit(corpus, model, key=key, epochs=job["epochs"], progress=False, **of_fit)
    jax.block_until_ready(result.params)
    train = time.perf_counter() - since - result.history[0].compile_seconds
    result.vectors().save(job["output"])
    if job.get("joined"):
        result.vectors("joined").save(job["joined"])
    compiled = result.history[0].compile_seconds
    return _figures(read, compiled, train, corpus.raw_words * job["epochs"])


def _gensim(job: dict) -> dict[str, float]:
    import numpy as np
    from gensim.models import Word2Vec

    from jaxvec import WordVectors
    from jaxvec.train.joining import joined

    model = Word2Vec(
        sg=int(not job.get("cbow")),
        cbow_mean=int(job.get("cbow_mean", True)),
        ns_exponent=job.get("ns_exponent", 0.75),
        shrink_windows=job.get("shrink_windows", True),
        vector_size=job["vector_size"],
        window=job["window"],
        negative=job["negative"],
        sample=job["sample"],
        min_count=job["min_count"],
        workers=job["workers"],
        seed=job["seed"],
    )
    start = time.perf_counter()
    model.build_vocab(corpus_file=job["lines"])
    read = time.perf_counter() - start
    words = model.corpus_total_words
    start = time.perf_counter()
    model.train(
        corpus_file=job["lines"],
        total_words=words,
        total_examples=model.corpus_count,
        epochs=job["epochs"],
    )
    train = time.perf_counter() - start
    model.wv.save_word2vec_format(job["output"], binary=True)
    if job.get("joined"):
        tables = model.wv.vectors, model.syn1neg
        rows = np.concatenate(list(joined(lambda: iter([tables]), len(model.wv))))
        WordVectors(model.wv.index_to_key, rows.astype(np.float32)).save(job["joined"])
    return _figures(read, 0.0, train, words * job["epochs"])


def _fasttext(job: dict) -> dict[str, float]:
    """fastText without n-grams.

    Its only call reads the vocabulary too; a call with 0 epochs times that alone.
    """
    import fasttext
    import numpy as np

    from jaxvec import WordVectors

    options = {"model": "skipgram", "dim": job["vector_size"], "ws": job["window"],
               "neg": job["negative"], "t": job["sample"], "minCount": job["min_count"],
               "thread": job["workers"], "minn": 0, "maxn": 0, "bucket": 0}  # fmt: skip
    seconds = []
    for epochs in (0, job["epochs"]):
        start = time.perf_counter()
        model = fasttext.train_unsupervised(job["lines"], epoch=epochs, verbose=0, **options)
        seconds.append(time.perf_counter() - start)
    words = [word for word in model.words if word != "</s>"]
    vectors = np.stack([model.get_word_vector(word) for word in words])
    WordVectors(words, vectors).save(job["output"])
    counted = len(Path(job["lines"]).read_text().split())
    return _figures(seconds[0], 0.0, seconds[1] - seconds[0], counted * job["epochs"])


def _counted(job: dict) -> dict[str, float]:
    """GloVe (15 iterations) or PPMI-SVD; the training time includes counting, on all cores."""
    import jaxvec

    jaxvec.use_cores(job["workers"])
    import jax

    start = time.perf_counter()
    corpus = jaxvec.Corpus.from_files(job["corpus"], min_count=job["min_count"])
    read = time.perf_counter() - start
    start = time.perf_counter()
    cells = jaxvec.cooccurrence.count(corpus, window=job["count_window"])
    compiling, words = 0.0, corpus.raw_words
    if job["program"] == "glove":
        model = jaxvec.GloVe(vector_size=job["vector_size"], x_max=10.0)
        key, workers = jax.random.key(job["seed"]), job["workers"]
        result = jaxvec.fit(cells, model, key=key, epochs=15, workers=workers, progress=False)
        vectors, compiling = result.vectors(), result.history[0].compile_seconds
        words *= 15
    else:
        vectors = jaxvec.ppmi.vectors(cells, vector_size=job["vector_size"], seed=job["seed"])
    train = time.perf_counter() - start - compiling
    vectors.save(job["output"])
    return _figures(read, compiling, train, words)


def lines(corpus: str, folder: str) -> str:
    """Writes the corpus in lines of 1,000 words, which gensim's threads can share; its path.

    gensim truncates lines of more than 10,000 words.

    Args:
      corpus: path of the text.
      folder: where to write the lines.
    """
    path, words = Path(folder) / "lines.txt", Path(corpus).read_text().split()
    starts = range(0, len(words), _SENTENCE)
    path.write_text("".join(" ".join(words[i : i + _SENTENCE]) + "\n" for i in starts))
    return str(path)


def _figures(read: float, compiling: float, train: float, words: int) -> dict[str, float]:
    return {
        "vocabulary and ids, s": round(read, 2),
        "compile, s": round(compiling, 2),
        "train, s": round(train, 2),
        "words/s": round(words / train),
        "peak RSS, GB": peak_memory(),
    }


if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    programs = _jaxvec, _gensim, _fasttext, _counted, _counted
    print(json.dumps(dict(zip(PROGRAMS, programs, strict=True))[job["program"]](job)))
