"""Groups of vectors: k-means classes, self-organizing maps."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["classes", "som"])
