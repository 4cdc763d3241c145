"""YAML or JSON as plain values."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

import yaml

from edgecam.config.scalars import NotAsTyped, PlainScalars, Refused, mistakes_in, where
from edgecam.config.yaml_faults import YAML, in_words
from edgecam.errors import ConfigurationError, Mistake

MOST_BYTES = 20_000_000
"""20,000 sites with their cameras written out take a third of it."""
MOST_DEEP = 50
"""Lists and mappings within each other; a fleet has nine. libyaml's composer exhausts the stack at 20,000."""
MOST_VALUES = 2_000_000
"""Values with what aliases repeat: several times 20,000 sites'. Eleven lines of nine aliases hold 10^10."""


class _Loader(PlainScalars, yaml.SafeLoader):
    """PyYAML's own, for its exact messages."""


_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _FastLoader(PlainScalars, _Base):  # type: ignore[misc]
    """The same with libyaml's parser, where it is there: 2,000 sites take one second in place of five."""


class _Dumper(yaml.SafeDumper):
    """Puts into quotes what would be read otherwise than it is typed: by others, or by us."""

    yaml_implicit_resolvers = PlainScalars.yaml_implicit_resolvers


class _Beyond(Exception):  # noqa: N818 - becomes a ConfigurationError, which knows the file
    """The document would exhaust stack or memory; names what was expected and what was found."""

    def __init__(self, expected: str, found: str, mark: Any) -> None:
        super().__init__()
        self.mistake = Mistake("", expected, f"{found} {where(mark)}")


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
            an alias within what it names), or holds what is read otherwise than it is typed (`scalars`); the
            message names line and column.
    """
    try:
        return _loaded(text)
    except NotAsTyped:
        raise ConfigurationError(mistakes_in(_composed(text)), document=name) from None
    except _Beyond as beyond:
        raise ConfigurationError([beyond.mistake], document=name) from None
    except yaml.MarkedYAMLError as error:
        problem = error.problem or ""
        expected, found = (error.expected, problem) if isinstance(error, Refused) else in_words(problem)
        found = f"{found} {where(error.problem_mark)}"
        raise ConfigurationError([Mistake("", expected, found)], document=name) from None
    except yaml.YAMLError:
        expected = f"{YAML} without control characters"
        raise ConfigurationError([Mistake("", expected, "unreadable text")], document=name) from None


def yaml_text(value: object) -> str:
    """Plain values as YAML, which `parse_document` reads as they are."""
    text: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1000)
    return text


def _loaded(text: str) -> object:
    try:
        _measure(text, _FastLoader)
        return yaml.load(text, _FastLoader)  # noqa: S506 - a safe loader
    except yaml.YAMLError:
        _measure(text, _Loader)
        return yaml.load(text, _Loader)  # noqa: S506 - a safe loader


def _composed(text: str) -> yaml.Node | None:
    try:
        return yaml.compose(text, _FastLoader)
    except yaml.YAMLError:
        return yaml.compose(text, _Loader)


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
