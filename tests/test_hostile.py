"""Files of strangers: every input that ever failed, a short run of the fuzzer, and files that
change while they are in use. `python -m benchmarks fuzz` is the long run."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.fuzz import outcomes
from benchmarks.fuzz.readers import READERS
from jaxvec import Corpus, WordVectors, formats, load_run
from jaxvec.storage.arrays import load_arrays, save_arrays, still_whole
from tests.hostile import inputs

_SECONDS = {"run": 15}  # inputs of readers that take long


@pytest.mark.parametrize("reader", READERS)
def test_what_once_failed_is_refused(reader, tmp_path):
    path = tmp_path / "hostile"
    for i, found in enumerate(inputs.inputs()):
        if found.reader == reader:
            result = outcomes.judged(READERS[reader], found.data, path)
            assert result.kind == "refused", (i, found.data[:100], found.message, result)
            assert re.search(found.message, result.detail), (i, result)


@pytest.mark.parametrize("reader", READERS)
def test_damaged_files_are_read_or_refused(reader, tmp_path):
    made = outcomes.Inputs(reader, seed=7)
    for i in range(_SECONDS.get(reader, 60)):
        result = outcomes.outcome(made, i, tmp_path / "fuzzed")
        assert result.kind in outcomes.GOOD, (i, result)


_DYING = """
import os, pathlib, sys, time
from benchmarks.fuzz.readers import READERS
from benchmarks.fuzz import workers

def read(path):
    length = len(path.read_bytes())
    if length % 7 == 0:
        os.abort()
    if length % 50 == 1:
        time.sleep(60)
    if length % 7 == 1:
        bytes(1 << 45)
    raise ValueError(path.name)

READERS["broken"] = READERS["analogies"]._replace(read=read)
workers._PATIENCE = 0.2
found = workers.tried("broken", 200, 0, pathlib.Path(sys.argv[1]))
print(*(found.kinds[kind] for kind in ("crash", "hang", "memory")), sum(found.kinds.values()))
"""


def test_a_worker_that_dies_or_hangs_is_an_outcome(tmp_path):
    run = subprocess.run([sys.executable, "-c", _DYING, tmp_path], capture_output=True, text=True)
    *kinds, total = map(int, run.stdout.split())
    assert all(kinds)
    assert total == 200


def test_a_saved_run_calls_no_function(tmp_path):
    """A model is a dataclass with a model's methods; once any function could be named."""
    marker = tmp_path / "called"
    for found in inputs.of_runs():
        (tmp_path / "a.run").write_bytes(found.data.replace(b"{marker}", bytes(marker)))
        with pytest.raises(ValueError, match=r"a\.run is not"):
            load_run(tmp_path / "a.run")
    assert not marker.exists()


@pytest.mark.parametrize("size", [1, 2, 3, 8, 100])
def test_text_and_binary_are_told_apart(tmp_path, size):
    """Whatever the numbers; and text with damaged bytes is never read as binary."""
    random = np.random.default_rng(size)
    path = tmp_path / "v"
    for count in (1, 2, 10):
        normal = random.normal(size=(count, size)).astype("f4")
        for table in (normal, abs(normal), normal.round(1), np.full_like(normal, 0.7),
                      normal.astype("f2").astype("f4"), normal / 100):  # fmt: skip
            rows = [b"w%d %b\n" % (i, row.tobytes()) for i, row in enumerate(table)]
            path.write_bytes(b"%d %d\n" % (count, size) + b"".join(rows))
            assert formats.kind(path) == "word2vec binary"
            numbers = [" ".join(f"{abs(x) % 10:.1f}" for x in row.tolist()) for row in table]
            rows = [f"w{i} {some}\n".encode() for i, some in enumerate(numbers)]
            path.write_bytes(b"%d %d\n" % (count, size) + b"".join(rows))
            assert formats.kind(path) == "word2vec text"
            for value in (0, 1, 127, 255):
                damaged = bytearray(rows[0])
                damaged[random.integers(3, len(damaged) - 1)] = value
                path.write_bytes(b"%d %d\n" % (count, size) + bytes(damaged) + b"".join(rows[1:]))
                with pytest.raises(ValueError, match=r"line 2|header promises|is cut short"):
                    WordVectors.load(path)


def test_bfloat16_is_read_as_float32(tmp_path):
    numbers = np.array([[1.5, -2.0], [0.15625, 3e38]], np.float32)
    halves = (numbers.view(np.uint32) >> 16).astype("<u2")
    fields = {
        "words": {"dtype": "U8", "shape": [3], "data_offsets": [0, 3]},
        "vectors": {"dtype": "BF16", "shape": [2, 2], "data_offsets": [3, 11]},
    }
    (tmp_path / "v").write_bytes(inputs.tensors(fields, b"a\nb" + halves.tobytes()))
    found = WordVectors.load(tmp_path / "v")
    assert found.vectors.dtype == np.float32
    assert np.array_equal(found.vectors, (halves.astype("u4") << 16).view("f4"))
    assert WordVectors.load(tmp_path / "v", limit=1).vectors.tolist() == [[1.5, -2.0]]


