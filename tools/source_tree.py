"""The project's modules and rooms as Python's parser sees them; nothing of them is imported.

A room is a folder of modules. An open module, as `edgecam.clock`, lies beside rooms.
"""

from __future__ import annotations

import ast
import functools
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

PROJECT = Path(__file__).parent.parent


@dataclass(frozen=True)
class Module:
    """One Python file of the project.

    Attributes:
        path: From the project's folder, as in `container/edgecam/chunk.py`.
        name: As it is imported, as in `edgecam.chunk`; a room's `__init__.py` has the room's name.
        text: What is in it.
    """

    path: PurePosixPath
    name: str
    text: str

    @functools.cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, str(self.path))

    @property
    def is_room(self) -> bool:
        """Whether it is a room's `__init__.py`."""
        return self.path.name == "__init__.py"

    @property
    def package(self) -> str:
        """The room that it is in, or is."""
        return self.name if self.is_room else self.name.rpartition(".")[0]

    @functools.cached_property
    def imports(self) -> frozenset[str]:
        """Full names of what it imports anywhere, inside of functions and under `TYPE_CHECKING` as well.

        Of `from x import y` it is `x.y` if that is one of the project's modules, else `x`.
        """
        return frozenset(self._imports())

    def _imports(self) -> Iterator[str]:
        known = modules()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            if isinstance(node, ast.ImportFrom):
                above = self.package.split(".")[: -(node.level - 1) or None] if node.level else []
                base = ".".join([*above, *filter(None, [node.module])])
                for alias in node.names:
                    name = f"{base}.{alias.name}"
                    yield name if name in known else base


@functools.cache
def files() -> tuple[PurePosixPath, ...]:
    """What git knows or would add, from the project's folder."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout.split("\0")
    return tuple(PurePosixPath(name) for name in sorted(set(names)) if name and (PROJECT / name).is_file())


@functools.cache
def modules() -> dict[str, Module]:
    """All modules by name, without those of the tests, which nothing imports."""
    found = {}
    for path in files():
        if path.suffix == ".py" and path.parts[0] != "tests":
            name = _name(path)
            found[name] = Module(path, name, (PROJECT / path).read_text(encoding="utf-8"))
    return found


@functools.cache
def rooms() -> dict[str, Module]:
    """Each room's `__init__.py`, by the room's name."""
    return {name: module for name, module in modules().items() if module.is_room}


def is_within(name: str, room: str) -> bool:
    """Whether a module or room is `room` or lies within it."""
    return name == room or name.startswith(f"{room}.")


def part_of(name: str, package: str) -> str:
    """The room or open module right in `package` that `name` is or lies in; what is outside of it remains."""
    if not is_within(name, package) or name == package:
        return name
    return f"{package}.{name[len(package) + 1 :].partition('.')[0]}"


def reached(start: Iterable[str]) -> set[str]:
    """Names of what the modules `start` import, directly and through each other; `start` is among them."""
    found: set[str] = set()
    ahead = list(start)
    while ahead:
        name = ahead.pop()
        if name not in found:
            found.add(name)
            ahead += modules()[name].imports if name in modules() else ()
    return found


def circles(graph: dict[str, set[str]]) -> list[list[str]]:
    """The shortest ways from nodes back to themselves; none begins at a node of one found before."""
    found: list[list[str]] = []
    seen: set[str] = set()
    for node in sorted(graph):
        way = None if node in seen else _way_back(graph, node)
        if way is not None:
            found.append(way)
            seen.update(way)
    return found


def _way_back(graph: dict[str, set[str]], start: str) -> list[str] | None:
    """The shortest way from `start` to itself."""
    ways = [[start]]
    seen: set[str] = set()
    for way in ways:  # grows while it is read: breadth first
        for following in sorted(graph.get(way[-1], ())):
            if following == start:
                return [*way, start]
            if following not in seen:
                seen.add(following)
                ways.append([*way, following])
    return None


def _name(path: PurePosixPath) -> str:
    parts = path.with_suffix("").parts
    # The image has `container/edgecam` as the package `edgecam`.
    parts = parts[1:] if parts[:2] == ("container", "edgecam") else parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
