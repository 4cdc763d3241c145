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


@dataclass(frozen=True)
class GroupOfOne:
    """One core device with Nucleus Lite, deployed to through a thing group that has it alone.

    A deployment to a thing travels by a shadow, which Nucleus Lite does not read: it knows IoT Jobs only,
    and those Greengrass makes for thing groups.
    """

    setting: ClassVar[str] = "thing"

    name: str
    """Of the thing."""

    @property
    def group(self) -> str:
        """The name of its thing group."""
        return group_of_one(self.name)

    def __str__(self) -> str:
        """As AWS IoT names it at the end of an ARN, `thinggroup/NAME`."""
        return f"thinggroup/{self.group}"


Target = Thing | ThingGroup | GroupOfOne

KINDS: tuple[type[Thing | ThingGroup], ...] = (Thing, ThingGroup)
"""Every kind of target, in the order in which messages name their settings."""


OWN_GROUP = "edgecam-core-"
"""How the name of a thing group of one begins; the name of its thing follows."""


def group_of_one(thing: str) -> str:
    """The name of the thing group that has this thing alone."""
    return f"{OWN_GROUP}{thing}"


def thing_of(target: str) -> str | None:
    """The thing of a target that is one core, as its text has it; None for a group of any size."""
    kind, _, name = target.partition("/")
    if kind == "thing":
        return name
    return name.removeprefix(OWN_GROUP) if name.startswith(OWN_GROUP) else None


def target_of(named: Mapping[str, str | None]) -> Thing | ThingGroup:
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
