"""From text to ids: readers, tokenizers, phrases, the vocabulary, the corpus."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["datasets"])
