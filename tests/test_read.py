import bz2
import gzip
import io
import lzma
import sys

import pytest

from jaxvec.text import read
from jaxvec.text.tokenize import basic_english


def lines(*paths, **options):
    """Lines are joined again from the pieces that are read."""
    whole, parts = [], []
    for text, ends in read.read_pieces(paths, **options):
        parts.append(text)
        if ends:
            whole.append("".join(parts))
            parts = []
    assert not parts
    return [line for line in whole if line]


@pytest.mark.parametrize("compress", [bytes, gzip.compress, bz2.compress, lzma.compress])
def test_compression_is_told_by_content(tmp_path, compress):
    (tmp_path / "a").write_bytes(compress("\ufeffé one\r\ntwo\n".encode()))
    assert lines(tmp_path / "a") == ["é one", "two"]


def test_several_files_and_folders_in_order(tmp_path):
    for name in ("b/2.txt", "b/1.txt", "b/deep/3.txt", ".hidden/4.txt", "b/.5.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / "a.txt").write_text("a")
    found = lines(tmp_path / "b", tmp_path / "a.txt")
    assert found == ["b/1.txt", "b/2.txt", "b/deep/3.txt", "a"]


def test_standard_input(monkeypatch):
    monkeypatch.setattr(
        sys, "stdin", io.TextIOWrapper(io.BufferedReader(io.BytesIO(b"from\nstdin")))
    )
    assert lines("-") == ["from", "stdin"]


def test_endless_line_comes_in_pieces_cut_at_spaces(tmp_path):
    text = " ".join(str(i) for i in range(500_000))
    (tmp_path / "a").write_text(text)
    pieces = list(read.read_pieces([tmp_path / "a"]))
    assert max(len(piece) for piece, _ in pieces) <= 2 * read.READ_SIZE
    assert [ends for _, ends in pieces] == [False] * (len(pieces) - 1) + [True]
    assert "".join(piece for piece, _ in pieces) == text
    assert [word for piece, _ in pieces for word in piece.split()] == text.split()


@pytest.mark.parametrize("between", ["\r", "\x0b", "\u2003", "\u2028", ","])
def test_long_lines_are_never_cut_inside_words(tmp_path, monkeypatch, between):
    monkeypatch.setattr(read, "READ_SIZE", 1000)
    words = [f"w{i}" for i in range(4000)]
    (tmp_path / "a").write_bytes(between.join(words).encode())
    pieces = list(read.read_pieces([tmp_path / "a"]))
    found = [word for piece, _ in pieces for word in piece.replace(",", " ").split()]
    assert found == words
    assert (len(pieces) > 10) == (between != ",")


def test_a_tag_with_a_space_is_not_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(read, "READ_SIZE", 100)
    (tmp_path / "a").write_text("it<br />" * 1000 + " end")
    pieces = [piece for piece, _ in read.read_pieces([tmp_path / "a"])]
    assert [w for piece in pieces for w in basic_english(piece)] == ["it"] * 1000 + ["end"]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_other_encodings_are_named(tmp_path, encoding):
    (tmp_path / "a.txt").write_bytes("plain words, é\n".encode(encoding))
    name = encoding.upper()[:6]
    for reader in (lines, read.text_lines):
        with pytest.raises(ValueError, match=rf"a\.txt is {name} text, not UTF-8: .*iconv"):
            list(reader(tmp_path / "a.txt"))


def test_lines_of_a_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeffone\r\n\n \ufefftwo\x85\nlast".encode())
    found = [(1, "one"), (2, ""), (3, " \ufefftwo\x85"), (4, "last")]
    assert list(read.text_lines(path)) == found
    path.write_bytes(b"\xff\xff")
    with pytest.raises(ValueError, match=r"word list .*a\.txt is not UTF-8: byte offset 0"):
        list(read.text_lines(path, "word list"))
    with pytest.raises(FileNotFoundError, match="no such word list: nowhere"):
        list(read.text_lines("nowhere", "word list"))
    with pytest.raises(ValueError, match="is a folder, not a word list"):
        list(read.text_lines(tmp_path, "word list"))


def test_characters_across_chunks_survive(tmp_path):
    text = "a" + "é" * read.READ_SIZE + "\nb"
    (tmp_path / "a").write_text(text)
    assert lines(tmp_path / "a") == text.split("\n")


@pytest.mark.parametrize("before", [0, 5, read.READ_SIZE - 1, read.READ_SIZE, read.READ_SIZE + 7])
def test_broken_utf8_names_file_and_offset(tmp_path, before):
    path = tmp_path / "broken.txt"
    path.write_bytes(b"x" * before + b"\xc3(" + b"y" * 10)
    with pytest.raises(ValueError, match=rf"broken\.txt is not UTF-8: byte offset {before} "):
        lines(path)
    assert lines(path, errors="replace") == ["x" * before + "\ufffd(" + "y" * 10]


def test_character_cut_off_at_the_end_names_offset(tmp_path):
    path = tmp_path / "cut.txt"
    path.write_bytes(b"abc\xe2\x82")
    with pytest.raises(ValueError, match="byte offset 3 "):
        lines(path)


def test_binary_is_refused(tmp_path):
    path = tmp_path / "image.png"
    path.write_bytes(b"abc\x00def")
    with pytest.raises(ValueError, match=r"image\.png is not text: byte 3 is zero"):
        lines(path)


def test_damaged_archive_is_refused(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"word " * 10_000)[:60])
    with pytest.raises(ValueError, match=r"a\.gz is not readable after byte 0"):
        lines(path)


def test_missing_file_and_empty_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such file or folder: nowhere"):
        lines("nowhere")
    with pytest.raises(ValueError, match="holds no text files"):
        lines(tmp_path)


def test_ways_to_treat_errors_have_names(tmp_path):
    (tmp_path / "a").write_text("fine")
    with pytest.raises(ValueError, match="errors must be a name such as 'strict'"):
        list(read.read_pieces([tmp_path / "a"], errors="replaced"))
