"""The page design/where-is-what.md against the tree."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from tools.source_tree import PROJECT, files
from tools.where_is_what import PAGE, with_table

TEXT = PAGE.read_text(encoding="utf-8")

NAMED = [
    path
    for row in re.findall(r"^\| (`[^|]+`) \|", TEXT, re.MULTILINE)
    for path in row.strip("`").split("` `")
]
"""The first column of its tables."""

MIRRORS = (
    "tests/edgecam/",
    "tests/examples/",
    "tests/fleet/",
    "tests/sandbox/",
    "tests/stacks/",
    "tests/support/",
    "tests/integration/",
    "fuzz/found/",
)
"""Within them folders have the names of what they test."""


def test_the_rooms_of_the_page_are_those_of_the_tree() -> None:
    assert with_table(TEXT) == TEXT, "run `make docs`"


def test_every_path_on_the_page_exists() -> None:
    assert [path for path in NAMED if not (PROJECT / path).exists()] == []


def test_every_folder_is_on_the_page() -> None:
    folders = {f"{path.parent}/" for path in files() if path.parent != PurePosixPath()}
    unnamed = [folder for folder in sorted(folders) if folder not in NAMED and not folder.startswith(MIRRORS)]
    assert unnamed == []
