import threading

import jax
import numpy as np
import pytest

from jaxvec.train.parts import Parts

COUNT = 9


class Team:
    """Three workers, of whom this process has two, in two rounds."""

    workers, rounds, own = 3, 2, (0, 2)

    def share(self, parts):
        return parts


class Segments:
    """Segments that say which one they are; each epoch has a key of its own."""

    def __init__(self, shuffled):
        self.sizes, self.shuffled = np.ones(COUNT, int), shuffled
        self.asked, self.first_read = [], threading.Event()

    def epoch(self, key):
        said = tuple(np.asarray(jax.random.key_data(key)).tolist())

        def read(i):
            self.asked.append(i)
            self.first_read.set()
            return said, i

        return read

    def empty(self):
        return None


@pytest.fixture
def keys():
    return jax.random.split(jax.random.key(0), 2)


@pytest.mark.parametrize("shuffled", [False, True])
def test_parts_are_of_each_round_and_worker(keys, shuffled):
    segments = Segments(shuffled)
    found = list(Parts(Team(), segments, keys).of(0, 0))
    assert [i for i, _ in found] == [0, 6]
    for model in range(2):
        numbers = [[s and s[1] for s, _ in part[model]] for _, part in found]
        assert numbers == [[0, 2, 3, 5], [6, 8, None, None]]
    said = [{s[0] for s, _ in part[model] if s} for _, part in found for model in range(2)]
    assert len(set.union(*said)) == 1 + shuffled  # models have their own order, or one
    data = [tuple(key.tolist()) for _, part in found for own in part for _, key in own]
    assert len(set(data)) == len(data)


def test_the_next_epoch_is_read_ahead_and_is_the_same(keys):
    segments, alike = Segments(shuffled=True), Parts(Team(), Segments(shuffled=True), keys)
    run = Parts(Team(), segments, keys)
    list(run.of(0, 6))
    segments.asked.clear()
    segments.first_read.clear()
    run.begin(1)
    assert segments.first_read.wait(30)  # nobody has asked for the epoch
    for ours, theirs in zip(run.of(1, 0), alike.of(1, 0), strict=True):
        assert str(ours) == str(theirs)
    assert sorted(segments.asked) == sorted(2 * [0, 2, 3, 5, 6, 8])
    assert str(list(run.of(2, 6))) == str(list(alike.of(2, 0))[1:])
