"""The house: how large rooms, modules and functions are, how deep they lie, that each says what it is for."""

from __future__ import annotations

import ast
from collections import Counter
from pathlib import PurePosixPath

from tools.source_tree import PROJECT, files, modules, rooms

MOST_MODULES = 20
"""In a room. More of them are two rooms."""

MOST_FOLDERS = 3
"""Above a file."""

MOST_LINES = {"module": 400, "function": 60}
"""Most are far below: 300 and 30 are what to aim for."""

NO_ROOMS = {"utils", "util", "helpers", "helper", "common", "misc", "shared"}
"""Names that do not say what is within."""

MADE_BY_TOOLS = {"__snapshots__"}
"""Folders whose place a tool has chosen."""

MIRRORED = {
    "edgecam": "container/edgecam",
    "image": "container/image",
    **{
        name: name for name in ("bench", "examples", "fleet", "fuzz", "recipes", "sandbox", "stacks", "tools")
    },
}
"""A folder of tests/ and the folder that it tests."""

OF_THE_WHOLE = {"architecture", "browser", "contract", "integration"}
"""Tests of no single room."""

SUPPORT = PurePosixPath("tests/support")

PYTHON = [path for path in files() if path.suffix == ".py"]
SOURCES = {path: (PROJECT / path).read_text(encoding="utf-8") for path in PYTHON}


def test_a_room_has_at_most_twenty_modules() -> None:
    sizes = Counter(path.parent for path in PYTHON if path.name != "__init__.py")
    assert {str(room): size for room, size in sizes.items() if size > MOST_MODULES} == {}


def test_no_folder_is_deeper_than_three() -> None:
    folders = {path.parent for path in files() if not MADE_BY_TOOLS.intersection(path.parts)}
    assert [str(folder) for folder in sorted(folders) if len(folder.parts) > MOST_FOLDERS] == []


def test_each_folder_of_modules_is_a_room() -> None:
    folders = {module.path.parent for module in modules().values() if module.path.parent != PurePosixPath()}
    assert sorted(folders - {room.path.parent for room in rooms().values()}) == []


def test_what_makes_a_room_is_one_docstring_and_no_code() -> None:
    for room in rooms().values():
        # The program's version is asked for as `edgecam.__version__`, as everywhere.
        code = [] if room.name == "edgecam" else room.tree.body[1:]
        assert ast.get_docstring(room.tree), f"{room.path}: expected a docstring"
        assert code == [], f"{room.path}:{code[0].lineno}: expected nothing but the docstring"


def test_every_module_begins_with_a_docstring() -> None:
    assert [str(path) for path in PYTHON if not ast.get_docstring(ast.parse(SOURCES[path]))] == []


def test_no_module_and_no_room_has_a_name_that_says_nothing() -> None:
    assert [str(path) for path in PYTHON if NO_ROOMS.intersection(path.with_suffix("").parts)] == []


def test_modules_have_a_size_that_one_reads_at_once() -> None:
    sizes = {str(module.path): len(module.text.splitlines()) for module in modules().values()}
    assert {path: size for path, size in sizes.items() if size > MOST_LINES["module"]} == {}


def test_functions_have_a_size_that_one_sees_at_once() -> None:
    too_long = [
        f"{module.path}:{node.lineno} {node.name}: {size} lines"
        for module in modules().values()
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        if (size := (node.end_lineno or node.lineno) - node.lineno + 1) > MOST_LINES["function"]
    ]
    assert too_long == []


def test_tests_mirror_the_rooms() -> None:
    folders = {path.parent for path in PYTHON if path.parts[0] == "tests" and SUPPORT not in path.parents}
    for folder in sorted(folders - {PurePosixPath("tests")}):
        top, *below = folder.parts[1:]
        if top in MIRRORED:
            assert (PROJECT / MIRRORED[top] / "/".join(below)).is_dir(), f"{folder} tests no room"
        else:
            # What starts the whole system has folders, since it takes its time.
            assert top in OF_THE_WHOLE, f"{folder} tests no room"


def test_what_tests_share_has_a_room_and_a_name_of_its_own() -> None:
    """It is imported by its bare name, so two of one name would be one at random."""
    shared = [path for path in PYTHON if SUPPORT in path.parents]
    assert {path for path in shared if path.parent.parent != SUPPORT} == set()
    assert {name: times for name, times in Counter(path.stem for path in shared).items() if times > 1} == {}
    loose = [path for path in PYTHON if path.parts[0] == "tests" and path not in shared]
    assert [str(path) for path in loose if not path.name.startswith(("test_", "conftest"))] == []
