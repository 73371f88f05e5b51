"""Fixtures shared by the tests."""

import contextlib
import logging
import os
import re
from pathlib import Path

import jax
import numpy as np
import pytest

from jaxvec import Corpus, WordVectors, use_cores

# the tests' time is mostly the compiler's, on programs that run for a blink; of commands they
# start, too. `test_many_rows` is of programs as users have them
QUICK = "--xla_backend_optimization_level=0 --xla_cpu_parallel_codegen_split_count=1"
if jax.version.__version_info__ < (0, 11):  # later compilers have no such choice
    QUICK += " --xla_cpu_use_fusion_emitters=false"
os.environ.setdefault("XLA_FLAGS", QUICK)
use_cores(8)  # as the command line does; devices for tests of several workers
jax.config.update("jax_numpy_rank_promotion", "raise")


@pytest.fixture(autouse=True, scope="module")
def room_for_programs():
    """Compiled programs are given up before their memory maps are as many as Linux allows a
    process, 65,530: one more, and XLA's compiler dies."""
    yield
    maps = Path("/proc/self/maps")
    if maps.exists() and maps.read_bytes().count(b"\n") > 25_000:
        jax.clear_caches()


@pytest.fixture
def strict_dtypes():
    """No sum of numbers of two types, for tests of pure functions: JAX would choose its type."""
    with jax.numpy_dtype_promotion("strict"):
        yield


@pytest.fixture(scope="session")
def topic_documents() -> list[list[str]]:
    """Text with a structure to learn: each document is of one of 8 topics of 12 words."""
    rng = np.random.default_rng(0)
    topics = [[f"t{t}w{i}" for i in range(12)] for t in range(8)]
    common = ["the", "of", "and"]
    documents = []
    for _ in range(600):
        words = rng.choice(topics[rng.integers(8)], 40)
        noise = rng.random(40) < 0.3
        documents.append(
            [str(rng.choice(common)) if n else str(w) for w, n in zip(words, noise, strict=True)]
        )
    return documents


@pytest.fixture(scope="session")
def topic_corpus(topic_documents) -> Corpus:
    return Corpus.from_documents(topic_documents, min_count=1)


@pytest.fixture(scope="session")
def short_corpus(topic_documents) -> Corpus:
    """Of a sixth of the text, with all its words: for tests in which nothing need be learned."""
    return Corpus.from_documents(topic_documents[:100], min_count=1)


@contextlib.contextmanager
def segment_programs(caplog, names="train_"):
    """A list that has, after the block, a message for each program that was compiled in it to train
    a segment, or whose name begins otherwise."""
    found = []
    caplog.clear()
    with jax.log_compiles(), caplog.at_level(logging.WARNING):
        yield found
    messages = [record.getMessage() for record in caplog.records]
    found += [text for text in messages if re.match(rf"Compiling jit\(({names})", text)]


def topic_accuracy(vectors) -> float:
    """How many of the topic words have a word of their topic as nearest neighbor."""
    words = [word for word in vectors.index_to_key if word.startswith("t") and "w" in word]
    hits = [vectors.most_similar(word, topn=1)[0][0][:3] == word[:3] for word in words]
    return float(np.mean(hits))


@pytest.fixture(scope="module")
def table():
    return np.random.default_rng(0).normal(size=(300, 10)).astype(np.float32)


@pytest.fixture(scope="module")
def ours(table):
    from tests import peers  # starts gensim, which few tests need

    return WordVectors(peers.WORDS, table)


@pytest.fixture(scope="module")
def theirs(table):
    from tests import peers

    return peers.gensims(peers.WORDS, table)
