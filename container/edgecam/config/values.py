"""The kinds of values that settings of several rooms share."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, Field

from edgecam.config.hosts import MOST_PORT

MOST_COUNTED = 1_000_000
"""Of cores, cameras, keys or losses that a setting counts: a hundred times the largest fleet."""


Port = Annotated[int, Field(ge=1, le=MOST_PORT)]
"""A TCP port."""

TokenS = Annotated[int, Field(ge=5, le=86_400)]
"""How long a device's token is valid, seconds."""

EveryS = Annotated[float, Field(ge=1, le=3600)]
"""Between two of what is sent again and again, seconds."""


def expect_visible(text: str, but: str = "") -> None:
    """Expect characters that a reader sees where they stand.

    Raises:
        ValueError: one is a control character, of no width, or a blank of a kind of its own; or a blank
            begins or ends the text.
    """
    if text != text.strip(" "):
        raise ValueError("expected no blank at the beginning or end")
    if text.isprintable():
        return
    for number, character in enumerate(text, start=1):
        if not character.isprintable() and character not in but:
            name = unicodedata.name(character, "a control character")
            raise ValueError(
                f"expected characters that can be seen, found U+{ord(character):04X} ({name.lower()}) as "
                f"character {number}"
            )


def expect_absolute(path: str) -> str:
    """Expect `path` to be one of a file or folder that means the same wherever it is read; returns it.

    Raises:
        ValueError: names what was expected.
    """
    if not path.startswith("/") or ".." in PurePosixPath(path).parts:
        raise ValueError("expected an absolute path without ..")
    expect_visible(path)
    return path


AbsolutePath = Annotated[str, AfterValidator(expect_absolute)]


def _camera_id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9][a-z0-9-]{0,62}", text):
        raise ValueError("expected 1 to 63 lower case letters, digits and hyphens, a hyphen not first")
    return text


CameraId = Annotated[str, AfterValidator(_camera_id)]


def _visible(text: str) -> str:
    expect_visible(text)
    return text


VisibleText = Annotated[str, AfterValidator(_visible)]

SiteLabel = Annotated[VisibleText, Field(min_length=1, max_length=100)]
"""What a person calls a site: it fits into a heading."""
