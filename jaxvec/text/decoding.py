"""UTF-8 from files, read in parts; errors have the byte offset."""

import codecs
from collections.abc import Iterator
from typing import AnyStr, BinaryIO, Protocol, TypeVar

from jaxvec.storage.door import reading

_MARKS = {  # other encodings' byte order marks, the longer first
    b"\xff\xfe\x00\x00": "UTF-32",
    b"\x00\x00\xfe\xff": "UTF-32",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
_PEEKED = 256  # bytes in which UTF-16 without a mark is detected


def decoded(
    file: BinaryIO, name: str, errors: str | None, size: int, offset: int = 0
) -> Iterator[str]:
    """Streams the text of a file.

    Args:
      file: decompressed.
      name: of the file, for messages.
      errors: what to do about invalid UTF-8, as in `bytes.decode`; None is strict, where the
        caller has no such option.
      size: bytes of a read.
      offset: of the first byte, if it is not the first of the text.

    Yields:
      The text of each read, cut between characters, without a byte order mark.

    Raises:
      ValueError: if the file is binary, damaged or not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")(errors or "strict")
    return _parts(file, name, errors, size, offset, decoder, "\ufeff")


def encoded(
    file: BinaryIO, name: str, errors: str | None, size: int, offset: int = 0
) -> Iterator[bytes]:
    """Streams the text of a file in UTF-8, surrogates as if they were characters.

    Surrogates come from `errors` such as ``"surrogateescape"``.

    Args:
      file, name, errors, size, offset: as for `decoded`.

    Yields:
      As `decoded`.

    Raises:
      ValueError: as `decoded`.
    """
    return _parts(file, name, errors, size, offset, _Utf8(errors or "strict"), b"\xef\xbb\xbf")


Text_co = TypeVar("Text_co", str, bytes, covariant=True)


class _Decoder(Protocol[Text_co]):
    """As the incremental decoders of `codecs`."""

    def getstate(self) -> tuple[bytes, int]: ...
    def decode(self, data: bytes, final: bool = ...) -> Text_co: ...


class _Utf8:
    """An incremental decoder that gives the bytes back, once it has looked at them."""

    def __init__(self, errors: str):
        self._errors = errors
        self._rest = b""  # of a character that was cut

    def getstate(self) -> tuple[bytes, int]:
        return self._rest, 0

    def decode(self, data: bytes, final: bool = False) -> bytes:
        if not self._rest and data.isascii():
            return data
        data = self._rest + data
        text, used = codecs.utf_8_decode(data, self._errors, final)
        self._rest = data[used:]
        if self._errors == "strict":
            return data[:used]
        return text.encode("utf-8", "surrogatepass")


def _parts(
    file: BinaryIO,
    name: str,
    errors: str | None,
    size: int,
    offset: int,
    decoder: _Decoder[AnyStr],
    mark: AnyStr,
) -> Iterator[AnyStr]:
    """What a decoder makes of a file; arguments as for `decoded`, and its byte order mark."""
    at_start = not offset
    while True:
        with reading(name, f"readable after byte {offset}"):
            data = file.read(size)
        if not offset and (encoding := _other_encoding(data)):
            raise ValueError(
                f"{name} is {encoding} text, not UTF-8: convert it, such as by "
                f"'iconv -f {encoding} -t UTF-8'"
            )
        if (nul := data.find(0)) >= 0:
            raise ValueError(
                f"{name} is not text: byte {offset + nul} is zero; expected UTF-8 text, "
                "plain or compressed by gzip, bzip2 or xz"
            )
        pending = len(decoder.getstate()[0])  # bytes of a character cut by the last read
        try:
            text = decoder.decode(data, final=not data)
        except UnicodeDecodeError as error:
            at = offset - pending + error.start
            way_out = ", or read it with errors='replace'" if errors else ""
            raise ValueError(
                f"{name} is not UTF-8: byte offset {at} ({error.reason}); convert the file{way_out}"
            ) from None
        offset += len(data)
        if at_start and text:
            text, at_start = text.removeprefix(mark), False
        if text:
            yield text
        if not data:
            return


def _other_encoding(start: bytes) -> str:
    """The name of the encoding, if the start of a text is UTF-16 or UTF-32; else ""."""
    for mark, encoding in _MARKS.items():
        if start.startswith(mark):
            return encoding
    for zeros, others in ((1, 0), (0, 1)):  # Latin text and spaces: every other byte is zero
        high, low = start[zeros:_PEEKED:2], start[others:_PEEKED:2]
        if len(high) > 1 and high.count(0) > len(high) / 2 and not low.count(0):
            return "UTF-16"
    return ""
