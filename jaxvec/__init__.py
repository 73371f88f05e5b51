"""jaxvec: word vectors in JAX.

Text to ids (`Corpus`, `Vocab`) and counts (`cooccurrence`), pure losses (`sgns`, `glove`),
training (`fit`), and vectors to query (`WordVectors`). What is here is listed in `__init__.pyi`
and imported when it is first used, so that a query need not wait for JAX.
"""

import sys
from importlib.machinery import ModuleSpec
from importlib.metadata import version
from types import ModuleType
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


class _ShortPaths:
    """Lets ``import jaxvec.sgns`` find what ``from jaxvec import sgns`` does, in whatever room."""

    @staticmethod
    def find_spec(name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        own = name.removeprefix(f"{__name__}.")
        known = own in (*__all__, "neighbours") and name != own
        found = getattr(sys.modules[__name__], own) if known else None
        return ModuleSpec(name, _ShortPaths(found)) if isinstance(found, ModuleType) else None

    def __init__(self, found: ModuleType):
        self._found, self._spec = found, found.__spec__

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        return self._found

    def exec_module(self, module: ModuleType) -> None:
        module.__spec__ = self._spec  # its own, which the import system has replaced


sys.meta_path.append(_ShortPaths)

__version__ = version("jaxvec")
