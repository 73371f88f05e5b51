"""Several processes that train one model, each a child of the tests."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from jaxvec import WordVectors
from jaxvec.cli import main
from tests import one_process

ROOT = Path(__file__).parents[1]
HOSTS = ("10.213.0.1", "10.213.0.2")
OPTIONS = ["--vector-size", "8", "--epochs", "8", "--spectral-words", "0", "--min-count", "1"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def started(command, folder, name, before=()):
    """A child process, whose standard error goes to a file."""
    with open(folder / f"{name}.err", "w") as errors:
        return subprocess.Popen(
            [*before, sys.executable, "-m", *map(str, command)], cwd=ROOT, stderr=errors,
            stdout=subprocess.DEVNULL, env=os.environ | {"JAX_PLATFORMS": "cpu"},
        )  # fmt: skip


def ended(children, seconds=300) -> list[int]:
    """The exit statuses of children; whoever lives longer is killed, which fails the test."""
    until = time.monotonic() + seconds
    try:
        return [child.wait(max(1, until - time.monotonic())) for child in children]
    finally:
        for child in children:
            child.kill()


def said(folder, name) -> list[str]:
    """What a command has printed on standard error, without the lines of XLA's own log."""
    lines = (folder / f"{name}.err").read_text().splitlines()
    ours = ("jaxvec train:", "epoch ", "resuming ")
    return [line for line in lines if line.startswith(ours) or "vectors of" in line]


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    path = tmp_path_factory.mktemp("text") / "text.txt"
    path.write_text("\n".join(" ".join(words) for words in one_process.documents()))
    return path


@pytest.fixture(scope="module")
def alone(text):
    """The vectors of `jaxvec train` in one process with two workers."""
    path = text.with_name("alone.npz")
    assert main(["train", str(text), "-o", str(path), "--workers", "2", *OPTIONS]) == 0
    return WordVectors.load(path).vectors


def test_two_processes_learn_the_bits_of_one_with_two_workers(tmp_path):
    coordinator = f"127.0.0.1:{free_port()}"
    children = [
        started(["tests.one_process", coordinator, 2, i, tmp_path / f"{i}.npz"], tmp_path, str(i))
        for i in range(2)
    ]
    expected = one_process.trained()
    assert ended(children) == [0, 0], (tmp_path / "0.err").read_text()
    for i in range(2):
        with np.load(tmp_path / f"{i}.npz") as found:
            assert "the vocabulary of process 1 and of process 0 differ" in str(found["refused"])
            for name, array in expected.items():
                np.testing.assert_array_equal(found[name], array, err_msg=name)


def commands(text, folder, coordinator, *more):
    return [
        ["jaxvec", "train", text, "-o", folder / "out.npz", "--workers", 2, *OPTIONS, *more,
         "--checkpoint", folder / "run", "--coordinator", coordinator, "--num-processes", 2,
         "--process-id", i]
        for i in range(2)
    ]  # fmt: skip


@contextlib.contextmanager
def two_hosts():
    """What to start a command with on each of two hosts, and the address of the first: network
    namespaces joined by a cable, with names of their own. Else this host, twice."""
    names = [f"jaxvec{os.getpid()}{side}" for side in "ab"]
    cables = [f"jv{os.getpid()}{side}" for side in "ab"]

    def ip(*words, check=True):
        return subprocess.run(["ip", *words], check=check, capture_output=True)

    try:
        try:
            for name in names:
                ip("netns", "add", name)
            ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
            for name, cable, address in zip(names, cables, HOSTS, strict=True):
                ip("link", "set", cable, "netns", name)
                ip("-n", name, "addr", "add", f"{address}/24", "dev", cable)
                ip("-n", name, "link", "set", cable, "up")
                ip("-n", name, "link", "set", "lo", "up")
            subprocess.run(["unshare", "--uts", "hostname", "x"], check=True, capture_output=True)
            befores = [
                ["ip", "netns", "exec", name, "unshare", "--uts", "sh", "-c",
                 f'hostname {address}; exec "$0" "$@"']
                for name, address in zip(names, HOSTS, strict=True)
            ]  # fmt: skip
        except (OSError, subprocess.CalledProcessError):  # not root, or no ip
            befores = None
        yield ("127.0.0.1", [(), ()]) if befores is None else (HOSTS[0], befores)
    finally:
        if shutil.which("ip"):
            for name in names:
                ip("netns", "del", name, check=False)


def test_one_killed_ends_the_others_and_all_resume_on_two_hosts(text, alone, tmp_path):
    first = commands(text, tmp_path, f"127.0.0.1:{free_port()}", "--checkpoint-every", 1)
    children = [started(command, tmp_path, f"killed{i}") for i, command in enumerate(first)]
    until = time.monotonic() + 300
    while not (tmp_path / "run" / "1").exists() and time.monotonic() < until:
        time.sleep(0.02)
    os.kill(children[1].pid, signal.SIGKILL)
    status, killed = ended(children, 60)
    assert killed == -signal.SIGKILL
    assert status in (2, -signal.SIGABRT)
    if status == 2:
        assert "another process has ended" in said(tmp_path, "killed0")[-1]
    assert not (tmp_path / "out.npz").exists()

    with two_hosts() as (host, befores):
        again = commands(text, tmp_path, f"{host}:{free_port()}", "--resume")
        children = [
            started(command, tmp_path, f"again{i}", before)
            for i, (command, before) in enumerate(zip(again, befores, strict=True))
        ]
        assert ended(children) == [0, 0], (tmp_path / "again0.err").read_text()
    np.testing.assert_array_equal(WordVectors.load(tmp_path / "out.npz").vectors, alone)
    told = said(tmp_path, "again0")
    assert told[0].startswith("resuming after ")
    assert told[-1].startswith("64 vectors of 8 numbers are in ")
    assert said(tmp_path, "again1") == []
    assert {p.name for p in tmp_path.iterdir() if p.suffix != ".err"} == {"out.npz", "run"}
    assert all(p.name.isdigit() or p.name == ".lock" for p in (tmp_path / "run").iterdir())
    if host != HOSTS[0]:
        pytest.skip("no network namespaces here: the two processes were on one host")


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ("--coordinator h:1", "--coordinator needs --num-processes and --process-id"),
        ("--num-processes 2 --process-id 0", "--num-processes needs --coordinator"),
        ("--coordinator h:1 --num-processes 2 --process-id 2", "--process-id is from 0 to 1"),
        ("--coordinator h --num-processes 2 --process-id 0", "is HOST:PORT"),
        ("--coordinator h:1 --num-processes 2 --process-id 0 --workers 3", "is a multiple of"),
        ("--distributed --process-id 0", "leave out --process-id"),
        ("--distributed --model ppmi-svd", "--distributed is for models that are trained"),
    ],
)
def test_bad_flags_are_one_line_before_anything_is_read(flags, message, capsys):
    assert main(["train", "no such text", *flags.split()]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
