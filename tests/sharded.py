"""Tasks that worker processes of the tests import: they die, or are slow to end."""

import functools
import os
import signal
from pathlib import Path

from jaxvec.cooccurrence import shards
from jaxvec.storage.arrays import save_arrays
from jaxvec.storage.files import atomic_write


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
