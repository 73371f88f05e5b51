"""Plots and web pages of word vectors and of training runs; needs the extra `plot`.

A plot is a matplotlib Figure without a window; `figure.save` writes it to a file.
"""
