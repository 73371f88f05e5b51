"""The vocabulary: words, their ids and their counts."""

import difflib
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, overload

import numpy as np

from jaxvec.messages.gensim import explained
from jaxvec.messages.kinds import kind
from jaxvec.storage.arrays import array_text, check_encoding, text_array
from jaxvec.storage.files import written_beside
from jaxvec.text.read import text_lines

_LINE = re.compile(
    r"(?P<word>.*[^ \t])[ \t]+(?P<count>[0-9]+)(?: (?P<kind>unk|special))?", re.DOTALL
)
Words = list[str] | tuple[str, ...]

_COMPARED = 200_000  # words among which close matches are sought


@explained("write Vocab.from_counts(counts), or corpus.vocab")
class Vocab:
    """`V` words with their counts; a word's id is its place.

    Specials come first, then the words in falling order of count, equal counts in
    alphabetical order, so that the same text always gives the same ids.

    Attributes:
      words: the `V` words by id.
      counts: int64[V], how often each occurs in the text.
      ids: the id of each word.
      specials: how many of the first words are specials.
      unk: the special that stands for every word outside the vocabulary, or None.

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
        self.ids = {word: i for i, word in enumerate(self.words)}
        self.specials = specials
        self.unk = unk
        if self.counts.shape != (len(self.words),):
            raise ValueError(f"{len(self.words)} words need as many counts, not {len(self.counts)}")
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
        """Chooses and orders the words of a vocabulary.

        Args:
          counts: how often each word occurs.
          min_count: rarer words are left out.
          max_size: at most so many words, the most frequent, specials not counted.
          specials: words put first whatever their count.
          unk: a special, added in front of `specials` unless it is one of them; its count
            is that of all the words left out.

        Raises:
          ValueError: if `min_count` or `max_size` is below 1.
        """
        if min_count < 1:
            raise ValueError(f"min_count must be at least 1; got {min_count}")
        if max_size is not None and max_size < 1:
            raise ValueError(f"max_size must be at least 1 or None; got {max_size}")
        if not isinstance(counts, Mapping):
            raise TypeError(f"counts must be a dict, the count of each word; got {kind(counts)}")
        whole_counts(list(counts.values()))  # raises, also for words that are left out
        first = word_list(specials, "specials")
        if unk is not None and unk not in first:
            first.insert(0, unk)
        special = set(first)
        word_list(counts)  # raises
        words = sorted(
            (word for word, n in counts.items() if n >= min_count and word not in special),
            key=lambda word: (-counts[word], word),
        )[:max_size]
        numbers = [counts.get(word, 0) for word in first + words]
        if unk is not None:
            numbers[first.index(unk)] += sum(counts.values()) - sum(numbers)
        return cls(first + words, numbers, specials=len(first), unk=unk)

    def extended(self, counts: dict[str, int], *, min_count: int = 5) -> "Vocab":
        """The vocabulary of this text and further text.

        Words known already stay, whatever their count in the further text, and the counts of
        both add up; specials keep their places.

        Args:
          counts: how often each word occurs in the further text.
          min_count: other words that are rarer there are left out.

        >>> Vocab(["a", "b"], [5, 4]).extended({"b": 2, "c": 5, "d": 1}, min_count=2).words
        ['b', 'a', 'c']
        """
        word_list(counts)  # raises
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
          KeyError: if the vocabulary does not hold it; the message has close matches.
        """
        if word in self.ids:
            return self.ids[word]
        raise UnknownWord(word, self.words)

    @property
    def total(self) -> int:
        """How many tokens of the text are words of the vocabulary."""
        return int(self.counts.sum())

    @overload
    def count(self, words: str) -> int: ...
    @overload
    def count(self, words: Words) -> np.ndarray: ...
    def count(self, words):
        """How often a word, or each of many, occurs in the text; KeyError if unknown."""
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
        """The id of a word, or int32 ids of many.

        Words outside the vocabulary become `unk` if there is one. Otherwise a single
        word raises KeyError, and among many they are left out.

        Raises:
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
        """The word of an id, or the words of many.

        Raises:
          ValueError: for an id that is no whole number from 0 to V - 1.
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
          ValueError: if a word ends in a blank or tab, which `load` takes for what parts it from
            its count.
        """
        for word in self.words:
            if word[-1] in " \t":
                raise ValueError(f"a file of words and counts cannot hold {word!r}, which ends in "
                                 "a blank")  # fmt: skip
        with (
            written_beside(path) as temporary,
            open(temporary, "w", encoding="utf-8", newline="\n") as file,
        ):
            if self.words and self.words[0].startswith("\ufeff"):
                file.write("\ufeff")  # so that this is dropped, and not the word's own
            for i, (word, count) in enumerate(zip(self.words, self.counts, strict=True)):
                kind = "" if i >= self.specials else " unk" if word == self.unk else " special"
                file.write(f"{word} {count}{kind}\n")

    def to_arrays(self) -> dict[str, np.ndarray]:
        """The vocabulary as arrays, for an archive that holds more than it."""
        return {
            "words": text_array(self.words),
            "counts": self.counts,
            "specials": np.array(self.specials),
            "unk": np.array(self.unk or ""),
        }

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> "Vocab":
        """What `to_arrays` gave."""
        return cls(
            array_text(arrays["words"]),
            arrays["counts"],
            specials=int(arrays["specials"]),
            unk=str(arrays["unk"]) or None,
        )

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Vocab":
        """Reads what `save`, word2vec (``-save-vocab``) or GloVe (``vocab_count``) wrote.

        The order of the file is kept.

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

    Raises:
      ValueError: for a single string, which would be taken for a list of letters.
      TypeError: if one is no string, such as bytes.
    """
    if isinstance(words, str):
        raise ValueError(f"{name} must be a list of words; got the string {words[:80]!r}")
    words = list(words)
    for word in words:
        if not isinstance(word, str):
            raise TypeError(f"{name} must be strings; got {kind(word)}: write str(word) for each")
    return words


def whole_counts(counts: Sequence[int] | np.ndarray) -> np.ndarray:
    """How often each word occurs, int64[V].

    Raises:
      ValueError: if one is no whole number, or negative, or their sum does not fit 63 bits.

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
        raise ValueError(f"the counts come to more than {2**63 - 1}, which 64 bits cannot hold")
    return whole


class UnknownWord(KeyError):
    """A KeyError for a word that is not among others, whose message has the closest that are.

    They are looked for, which takes a second among 200,000 words, when the message is read.

    >>> str(UnknownWord("cta", ["cat", "dog"]))
    "'cta' is not in the vocabulary; close matches: cat"
    """

    def __init__(self, word: str, words: Sequence[str] = ()):
        super().__init__(word)
        self._words = words
        self._message: str | None = None

    def __str__(self) -> str:
        if self._message is None:
            close = difflib.get_close_matches(str(self.args[0]), self._words[:_COMPARED], n=3)
            hint = f"; close matches: {', '.join(close)}" if close else ""
            self._message = f"{self.args[0]!r} is not in the vocabulary{hint}"
        return self._message

    def __reduce__(self) -> tuple[Any, ...]:
        return _unknown_word, (self.args[0], str(self))  # and not all words


def _unknown_word(word: str, message: str) -> UnknownWord:
    error = UnknownWord(word)
    error._message = message
    return error
