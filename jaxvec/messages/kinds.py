"""Descriptions of an argument, for a message that says what came in place of what was expected."""

import functools
import inspect
import os
from collections.abc import Iterable
from typing import Any

import numpy as np


class BoundMethod(functools.partial):
    """A bound method whose attributes and items are refused by a message: "write vectors().x"."""

    def __getattr__(self, name: str) -> Any:
        method = self.func.__name__
        raise AttributeError(f"{method} is a method: write {method}().{name}")

    def __getitem__(self, key: Any) -> Any:
        method = self.func.__name__
        raise TypeError(f"{method} is a method: write {method}()[{key!r}]")


def kind(given: Any) -> str:
    """A short description of an object: its type with an article, or a number or string itself.

    >>> kind(3), kind([]), kind(np.ones(2)), kind(int)
    ('the number 3', 'a list', 'an array', 'the class int')
    """
    if given is None or isinstance(given, bool):
        return repr(given)
    if isinstance(given, int | float | np.number):
        return f"the number {given}"
    if isinstance(given, str):
        return f"the string {given!r}"
    if isinstance(given, BoundMethod):
        return "a method"
    if inspect.isclass(given):
        return f"the class {given.__name__}"
    name = "array" if hasattr(given, "__array__") else type(given).__name__
    article = "" if name.endswith("s") else "an " if name[0].lower() in "aeiou" else "a "
    return article + name


def corpus_instead(given: Any) -> str:
    """A sentence that says how to make a `Corpus` from an argument of another type.

    >>> corpus_instead([["a", "b"]])
    'a Corpus is needed, not a list: make one by Corpus.from_documents(sentences)'
    """
    how = "make one by Corpus.from_documents(sentences) or Corpus.from_files(path)"
    if isinstance(given, str | bytes | os.PathLike):
        path = os.fspath(given)
        how = f"make one by Corpus.from_files({path!r}), or read a saved one by Corpus.load"
    elif hasattr(given, "indptr"):
        how = (
            "counts in a sparse matrix become "
            "Cooccurrence(vocab, matrix.indptr, matrix.indices, matrix.data, settings={})"
        )
    elif hasattr(given, "__array__") and np.asarray(given).dtype.kind in "iu":
        how = "make one by Corpus.from_ids(ids, breaks, words=vocab.words)"
    elif isinstance(given, Iterable) and not hasattr(given, "words"):
        how = "make one by Corpus.from_documents(sentences)"
    return f"a Corpus is needed, not {kind(given)}: {how}"
