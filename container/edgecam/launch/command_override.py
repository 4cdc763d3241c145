"""Another program or arguments for the container, from environment variables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from edgecam.config.validation import found_text
from edgecam.errors import ConfigurationError, Mistake
from edgecam.json_text import parse_json

ENTRYPOINT_VARIABLE = "EDGECAM_ENTRYPOINT"

COMMAND_VARIABLE = "EDGECAM_COMMAND"

_UNSET = ("", "null", '""', "[]")  # what a nucleus may make of nothing


def command_from_environment(environment: Mapping[str, str]) -> list[str]:
    """The program and its arguments that replace the node; empty when none is asked for.

    Raises:
        ConfigurationError: when one of the two variables is neither a text nor a JSON list of texts.
    """
    entrypoint = environment.get(ENTRYPOINT_VARIABLE, "").strip()
    command = environment.get(COMMAND_VARIABLE, "").strip()
    arguments: list[str] = []
    if entrypoint not in _UNSET:
        is_json = entrypoint.startswith(("[", '"'))
        arguments = _texts(entrypoint, "entrypoint") if is_json else [entrypoint]
    if command not in _UNSET:
        arguments += _texts(command, "command")
    return arguments


def _texts(text: str, key: str) -> list[str]:
    expected = 'a JSON list of texts, such as ["gst-inspect-1.0", "rtspsrc"]'
    document = _json(text, key, expected)
    parts = [document] if isinstance(document, str) else document
    if not isinstance(parts, list):
        raise ConfigurationError([Mistake(key, expected, found_text((), parts))])
    return [_text(part, f"{key}[{index}]") for index, part in enumerate(parts)]


def _text(part: object, path: str) -> str:
    # A nucleus may deliver the 5 of ["-n", 5] as 5.0; gst-launch and its like expect 5.
    if isinstance(part, float) and part.is_integer():
        part = int(part)
    if isinstance(part, bool) or not isinstance(part, (str, int, float)) or "\0" in str(part):
        raise ConfigurationError([Mistake(path, "a text", found_text((), part))])
    return str(part)


def _json(text: str, key: str, expected: str) -> Any:
    try:
        return parse_json(text)
    except ValueError:
        raise ConfigurationError([Mistake(key, expected, "text that is not JSON")]) from None
