"""Words with vectors: to look up, query, score, align, read and write."""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    [
        "align",
        "analogies",
        "evaluate",
        "formats",
        "hub",
        "neighbors",
        "queries",
        "ranking",
        "rows",
        "table",
        "texts",
        "transport",
    ],
    {"word_vectors": ["WordVectors"]},
)
