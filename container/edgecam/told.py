"""What arguments and variables ask for, each by its name: the one that errors speak of."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Told:
    """Something that was asked for, and by which name: the argument or variable."""

    name: str
    value: str


def first_told(*ways: tuple[str, str | None]) -> Told:
    """The first of `ways`, names and what stands there, that says something; else the last, with nothing."""
    for name, value in ways:
        if value:
            return Told(name, value)
    return Told(ways[-1][0], "")
