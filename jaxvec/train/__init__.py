"""Training: from data and a model to tables."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["ppmi", "spectral", "scores"])
