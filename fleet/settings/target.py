"""What a site is deployed to: exactly one target. Another kind is a class here and a setting of the site."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class Thing:
    """One core device."""

    setting: ClassVar[str] = "thing"
    """The setting of a site that names such a target."""

    name: str

    def __str__(self) -> str:
        """As AWS IoT names it at the end of an ARN, `thing/NAME`: no two targets have the same text."""
        return f"thing/{self.name}"


@dataclass(frozen=True)
class ThingGroup:
    """The core devices that are directly in a thing group."""

    setting: ClassVar[str] = "thing_group"

    name: str

    def __str__(self) -> str:
        """As AWS IoT names it at the end of an ARN, `thinggroup/NAME`."""
        return f"thinggroup/{self.name}"


Target = Thing | ThingGroup

KINDS: tuple[type[Target], ...] = (Thing, ThingGroup)
"""Every kind of target, in the order in which messages name their settings."""


def target_of(named: Mapping[str, str | None]) -> Target:
    """The target of a site.

    Args:
        named: Setting → name, None where the site has no such target.

    Raises:
        ValueError: the site names none, or several.
    """
    found = [kind(name) for kind in KINDS if (name := named[kind.setting]) is not None]
    if len(found) != 1:
        *others, last = (kind.setting for kind in KINDS)
        written = " and ".join(kind.setting for kind in KINDS if named[kind.setting] is not None)
        raise ValueError(f"expected {', '.join(others)} or {last}, one of them, found {written or 'none'}")
    return found[0]
