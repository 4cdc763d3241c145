"""Placeholders in texts, and the ranges that cameras are numbered with.

`{name}` is replaced by a value, `{{name}}` stands for a literal `{name}`. Every other brace is what it is.
So are `{username}` and `{password}`, unless a value has that name: a camera's node fills in its login there.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping

from edgecam.login_places import PLACE_NAMES
from fleet.reading.located import Located
from fleet.reading.mistakes import MistakeList

NAME = r"[a-z][a-z0-9_]*"
_PLACEHOLDER = re.compile(rf"\{{\{{({NAME})\}}\}}|\{{({NAME})\}}")
_RANGE = re.compile(r"(\d{1,6})-(\d{1,6})")

MOST_CAMERAS = 1000
"""Of one entry. A slip (1-100000) would otherwise take all memory before it is reported."""

Value = str | int
Values = Mapping[str, Value]


def filled(tree: Located, values: Values, mistakes: MistakeList) -> Located:
    """`tree` with its placeholders replaced. A text that is one placeholder and no more becomes its value."""
    if isinstance(tree.value, dict):
        return tree.with_value({key: filled(each, values, mistakes) for key, each in tree.value.items()})
    if isinstance(tree.value, list):
        return tree.with_value([filled(each, values, mistakes) for each in tree.value])
    if not isinstance(tree.value, str) or "{" not in tree.value:
        return tree
    unknown = sorted({name for name in names_in(tree.value) if name not in {*values, *PLACE_NAMES}})
    for name in unknown:
        known = ", ".join(f"{{{each}}}" for each in sorted(values))
        mistakes.add(tree, f"one of {known} (or {{{{{name}}}}} for the braces themselves)", f"{{{name}}}")
    if unknown:
        return tree
    values = {name: f"{{{name}}}" for name in PLACE_NAMES} | dict(values)
    whole = _PLACEHOLDER.fullmatch(tree.value)
    if whole and whole[2]:
        return tree.with_value(values[whole[2]])
    return tree.with_value(
        _PLACEHOLDER.sub(lambda match: str(values[match[2]]) if match[2] else f"{{{match[1]}}}", tree.value)
    )


def names_in(text: object) -> list[str]:
    """The names of the placeholders in `text`."""
    return [match[2] for match in _PLACEHOLDER.finditer(text) if match[2]] if isinstance(text, str) else []


def combinations(loops: Located, mistakes: MistakeList) -> list[dict[str, Value]]:
    """What the names of a `for` stand for, one mapping for each camera; the last name runs fastest.

    `loops` maps each name to a range such as `"1-4"` (`"01-12"` keeps its zeros) or a list.
    """
    if not loops.is_mapping or not loops.value:
        mistakes.add(loops, 'names and their ranges, such as {n: "1-4"}')
        return []
    runs: dict[str, list[Value]] = {}
    for name, each in loops.value.items():
        if not isinstance(name, str) or not re.fullmatch(NAME, name):
            mistakes.add(each, "a name of lower case letters, digits and underscores", f'"{name}"')
        runs[name] = _run(each, mistakes)
    count = 1
    for run in runs.values():
        count *= len(run)
    if count > MOST_CAMERAS:
        mistakes.add(loops, f"at most {MOST_CAMERAS} cameras of one entry", f"{count}")
        return []
    return [dict(zip(runs, each, strict=True)) for each in itertools.product(*runs.values())]


def _run(each: Located, mistakes: MistakeList) -> list[Value]:
    """The values of one name; empty when it is wrong."""
    if isinstance(each.value, list):
        return _listed(each, mistakes)
    match = _RANGE.fullmatch(each.value) if isinstance(each.value, str) else None
    if match is None:
        mistakes.add(each, 'a range such as "1-4", or a list')
        return []
    first, last = match.groups()
    padded = any(len(end) > 1 and end.startswith("0") for end in (first, last))
    if int(first) > int(last) or (padded and len(first) != len(last)):
        mistakes.add(
            each, 'a range that goes up, its ends equally long where one begins with 0, such as "01-12"'
        )
        return []
    if int(last) - int(first) >= MOST_CAMERAS:
        mistakes.add(each, f"at most {MOST_CAMERAS} cameras of one entry")
        return []
    width = len(first) if padded else 1
    return [f"{number:0{width}}" for number in range(int(first), int(last) + 1)]


def _listed(each: Located, mistakes: MistakeList) -> list[Value]:
    run: list[Value] = []
    for item in each.value:
        if not is_value(item.value):
            mistakes.add(item, "a text or a whole number (a number with a dot in quotes)")
        elif str(item.value) in map(str, run):
            mistakes.add(item, "each value once", f"{item.value} again")
        else:
            run.append(item.value)
    if not each.value:
        mistakes.add(each, "at least one value", "none")
    return run


def is_value(value: object) -> bool:
    """Whether it can be put into a text as it was typed. YAML makes 10.1 of 10.10, and true of yes."""
    return isinstance(value, (str, int)) and not isinstance(value, bool)
