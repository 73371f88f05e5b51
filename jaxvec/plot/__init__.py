"""Pictures and pages of word vectors, and of their training, with the extra `plot` installed.

A picture is a matplotlib Figure that belongs to no window; `figure.save` writes it.
"""
