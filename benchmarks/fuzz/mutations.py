"""Damages of a file: of its bytes, of the numbers in its text, and of the parts of its format."""

import bz2
import gzip
import io
import json
import lzma
import random
import re
import struct
import zipfile
from collections.abc import Callable

Damage = Callable[[bytes, random.Random], bytes]

_NUMBERS = (
    b"0", b"-1", b"1", b"2", b"nan", b"inf", b"-inf", b"1e39", b"1e-46", b"1e400", b"3e38", b"1_0",
    b"0x10", b"1,5", b"--1", b"1e", b".", b"4294967296", b"2147483648", b"9223372036854775808",
    b"99999999999999999999", b"9" * 5000, b"1.5\x00", b"\xd9\xa3",
)  # fmt: skip
_WORDS = (b"", b" ", b"\n", b"\r\n", b"\t", b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80",
          b"\xf4\x90\x80\x80", b"\xe2\x80\xa8", b"\x85", b"\x0c", b"<unk>", b"a",
          b"x" * 300)  # fmt: skip
_INTEGERS = (0, 1, 2, 7, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**62, 2**63 - 1,
             2**63, 2**64 - 1)  # fmt: skip
_FLOATS = (float("nan"), float("inf"), -1.0, 3e38, 1e-40, 0.5, 1e300, -0.0)
_NUMBER = re.compile(rb"[-+]?[0-9][0-9.eE+-]*")
_DESCR = (b"|V0", b"<U0", b"|S0", b"|O", b"<f8", b"<i8", b">f4", b"<f2", b"|b1", b"<c8", b"<M8[s]",
          b"<U999999999", b"|V8", b"<f4,<i4", b"[('a','<f4')]", b"<u2", b"", b"|S1")  # fmt: skip
_SHAPES = (b"()", b"(0,)", b"(0, 0)", b"(4294967296,)", b"(-1,)", b"(1, 4611686018427387904)",
           b"(0, 1099511627776)", b"(True,)", b"(2.0,)", b"(1,)*40", b"((1,),)", b"None",
           b"(" * 201 + b")" * 201, b"(1,1,1,1,1,1,1,1,1)", b"(7, 1)", b"(1, 7)")  # fmt: skip


def _place(content: bytes, random_: random.Random) -> int:
    """A place in the content, more often near its start, where headers are."""
    limit = len(content) if random_.random() < 0.6 else min(len(content), 96)
    return random_.randrange(max(1, limit))


def flip(content: bytes, random_: random.Random) -> bytes:
    """Flips a bit."""
    changed, at = bytearray(content or b"\0"), _place(content, random_)
    changed[at] ^= 1 << random_.randrange(8)
    return bytes(changed)


def byte(content: bytes, random_: random.Random) -> bytes:
    """Sets a byte."""
    at = _place(content, random_)
    value = random_.choice((0, 1, 9, 10, 13, 32, 127, 128, 255, random_.randrange(256)))
    return content[:at] + bytes([value]) + content[at + 1 :]


def cut(content: bytes, random_: random.Random) -> bytes:
    """Ends too early."""
    return content[: _place(content, random_)]


def drop(content: bytes, random_: random.Random) -> bytes:
    """Lacks some bytes."""
    at = _place(content, random_)
    return content[:at] + content[at + random_.choice((1, 2, 3, 4, 7, 8, 16, 64)) :]


def repeat(content: bytes, random_: random.Random) -> bytes:
    """Has some bytes again, here or elsewhere."""
    at, to = _place(content, random_), _place(content, random_)
    part = content[at : at + random_.choice((1, 4, 8, 16, 64, 512))]
    return content[:to] + part * random_.choice((1, 1, 2, 20)) + content[to:]


def insert(content: bytes, random_: random.Random) -> bytes:
    """Has something between."""
    at = _place(content, random_)
    return content[:at] + random_.choice(_WORDS + _NUMBERS) + content[at:]


def number(content: bytes, random_: random.Random) -> bytes:
    """Has another number in its text."""
    found = [match.span() for match in _NUMBER.finditer(content)]
    if not found:
        return insert(content, random_)
    start, stop = found[0] if random_.random() < 0.3 else random_.choice(found)
    return content[:start] + random_.choice(_NUMBERS) + content[stop:]


def integer(content: bytes, random_: random.Random) -> bytes:
    """Has another integer in its bytes."""
    at, size = _place(content, random_), random_.choice("BHIQ")
    value = random_.choice(_INTEGERS) & (256 ** struct.calcsize(size) - 1)
    return content[:at] + struct.pack("<" + size, value) + content[at + struct.calcsize(size) :]


def real(content: bytes, random_: random.Random) -> bytes:
    """Has another float in its bytes."""
    at, size = _place(content, random_), random_.choice("fd")
    value = random_.choice(_FLOATS)
    value = value if size == "d" or not abs(value) > 3.4e38 else float("inf")
    return content[:at] + struct.pack("<" + size, value) + content[at + struct.calcsize(size) :]


