"""Counting the pairs of a stretch of text on the host's cores, by blocks of rows.

Each token of the stretch is a center, and its pairs are the words around it: the cells of its
row. So rows are counted apart, without a sort of all pairs. A row is frequent if it has V / 8 pairs
or more: then V + 1 sums cost less than a sort. Of a symmetric matrix no pair of a frequent and a
rare word is counted twice::

    frequent rows                    the words around each center, W on each side, added into V + 1
                                     sums; those above 0 are the row's cells
    rare rows, frequent columns      the mirror image of the frequent rows' cells
    rare rows, rare columns          keys ``row | column | distance`` of the text without its
                                     frequent words, sorted; sums of equal (row, column)

In text of 17M words 3,400 of 68,000 words are frequent, which are five of six tokens. One pair in
thirty is of two rare words. If the right words of each word alone are counted, no cell has a
mirror image, and the keys of rare rows are of all columns.

Keys are sorted by blocks of rows that fit a core's cache, in 32 bits where they hold a key. Large
sorts of 64-bit keys are avoided: with AVX-512, NumPy's takes 5 times as long on a Zen 4 as on other
processors.
"""

import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple, TypeVar

import numpy as np
from scipy import sparse

from jaxvec.cooccurrence.settings import Means, Settings, both_directions, id_bits, itself
from jaxvec.cooccurrence.stretch import Stretch, stretch
from jaxvec.cooccurrence.windows import Windows
from jaxvec.storage.pool import ordered_map
from jaxvec.storage.runs import Run, group_starts, joined_runs
from jaxvec.text.corpus import Corpus

T = TypeVar("T")

_WAITING = 8  # results that wait for an earlier one
_PART = 1 << 19  # tokens that are put in the order of rows at a time, at most,
_KEYS = 1 << 20  # and at most about this many keys of pairs
_DENSE = 8  # a row is frequent if it has V over this many pairs
_MOST_ROWS = 1 << 15  # that are frequent, about
_SUMS = 1 << 18  # of frequent rows that are summed together, about
_TASKS = 8  # of frequent rows for each thread, about
_PAIRS = 1 << 19  # of a block of rare rows, about
_BLOCKS = 64  # of rare rows at most, about


def on_host(
    corpus: Corpus, window: int, settings: Settings, means: Means
) -> Callable[[int, int, Callable[[Run], T]], Iterator[T]]:
    """Returns ``cells(start, stop, then)``: yields ``then(run)`` for runs of the cells of the pairs
    whose left word is in tokens start … stop.

    Keys are ``row << id_bits | column``; each run's rise, and are above the last of the
    run before. `then` is called on any thread.

    Args:
      corpus: the text.
      window: the largest distance that occurs.
      settings: as for `pairs.cells`.
      means: its threads.
    """
    words, threads = len(corpus.vocab), means.threads

    def cells(start: int, stop: int, then: Callable[[Run], T]) -> Iterator[T]:
        text = stretch(corpus, start, stop, window)
        if stop - start == len(corpus):
            yield from _Counting(text, window, settings, words, threads).cells(then)
            return
        ahead = settings._replace(symmetric=False)
        counting = _Counting(text, window, ahead, words, threads)
        run = joined_runs(list(counting.cells(itself)))
        yield then(both_directions(run, id_bits(words)) if settings.symmetric else run)

    return cells


class _Part(NamedTuple):
    """What is to be counted of a part of the text, in the order of rows."""

    centers: np.ndarray  # places of frequent words, int32[n]
    of_row: np.ndarray  # frequent row `i` has centers[of_row[i]:of_row[i + 1]]
    keys: np.ndarray  # of pairs in rare rows: ``row | column | index of the weight``, int64[m]
    of_block: np.ndarray  # block `i` of rare rows has keys[of_block[i]:of_block[i + 1]]


