"""jaxvec: word vectors in JAX.

Text to ids (`Corpus`, `Vocab`) and counts (`cooccurrence`), pure losses (`sgns`, `glove`),
training (`fit`), and vectors to query (`WordVectors`). What is here is listed in `__init__.pyi`
and imported when it is first used, so that a query need not wait for JAX.
"""

import sys
from importlib.metadata import version
from typing import Any

import lazy_loader

_attribute, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)


def __getattr__(name: str) -> Any:
    if name == "neighbours":  # as it was spelled before
        name = "neighbors"
    try:
        return _attribute(name)
    except AttributeError:
        from jaxvec.messages.gensim import CLASSES

        if name not in CLASSES:
            raise
        message = f"jaxvec has no {name}: write {CLASSES[name]}"
        # `from jaxvec import …` replaces an AttributeError, and its sentence, by its own
        importing = sys._getframe(1).f_globals.get("__name__") == "importlib._bootstrap"
        raise (ImportError if importing else AttributeError)(message) from None


__version__ = version("jaxvec")
