"""Values with their location in a user's files, so that a mistake is reported where it was made.

Sites are merged from several places (`fleet/reading/templates.py`). The model that judges them sees one plain
document; a mistake that it finds is traced back through this tree.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from edgecam.config.validation import path_text

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Located:
    """A value with its location.

    Attributes:
        value: A mapping or a list of `Located`, or a plain value.
        file: The file's name, as messages show it.
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

    def get(self, key: object) -> Located | None:
        """The value under `key`; None when there is none, or this is no mapping."""
        return self.value.get(key) if isinstance(self.value, dict) else None

    def with_value(self, value: Any) -> Located:
        """Another value at the same place."""
        return Located(value, self.file, self.path)

    def without(self, *keys: str) -> Located:
        """A mapping that lacks `keys`."""
        return self.with_value({key: each for key, each in self.value.items() if key not in keys})


def locate(value: Any, file: str, path: Path = ()) -> Located:
    """A document's plain values, each with its place."""
    if isinstance(value, dict):
        value = {key: locate(each, file, (*path, key)) for key, each in value.items()}
    elif isinstance(value, list):
        value = [locate(each, file, (*path, index)) for index, each in enumerate(value)]
    return Located(value, file, path)


def unwrap(tree: Located) -> Any:
    """The values alone."""
    if isinstance(tree.value, dict):
        return {key: unwrap(each) for key, each in tree.value.items()}
    if isinstance(tree.value, list):
        return [unwrap(each) for each in tree.value]
    return tree.value


def merge(under: Located | None, over: Located) -> Located:
    """`over` with what only `under` has: mappings deeply, lists replaced; `null` takes out what is under it.

    As a JSON merge patch (RFC 7396). A value that only one side has stays as it is, nulls included.
    """
    if under is None or not under.is_mapping or not over.is_mapping:
        return over
    found = dict(under.value)
    for key, each in over.value.items():
        if each.value is None and key in found:
            del found[key]
        else:
            found[key] = merge(found.get(key), each)
    return over.with_value(found)


def merge_layers(layers: Sequence[Located | None]) -> Located | None:
    """All layers merged, the lowest first."""
    result: Located | None = None
    for layer in layers:
        if layer is not None:
            result = merge(result, layer)
    return result


def trace(tree: Located, path: str) -> tuple[str, str]:
    """The file and the path within it that `path` of the merged document came from.

    A path that is not in the document (a missing setting) is located at its nearest parent.
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


def _step(value: Any, rest: str) -> tuple[Located, str] | None:
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
