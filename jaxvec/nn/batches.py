"""Texts as padded arrays of ids, the input of a compiled model.

Letters: `B` texts in a batch, `T` time steps (the padded length).
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from jaxvec.text.tokenize import Tokenizer, get_tokenizer
from jaxvec.text.vocab import Vocab


class Padded(NamedTuple):
    """`B` texts padded at the end to `T` ids each.

    Attributes:
      ids: int32[B, T], word ids, then the id of padding.
      mask: bool[B, T], True for words, False for padding.
      lengths: int32[B], the number of words of each text.
    """

    ids: np.ndarray  # int32[B, T]
    mask: np.ndarray  # bool[B, T]
    lengths: np.ndarray  # int32[B]


def pad(
    sequences: Iterable[Sequence[int] | np.ndarray],
    *,
    pad_id: int = 0,
    max_length: int | None = None,
    fixed: bool = False,
    pad_to_multiple_of: int = 1,
) -> Padded:
    """Pads lists of ids at the end to a common length `T`.

    `jax.jit` compiles once per shape. With `fixed` there is one shape; with
    ``pad_to_multiple_of=32`` there are a few, and less padding.

    Args:
      sequences: `B` lists of ids.
      pad_id: the id of padding.
      max_length: truncate lists to this length; None keeps them whole.
      fixed: `T` is `max_length` for every batch, not the length of its longest list.
      pad_to_multiple_of: round `T` up to a multiple of this.

    Returns:
      Ids, mask and lengths: [B, T], [B, T] and [B].

    Raises:
      ValueError: if `max_length` or `pad_to_multiple_of` is below 1, or `fixed` is set without
        `max_length`.

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
            raise ValueError("fixed=True needs max_length, the length to pad to")
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
    """Encodes texts as padded ids of a vocabulary.

    An unknown word becomes `vocab.unk` if the vocabulary has one, and is dropped otherwise,
    before a text is truncated to `max_length`.

    Args:
      texts: `B` strings, which the tokenizer splits, or lists of words, taken as they are.
      vocab: the vocabulary, such as `vocabulary` makes.
      tokenizer: one of `jaxvec.text.tokenize.TOKENIZERS`, or a function from text to words;
        preferably the one that the vectors were trained with.
      pad_word: the word whose id is padding. If the vocabulary lacks it, padding has id 0,
        which is also the id of a word: use the mask to distinguish them.
      max_length: truncate texts to this number of words; None keeps them whole.
      fixed: see `pad`.
      pad_to_multiple_of: see `pad`.

    Returns:
      Ids, mask and lengths: [B, T], [B, T] and [B].

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
