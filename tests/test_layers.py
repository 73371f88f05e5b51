"""The plan of the house: imports point one way only, whether lazy, for typing or at the top."""

import ast
import graphlib
from pathlib import Path

import jaxvec

HOUSE = Path(jaxvec.__file__).parent
ROOMS = [  # a room imports itself and the rooms before it
    "messages", "storage", "text", "cooccurrence", "models", "graphs", "optim", "vectors",
    "cluster", "train", "interop", "nn", "recipes", "plot", "cli",
]  # fmt: skip
ALONE = {"models": [], "optim": [], "storage": []}  # what these import of ours but `messages`


def modules():
    """The path of each module, by name: ``text.corpus``, ``text`` for its ``__init__``."""
    return {
        ".".join(path.relative_to(HOUSE).with_suffix("").parts).removesuffix(".__init__"): path
        for path in sorted(HOUSE.rglob("*.py"))
    }


def imported(path, known):
    """The modules of ours that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            module = str(node.module)
            names = [
                name if name.removeprefix("jaxvec.") in known else module
                for name in (f"{module}.{alias.name}" for alias in node.names)
            ]
        found |= {name.removeprefix("jaxvec.") for name in names if name.startswith("jaxvec.")}
        assert "jaxvec" not in names, f"{path}: import from the room, not from the front door"
    return found


def room(module):
    return module.partition(".")[0]


FRONT = ("__init__", "__main__")


def arrows():
    known = modules()
    return {
        name: imported(path, known)
        for name, path in known.items()
        if name not in FRONT
    }  # fmt: skip


def test_every_room_is_on_the_list():
    assert {room(name) for name in modules()} - set(FRONT) == set(ROOMS)


def test_no_arrow_points_up():
    up = [
        f"{name} imports {other}"
        for name, others in arrows().items()
        for other in sorted(others)
        if ROOMS.index(room(other)) > ROOMS.index(room(name))
    ]
    assert not up


def test_there_is_no_circle():
    inside = {name: others - {room(name)} for name, others in arrows().items()}
    list(graphlib.TopologicalSorter(inside).static_order())  # CycleError names one


def test_mathematics_and_files_stand_alone():
    for name, others in arrows().items():
        if room(name) in ALONE:
            assert {room(other) for other in others} <= {room(name), "messages"}, name


def test_formats_never_see_word_vectors():
    for name, others in arrows().items():
        if name.startswith("vectors.formats"):
            assert "vectors.word_vectors" not in others, name
