"""YAML or JSON as plain values."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import yaml

from edgecam.errors import ConfigurationError, Mistake


class _KeysOnce:
    """Refuses a key that stands twice in one mapping: YAML would take the last one and say nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise _KeyTwice(problem=key.value, problem_mark=key.start_mark)
                seen.add(key.value)
        found: dict[Hashable, Any] = super().construct_mapping(node, deep)  # type: ignore[misc]
        return found


class _Loader(_KeysOnce, yaml.SafeLoader):
    """Says best what is wrong."""


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(_KeysOnce, _Base):  # type: ignore[misc]
    """The same with libyaml's parser, where it is there: 2,000 sites take one second in place of five."""


class _KeyTwice(yaml.MarkedYAMLError):
    """`problem` is the key, `problem_mark` where it stands for the second time."""


def parse_document(text: str, *, name: str) -> object:
    """YAML or JSON text as plain values.

    Raises:
        ConfigurationError: when it is neither; the message names line and column, not the content.
    """
    try:
        return _loaded(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the document"
        expected, found = "YAML or JSON", error.problem or "something else"
        if isinstance(error, _KeyTwice):
            expected, found = "each key once", f'"{error.problem}" again'
        raise ConfigurationError([Mistake("", expected, f"{found} at {where}")], document=name) from None
    except yaml.YAMLError:
        raise ConfigurationError([Mistake("", "YAML or JSON", "unreadable text")], document=name) from None


def _loaded(text: str) -> object:
    try:
        return yaml.load(text, _FastLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader
