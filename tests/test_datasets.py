"""Named corpora, from a server of our own with small archives of the same form."""

import functools
import hashlib
import http.server
import io
import tarfile
import threading
import zipfile
from pathlib import Path

import pytest

from jaxvec import datasets
from jaxvec.cli import main

TEXT = {"train": "a b c\n d e\n" * 50, "valid": "a b\n", "test": "c d\n"}


def zipped(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def tarred(files: dict[str, str]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return buffer.getvalue()


ARCHIVES = {
    "text8.zip": zipped({"text8": TEXT["train"]}),
    "wiki.zip": zipped({f"wikitext-2/wiki.{s}.tokens": t for s, t in TEXT.items()}),
    "ptb.tgz": tarred({f"./simple-examples/data/ptb.{s}.txt": t for s, t in TEXT.items()}),
    "evil.zip": zipped(
        {"../../wiki.train.tokens": "evil", "/tmp/wiki.valid.tokens": "x", "wiki.test.tokens": "x"}
    ),
    "empty.zip": zipped({"readme": "no corpus"}),
    "broken.zip": b"PK\x03\x04 not a zip",
}


@pytest.fixture
def server(tmp_path):
    """The address of a server of the archives, and what was asked of it."""
    folder = tmp_path / "served"
    folder.mkdir()
    for name, content in ARCHIVES.items():
        (folder / name).write_bytes(content)
    asked = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *message):
            asked.append(self.path)

    handler = functools.partial(Handler, directory=str(folder))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as running:
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/", asked
        running.shutdown()


@pytest.fixture
def known(server, monkeypatch, tmp_path):
    """Makes a corpus known whose archives are on the server."""
    monkeypatch.setenv("JAXVEC_CACHE", str(tmp_path / "cache"))

    def make(name, *archives, checksum="right", counts=None):
        if checksum == "right":
            checksum = "sha1:" + hashlib.sha1(ARCHIVES[archives[-1]]).hexdigest()
        source = datasets.NAMES[name]._replace(
            urls=tuple(server[0] + archive for archive in archives),
            checksum=checksum,
            counts=counts or {},
        )
        monkeypatch.setitem(datasets.NAMES, name, source)
        return name

    return make


@pytest.mark.parametrize(
    ("name", "archive", "splits"),
    [
        ("text8", "text8.zip", ["train"]),
        ("wikitext-2", "wiki.zip", ["train", "valid", "test"]),
        ("ptb", "ptb.tgz", ["train", "valid", "test"]),
    ],
)
def test_fetched_once_and_read_from_the_cache(known, server, name, archive, splits, tmp_path):
    known(name, archive)
    for _ in range(2):
        files = datasets.fetch(name)
        for split in ("train", "valid", "test"):
            texts = [path.read_text() for path in getattr(files, split)]
            assert texts == ([TEXT[split]] if split in splits else [])
    assert server[1] == [f"/{archive}"]
    inside = {str(p.relative_to(tmp_path / "cache")) for p in (tmp_path / "cache").rglob("*")}
    assert inside == {name, *(f"{name}/{split}.txt" for split in splits)}


def test_mirrors_are_tried_in_turn(known, server):
    known("text8", "gone.zip", "broken.zip", "text8.zip")
    assert datasets.fetch("text8").train[0].read_text() == TEXT["train"]
    assert server[1][-1] == "/text8.zip"


@pytest.mark.parametrize(
    ("archives", "options", "message"),
    [
        (["gone.zip"], {"checksum": None}, "404"),
        (["text8.zip"], {"checksum": "sha1:" + "0" * 40}, "hash"),
        (["empty.zip"], {"checksum": None}, "the archive holds no text8"),
        (["broken.zip"], {"checksum": None}, "broken.zip: "),
        (["text8.zip"], {"checksum": None, "counts": {"train": (9, 9)}}, "9 lines of 9 words"),
    ],
)
def test_what_is_not_right_is_refused_and_not_kept(known, tmp_path, archives, options, message):
    known("text8", *archives, **options)
    with pytest.raises(ConnectionError, match=rf"(?i)cannot fetch text8: .*{message}"):
        datasets.fetch("text8")
    assert [p for p in (tmp_path / "cache").rglob("*") if p.is_file()] == []


def test_an_archive_does_not_decide_where_files_go(known, tmp_path):
    known("wikitext-2", "evil.zip")
    before = {p for p in tmp_path.rglob("*") if "cache" not in p.parts}
    files = datasets.fetch("wikitext-2")
    assert files.train[0].read_text() == "evil"
    assert {p for p in tmp_path.rglob("*") if "cache" not in p.parts} == before
    assert all(tmp_path / "cache" in path.parents for path in files.train + files.valid)


def test_counts_that_are_right_pass(known):
    counts = {"train": (100, 250), "valid": (1, 2), "test": (1, 2)}
    known("ptb", "ptb.tgz", checksum=None, counts=counts)
    assert datasets.fetch("ptb").valid[0].read_text() == TEXT["valid"]


def test_without_a_network_the_error_is_clear(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("JAXVEC_CACHE", str(tmp_path / "cache"))
    source = datasets.NAMES["ptb"]._replace(urls=("http://127.0.0.1:9/ptb.zip",))
    monkeypatch.setitem(datasets.NAMES, "ptb", source)
    assert main(["train", "ptb", "-o", "v.npz"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("jaxvec train: cannot fetch ptb: http://127.0.0.1:9/ptb.zip: ")
    assert "give the files themselves" in line
    assert not Path("v.npz").exists()


def test_trains_by_name(known, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    known("text8", "text8.zip")
    small = ["--epochs", "1", "--vector-size", "4", "--sample", "0"]
    assert main(["train", "text8", "-o", "v.npz", *small]) == 0
    Path("text8").write_text("x y " * 50)  # a file of that name is meant before the corpus
    assert main(["train", "text8", "-o", "w.npz", *small]) == 0
    assert Path("w.npz").stat().st_size < Path("v.npz").stat().st_size


def test_published_checksums_and_unknown_names():
    sums = {name: source.checksum for name, source in datasets.NAMES.items()}
    assert sums == {
        "text8": "sha1:6c70299b93b7e1f927b42cd8f6ac1a31547c7a2e",
        "wikitext-2": "md5:542ccefacc6c27f945fb54453812b3cd",
        "wikitext-103": "md5:9ddaacaf6af0710eda8c456decff7832",
        "ptb": None,
    }
    with pytest.raises(ValueError, match="one of text8, wikitext-2, wikitext-103, ptb"):
        datasets.fetch("enwik9")
