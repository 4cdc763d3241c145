"""What a plain value of YAML is: the same to every reader of YAML and as it was typed, or refused.

YAML 1.1 reads `010` as 8, `12:30` as 750, `1_000` as 1000 and `no` as false, YAML 1.2 reads `010` as 10 and
the others as texts (https://yaml.org/type/, https://yaml.org/spec/1.2.2/#103-core-schema). Here a number is a
plain decimal, as in JSON, a truth is `true` or `false`, and a name is a text. What else one of both versions
would not take for a text, 1.1 as PyYAML reads it (`y` and `n` are texts), is refused: in quotes it is one.
"""

from __future__ import annotations

import math
import re
import sys
from collections.abc import Callable, Iterator
from datetime import date
from typing import Any, ClassVar

import yaml

from edgecam.config.plain_numbers import FLOAT, INT
from edgecam.config.validation import found_text, path_text
from edgecam.errors import Mistake
from edgecam.redaction import HIDDEN

Loader = Any
Path = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_TEXT = f"{_TAG}str"
_OTHERWISE = "tag:edgecam,2026:otherwise"

_DIGITS = "0123456789"
_WORDS = "yes|no|on|off"
_PLAIN = {
    f"{_TAG}null": (r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    f"{_TAG}bool": (r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    f"{_TAG}int": (INT, list(f"-{_DIGITS}")),
    f"{_TAG}float": (FLOAT, list(f"-.{_DIGITS}")),
    _MERGE: (r"<<", ["<"]),
    _OTHERWISE: (
        rf"(?i:{_WORDS})"
        r"|[-+]?0b[01_]+|[-+]?0o[0-7]+|[-+]?0x[0-9a-fA-F_]+"  # in other bases
        r"|[-+]?[0-9][0-9_]*(?:\.[0-9_]*)?(?:[eE][-+]?[0-9]+)?"  # +5, 010, 1_000
        r"|[-+]?\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+"  # 12:30, to the base of 60
        r"|[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)"
        r"|[0-9]{4}-[0-9]{2}-[0-9]{2}"
        r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt]|[ \t]+)[0-9]{1,2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]*)?"
        r"(?:[ \t]*(?:Z|[-+][0-9]{1,2}(?::[0-9]{2})?))?",
        list(f"-+.{_DIGITS}yYnNoO"),
    ),
}
"""Tag → the forms of its plain scalars, and the characters that these begin with; the first that fits."""

_MOST = 10**77  # a larger number is none of a setting
_LONGEST_KEY = 80  # of one that is named in a message
_LONGEST_NAMED = 40  # characters of a value that are named, and of one whose reading is


class NotAsTyped(Exception):  # noqa: N818 - becomes a ConfigurationError, which `mistakes_in` has the words for
    """The document holds a plain value, or a name, that is read otherwise than it is typed."""


class Refused(yaml.MarkedYAMLError):
    """`expected` is what was expected, `problem` what was found, `problem_mark` where."""

    def __init__(self, expected: str, problem: str, mark: Any) -> None:
        super().__init__(problem=problem, problem_mark=mark)
        self.expected = expected


class PlainScalars:
    """What a loader of PyYAML's becomes that reads plain values as typed, and each key once."""

    yaml_implicit_resolvers: ClassVar[dict[str, list[tuple[str, re.Pattern[str]]]]] = {}
    yaml_constructors: ClassVar[dict[str | None, Callable[[Loader, Any], object]]] = {}

    def __init__(self, stream: str) -> None:
        super().__init__(stream)  # type: ignore[call-arg]
        self._merged: set[yaml.MappingNode] = set()

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put what `<<` names under the mapping's own keys: once, however often it is merged itself."""
        if node not in self._merged:
            self._merged.add(node)
            _expect_names_once(node)
            super().flatten_mapping(node)  # type: ignore[misc]


def mistakes_in(document: yaml.Node | None) -> list[Mistake]:
    """Every plain value and name of a composed document that is read otherwise than it is typed."""
    found = list(_mistakes_in(document, (), set())) if document is not None else []
    return found or [Mistake("", "YAML or JSON", "a tag that is none of YAML's")]


