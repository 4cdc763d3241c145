"""Import everything that the program imports, wherever it does so, within the image.

The standard library in the image is a part of Python's: what is missing has to show while the image is built,
not on a core, in the one command that imports it late.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAM = Path("/usr/lib/python3/dist-packages/edgecam")


def imported(source: Path) -> Iterator[str]:
    """Yield the modules that a file imports, at its top or within a function."""
    for node in ast.walk(ast.parse(source.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module


def main() -> None:
    """Exit with one line for each module that cannot be imported."""
    sources = {source: set(imported(source)) for source in PROGRAM.rglob("*.py")}
    wrong = []
    for name in sorted(set().union(*sources.values())):
        try:
            importlib.import_module(name)
        except ImportError as error:
            users = ", ".join(sorted(source.name for source, names in sources.items() if name in names))
            wrong.append(f"{error}: {users} needs it; image.toml may take it out")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
