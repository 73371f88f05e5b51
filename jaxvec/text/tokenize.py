"""Tokenizers: functions from a piece of text to a list of words."""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence

Tokenizer = Callable[[str], Sequence[str]]
"""Any function from text to words. It is given one line at a time, without its
line end; a very long line comes in several pieces, cut at white space if it has any."""

_BASIC_TOKEN = re.compile(r"[^\s'.,()!?;:]+|['.,()!?]")
_LAST_MARK = 0x1FFFF  # but for variation selectors
_SELECTORS = "\U000e0100-\U000e01ef"
_JOINERS = "\u200c\u200d"  # inside words of Persian and of India's scripts
_DIGITS = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
_TEXT8_BYTES = bytes(
    ord(c) if c.isdigit() or c.islower() else ord(c.lower()) if c.isupper() else ord(" ")
    for c in (chr(i) if i < 128 else " " for i in range(256))
)


def whitespace(text: str) -> list[str]:
    """Words are what stands between white space.

    >>> whitespace("Don't panic, (yet)")
    ["Don't", 'panic,', '(yet)']
    """
    return text.split()


def basic_english(text: str) -> list[str]:
    """Lower-cases and splits punctuation off, as torchtext's tokenizer of that name.

    ``' . , ( ) ! ?`` become words of their own; ``" ; :`` and ``<br />`` are dropped.

    >>> basic_english('Don\\'t "panic": (yet)')
    ['don', "'", 't', 'panic', '(', 'yet', ')']
    """
    return _BASIC_TOKEN.findall(text.lower().replace('"', "").replace("<br />", " "))


def text8(text: str) -> list[str]:
    """Letters only, as in Matt Mahoney's text8: a-z, digits spelled out, all else a space.

    >>> text8("Don't panic in 42 cafés")
    ['don', 't', 'panic', 'in', 'four', 'two', 'caf', 's']
    """
    letters = text.encode("ascii", "replace").translate(_TEXT8_BYTES).decode("ascii")
    for digit, name in enumerate(_DIGITS):
        letters = letters.replace(str(digit), f" {name} ")
    return letters.split()


def alphanumeric(text: str) -> list[str]:
    """Lower-cases, and takes runs of letters and digits, of any script; all else is a space.

    Marks on a letter, such as vowel signs and accents that are characters of their own, are of
    its word; so are joiners between letters.

    >>> alphanumeric('"Panic" in 42 cafés_?')
    ['panic', 'in', '42', 'cafés']
    >>> alphanumeric("हिन्दी भाषा")
    ['हिन्दी', 'भाषा']
    """
    return _alphanumeric().findall(text.lower())


@functools.cache
def _alphanumeric() -> re.Pattern[str]:
    """A letter or digit, and what may follow; ``\\w`` has no marks, so they are listed."""
    marks = [chr(i) for i in range(_LAST_MARK) if unicodedata.category(chr(i))[0] == "M"]
    mark = f"[{''.join(marks)}{_SELECTORS}]"
    beyond = r"(?=[^\x00-\u02ff])"  # as all of them are: looked at first, it is quicker
    return re.compile(rf"[^\W_]++(?:{beyond}(?:{mark}++[^\W_]*+|[{_JOINERS}]++[^\W_]++))*+")


TOKENIZERS: dict[str, Tokenizer] = {
    "whitespace": whitespace,
    "basic_english": basic_english,
    "text8": text8,
    "alphanumeric": alphanumeric,
}


def get_tokenizer(tokenizer: str | Tokenizer) -> Tokenizer:
    """The tokenizer of that name, or the callable itself.

    Raises:
      ValueError: if there is no tokenizer of that name.
    """
    if callable(tokenizer):
        return tokenizer
    if tokenizer not in TOKENIZERS:
        names = ", ".join(TOKENIZERS)
        raise ValueError(f"tokenizer must be a callable or one of {names}; got {tokenizer!r}")
    return TOKENIZERS[tokenizer]
