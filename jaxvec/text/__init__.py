"""From text to ids: readers, tokenizers, the vocabulary, the corpus. Knows no model."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["datasets"])
