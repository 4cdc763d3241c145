"""YAML or JSON as plain values."""

from __future__ import annotations

import errno
import os
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from edgecam.errors import ConfigurationError, Mistake

MOST_BYTES = 20_000_000
"""20,000 sites with their cameras written out take a third of it."""
MOST_DEEP = 50
"""Lists and mappings within each other; a fleet has nine. libyaml's composer exhausts the stack at 20,000."""
MOST_VALUES = 2_000_000
"""Values with what aliases repeat: several times 20,000 sites'. Eleven lines of nine aliases hold 10^10."""

_LONGEST_KEY = 80  # of one that is named in a message
_MOST_BITS = 256  # what cannot be written out in decimals (0xFFF…, 1:0:0:…) is no number of a setting


class _KeysOnce:
    """Refuses a key that stands twice in one mapping: YAML would silently take the last one."""

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
    """PyYAML's own, for its exact messages."""


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(_KeysOnce, _Base):  # type: ignore[misc]
    """The same with libyaml's parser, where it is there: 2,000 sites take one second in place of five."""


def _checked(kind: str) -> Any:
    """PyYAML's constructor of `kind`, which names the line of a value that cannot be one (5,000 digits, the
    30th of February)."""
    construct = yaml.SafeLoader.yaml_constructors[f"tag:yaml.org,2002:{kind}"]

    def constructed(loader: Any, node: yaml.ScalarNode) -> object:
        try:
            value = construct(loader, node)
            if isinstance(value, int) and value.bit_length() > _MOST_BITS:
                raise OverflowError
            return value
        except (ValueError, OverflowError, AttributeError, KeyError):
            problem = f"a value that is no {kind}"
            raise yaml.constructor.ConstructorError(problem=problem, problem_mark=node.start_mark) from None

    return constructed


for _kind in ("bool", "int", "float", "timestamp"):
    for _loader in (_Loader, _FastLoader):
        _loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _checked(_kind))


class _KeyTwice(yaml.MarkedYAMLError):
    """`problem` is the key, `problem_mark` where it stands for the second time."""


class _Beyond(Exception):  # noqa: N818 - becomes a ConfigurationError, which knows the file
    """The document would exhaust stack or memory; names what was expected and what was found."""

    def __init__(self, expected: str, found: str, mark: Any) -> None:
        super().__init__()
        self.mistake = Mistake("", expected, f"{found} at {_where(mark)}")


def read_text(path: Path) -> str:
    """The text of the file `path`, read up to what `parse_document` takes.

    Raises:
        OSError: it cannot be read, or is too long.
        UnicodeDecodeError: it is not UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(MOST_BYTES + 1)
    if len(content) > MOST_BYTES:
        raise OSError(errno.EFBIG, os.strerror(errno.EFBIG), str(path))
    return content.decode()


def parse_document(text: str, *, name: str) -> object:
    """YAML or JSON text as plain values.

    Raises:
        ConfigurationError: when it is neither, or would exhaust stack or memory (`MOST_DEEP`, `MOST_VALUES`,
            an alias within what it names); the message names line and column, not the content.
    """
    try:
        return _loaded(text)
    except _Beyond as beyond:
        raise ConfigurationError([beyond.mistake], document=name) from None
    except yaml.MarkedYAMLError as error:
        expected, found = "YAML or JSON", error.problem or "something else"
        if isinstance(error, _KeyTwice):
            expected, found = "each key once", f'"{str(error.problem)[:_LONGEST_KEY]}" again'
        where = _where(error.problem_mark)
        raise ConfigurationError([Mistake("", expected, f"{found} at {where}")], document=name) from None
    except yaml.YAMLError:
        raise ConfigurationError([Mistake("", "YAML or JSON", "unreadable text")], document=name) from None


def _where(mark: Any) -> str:
    return f"line {mark.line + 1}, column {mark.column + 1}" if mark else "the document"


def _loaded(text: str) -> object:
    try:
        _measure(text, _FastLoader)
        return yaml.load(text, _FastLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        _measure(text, _Loader)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader


def _measure(text: str, loader: Any) -> None:
    """Read the document's events, for which neither stack nor memory is needed, before it is composed.

    Raises:
        _Beyond: it would take too much of either.
    """
    values = 0
    sizes: dict[str, int] = {}  # of what has an anchor
    within: list[tuple[str | None, int]] = []  # the lists and mappings around: anchor, values before
    for event in yaml.parse(text, Loader=loader):
        if isinstance(event, yaml.CollectionStartEvent):
            within.append((event.anchor, values))
            if len(within) > MOST_DEEP:
                expected = f"at most {MOST_DEEP} lists or mappings within each other"
                raise _Beyond(expected, "more", event.start_mark)
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = within.pop()
            if anchor is not None:
                sizes[anchor] = values - before
        elif isinstance(event, yaml.AliasEvent):
            if any(event.anchor == anchor for anchor, _ in within):
                raise _Beyond("anchors that do not hold themselves", "one that does", event.start_mark)
            values += sizes.get(event.anchor or "", 0)
        elif isinstance(event, yaml.ScalarEvent):
            _refuse_surrogates(event)
            if event.anchor is not None:
                sizes[event.anchor] = 1
        values += isinstance(event, yaml.NodeEvent)
        if values > MOST_VALUES:
            expected = f"at most {MOST_VALUES} values, with what aliases repeat"
            raise _Beyond(expected, "more", event.start_mark)


def _refuse_surrogates(event: yaml.ScalarEvent) -> None:
    try:
        event.value.encode()
    except UnicodeEncodeError:
        raise _Beyond("text in Unicode", "half a character (a surrogate)", event.start_mark) from None
