"""Corpora by name: downloaded once, verified and cached."""

import contextlib
import os
import shutil
import sys
import tarfile
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pooch

from jaxvec.storage.files import atomic_write, expanded

# what a failed download or a damaged archive raises
_DAMAGE = (OSError, ValueError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError)


class Source(NamedTuple):
    """Where a corpus is downloaded from, and how the download is verified."""

    urls: tuple[str, ...]  # mirrors of the archive, tried in turn
    checksum: str | None  # of the archive, as published; None if none is
    members: dict[str, str]  # for each split, the file's name in the archive
    counts: dict[str, tuple[int, int]] = {}  # noqa: RUF012  lines and words of each split


class Dataset(NamedTuple):
    """The text files of each split of a corpus; empty if it has no such split."""

    train: tuple[Path, ...] = ()
    valid: tuple[Path, ...] = ()
    test: tuple[Path, ...] = ()


def _wikitext(size: str, md5: str) -> Source:
    archive = f"wikitext-{size}-v1.zip"
    return Source(
        urls=(
            f"https://wikitext.smerity.com/{archive}",
            f"https://s3.amazonaws.com/research.metamind.io/wikitext/{archive}",
        ),
        checksum=f"md5:{md5}",
        members={split: f"wiki.{split}.tokens" for split in Dataset._fields},
    )


NAMES: dict[str, Source] = {
    "text8": Source(
        urls=("http://mattmahoney.net/dc/text8.zip", "https://data.deepai.org/text8.zip"),
        checksum="sha1:6c70299b93b7e1f927b42cd8f6ac1a31547c7a2e",
        members={"train": "text8"},
    ),
    "wikitext-2": _wikitext("2", "542ccefacc6c27f945fb54453812b3cd"),
    "wikitext-103": _wikitext("103", "9ddaacaf6af0710eda8c456decff7832"),
    "ptb": Source(
        urls=(
            "http://www.fit.vutbr.cz/~imikolov/rnnlm/simple-examples.tgz",
            "http://d2l-data.s3-accelerate.amazonaws.com/ptb.zip",
        ),
        checksum=None,
        members={split: f"ptb.{split}.txt" for split in Dataset._fields},
        counts={"train": (42_068, 887_521), "valid": (3_370, 70_390), "test": (3_761, 78_669)},
    ),
}
"""The sources of the corpora that `fetch` knows, by name."""


def fetch(name: str, *, folder: str | os.PathLike[str] | None = None) -> Dataset:
    """The files of a corpus, downloaded unless they are in the cache.

    Mirrors are tried in turn. A download is verified by the published checksum or, where there is
    none, by its numbers of lines and words. Names inside an archive do not influence where files
    are written.

    Args:
      name: ``text8``, ``wikitext-2``, ``wikitext-103`` or ``ptb``.
      folder: the cache; by default the environment variable ``JAXVEC_CACHE``, or ``jaxvec`` in
        the user's cache folder.

    Raises:
      ValueError: if there is no such corpus.
      ConnectionError: if no mirror sends the right file; the message says what each one sent.
    """
    if name not in NAMES:
        raise ValueError(f"dataset must be one of {', '.join(NAMES)}; got {name!r}")
    source = NAMES[name]
    folder = folder or os.environ.get("JAXVEC_CACHE") or pooch.os_cache("jaxvec")
    cache = expanded(folder) / name
    files = {split: cache / f"{split}.txt" for split in source.members}
    if not all(path.exists() for path in files.values()):
        _download(name, source, cache, files)
    return Dataset(**{split: (path,) for split, path in files.items()})


def _download(name: str, source: Source, cache: Path, files: dict[str, Path]) -> None:
    failures = []
    for url in source.urls:
        try:
            archive = pooch.retrieve(
                url,
                known_hash=source.checksum,
                path=cache / "download",
                fname=url.rsplit("/", 1)[-1],
                progressbar=sys.stderr.isatty(),
            )
            cache.mkdir(parents=True, exist_ok=True)
            for split, path in files.items():
                with (
                    _member(Path(archive), source.members[split]) as text,
                    atomic_write(path) as new,
                ):
                    with open(new, "wb") as out:
                        shutil.copyfileobj(text, out)
                    _check_counts(new, source.counts.get(split))
            shutil.rmtree(cache / "download")
            return
        except _DAMAGE as error:
            failures.append(f"{url}: {' '.join(str(error).split())[:200]}")
            shutil.rmtree(cache / "download", ignore_errors=True)
    raise ConnectionError(
        f"cannot fetch {name}: {'; '.join(failures)}. If you have its text, "
        "give the files themselves as CORPUS"
    )


@contextlib.contextmanager
def _member(archive: Path, name: str) -> Iterator[BinaryIO]:
    """Opens the file of that name in an archive, whatever its folder."""

    def matches(path: str) -> bool:
        return path.rsplit("/", 1)[-1] == name

    def chosen(members: Sequence):
        if not members:
            raise ValueError(f"the archive holds no {name}")
        return members[0]

    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as bundle:
            info = chosen([i for i in bundle.infolist() if matches(i.filename) and not i.is_dir()])
            with bundle.open(info) as file:
                yield file  # type: ignore[misc]
    else:
        with tarfile.open(archive) as ball:
            plain = ball.extractfile(chosen([m for m in ball if matches(m.name) and m.isfile()]))
            assert plain is not None  # None is for folders and links
            with plain:
                yield plain  # type: ignore[misc]


def _check_counts(path: Path, expected: tuple[int, int] | None) -> None:
    if expected is None:
        return
    with open(path, "rb") as text:
        words = [len(line.split()) for line in text]
    if (len(words), sum(words)) != expected:
        raise ValueError(
            f"expected {expected[0]} lines of {expected[1]} words; got {len(words)} of {sum(words)}"
        )