def test_a_size_can_be_forced(tmp_path):
    zeros = np.zeros((200, 100_000), np.float32)
    words = "\n".join(map(str, range(200))).encode()
    np.savez_compressed(tmp_path / "v.npz", words=np.frombuffer(words, np.uint8), vectors=zeros)
    with pytest.raises(ValueError, match="read it with force_size=True or jaxvec convert"):
        WordVectors.load(tmp_path / "v.npz")
    assert WordVectors.load(tmp_path / "v.npz", force_size=True).vectors.shape == zeros.shape


def test_a_file_that_is_replaced_does_no_harm_and_one_that_is_cut_is_told(tmp_path):
    path = tmp_path / "a.corpus"
    documents = [["a", "b"] * 5000] * 20
    Corpus.from_documents(documents, min_count=1).save(path)
    corpus = Corpus.load(path)
    other = tmp_path / "b.corpus"
    Corpus.from_documents(["c d"], min_count=1).save(other)
    other.replace(path)
    assert sum(len(ids) for ids in corpus.documents()) == 200_000  # of the old file
    Corpus.from_documents(documents, min_count=1).save(path)
    corpus = Corpus.load(path)
    next(iter(corpus.documents()))
    os.truncate(path, 5000)
    with pytest.raises(OSError, match="it was cut to 5,000 of 8"):
        next(iter(corpus.documents()))
    with pytest.raises(OSError, match=r"a\.corpus"):
        still_whole(np.asarray(corpus.ids)[3:], np.zeros(3))


@pytest.mark.parametrize("mapped", [False, True])
def test_arrays_are_saved_and_read_the_same(tmp_path, mapped):
    arrays = {
        "scalar": np.array(3), "text": np.array("naïve"), "none": np.zeros((0, 3)),
        "large": np.arange(300_000), "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "swapped": np.arange(3, dtype=">i4"), "truth": np.array([True, False]),
    }  # fmt: skip
    save_arrays(tmp_path / "ours.npz", **arrays)
    np.savez(tmp_path / "theirs.npz", **arrays)
    np.savez_compressed(tmp_path / "packed.npz", **arrays)
    for name in ("ours", "theirs", "packed"):
        found = load_arrays(tmp_path / f"{name}.npz", mapped=mapped)
        assert list(found) == list(arrays)
        for key, array in arrays.items():
            assert found[key].dtype == array.dtype
            assert np.array_equal(found[key], array)


def test_every_flipped_bit_of_an_archive_is_told_or_does_no_harm(tmp_path):
    path = tmp_path / "v.npz"
    vectors = WordVectors(["a", "b"], np.eye(2), counts=[5, 3], metadata={"by": "hand"})
    vectors.save(path)
    content = path.read_bytes()
    for i in range(0, 8 * len(content), 61):
        damaged = bytearray(content)
        damaged[i // 8] ^= 1 << i % 8
        path.write_bytes(damaged)
        try:
            found = WordVectors.load(path)
        except ValueError:
            continue
        assert found.index_to_key == ["a", "b"]
        assert np.array_equal(found.vectors, np.eye(2))
        assert (found.counts.tolist(), found.metadata) == ([5, 3], {"by": "hand"})


_FORKED = """
import os, numpy as np, jax
from jaxvec import WordVectors
wv = WordVectors(["a", "b", "c"], [[1, 0], [1, 1], [0, 1]])
assert wv.most_similar_many(["a"])[0][0][0] == "b"
child = os.fork()
if not child:
    assert wv.most_similar("a")[0][0] == "b"
    try:
        wv.most_similar_many(["a"])
    except RuntimeError as error:
        os._exit(7 if "start processes by" in str(error) else 8)
    os._exit(9)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_forked_process_queries_word_by_word():
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", _FORKED], timeout=60)
    assert run.returncode == 7


def commanded(line: str, folder: Path) -> subprocess.CompletedProcess:
    command = f"exec {sys.executable} -m jaxvec {line}"
    return subprocess.run(["sh", "-c", command], cwd=folder, capture_output=True, text=True)


def test_closed_streams_are_one_line(tmp_path):
    WordVectors(["a", "b"], np.eye(2)).save(tmp_path / "v.npz")
    for line, status, message in [
        ("similar v.npz a >&-", 2, "jaxvec similar: standard output: Bad file descriptor"),
        ("similar v.npz a 2>&-", 0, ""),
        ("info - <&-", 2, "jaxvec info: - holds no word vectors"),
    ]:
        done = commanded(line, tmp_path)
        assert done.returncode == status
        assert done.stderr.startswith(message)
        assert len(done.stderr.splitlines()) == bool(message)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="of Linux")
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_full_standard_output_is_one_line_that_names_it(tmp_path, monkeypatch, unbuffered):
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    WordVectors(["a", "b"], np.eye(2)).save(tmp_path / "v.npz")
    done = commanded("similar v.npz a >/dev/full", tmp_path)
    message = "jaxvec similar: standard output: No space left on device\n"
    assert (done.returncode, done.stderr) == (2, message)


_INTERRUPTED = """
import os, signal, sys
import jaxvec.cli
class Finder:
    def find_spec(self, name, *_):
        if name == "numpy":
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
jaxvec.cli.main(["info", "none"])
"""


def test_ctrl_c_while_modules_load_is_one_line():
    run = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True)
    assert (run.returncode, run.stderr) == (130, "jaxvec: interrupted\n")
