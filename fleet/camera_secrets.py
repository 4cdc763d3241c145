"""Which core may read which camera secret: those of its own site.

All cores assume one role. `credentials-iot:ThingName` distinguishes them: the thing of its certificate, which
AWS IoT verifies and hands to IAM. A site of a thing is that name; a group is the names and patterns that
`cores.provisioning.things` lets into it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from edgecam.config.secret_ids import is_arn, is_whole_arn, secret_name
from edgecam.errors import Mistake
from fleet.settings.fleet import Fleet
from fleet.settings.site import Site

THING = "{thing}"
"""In `aws.camera_secrets`: the place of a thing's name in the names of its secrets."""

POLICY_BYTES = 6_000
"""Of the 6,144 that a managed policy may have (IAM's user guide, quotas); what is left are its brackets."""

MOST_POLICIES = 8
"""Of the ten managed policies that a role may have: an existing role has some already."""

_KEY = "credentials-iot:ThingName"


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Secrets, and who may read them.

    Attributes:
        secrets: Their ARNs or names, as the sites name them.
        cores: Names and patterns of things; empty where only the name of a group is known.
        but_not: Names that match a pattern and belong elsewhere.
    """

    secrets: tuple[str, ...]
    cores: tuple[str, ...] = ()
    but_not: tuple[str, ...] = ()

    @property
    def conditions(self) -> dict[str, dict[str, Any]]:
        """As IAM has them."""
        if not self.cores:
            return {}
        patterns = any("*" in core for core in self.cores)
        found: dict[str, dict[str, Any]] = {
            "StringLike" if patterns else "StringEquals": {_KEY: list(self.cores)}
        }
        if self.but_not:
            found["StringNotEquals"] = {_KEY: list(self.but_not)}
        return found

    @property
    def size_bytes(self) -> int:
        """What its statement takes of a policy."""
        resources = [exact_secret(each, _LONGEST_BEGINNING) for each in self.secrets]
        return len(json.dumps([self.conditions, resources])) + len(_FRAME)

    def halves(self) -> tuple[Grant, Grant]:
        """The same in two statements, each shorter."""
        secrets, cores = self.secrets, self.cores
        if len(secrets) > 1:
            half = len(secrets) // 2
            return self._with(secrets[:half], cores), self._with(secrets[half:], cores)
        half = len(cores) // 2
        return self._with(secrets, cores[:half]), self._with(secrets, cores[half:])

    def _with(self, secrets: tuple[str, ...], cores: tuple[str, ...]) -> Grant:
        return Grant(secrets=secrets, cores=cores, but_not=self.but_not)


_FRAME = '{"Action":"secretsmanager:GetSecretValue","Condition":,"Effect":"Allow","Resource":},'


_LONGEST_BEGINNING = "arn:aws-us-gov:secretsmanager:ap-southeast-1:123456789012:secret:"
"""Of the ARN of a secret that is known by its name, where the length alone is asked for."""


def exact_secret(secret_id: str, own: str) -> str:
    """The secret as a resource of an IAM policy.

    Secrets Manager adds a hyphen and six random characters to a secret's name. A name, and an ARN without
    them, are completed with six question marks, as its documentation asks for; a whole ARN stays exactly as
    it is.

    Args:
        secret_id: Its ARN or name.
        own: How the ARNs of the secrets of the fleet's own account and Region begin, up to the name.
    """
    if is_whole_arn(secret_id):
        return secret_id
    return f"{secret_id if is_arn(secret_id) else own + secret_id}-??????"


def grants_of(fleet: Fleet) -> list[Grant]:
    """What the cores' role has to allow secret by secret; sites with the same secrets are one grant."""
    readers: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for site in fleet.sites.values():
        if (secrets := site.secret_ids()) and not _named_by_thing(fleet, site):
            readers.setdefault(secrets, []).append(cores_of(fleet, site))
    return [_grant(fleet, secrets, cores) for secrets, cores in sorted(readers.items())]


def policies_of(fleet: Fleet) -> list[list[Grant]]:
    """The same, grouped by policy within `POLICY_BYTES`."""
    policies: list[list[Grant]] = []
    room_bytes = 0
    for grant in (part for whole in grants_of(fleet) for part in _fitting(whole)):
        if grant.size_bytes > room_bytes:
            policies.append([])
            room_bytes = POLICY_BYTES
        policies[-1].append(grant)
        room_bytes -= grant.size_bytes
    return policies


def cores_of(fleet: Fleet, site: Site) -> tuple[str, ...]:
    """Names and patterns of the site's cores; empty where only the name of their group is known."""
    if site.thing is not None:
        return (site.thing,)
    provisioning = fleet.cores.provisioning
    return provisioning.things.get(site.thing_group or "", ()) if provisioning is not None else ()


def open_sites(fleet: Fleet) -> list[str]:
    """Sites whose camera secrets every core may read, since their cores are not known."""
    return [name for name, site in fleet.sites.items() if site.secret_ids() and not cores_of(fleet, site)]


def mistakes_of_secrets(fleet: Fleet) -> Iterator[Mistake]:
    """Secrets that no policy has room for, or whose names are not those of `aws.camera_secrets`."""
    if (count := len(policies_of(fleet))) > MOST_POLICIES:
        yield Mistake(
            "aws.camera_secrets",
            f"names of secrets by the thing that reads them, such as cameras/{THING}/*: a role has room for "
            f"{MOST_POLICIES} policies that say it site by site (as it is for thing groups in any case)",
            f"{count} policies",
        )
    for name, site in fleet.sites.items():
        if _named_by_thing(fleet, site):
            yield from _elsewhere(fleet, name, site)


def _elsewhere(fleet: Fleet, name: str, site: Site) -> Iterator[Mistake]:
    """Secrets of other names: the core would be refused when it runs."""
    beginning = str(fleet.aws.camera_secrets).removesuffix("*").replace(THING, str(site.thing))
    for secret in site.secret_ids():
        found = secret_name(secret)
        if not found.startswith(beginning):
            expected = f"secrets of this site to be named {beginning}…, as aws.camera_secrets says"
            yield Mistake(f"sites.{name}", expected, found)


def _named_by_thing(fleet: Fleet, site: Site) -> bool:
    return fleet.aws.camera_secrets is not None and site.thing is not None


def _grant(fleet: Fleet, secrets: tuple[str, ...], cores: list[tuple[str, ...]]) -> Grant:
    if () in cores:
        return Grant(secrets=secrets)
    names = sorted({name for each in cores for name in each})
    patterns = [name for name in names if "*" in name]
    others = {site.thing for site in fleet.sites.values() if site.thing is not None}
    if fleet.cores.provisioning is not None:
        others |= {name for listed in fleet.cores.provisioning.things.values() for name in listed}
    but_not = sorted(
        other
        for other in others.difference(names)
        if "*" not in other and any(fnmatchcase(other, pattern) for pattern in patterns)
    )
    return Grant(secrets=secrets, cores=tuple(names), but_not=tuple(but_not))


def _fitting(grant: Grant) -> list[Grant]:
    if grant.size_bytes <= POLICY_BYTES or (len(grant.secrets) < 2 and len(grant.cores) < 2):
        return [grant]
    return [part for half in grant.halves() for part in _fitting(half)]
