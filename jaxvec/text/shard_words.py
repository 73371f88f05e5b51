"""The vocabulary of a text that is read shard by shard."""

import functools
import json
import os
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxvec.messages.kinds import kind
from jaxvec.storage.arrays import load_arrays, save_arrays
from jaxvec.storage.door import reading
from jaxvec.storage.files import atomic_write
from jaxvec.storage.work import Map, complete, digest, state
from jaxvec.text.indexing import WordIndexer
from jaxvec.text.shards import Shard, TextShard, check_shards
from jaxvec.text.vocab import Vocab, word_list


class ShardWords(NamedTuple):
    """Where the counts of a shard's words are."""

    path: str


def count_words(shard: TextShard, *, folder: str | os.PathLike[str]) -> ShardWords:
    """Counts the words of a shard.

    Pure: the file's name and content follow from the shard. Run again, or twice at once, it
    makes the same file.

    Args:
      shard: of a text.
      folder: where the file goes, which holds JSON: the count of each word.

    Raises:
      FileNotFoundError, ValueError, TypeError: as `read_pieces`.
    """
    path = Path(folder) / f"words-{digest('words', shard.description())}.json"
    if path.exists():
        return ShardWords(str(path))
    indexer = WordIndexer()
    for _ in indexer.batches(shard.pieces()):
        pass
    counts = indexer.word_counts()
    word_list(counts)  # raises for what is no string, which JSON would make one
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(counts), "ascii")
    return ShardWords(str(path))


def _counts(path: str | os.PathLike[str]) -> dict[str, int]:
    with reading(path, "a file of words that count_words wrote"):
        return json.loads(Path(path).read_text("ascii"))


def count_vocabulary(
    shards: Iterable[Shard],
    *,
    folder: str | os.PathLike[str],
    map: Map = map,
    min_count: int = 5,
    max_size: int | None = None,
    specials: Sequence[str] = (),
    unk: str | None = None,
) -> Vocab:
    """The vocabulary of a text, from counts of its shards: the same as `Corpus.from_files` makes.

    All distinct words are in memory once, as they are in one process. There is no
    `max_vocab_size`: which words it forgets depends on the order of the text.

    Args:
      shards: of `text_shards`.
      folder: where the counts of each shard go; they stay there.
      map: `map`, or one that works on several processes or machines, in any order.
      min_count, max_size, specials, unk: as for `Vocab.from_counts`.

    Raises:
      TypeError: if a shard is no TextShard, or an option of another type.
      ValueError: if there is no word, or none occurs `min_count` times.

    >>> from jaxvec.text.shards import text_shards
    >>> folder = getfixture("tmp_path")
    >>> _ = (folder / "text").write_text("a rose\\nis a rose\\n")
    >>> shards = text_shards([folder / "text"], size=8)
    >>> count_vocabulary(shards, folder=folder, min_count=2).words
    ['a', 'rose']
    """
    texts = []
    for shard in check_shards(shards):
        if not isinstance(shard, TextShard):
            raise TypeError(f"words are counted in a TextShard; got {kind(shard)}, which has its "
                            "vocabulary already")  # fmt: skip
        texts.append(shard)
    task = functools.partial(count_words, folder=Path(folder).resolve())
    found = complete(map(task, texts), texts, ShardWords)
    counts: Counter[str] = Counter()
    for words in found:
        counts.update(_counts(words.path))
    if not counts:
        raise ValueError("no words in the shards: expected text with at least one word")
    vocab = Vocab.from_counts(
        counts, min_count=min_count, max_size=max_size, specials=specials, unk=unk
    )
    if len(vocab) == vocab.specials:
        raise ValueError(
            f"no word occurs min_count={min_count} times: the most frequent of {len(counts)} words "
            f"occurs {max(counts.values())} times; lower min_count"
        )
    return vocab


def save_vocabulary(folder: str | os.PathLike[str], vocab: Vocab) -> str:
    """Writes a vocabulary for tasks to read, under a name that follows from its content.

    Args:
      folder: where it goes.
      vocab: the vocabulary.

    Returns:
      The file's path.
    """
    path = Path(folder) / f"vocab-{_content(vocab)}.npz"
    if not path.exists():
        save_arrays(path, **vocab.to_arrays())
    return str(path)


def load_vocabulary(path: str | os.PathLike[str]) -> tuple[Vocab, str]:
    """The vocabulary that `save_vocabulary` wrote, and a digest of it; a process reads it once.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is another one.
    """
    return _loaded(*state(path))


@functools.lru_cache(maxsize=2)
def _loaded(path: str, *changed: int) -> tuple[Vocab, str]:
    arrays = load_arrays(path)
    with reading(path, "a vocabulary that save_vocabulary wrote"):
        vocab = Vocab.from_arrays(arrays)
    return vocab, _content(vocab)


def _content(vocab: Vocab) -> str:
    return digest(vocab.words, vocab.counts.tolist(), vocab.specials, vocab.unk)