class _Counting:
    """Counts the pairs of a stretch.

    Args:
      text: the stretch.
      window: W, the largest distance that occurs.
      settings: as for `pairs.cells`; if symmetric, all words around each center are in the text.
      words: V.
      threads: number of them.
    """

    def __init__(self, text: Stretch, window: int, settings: Settings, words: int, threads: int):
        self._text, self._symmetric = text, settings.symmetric
        self._words, self._id_bits, self._threads = words, id_bits(words), threads
        self._windows = Windows(window, settings, words)
        keys = max(1, window // 8) if self._symmetric else window  # of a token, at most about
        self._parts = range(0, text.n, max(1, min(_PART, _KEYS // keys)))  # of the text

        def tokens(at: int) -> np.ndarray:
            _, ids = text.tokens(at, min(at + self._parts.step, text.n))
            return np.bincount(ids, minlength=words)

        self._tokens = np.asarray(sum(self._map(tokens, self._parts)))  # of each row
        pairs = self._tokens * self._windows.width
        self._is_frequent = pairs >= max(1, words // _DENSE, int(pairs.sum()) // _MOST_ROWS)
        self._frequent = np.flatnonzero(self._is_frequent)  # rows, rising
        self._lead = int(np.argmin(np.append(self._is_frequent, False)))  # the first rare row
        sizes = np.cumsum(np.where(self._is_frequent, 0, pairs))
        block = sizes // max(_PAIRS, int(sizes[-1]) // _BLOCKS)
        begins = np.flatnonzero(np.append(True, block[1:] != block[:-1]))
        # block `i` has rows first[i] … first[i + 1], of which frequent ones are counted elsewhere
        self._first = np.append(np.maximum(begins, self._lead), words)

    def _map(self, function: Callable[[Any], T], items: Iterable[Any]) -> Iterator[T]:
        return ordered_map(function, items, self._threads, waiting=_WAITING)

    def cells(self, then: Callable[[Run], T]) -> Iterator[T]:
        """Yields ``then(run)`` for runs of cells in the order of rows.

        Args:
          then: called on any thread.
        """
        parts = list(self._map(self._part, self._parts))
        across: list[sparse.csr_array] = []
        held: dict[int, tuple[int, T]] = {}  # frequent rows after a rare one: where they end, cells
        tasks = self._tasks()
        for done, turned in self._map(lambda task: self._of_frequent(parts, task, then), tasks):
            across += turned
            for first, last, cells in done:
                if first < self._lead:
                    yield cells
                else:
                    held[first] = last, cells
        begins = np.array(list(held), np.int64)

        def block(i: int) -> list[T]:
            cells = self._of_rare(parts, across, i)
            first, last = self._first[i : i + 2].tolist()
            done, at = [], first
            for row in begins[slice(*np.searchsorted(begins, [first, last]))].tolist():
                if at < row:
                    done.append(then(self._run(cells, first, at, row)))
                at, ready = held[row]
                done.append(ready)
            if at < last:
                done.append(then(self._run(cells, first, at, last)))
            return done

        yield from itertools.chain.from_iterable(self._map(block, range(len(self._first) - 1)))

    def _part(self, at: int) -> _Part:
        """A part of the text, from token `at` on."""
        window, stop = self._windows.window, min(at + self._parts.step, self._text.n)
        places, ids = self._text.tokens(at, stop + window)
        frequent = self._is_frequent[ids]
        here = np.flatnonzero(frequent[: stop - at])
        number = np.cumsum(self._is_frequent, dtype=np.int32) - np.int32(1)  # of a frequent row
        centers = _in_order(number[ids[here]], places[here], len(self._frequent))
        rare = np.flatnonzero(~frequent)
        left = int(np.searchsorted(rare, stop - at))  # how many are centers
        if self._symmetric:  # frequent rows have the other pairs
            rows, keys = self._keys(ids[rare], self._text.apart(places[rare], window), left)
        else:
            rows, keys = self._keys_ahead(ids[rare[:left]], places[rare[:left]])
        blocks = np.arange(len(self._first) - 1, dtype=np.int32)
        of_row = np.repeat(blocks, np.diff(self._first))  # rows from the first rare one on
        return _Part(*centers, *_in_order(of_row[rows - self._lead], keys, len(blocks)))

    def _keys(
        self, ids: np.ndarray, places: np.ndarray, count: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """The rows, int32[m], and the keys, int64[m], of the pairs of rare words and of their
        mirror images.

        Args:
          ids: rare words in the order of the text, [n].
          places: of them, rising; more than W apart in different documents.
          count: how many of them, the first, are left words.
        """
        windows, left = self._windows, np.arange(count)
        rows: list[np.ndarray] = []
        columns: list[np.ndarray] = []
        indices: list[np.ndarray] = []
        for k in range(1, windows.window + 1):
            left = left[: np.searchsorted(left, len(ids) - k)]
            distance = places[left + k] - places[left]
            near = np.flatnonzero(distance <= windows.window)
            left = left[near]
            words = ids[left], ids[left + k]
            index = windows.index[distance[near] - 1]
            rows += words
            columns += words[::-1]
            indices += [index, index]
        row = np.concatenate(rows)
        keys = row.astype(np.int64) << self._id_bits
        keys |= np.concatenate(columns)
        keys <<= windows.bits
        keys |= np.concatenate(indices)
        return row, keys

    def _keys_ahead(self, ids: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The rows, int32[m], and the keys, int64[m], of some words and all words right of them.

        Args:
          ids: the left words, [n].
          places: of them.
        """
        windows = self._windows
        right = self._text.around(places, -1, windows.window)
        keys = right | (ids.astype(np.int64) << self._id_bits)[:, None]
        keys <<= windows.bits
        keys |= windows.index
        rows = np.broadcast_to(ids[:, None], right.shape)
        found = right != self._words
        return (rows.reshape(-1), keys.reshape(-1)) if found.all() else (rows[found], keys[found])

    def _tasks(self) -> list[list[tuple[int, int]]]:
        """Frequent rows frequent[i] … frequent[j - 1] that are summed together, as ``(i, j)``: each
        follows the one before in the matrix. They are grouped in tasks of about the same cost."""
        rows, tokens = self._frequent, self._tokens[self._frequent]
        most = max(1, _SUMS // (self._words + 1))
        begins: list[int] = []
        summed = 0  # windows of the rows since the last begin
        for i, count in enumerate(tokens.tolist()):
            follows = i and rows[i] == rows[i - 1] + 1 and i - begins[-1] < most
            if not follows or summed + count > self._windows.at_once:
                begins.append(i)
                summed = 0
            summed += count
        if not begins:
            return []
        ends = np.array([*begins[1:], len(rows)])
        costs = np.cumsum(tokens * self._windows.width + self._words)[ends - 1]
        share = int(costs[-1]) // (_TASKS * self._threads) + 1
        cuts = np.flatnonzero(np.diff(costs // share)) + 1
        groups = list(zip(begins, ends.tolist(), strict=True))
        return [groups[i:j] for i, j in itertools.pairwise([0, *cuts.tolist(), len(groups)])]

    def _of_frequent(
        self, parts: list[_Part], task: list[tuple[int, int]], then: Callable[[Run], T]
    ) -> tuple[list[tuple[int, int, T]], list[sparse.csr_array]]:
        """The cells of frequent rows.

        Args:
          parts: of the text.
          task: of `_tasks`.
          then: as for `cells`.

        Returns:
          For each group (row, last row + 1, cells); and, if symmetric, one matrix [V, rows]: the
          mirror image of the rows' cells in the columns of rare words.
        """
        done, across = [], []
        for i, j in task:
            cells, sums, ends = self._row_cells(parts, i, j)
            if self._symmetric:
                rare = np.flatnonzero(~self._is_frequent[cells])
                lengths = np.diff(np.searchsorted(rare, ends))
                across.append((cells[rare].astype(np.int32), sums[rare], lengths))
            cells |= np.repeat(self._frequent[i:j] << self._id_bits, np.diff(ends))
            first, last = self._frequent[[i, j - 1]].tolist()
            done.append((first, last + 1, then(Run(cells, sums))))
        if not self._symmetric:
            return done, []
        columns, sums, lengths = map(np.concatenate, zip(*across, strict=True))
        if sums.max(initial=0) < 1 << 31:
            sums = sums.astype(np.int32)
        ends = _index(np.append(0, np.cumsum(lengths)))
        shape = task[-1][1] - task[0][0], self._words
        return done, [_turned(sparse.csr_array((sums, columns, ends), shape))]

    def _row_cells(
        self, parts: list[_Part], i: int, j: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Columns and sums of the frequent rows i … j, and where each row begins and ends."""
        centers = [
            part.centers[part.of_row[row] : part.of_row[row + 1]]
            for row in range(i, j)
            for part in parts
        ]
        tokens = self._tokens[self._frequent[i:j]]
        sums = self._windows.sums(self._text, np.concatenate(centers), tokens).reshape(-1)
        cells = np.flatnonzero(sums != 0)
        sums = sums[cells].astype(np.int64, copy=False)
        starts = np.arange(j - i + 1) * (self._words + 1)
        ends = np.searchsorted(cells, starts)
        cells -= np.repeat(starts[:-1], np.diff(ends))
        return cells, sums, ends

    def _of_rare(
        self, parts: list[_Part], across: list[sparse.csr_array], i: int
    ) -> sparse.csr_array:
        """The cells of the rare rows of block `i`, int64[rows, V].

        Args:
          parts: of the text.
          across: the cells in frequent columns, side by side, as `_of_frequent` returns them.
          i: the block.
        """
        first, last = self._first[i : i + 2].tolist()
        bits, shape = self._windows.bits, (last - first, self._words)
        keys = [part.keys[part.of_block[i] : part.of_block[i + 1]] for part in parts]
        keys = np.concatenate(keys) - (first << (self._id_bits + bits))
        needed = max(last - first - 1, 0).bit_length() + self._id_bits + bits
        keys = keys.astype(np.uint32 if needed <= 32 else np.int64, copy=False)
        keys.sort()
        weights = self._windows.weights.take(keys & keys.dtype.type((1 << bits) - 1))
        keys >>= keys.dtype.type(bits)
        starts = group_starts(keys)
        sums = np.add.reduceat(weights, starts) if len(starts) else weights
        cells = keys[starts].astype(np.int64)
        columns = (cells & ((1 << self._id_bits) - 1)).astype(np.int32)
        ends = _index(np.searchsorted(cells, np.arange(last - first + 1) << self._id_bits))
        found = sparse.csr_array((sums, columns, ends), shape)
        if not across:
            return found
        others = sparse.hstack([_rows(turned, first, last) for turned in across], format="csr")
        columns = self._frequent.astype(np.int32)[others.indices]
        return found + sparse.csr_array((others.data, columns, others.indptr), shape)

    def _run(self, cells: sparse.csr_array, first: int, start: int, stop: int) -> Run:
        """Rows start … stop of a matrix that begins with row `first`."""
        some = _rows(cells, start - first, stop - first)
        rows = np.repeat(np.arange(start, stop), np.diff(some.indptr))
        return Run((rows << self._id_bits) | some.indices, some.data)


def _in_order(numbers: np.ndarray, values: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Values in the order of their numbers, and where each number begins and ends.

    It is a counting sort: SciPy's from compressed rows, of a value each, to columns.

    Args:
      numbers: int32[n].
      values: [n].
      count: numbers are below it.

    >>> values, ends = _in_order(np.array([1, 0, 1], np.int32), np.array([5, 6, 7]), 3)
    >>> values.tolist(), ends.tolist()
    ([6, 5, 7], [0, 1, 3, 3])
    """
    alone = np.arange(len(numbers) + 1, dtype=np.int32)
    ordered = sparse.csr_array((values, numbers, alone), (len(numbers), count)).tocsc()
    return ordered.data, ordered.indptr


def _index(ends: np.ndarray) -> np.ndarray:
    """Ends of rows in 32 bits, if they fit: SciPy turns columns into the type of ends."""
    return ends.astype(np.int32 if ends[-1] < 1 << 31 else np.int64)


def _turned(cells: sparse.csr_array) -> sparse.csr_array:
    """The mirror image of a matrix, in compressed rows too."""
    return cells.tocsc().T


def _rows(cells: sparse.csr_array, start: int, stop: int) -> sparse.csr_array:
    """Rows start … stop of a matrix, as views of its arrays."""
    ends = cells.indptr[start : stop + 1]
    some = slice(ends[0], ends[-1])
    shape = stop - start, cells.shape[1]
    return sparse.csr_array((cells.data[some], cells.indices[some], ends - ends[0]), shape)
