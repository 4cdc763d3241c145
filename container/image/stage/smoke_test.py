"""Import the program, and everything that it imports, wherever it does so, within the image.

The standard library in the image is a part of Python's: what is missing has to show while the image is built,
not on a core, in the one command that imports it late. The arguments name the rooms of the program
that not every image has: what is in an image has to start without those that it lacks.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

PROGRAM = Path("/usr/lib/python3/dist-packages/edgecam")


def module(source: Path) -> str:
    """Return the name under which a file of the program is imported."""
    parts = source.relative_to(PROGRAM.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(source: Path) -> Iterator[str]:
    """Yield the modules that a file imports, at its top or within a function."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def in_other_image(name: str, optional_rooms: Sequence[str]) -> bool:
    """Return whether a module is in another variant's image only."""
    room = name.removeprefix(f"{PROGRAM.name}.").partition(".")[0]
    return room in optional_rooms and not (PROGRAM / room).exists()


def main() -> None:
    """Exit with one line for each module that cannot be imported."""
    sources = {source: {module(source), *imported(source)} for source in PROGRAM.rglob("*.py")}
    wrong = []
    for name in sorted(set().union(*sources.values())):
        if in_other_image(name, sys.argv[1:]):
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            users = ", ".join(sorted(source.name for source, names in sources.items() if name in names))
            wrong.append(f"{error}: {users} needs it; frame-grabber.toml may take it out")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
