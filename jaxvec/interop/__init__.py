"""Files of other programs: Stanford's GloVe."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(__name__, ["stanford"])