def _mistakes_in(node: yaml.Node, path: Path, seen: set[yaml.Node]) -> Iterator[Mistake]:
    if node in seen:
        return  # an alias: reported where the anchor is
    seen.add(node)
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.tag == _MERGE:
                yield from _mistakes_in(value, path, seen)
                continue
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            if isinstance(key, yaml.ScalarNode) and key.tag != _TEXT:
                yield _name_mistake(key, (*path, name))
            yield from _mistakes_in(value, (*path, name), seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _mistakes_in(value, (*path, index), seen)
    elif node.tag == _OTHERWISE:
        yield _value_mistake(node, path)


def _value_mistake(node: Any, path: Path) -> Mistake:
    is_word = re.fullmatch(_WORDS, node.value, re.IGNORECASE)
    plain = "true or false" if is_word else "a number in plain decimals"
    shown = found_text(path, _short(node.value))
    if HIDDEN in shown:
        return Mistake(
            path_text(path),
            f"{plain}, or, where a text belongs, in quotes",
            f"{shown} {where(node.start_mark)}",
        )
    return Mistake(
        path_text(path),
        f"{plain}, or, where a text belongs, in quotes: {shown}",
        f"{shown.strip(chr(34))} {where(node.start_mark)}, {_reading(node.value)}",
    )


def _name_mistake(key: Any, path: Path) -> Mistake:
    shown = found_text((), _short(key.value))
    found = f"{shown.strip(chr(34)) or 'nothing'}: {where(key.start_mark)}, {_reading(key.value)}"
    return Mistake(path_text(path), f"a name in quotes: {shown}", found)


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST_NAMED else f"{text[:_LONGEST_NAMED]}…"


def _reading(text: str) -> str:
    """What becomes of `text` elsewhere, as a clause."""
    try:
        value = yaml.safe_load(text) if len(text) <= _LONGEST_NAMED else None
    except (yaml.YAMLError, ValueError, OverflowError):
        value = None
    if isinstance(value, bool):
        return f"which YAML 1.1 reads as {str(value).lower()}"
    if isinstance(value, (int, float)):
        return f"which YAML 1.1 reads as the number {value}"
    if isinstance(value, str):
        return "which YAML 1.2 reads as a number"
    if isinstance(value, date):
        return "which YAML 1.1 reads as a date"
    return "which YAML reads as something else than a text"


def where(mark: Any) -> str:
    """A place in a file, as messages have it."""
    return f"at line {mark.line + 1}, column {mark.column + 1}" if mark else "at the document"


def _expect_names_once(node: yaml.MappingNode) -> None:
    """YAML would silently take the last one of two alike."""
    seen: set[str] = set()
    for key, _ in node.value:
        if key.tag == _MERGE or not isinstance(key, yaml.ScalarNode):
            continue
        if key.tag != _TEXT:
            raise NotAsTyped
        if key.value in seen:
            again = f'"{key.value[:_LONGEST_KEY]}" again'
            raise Refused("each key once", again, key.start_mark)
        seen.add(key.value)


def _refused(_loader: Loader, _node: yaml.ScalarNode) -> object:
    raise NotAsTyped


def _read(kind: str, form: str, convert: Callable[[str], object]) -> Callable[[Loader, Any], object]:
    """A constructor, for plain scalars and for those with a tag (`!!int "010"`)."""

    def construct(loader: Loader, node: yaml.ScalarNode) -> object:
        text = loader.construct_scalar(node)
        if not re.fullmatch(form, text):
            expected, problem = f"what !!{kind} says, as it is typed without it", f"a value that is no {kind}"
            raise Refused(expected, problem, node.start_mark)
        try:
            value = convert(text)
        except ValueError:  # of more digits than Python reads
            value = math.inf
        if isinstance(value, (int, float)) and not _is_reasonable(value):
            expected = f"a number below {_MOST if kind == 'int' else sys.float_info.max:.0e}"
            raise Refused(expected, "a larger one", node.start_mark)
        return value

    return construct


def _is_reasonable(value: float) -> bool:
    return math.isfinite(value) if isinstance(value, float) else abs(value) < _MOST


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for tag, (form, beginnings) in _PLAIN.items():
        for character in beginnings:
            found.setdefault(character, []).append((tag, re.compile(rf"(?:{form})\Z")))
    return found


PlainScalars.yaml_implicit_resolvers = _resolvers()
PlainScalars.yaml_constructors = {
    f"{_TAG}null": yaml.SafeLoader.construct_yaml_null,
    f"{_TAG}bool": _read("bool", _PLAIN[f"{_TAG}bool"][0], lambda text: text.lower() == "true"),
    f"{_TAG}int": _read("int", INT, int),
    f"{_TAG}float": _read("float", f"{INT}|{FLOAT}", float),
    _TEXT: yaml.SafeLoader.construct_yaml_str,
    f"{_TAG}seq": yaml.SafeLoader.construct_yaml_seq,
    f"{_TAG}map": yaml.SafeLoader.construct_yaml_map,
    _OTHERWISE: _refused,
    None: yaml.SafeLoader.construct_undefined,
}
