"""Fixtures shared by the tests."""

import os

import jax
import numpy as np
import pytest

from jaxvec import Corpus, use_cores

# the tests' time is mostly LLVM's, on programs that run for a blink; of commands they start, too
os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
use_cores(4)  # as the command line does; devices for tests of several workers
jax.config.update("jax_numpy_rank_promotion", "raise")


_compiled: list[str] = []  # an entry for each program that XLA compiles


@jax.monitoring.register_event_duration_secs_listener
def _count(event: str, seconds: float, **about) -> None:
    if event == "/jax/core/compile/backend_compile_duration":
        _compiled.append(event)


@pytest.fixture
def compilations():
    """How many programs XLA compiles while a function of no arguments runs."""

    def count(function) -> int:
        before = len(_compiled)
        function()
        return len(_compiled) - before

    return count


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


def topic_accuracy(vectors) -> float:
    """How many of the topic words have a word of their topic as nearest neighbor."""
    words = [word for word in vectors.index_to_key if word.startswith("t") and "w" in word]
    hits = [vectors.most_similar(word, topn=1)[0][0][:3] == word[:3] for word in words]
    return float(np.mean(hits))
