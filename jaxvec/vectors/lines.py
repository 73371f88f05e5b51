"""Lines of text files that may be in another encoding than UTF-8."""

import codecs
import io
import itertools
import os
from collections.abc import Iterator

from jaxvec.storage.sizes import LONGEST_LINE
from jaxvec.text.read import opened_text, text_lines


def checked_encoding(encoding: str, errors: str = "strict") -> bool:
    """Whether text is to be read as strict UTF-8, the usual case.

    Args:
      encoding: a name that `bytes.decode` takes, of an encoding in which ASCII is ASCII, so that
        numbers and the space after a word are found before words are decoded.
      errors: what `bytes.decode` does about bytes that are not of the encoding.

    Raises:
      ValueError: for unknown names, or an encoding such as UTF-16.

    >>> checked_encoding("UTF-8"), checked_encoding("latin-1")
    (True, False)
    """
    try:
        codecs.lookup_error(errors)
    except LookupError:
        raise ValueError(f"errors must be strict, replace or ignore; got {errors!r}") from None
    try:
        same = b"0 .\n".decode(encoding) == "0 .\n"
    except (LookupError, UnicodeError):
        same = False
    if not same:
        raise ValueError(
            "encoding must be one in which ASCII is ASCII, such as utf8 or latin-1; got "
            f"{encoding!r}"
        )
    return codecs.lookup(encoding).name == "utf-8" and errors == "strict"


def decoded_lines(
    path: str | os.PathLike[str], what: str, encoding: str = "utf8", errors: str = "strict"
) -> Iterator[tuple[int, str]]:
    """The lines of a file, numbered from 1, without their ends; see `text_lines`.

    Args:
      path: the file, which gzip, bzip2 or xz may have compressed.
      what: what it should be, for messages.
      encoding, errors: as for `checked_encoding`.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is a folder, or not text in the encoding; for an unknown encoding.

    >>> path = getfixture("tmp_path") / "words"
    >>> _ = path.write_bytes("café\\n".encode("latin-1"))
    >>> list(decoded_lines(path, "file of words", "latin-1"))
    [(1, 'café')]
    """
    if checked_encoding(encoding, errors):
        yield from text_lines(path, what)
        return
    with opened_text(path, what) as file:
        text = io.TextIOWrapper(file, encoding, errors, newline="\n")
        try:
            for number in itertools.count(1):
                if not (line := text.readline(LONGEST_LINE)):
                    return
                if len(line) == LONGEST_LINE and not line.endswith("\n"):
                    raise ValueError(f"line {number} has {LONGEST_LINE:,} characters, or more")
                yield number, line.rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise ValueError(f"{what} {path} is not {encoding}: {error.reason}") from None
