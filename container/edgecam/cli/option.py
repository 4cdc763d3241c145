"""What arguments and variables ask for, each by its name: the one that errors speak of."""

from __future__ import annotations

from dataclasses import dataclass

from edgecam.cli.arguments import NOT_REPEATED
from edgecam.config.validation import found_text

POSITIONS = ("PIPE", "CAMERA_ID")
"""Arguments that are told apart by where they stand."""


@dataclass(frozen=True)
class Told:
    """Something that was asked for, and by which name: the argument or variable."""

    name: str
    value: str

    @property
    def found(self) -> str:
        """For an error: what a variable holds, and nothing of an argument."""
        return NOT_REPEATED if is_argument(self.name) else found_text((), self.value)


def is_argument(name: str) -> bool:
    """Whether something was told on the command line."""
    return name.startswith("--") or name in POSITIONS


def first_told(*ways: tuple[str, str | None]) -> Told:
    """The first of `ways`, names and what stands there, that says something; else the last, with nothing."""
    for name, value in ways:
        if value:
            return Told(name, value)
    return Told(ways[-1][0], "")
