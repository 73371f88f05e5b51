"""Errors that teach: the names of gensim, and calls that do not fit, answered by the right call."""

import difflib
import functools
import inspect
import os
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import numpy as np

T = TypeVar("T")

CLASSES = {
    "Word2Vec": "corpus = jaxvec.Corpus.from_documents(sentences) and result = jaxvec.fit(corpus, "
    "jaxvec.SkipGram(), key=jax.random.key(0)), or CBOW() for sg=0",
    "FastText": "jaxvec.fit(corpus, jaxvec.SkipGram(), key=jax.random.key(0)): vectors of whole "
    "words, without n-grams",
    "Doc2Vec": "jaxvec.fit(corpus, jaxvec.SkipGram(), key=jax.random.key(0)): vectors of words, "
    "of which WordVectors.get_mean_vector makes one of a document",
    "KeyedVectors": "jaxvec.WordVectors, which has the methods of gensim's KeyedVectors",
    "Phraser": "jaxvec.Phrases.from_documents(sentences)",
    "FrozenPhrases": "jaxvec.Phrases.from_documents(sentences)",
    "LineSentence": "jaxvec.Corpus.from_files(path)",
    "PathLineSentences": "jaxvec.Corpus.from_files(folder)",
    "Text8Corpus": "jaxvec.Corpus.from_files(path)",
}
"""Classes of gensim, and the calls of jaxvec in their place."""

_MODEL = "an option of the model: SkipGram({name}=…)"
_CORPUS = "an option of the text: Corpus.from_documents(sentences, {name}=…)"
_TRAINING = "an argument of training: fit(corpus, model, key=…, {name}=…)"

ARGUMENTS = {
    **dict.fromkeys(
        ["vector_size", "window", "negative", "ns_exponent", "sample", "shrink_windows"], _MODEL
    ),
    **dict.fromkeys(["min_count", "max_vocab_size", "tokenizer", "unk", "extend"], _CORPUS),
    **dict.fromkeys(
        ["epochs", "workers", "learning_rate", "callbacks", "optimizer", "key", "valid"], _TRAINING
    ),
    "size": "gensim 3's name for vector_size: SkipGram(vector_size=…)",
    "dim": "here vector_size: SkipGram(vector_size=…)",
    "ws": "here window: SkipGram(window=…)",
    "neg": "here negative: SkipGram(negative=…)",
    "iter": "gensim 3's name for epochs: fit(corpus, model, key=…, epochs=…)",
    "epoch": "here epochs: fit(corpus, model, key=…, epochs=…)",
    "alpha": "here learning_rate: fit(corpus, model, key=…, learning_rate=…)",
    "start_alpha": "here learning_rate: fit(corpus, model, key=…, learning_rate=…)",
    "lr": "here learning_rate: fit(corpus, model, key=…, learning_rate=…)",
    "min_alpha": "here min_learning_rate: fit(corpus, model, key=…, min_learning_rate=…)",
    "end_alpha": "here min_learning_rate: fit(corpus, model, key=…, min_learning_rate=…)",
    "seed": "here a key: fit(corpus, model, key=jax.random.key(seed))",
    "random_state": "here a key: fit(corpus, model, key=jax.random.key(seed))",
    "sg": "a choice of the model: SkipGram() for sg=1, CBOW() for sg=0",
    "hs": "hierarchical softmax, which jaxvec leaves out; SkipGram(negative=5) is its stand-in",
    "cbow_mean": "an option of CBOW(cbow_mean=…)",
    "sentences": "made a corpus first: corpus = Corpus.from_documents(sentences)",
    "corpus_iterable": "made a corpus first: corpus = Corpus.from_documents(sentences)",
    "corpus_file": "made a corpus first: corpus = Corpus.from_files(path)",
    "max_final_vocab": "here max_size: Corpus.from_documents(sentences, max_size=…)",
    "compute_loss": "not needed: the loss of each epoch is in result.history",
    "trim_rule": "not known: choose the words yourself, Vocab.from_counts(counts), and give "
    "Corpus.from_documents(sentences, vocab=vocab)",
    "min_n": "of n-grams, which jaxvec leaves out",
    "max_n": "of n-grams, which jaxvec leaves out",
    **dict.fromkeys(
        ["hashfxn", "sorted_vocab", "batch_words", "null_word", "total_examples", "total_words"],
        "not needed: leave it out",
    ),
}
"""Arguments of gensim, or of another part of jaxvec, and where they belong."""

ATTRIBUTES = {
    "wv": "WordVectors are the vectors themselves: leave .wv out",
    "vocab": "write key_to_index for the place of each word, or index_to_key for the words",
    "index2word": "write index_to_key",
    "index2entity": "write index_to_key",
    "syn0": "write vectors",
    "vectors_norm": "write get_normed_vectors()",
    "syn0norm": "write get_normed_vectors()",
    "init_sims": "leave it out, or write get_normed_vectors()",
    "similar": "write most_similar",
    "word_vec": "write get_vector",
    "words_closer_than": "write closer_than",
    "expandos": "write attributes, or get_vecattr and set_vecattr",
    "train": "write jaxvec.fit(corpus, model, key=…, init=vectors) to go on from vectors",
}
"""Attributes of gensim's vectors, old ones too, and their names in jaxvec."""


