"""Import the program, and everything that it imports, wherever it does so, within the image.

The standard library in the image is a part of Python's: what is missing has to show while the image is built,
not on a core, in the one command that imports it late. Of the program itself the frame grabber's image lacks
`edgecam.store`: what is in the image has to start without it.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

PROGRAM = Path("/usr/lib/python3/dist-packages/edgecam")
STORE = "edgecam.store"


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


def in_other_image(name: str) -> bool:
    """Tell whether a module is in another variant's image only."""
    return (name == STORE or name.startswith(f"{STORE}.")) and not (PROGRAM / "store").exists()


def main() -> None:
    """Exit with one line for each module that cannot be imported."""
    sources = {source: {module(source), *imported(source)} for source in PROGRAM.rglob("*.py")}
    wrong = []
    for name in sorted(set().union(*sources.values())):
        if in_other_image(name):
            continue
        try:
            importlib.import_module(name)
        except ImportError as error:
            users = ", ".join(sorted(source.name for source, names in sources.items() if name in names))
            wrong.append(f"{error}: {users} needs it; image.toml may take it out")
    sys.exit("\n".join(wrong) or 0)


if __name__ == "__main__":
    main()
