"""Texts as rectangular arrays of ids, the form a compiled model takes.

Letters: `B` texts, `T` places of each.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.text.tokenize import Tokenizer, get_tokenizer
from jaxvec.text.vocab import Vocab


class Padded(NamedTuple):
    """Texts of `T` places each, of which the first `lengths` are words."""

    ids: np.ndarray  # int32[B, T]
    mask: np.ndarray  # bool[B, T], True where there is a word
    lengths: np.ndarray  # int32[B], 0 for a text without a word


def pad(
    sequences: Iterable[Sequence[int] | np.ndarray],
    *,
    pad_id: int = 0,
    max_length: int | None = None,
    fixed: bool = False,
    pad_to_multiple_of: int = 1,
) -> Padded:
    """Lists of ids as one array, filled up at the end.

    Each new `T` is a new shape, for which `jax.jit` compiles anew: a `fixed` one compiles
    once, a multiple of 32 or so a few times, with less padding.

    Args:
      sequences: `B` lists of ids.
      pad_id: stands where there is no word.
      max_length: longer lists keep their first so many; None: all are kept.
      fixed: `T` is `max_length`, however long the longest list is.
      pad_to_multiple_of: `T` is rounded up to a multiple of this.

    Raises:
      ValueError: if a length is below 1, or `fixed` without a `max_length`.

    >>> ids, mask, lengths = pad([[5, 6, 7], [8]])
    >>> ids.tolist(), mask[1].tolist(), lengths.tolist()
    ([[5, 6, 7], [8, 0, 0]], [True, False, False], [3, 1])
    >>> pad([[5, 6, 7], [8]], max_length=2, pad_to_multiple_of=4).ids.tolist()
    [[5, 6, 0, 0], [8, 0, 0, 0]]
    """
    for name, value in (("max_length", max_length), ("pad_to_multiple_of", pad_to_multiple_of)):
        if value is not None and value < 1:
            raise ValueError(f"{name} must be at least 1; got {value}")
    rows = [np.asarray(sequence, np.int32)[:max_length] for sequence in sequences]
    lengths = np.array([len(row) for row in rows], np.int32)
    longest = max(1, lengths.max(initial=0))
    if fixed:
        if max_length is None:
            raise ValueError("a fixed length needs max_length, to say which")
        longest = max_length
    places = -(-longest // pad_to_multiple_of) * pad_to_multiple_of
    mask = np.arange(places) < lengths[:, None]
    ids = np.full(mask.shape, pad_id, np.int32)
    ids[mask] = np.concatenate(rows) if rows else []
    return Padded(ids, mask, lengths)


def encode(
    texts: Iterable[str | Sequence[str]],
    vocab: Vocab,
    *,
    tokenizer: str | Tokenizer = "whitespace",
    pad_word: str = "<pad>",
    max_length: int | None = None,
    fixed: bool = False,
    pad_to_multiple_of: int = 1,
) -> Padded:
    """Texts, or lists of words, as padded ids of a vocabulary.

    Words outside the vocabulary become `vocab.unk` if there is one, and are left out
    otherwise, before a text is cut to `max_length`.

    Args:
      texts: `B` strings, which the tokenizer splits, or lists of words, taken as they are.
      vocab: such as `vocabulary` makes.
      tokenizer: one of `jaxvec.text.tokenize.TOKENIZERS`, or a function from text to words;
        best that with which the vectors were trained.
      pad_word: whose id stands where there is no word. If the vocabulary lacks it that is
        id 0, a word like any other: then only the mask tells.
      max_length: longer texts keep their first so many words.
      fixed: as for `pad`.
      pad_to_multiple_of: as for `pad`.

    Raises:
      ValueError: if `texts` is one string, or as `pad`.

    >>> vocab = Vocab(["<pad>", "<unk>", "the", "cat"], [0] * 4, specials=2, unk="<unk>")
    >>> encode(["the cat sat", ["cat"]], vocab).ids.tolist()
    [[2, 3, 1], [3, 0, 0]]
    """
    if isinstance(texts, str):
        raise ValueError("encode takes a list of texts; for a single one, [text]")
    split = get_tokenizer(tokenizer)
    return pad(
        (vocab.encode(list(split(text) if isinstance(text, str) else text)) for text in texts),
        pad_id=vocab.ids.get(pad_word, 0),
        max_length=max_length,
        fixed=fixed,
        pad_to_multiple_of=pad_to_multiple_of,
    )
