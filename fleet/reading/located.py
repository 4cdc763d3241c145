"""Values of users' files that remember where they stand, so that a mistake is told where it was made.

Sites are merged from several places (`fleet/reading/templates.py`). The model that judges them sees one plain
document; what it finds wrong is traced back through this tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecam.config.validation import path_text

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Sourced:
    """A value, and where it stands.

    Attributes:
        value: A mapping or a list of `Sourced`, or a plain value.
        file: The file's name, as messages say it.
        path: Where in that file.
    """

    value: Any
    file: str
    path: Path

    @property
    def is_mapping(self) -> bool:
        return isinstance(self.value, dict)

    @property
    def where(self) -> str:
        """The path as text."""
        return path_text(self.path)

    def get(self, key: object) -> Sourced | None:
        """What stands under `key`; None when nothing does, or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def holding(self, value: Any) -> Sourced:
        """Another value at the same place."""
        return Sourced(value, self.file, self.path)

    def without(self, *keys: str) -> Sourced:
        """A mapping that lacks `keys`."""
        return self.holding({key: each for key, each in self.value.items() if key not in keys})


def sourced(value: Any, file: str, path: Path = ()) -> Sourced:
    """A document's plain values, each with its place."""
    if isinstance(value, dict):
        value = {key: sourced(each, file, (*path, key)) for key, each in value.items()}
    elif isinstance(value, list):
        value = [sourced(each, file, (*path, index)) for index, each in enumerate(value)]
    return Sourced(value, file, path)


def plain(tree: Sourced) -> Any:
    """The values alone."""
    if isinstance(tree.value, dict):
        return {key: plain(each) for key, each in tree.value.items()}
    if isinstance(tree.value, list):
        return [plain(each) for each in tree.value]
    return tree.value


def merged(under: Sourced | None, over: Sourced) -> Sourced:
    """`over` with what only `under` has: mappings deeply, lists replaced; `null` takes out what is under it.

    That is how a JSON merge patch works (RFC 7396). What stands alone stays as it is, nulls included.
    """
    if under is None or not under.is_mapping or not over.is_mapping:
        return over
    found = dict(under.value)
    for key, each in over.value.items():
        if each.value is None and key in found:
            del found[key]
        else:
            found[key] = merged(found.get(key), each)
    return over.holding(found)


def stack_up(layers: Sequence[Sourced | None]) -> Sourced | None:
    """All layers merged, the lowest first."""
    result: Sourced | None = None
    for layer in layers:
        if layer is not None:
            result = merged(result, layer)
    return result


def traced(tree: Sourced, path: str) -> tuple[str, str]:
    """The file and the path within it from which `path` of the merged document came.

    What is not in the document (a setting that is missing) is where its nearest neighbour above stands.
    """
    rest = path
    while rest:
        step = _step(tree.value, rest)
        if step is None:
            break
        tree, rest = step
        rest = rest.removeprefix(".")
    if not rest:
        return tree.file, tree.where
    dot = "" if rest.startswith("[") or not tree.path else "."
    return tree.file, f"{tree.where}{dot}{rest}"


def _step(value: Any, rest: str) -> tuple[Sourced, str] | None:
    if isinstance(value, list) and (match := re.match(r"\[(\d+)\]", rest)) and int(match[1]) < len(value):
        return value[int(match[1])], rest[match.end() :]
    if not isinstance(value, dict):
        return None
    # Keys may hold dots (aws.greengrass.Cli), so the longest that fits is the one.
    ends = [len(rest), *(match.start() for match in re.finditer(r"[.\[]", rest))]
    for end in sorted(ends, reverse=True):
        if rest[:end] in value:
            return value[rest[:end]], rest[end:]
    return None