def lines(content: bytes, random_: random.Random) -> bytes:
    """Has its lines in another order, one of them twice, or one of them not at all."""
    some = content.split(b"\n")
    i, j = (random_.randrange(len(some)) for _ in range(2))
    what = random_.randrange(4)
    if what == 0:
        some[i], some[j] = some[j], some[i]
    elif what == 1:
        some.insert(i, some[j])
    elif what == 2:
        del some[i]
    else:
        some[i] = some[i].replace(b" ", random_.choice((b"  ", b"\t", b"\xc2\xa0", b"", b" \n")))
    return b"\n".join(some)


PLAIN: tuple[Damage, ...] = (
    flip, flip, byte, cut, drop, repeat, insert, number, integer, real, lines,
)  # fmt: skip
"""Damages that know nothing of a format."""


def damaged(content: bytes, random_: random.Random) -> bytes:
    """One to four plain damages."""
    for _ in range(random_.choice((1, 1, 1, 2, 4))):
        content = random_.choice(PLAIN)(content, random_)
    return content


def zipped(content: bytes, random_: random.Random) -> bytes:
    """An archive with other arrays, whose checksums are right."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    for _ in range(random_.choice((1, 1, 2))):
        i = random_.randrange(len(members))
        name, array = members[i]
        what = random_.randrange(8)
        if what == 0:
            del members[i]
        elif what == 1:
            members.insert(i, (random_.choice(members)[0], array))
        elif what == 2:
            members[i] = (random_.choice(members)[0], array)
        elif what == 3:
            array = re.sub(
                rb"'descr': '[^']*'", b"'descr': '" + random_.choice(_DESCR) + b"'", array
            )
        elif what == 4:
            array = re.sub(rb"'shape': \([^)]*\)", b"'shape': " + random_.choice(_SHAPES), array)
        elif what == 5:
            array = damaged(array, random_)
        else:  # numbers alone
            head, body = array[:128], array[128:]
            array = head + random_.choice((integer, real, flip, byte))(body, random_)[: len(body)]
        if what > 2:
            members[i] = (name, array)
        if not members:
            break
    how = random_.choice((zipfile.ZIP_STORED,) * 6 + (zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2))
    return _archive(members, how)


def _archive(members: list[tuple[str, bytes]], how: int) -> bytes:
    import warnings

    file = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # names that come twice
        with zipfile.ZipFile(file, "w", how) as archive:
            for name, array in members:
                archive.writestr(name, array)
    return file.getvalue()


def bomb(content: bytes, random_: random.Random) -> bytes:
    """An archive whose first array is far larger than the file."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = [(info.filename, archive.read(info)) for info in archive.infolist()]
    i = random_.randrange(len(members))
    rows = 30_000_000
    head = b"{'descr': '|u1', 'fortran_order': False, 'shape': (%d,), }" % rows
    head += b" " * (118 - len(head) - 1) + b"\n"
    array = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(head)) + head + bytes(rows)
    members[i] = (members[i][0], array)
    return _archive(members, zipfile.ZIP_DEFLATED)


def tensors(content: bytes, random_: random.Random) -> bytes:
    """A safetensors file with another header, whose length is right."""
    length = int.from_bytes(content[:8], "little")
    fields, body = json.loads(content[8 : 8 + length]), content[8 + length :]
    name = random_.choice(sorted(fields))
    about = fields[name]
    what = random_.randrange(7)
    values = (*_INTEGERS, -1, 0.5, None, True, "x", [], {}, [1, 2], 10**30)
    if what == 0:
        fields["other"] = fields.pop(name)
    elif what == 1 and "dtype" in about:
        about["dtype"] = random_.choice(
            ("F8_E4M3", "BF16", "F64", "I64", "U8", "BOOL", "", 3, None)
        )
    elif what == 2 and "shape" in about:
        about["shape"] = random_.choice(
            ([], [0], [0, 2**40], [2**31, 2**31], [-1, 3], "x", [1] * 40)
        )
    elif what == 3 and "data_offsets" in about:
        about["data_offsets"][random_.randrange(2)] = random_.choice(values)
    elif what == 4:
        fields[name] = random_.choice(values)
    head = json.dumps(fields).encode()
    if what == 5:
        head = damaged(head, random_)
    if what == 6:
        head = b"[" * 100_000
    return len(head).to_bytes(8, "little") + head + body


def packed(module) -> Damage:
    """Damages of the content of a compressed file, whose own checksum is right.

    Args:
      module: `gzip`, `bz2` or `lzma`.
    """

    def repacked(content: bytes, random_: random.Random) -> bytes:
        return module.compress(damaged(module.decompress(content), random_))

    return repacked


PACKERS = {"gz": gzip, "bz2": bz2, "xz": lzma}
