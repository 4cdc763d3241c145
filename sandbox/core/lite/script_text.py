"""recipe-runner's script: what Nucleus Lite makes of one step of a recipe, for `/bin/sh`.

Release 2.6.0 writes `export NAME=value` without quotes and escapes `"`, `\\`, `$` and the backtick alone:
blanks, `&`, `;`, `|`, `<`, `>`, braces in bash are the shell's. The newest source writes `'value'`. Both put
a variable's value into a script's own text with these four escaped. A variable without a value ends the
script where it stands, and what is written until then is run. Source: `recipe-runner/src/runner.c`.
"""

from __future__ import annotations

import io
import logging
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.core.configuration import look_up
from sandbox.core.lite.json_text import encoded
from sandbox.core.lite.limits import SCRIPT_BYTES, VARIABLE_BYTES
from sandbox.core.recipe import Step
from sandbox.errors import InterpolationError

log = logging.getLogger(__name__)

_VARIABLE = re.compile(r"\{([^}]*)(\}?)")
_ESCAPED = re.compile(r'(["\\$`])')
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Writer = Callable[[str], str]
"""From a text to what stands for it in the script."""


@dataclass(frozen=True, kw_only=True)
class Places:
    """What a recipe's variables may refer to."""

    configuration: Mapping[str, Any]
    artifacts: Path
    work: Path
    root: Path
    thing_name: str


def script_text(step: Step, places: Places, *, quotes: bool) -> str:
    """The script of a step; `quotes` as the newest source does, not as the release."""
    written = io.StringIO()
    written.write("#!/bin/sh\n")
    write = _single_quoted if quotes else _escaped
    quote = "'" if quotes else ""
    try:
        for name, value in step.environment.items():
            if quotes and not _NAME.fullmatch(name):
                raise InterpolationError(f"Invalid lifecycle Setenv key {name!r}")
            written.write(f"export {name}={quote}")
            _replace(value, places, written, write, write)
            written.write(f"{quote}\n")
        _replace(step.script, places, written, str, _escaped)
    except InterpolationError as error:
        log.error("the script ends here, and is run: %s", error)
    return written.getvalue()


def _replace(text: str, places: Places, written: io.StringIO, around: Writer, within: Writer) -> None:
    """Write `text`, its own characters through `around`, values of the configuration through `within`."""
    position = 0
    for match in _VARIABLE.finditer(text):
        written.write(around(text[position : match.start()]))
        written.write(_value(match, places, within))
        position = match.end()
    written.write(around(text[position:]))


def _value(match: re.Match[str], places: Places, within: Writer) -> str:
    namespace, colon, key = match[1].partition(":")
    if not match[2]:
        raise InterpolationError("Recipe escape is not terminated.")
    if len(match[1].encode()) > VARIABLE_BYTES:
        raise InterpolationError("Recipe escape exceeded max length.")
    if not colon:
        raise InterpolationError(f"No : found in recipe escape sequence {match[1]!r}.")
    if namespace == "configuration":
        return within(_configured(key, places.configuration))
    fixed = {
        ("artifacts", "path"): f"{places.artifacts}/",
        ("work", "path"): f"{places.work}/",
        ("kernel", "rootPath"): str(places.root),
        ("iot", "thingName"): places.thing_name,
    }
    if (namespace, key) not in fixed:
        raise InterpolationError(f"Unhandled variable substitution: {match[1]}.")
    return fixed[namespace, key]


def _configured(pointer: str, configuration: Mapping[str, Any]) -> str:
    if pointer in ("", "/"):
        raise InterpolationError("Failed to parse json pointer key.")
    try:
        value = look_up(configuration, pointer)
    except KeyError as error:
        raise InterpolationError(f"Failed to get config value for substitution: {pointer}") from error
    text = value if isinstance(value, str) else encoded(value)
    if len(text.encode()) > SCRIPT_BYTES:
        raise InterpolationError(f"Insufficient memory for the value of {pointer}.")
    return text


def _escaped(text: str) -> str:
    return _ESCAPED.sub(r"\\\1", text)


def _single_quoted(text: str) -> str:
    return text.replace("'", "'\\''")