def explained(
    instead: str, names: dict[str, str] = ARGUMENTS, name: str | None = None
) -> Callable[[T], T]:
    """A decorator of functions and classes, whose TypeErrors for a wrong call say the right one.

    They have a sentence for each unknown argument, and end with `instead`.

    Args:
      instead: a call as it should be.
      names: sentences for arguments; others have close matches.
      name: how the message calls the function, by default by its own name.

    >>> @explained("write area(width=…)")
    ... def area(width):
    ...     return width * width
    >>> area(size=1)
    Traceback (most recent call last):
    TypeError: area has no argument size (gensim 3's name for vector_size: ...)
    """

    def decorate(function: Any, name: str) -> Any:
        signature = inspect.signature(function)

        @functools.wraps(function)
        def called(*args, **kwargs):
            try:
                return function(*args, **kwargs)
            except TypeError:
                try:
                    signature.bind(*args, **kwargs)
                except TypeError as misfit:
                    message = _unknown(name, signature, kwargs, names) or f"{name}: {misfit}"
                    raise TypeError(f"{message}; {instead}") from None
                raise

        return called

    def decorate_either(given: Any) -> Any:
        if not inspect.isclass(given):
            return decorate(given, name or given.__qualname__)
        given.__init__ = decorate(given.__init__, name or given.__name__)  # type: ignore[method-assign]
        return given

    return decorate_either


def _unknown(name: str, signature: inspect.Signature, kwargs, names: dict[str, str]) -> str:
    """A sentence for the arguments that a function lacks; "" if there are none."""
    known = list(signature.parameters)
    told = []
    for unknown in (word for word in kwargs if word not in known):
        close = difflib.get_close_matches(unknown, known, 1)
        if unknown in names:
            told.append(f"{unknown} ({names[unknown].format(name=unknown)})")
        else:
            told.append(unknown + (f" (is {close[0]} meant?)" if close else ""))
    return f"{name} has no argument {', no '.join(told)}" if told else ""


def corpus_instead(given: Any) -> str:
    """A sentence on how to make a `Corpus` of something else.

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
        how = "ids become one by Corpus(vocab, ids, [0, len(ids)], raw_words=len(ids))"
    elif isinstance(given, Iterable) and not hasattr(given, "words"):
        how = "make one by Corpus.from_documents(sentences)"
    return f"a Corpus is needed, not {kind(given)}: {how}"


def kind(given: Any) -> str:
    """The kind of an object, with an article.

    >>> kind(3), kind([]), kind(np.ones(2)), kind(int)
    ('the number 3', 'a list', 'an array', 'the class int')
    """
    if given is None or isinstance(given, bool):
        return repr(given)
    if isinstance(given, int | float | np.number):
        return f"the number {given}"
    if isinstance(given, str):
        return f"the string {given!r}"
    if isinstance(given, _Uncalled):
        return "a method"
    if inspect.isclass(given):
        return f"the class {given.__name__}"
    name = "array" if hasattr(given, "__array__") else type(given).__name__
    article = "" if name.endswith("s") else "an " if name[0].lower() in "aeiou" else "a "
    return article + name


def explained_model(model: type[T]) -> type[T]:
    """A decorator of a model's dataclass: refuses data among its options, which are numbers."""
    name = model.__name__
    call = f"fit(corpus, {name}(vector_size=100), key=jax.random.key(0))"
    make = model.__init__

    @functools.wraps(make)
    def init(self, *args, **kwargs):
        for option, value in [*zip(inspect.signature(model).parameters, args), *kwargs.items()]:  # noqa: B905
            if value is not None and (isinstance(value, str) or not np.isscalar(value)):
                if option == "vector_size" and not isinstance(value, str):
                    raise TypeError(
                        f"{name} holds options alone, and got {kind(value)}: write {call}"
                    )
                raise TypeError(f"{option} of {name} must be a number; got {kind(value)}")
        make(self, *args, **kwargs)

    def no_attribute(self, attribute: str):
        known = ("fit", "train", "build_vocab", "wv", "vectors", "most_similar", "save", "params")
        instead = f": it holds options alone; write {call}" if attribute in known else ""
        raise AttributeError(f"{name} has no attribute {attribute!r}{instead}")

    model.__init__ = init  # type: ignore[method-assign]
    model.__getattr__ = no_attribute  # type: ignore[attr-defined]
    return explained(f"write {call}")(model)


class _Uncalled(functools.partial):
    """A bound method, which says that it must be called where it was not."""

    def __getattr__(self, name: str) -> Any:
        method = self.func.__name__
        raise AttributeError(f"{method} is a method: write {method}().{name}")

    def __getitem__(self, key: Any) -> Any:
        method = self.func.__name__
        raise TypeError(f"{method} is a method: write {method}()[{key!r}]")


class _Method:
    def __init__(self, function: Callable):
        self._function = function

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self._function if instance is None else _Uncalled(self._function, instance)


def to_be_called(method: T) -> T:
    """A decorator of methods that are easily taken for properties: missing brackets are told."""
    return cast(T, _Method(cast(Callable, method)))
