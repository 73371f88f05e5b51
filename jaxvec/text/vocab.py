"""The vocabulary: words, their ids and their counts."""

import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import overload

import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.messages.numbers import check_whole
from jaxvec.messages.unknown import UnknownWord
from jaxvec.storage.arrays import array_text, check_encoding, text_array
from jaxvec.storage.fields import field, scalar
from jaxvec.storage.files import atomic_write
from jaxvec.text.read import text_lines

_LINE = re.compile(
    r"(?P<word>.*[^ \t])[ \t]+(?P<count>[0-9]{1,19})(?: (?P<kind>unk|special))?", re.DOTALL
)
Words = list[str] | tuple[str, ...]


@explained("write Vocab.from_counts(counts), or corpus.vocab")
class Vocab:
    """`V` words with their counts; the id of a word is its place in `words`.

    `from_counts` orders them: specials first, then by falling count, equal counts
    alphabetically, so that the same text always gives the same ids.

    Attributes:
      words: the `V` words by id.
      counts: int64[V], how often each occurs in the text.
      ids: the id of each word.
      specials: number of specials, which are the first words.
      unk: the special that stands for every word outside the vocabulary, or None.

    Args:
      words: the `V` words by id, each once, not empty and without line breaks.
      counts: whole numbers, [V].
      specials: number of specials.
      unk: one of the specials, or None.

    Raises:
      TypeError: if a word is no string, or `specials` no whole number.
      ValueError: if words or counts are not as above.

    >>> vocab = Vocab.from_counts({"b": 3, "a": 3, "c": 1}, min_count=2)
    >>> vocab.words, vocab["b"], vocab.total
    (['a', 'b'], 1, 6)
    """

    def __init__(
        self,
        words: Sequence[str],
        counts: Sequence[int] | np.ndarray,
        *,
        specials: int = 0,
        unk: str | None = None,
    ):
        self.words = word_list(words)
        self.counts = whole_counts(counts)
        self.ids = dict(zip(self.words, range(len(self.words)), strict=True))
        self.specials = check_whole("specials", specials, least=0)
        self.unk = unk
        if self.counts.shape != (len(self.words),):
            raise ValueError(f"{len(self.words)} words need {len(self.words)} counts; got "
                             f"{list(self.counts.shape)}")  # fmt: skip
        if len(self.ids) != len(self.words):
            twice = next(word for i, word in enumerate(self.words) if self.ids[word] != i)
            raise ValueError(f"the vocabulary holds {twice!r} twice")
        if "" in self.ids or "\n" in "".join(self.words):
            raise ValueError("a word of a vocabulary may not be empty or hold a line break")
        check_encoding(self.words)
        if unk is not None and unk not in self.words[:specials]:
            raise ValueError(f"unk={unk!r} must be one of the specials {self.words[:specials]}")

    @classmethod
    def from_counts(
        cls,
        counts: dict[str, int],
        *,
        min_count: int = 5,
        max_size: int | None = None,
        specials: Sequence[str] = (),
        unk: str | None = None,
    ) -> "Vocab":
        """A vocabulary of the most frequent words.

        Args:
          counts: how often each word occurs.
          min_count: leave out words that occur less often.
          max_size: keep at most this many words, the most frequent, specials not included.
          specials: words put first, whatever their counts.
          unk: a special, put before `specials` unless it is one of them; it counts all words
            that are left out.

        Raises:
          TypeError: if `counts` is no dict, a number is not whole or a word is no string.
          ValueError: if `min_count` or `max_size` is below 1, or a count is negative.
        """
        check_whole("min_count", min_count)
        if max_size is not None:
            max_size = check_whole("max_size", max_size)
        _check_counts(counts)
        first = word_list(specials, "specials")
        if unk is not None and unk not in first:
            first.insert(0, unk)
        special = set(first)
        words = sorted(w for w, n in counts.items() if n >= min_count and w not in special)
        words.sort(key=counts.__getitem__, reverse=True)  # equal counts stay alphabetical
        words = words[:max_size]
        numbers = [counts.get(word, 0) for word in first + words]
        if unk is not None:
            numbers[first.index(unk)] += sum(counts.values()) - sum(numbers)
        return cls(first + words, numbers, specials=len(first), unk=unk)

    def extended(self, counts: dict[str, int], *, min_count: int = 5) -> "Vocab":
        """The vocabulary of the text so far and of further text.

        All words of this vocabulary stay, and the counts of both texts are added; specials keep
        their places.

        Args:
          counts: how often each word occurs in the further text.
          min_count: leave out new words that occur less often there.

        Raises:
          TypeError: if `counts` is no dict, a number is not whole or a word is no string.
          ValueError: if `min_count` is below 1, or a count is negative.

        >>> Vocab(["a", "b"], [5, 4]).extended({"b": 2, "c": 5, "d": 1}, min_count=2).words
        ['b', 'a', 'c']
        """
        check_whole("min_count", min_count)
        _check_counts(counts)
        sums = dict(zip(self.words, self.counts.tolist(), strict=True))
        left_out = 0
        for word, count in counts.items():
            if word in sums or count >= min_count:
                sums[word] = sums.get(word, 0) + count
            else:
                left_out += count
        first = self.words[: self.specials]
        rest = sorted((w for w in sums if w not in first), key=lambda word: (-sums[word], word))
        if self.unk is not None:
            sums[self.unk] += left_out
        words = first + rest
        return Vocab(words, [sums[w] for w in words], specials=self.specials, unk=self.unk)

    def __len__(self) -> int:
        return len(self.words)

    def __repr__(self) -> str:
        return f"Vocab of {len(self):,} words, {self.total:,} tokens"

    def __contains__(self, word: object) -> bool:
        return word in self.ids

    def __getitem__(self, word: str) -> int:
        """The id of a word.

        Raises:
          KeyError: if the vocabulary lacks it; the message has close matches.
        """
        if word in self.ids:
            return self.ids[word]
        raise UnknownWord(word, self.words)

    @property
    def total(self) -> int:
        """Number of tokens of the text whose word is in the vocabulary."""
        return int(self.counts.sum())

    @overload
    def count(self, words: str) -> int: ...
    @overload
    def count(self, words: Words) -> np.ndarray: ...
    def count(self, words):
        """How often a word occurs in the text, or int64[n] for a list of `n` words.

        Raises:
          KeyError: for a word outside the vocabulary; the message has close matches.
        """
        if isinstance(words, str):
            return int(self.counts[self[words]])
        return self.counts[[self[word] for word in word_list(words)]]

    @overload
    def frequency(self, words: str) -> float: ...
    @overload
    def frequency(self, words: Words) -> np.ndarray: ...
    def frequency(self, words):
        """`count` divided by `total`."""
        return self.count(words) / self.total

    @overload
    def encode(self, words: str) -> int: ...
    @overload
    def encode(self, words: Words) -> np.ndarray: ...
    def encode(self, words):
        """The id of a word, or int32[≤ n] for a list of `n` words.

        A word outside the vocabulary has the id of `unk`. Without `unk`, it raises an error if it
        is alone and is left out of a list.

        Raises:
          KeyError: for a single word that has no id; the message has close matches.
          TypeError: if a word is no string, such as bytes.
        """
        other = None if self.unk is None else self.ids[self.unk]
        if isinstance(words, str):
            return self[words] if other is None else self.ids.get(words, other)
        ids = (self.ids.get(word, other) for word in word_list(words))
        return np.array([i for i in ids if i is not None], np.int32)

    @overload
    def decode(self, ids: int) -> str: ...
    @overload
    def decode(self, ids: Sequence[int] | np.ndarray) -> list[str]: ...
    def decode(self, ids):
        """The word of an id, or the list of words of ids, [n].

        Raises:
          ValueError: if an id is no whole number from 0 to V - 1.
        """
        places = np.asarray(ids)
        inside = places.dtype.kind in "iu" and ((places >= 0) & (places < len(self))).all()
        if places.size and not inside:
            raise ValueError(f"ids must be whole numbers from 0 to {len(self) - 1}; got {ids!r}")
        if places.ndim == 0:
            return self.words[int(places)]
        return [self.words[i] for i in places]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes UTF-8 text, ``word count`` a line, as word2vec and GloVe do.

        A special has a third field: ``unk`` or ``special``.

        Raises:
          FileNotFoundError: if there is no folder for it.
          ValueError: if a word ends in a blank or tab, which `load` would take for the separator
            before the count.
        """
        for word in self.words:
            if word[-1] in " \t":
                raise ValueError(f"a file of words and counts cannot hold {word!r}, which ends in "
                                 "a blank")  # fmt: skip
        with (
            atomic_write(path) as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            if self.words and self.words[0].startswith("\ufeff"):
                file.write("\ufeff")  # readers drop one mark: this, not the word's own
            for i, (word, count) in enumerate(zip(self.words, self.counts, strict=True)):
                field = "" if i >= self.specials else " unk" if word == self.unk else " special"
                file.write(f"{word} {count}{field}\n")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The vocabulary as arrays, to store in an ``.npz`` with others; see `from_arrays`."""
        return {
            "words": text_array(self.words),
            "counts": self.counts,
            "specials": np.array(self.specials, np.int64),
            "unk": np.array(self.unk or ""),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Vocab":
        """The vocabulary that `to_arrays` stored, from a dict that may hold other arrays too.

        Raises:
          ValueError: if an array is missing, or they make no vocabulary.
        """
        return cls(
            array_text(field(arrays, "words", "u1")),
            field(arrays, "counts", "i8"),
            specials=scalar(arrays, "specials", "i8"),
            unk=scalar(arrays, "unk", "U") or None,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Vocab":
        """Reads what `save`, word2vec (``-save-vocab``) or GloVe (``vocab_count``) wrote.

        Ids are the places of words in the file.

        Raises:
          FileNotFoundError: if there is no such file.
          ValueError: if a line is not ``word count``; the message names it.
        """
        words: list[str] = []
        counts: list[int] = []
        specials, unk = 0, None
        for number, line in text_lines(path, "vocabulary file"):
            match = _LINE.fullmatch(line)
            if match is None or int(match["count"]) >= 2**63:
                raise ValueError(
                    f"{path} is not a vocabulary file: line {number} is {line[:80]!r}; expected a "
                    f"word, a space and its count, a whole number from 0 to {2**63 - 1}"
                )
            words.append(match["word"])
            counts.append(int(match["count"]))
            specials += match["kind"] is not None
            unk = match["word"] if match["kind"] == "unk" else unk
        try:
            return cls(words, counts, specials=specials, unk=unk)
        except ValueError as error:
            raise ValueError(f"{path} is not a vocabulary file: {error}") from None


def word_list(words: Iterable[str], name: str = "words") -> list[str]:
    """Words as a list.

    Args:
      words: strings.
      name: of the argument, for the message.

    Raises:
      ValueError: for a single string, which is an iterable of letters.
      TypeError: if `words` is not iterable, or one is no string, such as bytes.
    """
    if isinstance(words, str):
        raise ValueError(f"{name} must be a list of words; got the string {words[:80]!r}")
    if not isinstance(words, Iterable):
        raise TypeError(f"{name} must be a list of words; got {kind(words)}")
    words = list(words)
    if not all(issubclass(found, str) for found in set(map(type, words))):
        word = next(word for word in words if not isinstance(word, str))
        raise TypeError(f"{name} must be strings; got {kind(word)}: write str(word) for each")
    return words


def _check_counts(counts: Mapping[str, int]) -> None:
    """Checks words and their counts, also of words that will be left out."""
    if not isinstance(counts, Mapping):
        raise TypeError(f"counts must be a dict, the count of each word; got {kind(counts)}")
    whole_counts(list(counts.values()))
    word_list(counts)


def whole_counts(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """Counts as int64[V]; floats are allowed if they are whole.

    Raises:
      ValueError: if a count is not whole or negative, or their sum exceeds 63 bits.

    >>> whole_counts([2.0, 1]).tolist()
    [2, 1]
    """
    given = np.asarray(counts)
    if not given.size:
        return given.astype(np.int64)
    if given.dtype.kind not in "iufO":
        raise ValueError(f"counts must be whole numbers; got {given.dtype}")
    if any(number is None for number in given.flat if given.dtype.kind == "O"):
        raise ValueError("counts must be whole numbers; got None")
    bad = ~((given >= 0) & (given < 2.0**63))
    if given.dtype.kind != "i":
        bad |= given != np.floor(given.astype(np.float64))
    if bad.any():
        raise ValueError(
            f"counts must be whole numbers from 0 to {2**63 - 1}; got {given[bad][0]!s}"
        )
    whole = given.astype(np.int64)
    if whole.sum(dtype=np.float64) >= 2.0**63:
        raise ValueError(f"the counts add up to more than {2**63 - 1}, which 64 bits cannot hold")
    return whole
