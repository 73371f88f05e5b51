"""jaxvec: word vectors in JAX.

Text to ids (`Corpus`, `Vocab`) and counts (`cooccurrence`), pure losses (`sgns`, `glove`),
training (`fit`), and vectors to query (`WordVectors`). What is here is listed in `__init__.pyi`
and imported when it is first used, so that a query need not wait for JAX.
"""

from importlib.metadata import version

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = version("jaxvec")
