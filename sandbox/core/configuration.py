"""The configuration of a component on a core: how defaults, what the core has, and an update become one.

As both nuclei do it: what the core has wins over the recipe's defaults; then `reset` sets the named pointers
back to their defaults (or removes them where there is none); then `merge` is laid over, objects member by
member, lists and everything else replaced whole.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import Any

from sandbox.errors import CoreError

Configuration = dict[str, Any]


def resolve(
    defaults: Mapping[str, Any],
    existing: Mapping[str, Any] | None = None,
    reset: Sequence[str] = (),
    merge: Mapping[str, Any] | None = None,
) -> Configuration:
    """The configuration that a component runs with; `existing` is None when the core never had it."""
    result = merged(defaults, existing or {})
    for pointer in reset:
        result = _reset(result, defaults, pointer)
    return merged(result, merge or {})


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> Configuration:
    """`over` laid over `base`, both left as they are."""
    result = {key: copy.deepcopy(value) for key, value in base.items()}
    for key, value in over.items():
        below = result.get(key)
        if isinstance(below, dict) and isinstance(value, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def parts(pointer: str) -> list[str]:
    """The members that a JSON pointer names (RFC 6901); none for the whole document."""
    if pointer == "":
        return []
    if not pointer.startswith("/"):
        raise CoreError(f"A JSON pointer begins with a slash, found {pointer!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in pointer[1:].split("/")]


def look_up(document: Any, pointer: str) -> Any:
    """The value at a pointer; KeyError when there is none. Lists have no members, as on Nucleus Lite."""
    for part in parts(pointer):
        if not isinstance(document, Mapping):
            raise KeyError(pointer)
        document = document[part]
    return document


def _reset(current: Configuration, defaults: Mapping[str, Any], pointer: str) -> Configuration:
    if not (path := parts(pointer)):
        return merged(defaults, {})
    result = copy.deepcopy(current)
    parent: Any = result
    for part in path[:-1]:
        parent = parent.get(part) if isinstance(parent, dict) else None
    try:
        default = copy.deepcopy(look_up(defaults, pointer))
    except KeyError:
        if isinstance(parent, dict):
            parent.pop(path[-1], None)
        return result
    if isinstance(parent, dict):
        parent[path[-1]] = default
        return result
    return merged(result, _nested(path, default))


def _nested(path: Sequence[str], value: Any) -> Configuration:
    """An object that holds `value` at `path`."""
    for part in reversed(path):
        value = {part: value}
    result: Configuration = value
    return result
