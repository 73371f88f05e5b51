"""A text in files, and tasks that worker processes of the tests import: they die, or are slow."""

import functools
import gzip
import os
import signal
import time
from pathlib import Path

import numpy as np

from jaxvec.cooccurrence import shards
from jaxvec.storage.arrays import save_arrays
from jaxvec.storage.files import atomic_write

RNG = np.random.default_rng(0)
LINES = [
    " ".join(f"wörd{i}" for i in RNG.zipf(1.4, RNG.integers(0, 40)).clip(max=60)) for _ in range(60)
]


def write_texts(folder):
    """Makes a folder of text: a file of lines, one of a single line, and a compressed one."""
    folder.mkdir()
    (folder / "a.txt").write_text("\ufeff" + "\n".join(LINES[:20]) + "\r\n", "utf-8")
    (folder / "b.txt").write_text(" ".join(LINES[20:32]), "utf-8")
    (folder / "c.gz").write_bytes(gzip.compress("\n".join(LINES[32:]).encode()))
    return folder


def dying(function, flag, item):
    """Calls a function of an item; the first call of all kills its process in the middle of the
    second file that it writes."""
    try:
        os.close(os.open(flag, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return function(item)
    written = []

    def save(path, **arrays):
        if not written:
            written.append(path)
            return save_arrays(path, **arrays)
        with atomic_write(path) as temporary:
            temporary.write_bytes(b"half")
            os.kill(os.getpid(), signal.SIGKILL)

    shards.save_arrays = save
    return function(item)


def dies_once(map, flag: Path):
    """A `map` one of whose tasks dies, once as long as the flag's file is there."""
    return lambda function, items: map(functools.partial(dying, function, str(flag)), items)


def fails_or_sleeps(what):
    """Raises an error, or works for a minute."""
    if what == "bad":
        raise ValueError("bad")
    time.sleep(60)
