"""Another program or arguments for the container, from environment variables."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from edgecam.config.validation import found_text
from edgecam.errors import ConfigurationError, Mistake
from edgecam.json_text import parse_json

ENTRYPOINT_VARIABLE = "EDGECAM_ENTRYPOINT"

COMMAND_VARIABLE = "EDGECAM_COMMAND"

PROGRAMS = ("edgecam", "gst-launch-1.0", "gst-inspect-1.0", "python3")
"""What the image holds to be run; whatever else a container needs is mounted."""

EXPECTED_PROGRAM = (
    f"a program of the image ({', '.join(PROGRAMS)}), or one that docker.mounts brings; the image has no "
    "shell, and none of what belongs to one"
)

_SYSTEM_FOLDERS = ("/bin", "/sbin", "/usr/bin", "/usr/sbin")

_EXPECTED = 'a JSON list of texts, such as ["gst-inspect-1.0", "rtspsrc"]'

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
        arguments += _texts(command, "command") if command.startswith("[") else _words(command)
    return arguments


def split_command(text: str) -> list[str]:
    """The words of `text`, as a shell splits and unquotes them; nothing is expanded, and no shell sees it.

    Raises:
        ValueError: a quote has no end.
    """
    try:
        return shlex.split(text)
    except ValueError:
        raise ValueError("expected an end to each quote, as for a shell, found one without") from None


def is_known_to_lack(program: str, mounted: Iterable[str]) -> bool:
    """Whether the image has no such `program`, and nothing that is `mounted` (paths in it) can bring it."""
    path = PurePosixPath(program)
    in_image = path.name in PROGRAMS or path.name in ("tini", "edgecam-entrypoint")
    if "/" in program and str(path.parent) not in _SYSTEM_FOLDERS:
        return False  # of a folder that somebody mounts, or of an image of one's own
    places = {PurePosixPath(folder) / path.name for folder in _SYSTEM_FOLDERS}
    return not in_image and not any(place.is_relative_to(target) for place in places for target in mounted)


def _texts(text: str, key: str) -> list[str]:
    document = _json(text, key, _EXPECTED)
    parts = [document] if isinstance(document, str) else document
    if not isinstance(parts, list):
        raise ConfigurationError([Mistake(key, _EXPECTED, found_text((), parts))])
    return [_text(part, f"{key}[{index}]") for index, part in enumerate(parts)]


def _words(command: str) -> list[str]:
    """Of a command that is one text: as it was typed, or as JSON."""
    text = _json(command, "command", _EXPECTED) if command[0] in '"{' or command.isdecimal() else command
    if not isinstance(text, str) or "\0" in text:
        raise ConfigurationError([Mistake("command", _EXPECTED, found_text((), text))])
    try:
        return split_command(text)
    except ValueError as error:
        expected, _, found = str(error).removeprefix("expected ").partition(", found ")
        raise ConfigurationError([Mistake("command", expected, found)]) from None


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
