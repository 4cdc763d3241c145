"""Arguments and variables by their names, which errors use."""

from __future__ import annotations

from dataclasses import dataclass

from edgecam.cli.arguments import NOT_REPEATED
from edgecam.config.validation import found_text

POSITIONS = ("PIPE", "CAMERA_ID")
"""Arguments by position."""


@dataclass(frozen=True)
class Option:
    """The value of an argument or variable, and its name; empty where it is not set."""

    name: str
    value: str

    @property
    def found(self) -> str:
        """For an error: what a variable holds, and nothing of an argument."""
        return NOT_REPEATED if is_argument(self.name) else found_text((), self.value)


def is_argument(name: str) -> bool:
    """Whether `name` is that of an argument, and not of a variable."""
    return name.startswith("--") or name in POSITIONS


def first_set(*ways: tuple[str, str | None]) -> Option:
    """The first of `ways`, names with values, that is set; else the last, empty."""
    for name, value in ways:
        if value:
            return Option(name, value)
    return Option(ways[-1][0], "")
