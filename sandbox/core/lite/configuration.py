"""ggconfigd, Lite's store of configuration: a tree whose leaves have a time stamp, kept on the disk.

A write goes leaf by leaf and stops at the first that is refused: what was written before stays written. A
value and a map never take each other's place. Defaults are written with the stamp 0 and so never lay over
what a deployment has written. Source: `ggconfigd/src/db_corebus.c`, `db_interface.c`.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from sandbox.core.configuration import parts
from sandbox.core.lite.limits import check_message, check_value
from sandbox.errors import CoreError

DEFAULTS_S = 0.0
"""The time stamp of a recipe's defaults."""


class ConfigurationTree:
    """The configuration of one component."""

    def __init__(self, kept: Mapping[str, Any] | None = None) -> None:
        """`kept` is what `kept()` gave before the core ended."""
        self._root: dict[str, Any] = copy.deepcopy(dict(kept or {}))

    def kept(self) -> dict[str, Any]:
        """What has to be kept: maps as they are, each value as a list of itself and its time stamp."""
        return self._root

    def plain(self) -> dict[str, Any]:
        """The configuration without time stamps."""
        found: dict[str, Any] = _plain(self._root)
        return found

    def delete(self, pointer: str) -> None:
        """Remove what is at a JSON pointer, everything for the empty one; nothing there is no error."""
        path = parts(pointer)
        if not path:
            self._root = {}
            return
        parent: Any = self._root
        for part in path[:-1]:
            parent = parent.get(part) if isinstance(parent, dict) else None
        if isinstance(parent, dict):
            parent.pop(path[-1], None)

    def write(self, content: Mapping[str, Any], stamp_s: float) -> None:
        """Lay `content` over the tree, as one message.

        Raises:
            CoreError: the message or a value is too large, or of another kind than what is there; what came
                before it is written.
        """
        check_message("write to ggconfigd", content)
        _write(self._root, content, stamp_s, "")


def _write(tree: dict[str, Any], content: Mapping[str, Any], stamp_s: float, path: str) -> None:
    for key, value in content.items():
        where = f"{path}/{key}"
        there = tree.get(key)
        if isinstance(value, Mapping):
            if isinstance(there, list):
                raise CoreError(f"Value already present for key {where}, so a map can not be merged.")
            _write(tree.setdefault(key, {}), value, stamp_s, where)
            continue
        check_value(where, value)
        if isinstance(there, dict):
            raise CoreError(f"Key {where} is a map, so it can not also store a value. Failing request.")
        if there is None or there[1] <= stamp_s:
            tree[key] = [copy.deepcopy(value), stamp_s]


def _plain(tree: Any) -> Any:
    if isinstance(tree, dict):
        return {key: _plain(entry) for key, entry in tree.items()}
    return tree[0]
