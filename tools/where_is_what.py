"""The table of rooms in design/where-is-what.md, made from the rooms' docstrings and imports.

`python -m tools.where_is_what` writes it between the page's markers; a test compares.
"""

from __future__ import annotations

import ast

from tools.source_tree import PROJECT, is_within, modules, part_of, rooms

PAGE = PROJECT / "design" / "where-is-what.md"
MARKERS = ("<!-- rooms: made by `make docs` -->", "<!-- end of rooms -->")

_ORDER = (
    *("fleet", "stacks", "container.image", "edgecam", "examples.consumer"),
    *("sandbox", "tools", "bench", "fuzz"),
)
"""From the file that one writes to what is deployed, and what uses that; then what develops it."""

_FREE_FOR_ALL = "edgecam"
"""Its open modules (errors, clock, …) are imported everywhere, which would only be noise in the table."""


def table() -> str:
    """Every room as a row of Markdown: its folder, what it is for, which rooms above it are imported."""
    rows = [_row(room) for top in _ORDER for room in _in_order(top)]
    return "\n".join(["| room | what it is for | imports |", "| --- | --- | --- |", *rows]) + "\n"


def with_table(page: str) -> str:
    """`page` with the table between its markers.

    Raises:
        ValueError: the markers are not there.
    """
    before, begin, rest = page.partition(MARKERS[0])
    _, end, after = rest.partition(MARKERS[1])
    if not begin or not end:
        raise ValueError(f"{PAGE.name}: expected the lines {MARKERS[0]} and {MARKERS[1]}, found none")
    return f"{before}{begin}\n\n{table()}\n{end}{after}"


def _in_order(package: str) -> list[str]:
    """`package` and the rooms in it, each behind those that it imports."""
    within = {part_of(name, package) for name in rooms() if is_within(name, package)} - {package}
    ordered: list[str] = []
    while within:
        free = min(within, key=lambda room: (len(_imported_parts(room, package) & within - {room}), room))
        within.remove(free)
        ordered += _in_order(free)
    return [package, *ordered]


def _imported_parts(room: str, package: str) -> set[str]:
    return {part_of(name, package) for name in _imports(room)}


def _imports(room: str) -> set[str]:
    """What the modules in `room` import; those of the rooms within `room` count, too."""
    return {name for module in modules().values() if is_within(module.name, room) for name in module.imports}


def _row(room: str) -> str:
    module = rooms()[room]
    doc = " ".join((ast.get_docstring(module.tree) or "").split("\n\n")[0].split())
    own = [it for it in modules().values() if it.package == room and not it.is_room]
    inner = any(is_within(name, room) and name != room for name in rooms())
    if inner and own:
        doc += (
            " Open in it: " + ", ".join(f"`{it.path.stem}`" for it in own if it.path.stem != "__main__") + "."
        )
    imported = sorted({_shown(name, room) for it in own for name in it.imports if name in modules()} - {""})
    return f"| `{module.path.parent}/` | {doc} | {', '.join(imported)} |"


def _shown(name: str, room: str) -> str:
    """The room of the imported module `name`, as seen from `room`; nothing where it goes without saying."""
    imported = modules()[name].package
    if imported in (_FREE_FOR_ALL, room) or is_within(room, imported):
        return ""
    top = room.partition(".")[0]
    return imported.removeprefix(f"{top}.")


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
