"""Tokenizers: functions from text to a list of words."""

import functools
import re
import unicodedata
from collections.abc import Callable, Sequence

Tokenizer = Callable[[str], Sequence[str]]
"""Any function from text to words. It is called with one line, without its line end, or with a
part of a very long line, cut at white space."""

_BASIC_TOKEN = re.compile(r"[^\s'.,()!?;:]+|['.,()!?]")
_LAST_MARK = 0x1FFFF  # code points of marks are below, except variation selectors
_SELECTORS = "\U000e0100-\U000e01ef"
_JOINERS = "\u200c\u200d"  # inside words of Persian and of India's scripts
_DIGITS = b"zero one two three four five six seven eight nine".split()
_TEXT8_BYTES = bytes(
    ord(c) if c.isdigit() or c.islower() or c == "\n" else ord(c.lower() if c.isupper() else " ")
    for c in (chr(i) if i < 128 else " " for i in range(256))
)


def whitespace(text: str) -> list[str]:
    """Splits at white space.

    >>> whitespace("Don't panic, (yet)")
    ["Don't", 'panic,', '(yet)']
    """
    return text.split()


def basic_english(text: str) -> list[str]:
    """Lower-cases and splits off punctuation, as torchtext's ``basic_english``.

    ``' . , ( ) ! ?`` become words of their own; ``" ; :`` and ``<br />`` are dropped.

    >>> basic_english('Don\\'t "panic": (yet)')
    ['don', "'", 't', 'panic', '(', 'yet', ')']
    """
    return _BASIC_TOKEN.findall(text.lower().replace('"', "").replace("<br />", " "))


def text8(text: str) -> list[str]:
    """Letters a-z only, as in Matt Mahoney's text8: digits are spelled out, the rest is space.

    >>> text8("Don't panic in 42 cafés")
    ['don', 't', 'panic', 'in', 'four', 'two', 'caf', 's']
    """
    return text8_bytes(text.encode("ascii", "replace")).decode("ascii").split()


def text8_bytes(text: bytes) -> bytes:
    """The words of `text8` with blanks between; line ends stay.

    Args:
      text: UTF-8.

    >>> text8_bytes("42 cafés\\n".encode())
    b' four  two  caf  s\\n'
    """
    letters = text.translate(_TEXT8_BYTES)
    for digit, name in enumerate(_DIGITS):
        letters = letters.replace(b"%d" % digit, b" %b " % name)
    return letters


def alphanumeric(text: str) -> list[str]:
    """Lower-cases and splits into runs of letters and digits of any script; drops the rest.

    Combining marks, such as vowel signs and accents, belong to the word of their letter, and so
    do joiners between letters.

    >>> alphanumeric('"Panic" in 42 cafés_?')
    ['panic', 'in', '42', 'cafés']
    >>> alphanumeric("हिन्दी भाषा")
    ['हिन्दी', 'भाषा']
    """
    return _alphanumeric().findall(text.lower())


@functools.cache
def _alphanumeric() -> re.Pattern[str]:
    """Letters and digits with marks and joiners; ``\\w`` lacks marks, so they are listed."""
    marks = [chr(i) for i in range(_LAST_MARK) if unicodedata.category(chr(i))[0] == "M"]
    mark = f"[{''.join(marks)}{_SELECTORS}]"
    beyond = r"(?=[^\x00-\u02ff])"  # all marks and joiners are: a quick test before the long one
    return re.compile(rf"[^\W_]++(?:{beyond}(?:{mark}++[^\W_]*+|[{_JOINERS}]++[^\W_]++))*+")


TOKENIZERS: dict[str, Tokenizer] = {
    "whitespace": whitespace,
    "basic_english": basic_english,
    "text8": text8,
    "alphanumeric": alphanumeric,
}
"""The tokenizers by name."""

OF_BYTES: dict[str, Callable[[bytes], bytes]] = {"whitespace": bytes, "text8": text8_bytes}
"""For the tokenizers that can do without strings: from lines in UTF-8 to their words with white
space between, line ends where they were."""


def get_tokenizer(tokenizer: str | Tokenizer) -> Tokenizer:
    """The tokenizer of that name; a callable is returned as it is.

    Raises:
      ValueError: if there is no tokenizer of that name.
    """
    if callable(tokenizer):
        return tokenizer
    if not isinstance(tokenizer, str) or tokenizer not in TOKENIZERS:
        names = ", ".join(TOKENIZERS)
        raise ValueError(f"tokenizer must be a callable or one of {names}; got {tokenizer!r}")
    return TOKENIZERS[tokenizer]
