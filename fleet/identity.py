"""Which fleet it is: a fleet is known by the targets of its sites.

A fleet file may be renamed, moved and split, and its sites come and go one by one. Two files that have no
target in common are two fleets. `Custom::EdgecamFleet` of the foundation keeps the identity of the fleet that
has the stacks (stacks/handlers/greengrass/fleet_identity.py), and `edgecam-fleet diff` compares the same.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from fleet.settings.fleet import Fleet

MOST_TARGETS = 10_000
"""Of more, those with the least hashes stand for all: any two fleets choose the same of what they share. A
request of CloudFormation, with the former identity beside the new one, may have 256 KB."""

RESOURCE_TYPE = "Custom::EdgecamFleet"
REPLACE_CONTEXT = "replace-fleet"
"""`-c replace-fleet=true`: this fleet takes the place of the one that is deployed."""

_HASH_BYTES = 6
_EXAMPLES = 3


@dataclass(frozen=True, kw_only=True)
class FleetIdentity:
    """The identity of a fleet.

    Attributes:
        targets: A hash of each target, with a space between two.
        examples: The first targets, for people.
    """

    targets: str
    examples: str

    def is_another(self, deployed: FleetIdentity) -> bool:
        """Whether this is another fleet than the deployed one."""
        return set(self.targets.split()).isdisjoint(deployed.targets.split())

    def refusal(self, deployed: FleetIdentity) -> str:
        """Why this one is not deployed over the deployed one, and what to do."""
        return (
            "the deployed stacks of these names are those of another fleet: expected one of its targets, "
            f"{deployed.examples}, found {self.examples}. A deploy is refused: give this fleet a name of its "
            f"own (name: …, at the top of its file), or say -c {REPLACE_CONTEXT}=true with cdk deploy where "
            "it is to take the other one's place"
        )


def identity_of(fleet: Fleet) -> FleetIdentity:
    """The identity of a fleet."""
    # A core that changes its nucleus is deployed to in another way, and is still that core.
    targets = [
        f"thinggroup/{site.thing_group}" if site.thing is None else f"thing/{site.thing}"
        for site in fleet.sites.values()
    ]
    return identity_of_targets(targets)


def identity_of_targets(targets: Sequence[str]) -> FleetIdentity:
    """The identity of a fleet with these targets: `thing/NAME` of one core, whatever its nucleus, or
    `thinggroup/NAME`."""
    more = len(targets) - _EXAMPLES
    examples = ", ".join(targets[:_EXAMPLES]) + (f" and {more:,} more" if more > 0 else "")
    return FleetIdentity(targets=" ".join(_least(map(_hashed, targets))), examples=examples)


def _hashed(target: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(target.encode()).digest()[:_HASH_BYTES]).decode()


def _least(hashes: Iterable[str]) -> list[str]:
    return sorted(hashes)[:MOST_TARGETS]
