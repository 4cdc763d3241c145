"""Plain tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from fleet.command.changes import SiteChange

_GAP = "  "
_ALIKE = 5
"""Sites with the very same changes that are listed one by one; of more, the first ones stand for all."""

Row = Sequence[str]


def table(head: Row, rows: Sequence[Row]) -> str:
    """Rows in columns; a cell of several lines goes on below."""
    lines = [line for row in [head, *rows] for line in _lines(row)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    return "".join(
        _GAP.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def changes_table(changes: Sequence[SiteChange], *, every_site: bool) -> str:
    """The table of a comparison, and its sum; nothing but a sentence where nothing changes."""
    if not changes:
        return "no site changes\n"
    rows = [row for group in _alike(changes) for row in _group_rows(group, every_site)]
    return table(("SITE", "TARGET", "VARIANT", "WHAT CHANGES"), rows) + "\n" + _sum(changes)


def _alike(changes: Sequence[SiteChange]) -> list[list[SiteChange]]:
    """Changes that are the same at several sites, in the order of the first of each."""
    groups: dict[tuple[object, ...], list[SiteChange]] = {}
    for change in changes:
        key = (change.kind, change.variant, change.changes) if change.kind == "changed" else (change.site,)
        groups.setdefault(key, []).append(change)
    return list(groups.values())


def _group_rows(group: Sequence[SiteChange], every_site: bool) -> list[Row]:
    if every_site or len(group) <= _ALIKE:
        return [(each.site, each.target, each.variant, _what(each)) for each in group]
    first, others = group[0], len(group) - 1
    return [
        (first.site, first.target, first.variant, _what(first)),
        (f"and {others:,} more", "", "", "the same"),
    ]


def _what(change: SiteChange) -> str:
    if change.kind == "removed":
        kept = "its cores keep what they have" if change.cores_keep else "its components leave its cores"
        gone = "".join(f", {each.old} {each.path} with their keys go" for each in change.changes)
        return f"removed: its deployment is deleted, {kept}{gone}"
    if change.kind == "new":
        return "new: " + ", ".join(f"{each.path} {each.new}" for each in change.changes)
    return "\n".join(map(str, change.changes))


def _sum(changes: Sequence[SiteChange]) -> str:
    kinds = [change.kind for change in changes]
    counted = [f"{kinds.count(kind):,} {kind}" for kind in ("new", "changed", "removed") if kind in kinds]
    return f"{'1 site' if len(kinds) == 1 else f'{len(kinds):,} sites'}: {', '.join(counted)}\n"


def _lines(row: Row) -> list[Row]:
    cells = [cell.split("\n") for cell in row]
    height = max(map(len, cells))
    return [[cell[index] if index < len(cell) else "" for cell in cells] for index in range(height)]
