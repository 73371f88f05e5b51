"""JSON files with a checksum: read as they were written, or not at all."""

import json
import zlib
from pathlib import Path
from typing import Any

from jaxvec.storage.files import synced, to_json


def write_sealed(path: Path, value: Any) -> None:
    """Writes a value as JSON with its CRC-32, to the disk.

    Args:
      path: the file, of a name that nobody reads yet.
      value: what JSON can hold.

    Raises:
      OSError: if it cannot be written.

    >>> path = getfixture("tmp_path") / "a.json"
    >>> write_sealed(path, {"step": 1})
    >>> read_sealed(path)
    {'step': 1}
    """
    with synced(path) as file:
        text = f'{{"checksum": "{_checksum(value)}", "content": {to_json(value)}}}'
        file.write(text.encode())


def read_sealed(path: Path) -> Any:
    """What `write_sealed` wrote.

    Args:
      path: the file.

    Raises:
      ValueError: if it is missing, cannot be read, or differs from what was written.

    >>> path = getfixture("tmp_path") / "a.json"
    >>> write_sealed(path, {"step": 1})
    >>> _ = path.write_text(path.read_text().replace("1}", "2}"))
    >>> read_sealed(path)
    Traceback (most recent call last):
    ...
    ValueError: a.json is damaged: its checksum is wrong
    """
    try:
        text = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path.name} cannot be read: {error.strerror}") from None
    try:
        sealed = json.loads(text)
        content = sealed["content"]
        right = sealed["checksum"] == _checksum(content)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path.name} is damaged: {error}") from None
    if not right:
        raise ValueError(f"{path.name} is damaged: its checksum is wrong")
    return content


def _checksum(value: Any) -> str:
    return f"{zlib.crc32(to_json(value).encode()):08x}"
