"""gensim's names and jaxvec's in their place; decorators whose errors say the call to write."""

import difflib
import functools
import inspect
import typing
from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np

from jaxvec.messages.kinds import BoundMethod, kind

T = TypeVar("T")

CLASSES = {
    "Word2Vec": "corpus = jaxvec.Corpus.from_documents(sentences) and result = jaxvec.fit(corpus, "
    "jaxvec.SkipGram(), key=jax.random.key(0)), or CBOW() for sg=0",
    "FastText": "jaxvec.fit(corpus, jaxvec.SkipGram(subwords=(3, 6)), key=jax.random.key(0)), or "
    "CBOW(subwords=(3, 6)) for sg=0; its vectors() give unknown words one, too",
    "Doc2Vec": "result = jaxvec.fit(corpus, jaxvec.ParagraphVectors(), key=jax.random.key(0)), "
    "for dm=0; jaxvec.infer(result, texts) has vectors of other documents",
    "KeyedVectors": "jaxvec.WordVectors, which has the methods of gensim's KeyedVectors",
    "Phraser": "jaxvec.Phrases.from_documents(sentences)",
    "FrozenPhrases": "jaxvec.Phrases.from_documents(sentences)",
    "LineSentence": "jaxvec.Corpus.from_files(path)",
    "PathLineSentences": "jaxvec.Corpus.from_files(folder)",
    "Text8Corpus": "jaxvec.Corpus.from_files(path)",
}
"""Classes of gensim, and the call of jaxvec in place of each."""

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
    "min_n": "an option of the model: SkipGram(subwords=(min_n, max_n))",
    "max_n": "an option of the model: SkipGram(subwords=(min_n, max_n))",
    "bucket": "here buckets: SkipGram(subwords=(3, 6), buckets=…)",
    **dict.fromkeys(
        ["hashfxn", "sorted_vocab", "batch_words", "null_word", "total_examples", "total_words"],
        "not needed: leave it out",
    ),
}
"""Arguments of gensim or of another part of jaxvec, and where each belongs."""

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
    "train": "write jaxvec.fit(corpus, model, key=…, init=vectors) to continue from vectors",
}
"""Attributes of gensim's vectors, of old versions too, and what to write in jaxvec."""


def explained(
    instead: str, names: dict[str, str] = ARGUMENTS, name: str | None = None
) -> Callable[[T], T]:
    """A decorator of functions and classes: TypeErrors for a wrong call say the right one.

    The message has a sentence for each unknown argument, and ends with `instead`.

    Args:
      instead: the call to write.
      names: a sentence for each argument that users bring along; for others the closest argument
        of the function is named.
      name: the function's name in the message; by default its own.

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
                raise  # the call fits: the error is the function's own

        return called

    def decorate_either(given: Any) -> Any:
        if not inspect.isclass(given):
            return decorate(given, name or given.__qualname__)
        given.__init__ = decorate(given.__init__, name or given.__name__)  # type: ignore[method-assign]
        return given

    return decorate_either


def _unknown(name: str, signature: inspect.Signature, kwargs, names: dict[str, str]) -> str:
    """A sentence about the arguments that a function does not have; "" if it has them all."""
    known = list(signature.parameters)
    sentences = []
    for unknown in (word for word in kwargs if word not in known):
        close = difflib.get_close_matches(unknown, known, 1)
        if unknown in names:
            sentences.append(f"{unknown} ({names[unknown].format(name=unknown)})")
        else:
            sentences.append(unknown + (f" (is {close[0]} meant?)" if close else ""))
    return f"{name} has no argument {', no '.join(sentences)}" if sentences else ""


def explained_model(model: type[T]) -> type[T]:
    """A decorator of a model's dataclass, whose options are numbers, or texts where they are
    declared as such: refuses data among them."""
    name = model.__name__
    call = f"fit(corpus, {name}(vector_size=100), key=jax.random.key(0))"
    make = model.__init__

    @functools.wraps(make)
    def init(self, *args, **kwargs):
        parameters = inspect.signature(model).parameters
        for option, value in [*zip(parameters, args), *kwargs.items()]:  # noqa: B905
            if option in parameters and _takes_no_number(parameters[option]):
                continue
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


def _takes_no_number(parameter: inspect.Parameter) -> bool:
    """Whether it is declared to be a text, or several numbers."""
    declared = getattr(parameter.annotation, "__origin__", parameter.annotation)
    kinds = typing.get_args(declared) or (declared,)
    return any(kind is str or typing.get_origin(kind) is tuple for kind in kinds)


class _Method:
    """A descriptor that hands out a method as a `BoundMethod`."""

    def __init__(self, function: Callable):
        self._function = function

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self._function if instance is None else BoundMethod(self._function, instance)


def to_be_called(method: T) -> T:
    """A decorator of methods easily taken for properties: an error says that brackets are missing.

    >>> class Result:
    ...     @to_be_called
    ...     def vectors(self):
    ...         return {}
    >>> Result().vectors["cat"]
    Traceback (most recent call last):
    TypeError: vectors is a method: write vectors()['cat']
    """
    return cast(T, _Method(cast(Callable, method)))
