"""Secrets of another account or Region than the fleet's, which its roles cannot read as they are.

Secrets Manager refuses them with the words for a missing right, and only when a camera waits for its login.
"""

from __future__ import annotations

from collections.abc import Iterator

from edgecam.config.secret_ids import is_arn
from fleet.settings.fleet import Fleet

_MOST_NAMED = 10
"""Sites in one sentence."""


def foreign_secrets(fleet: Fleet, *, account: str | None, region: str | None) -> list[str]:
    """A sentence for each such secret: who names it, where it is, and what to do.

    Args:
        fleet: The settings.
        account: The fleet's; None where that shows with the credentials of a deploy only.
        region: Likewise.
    """
    found: list[str] = []
    for arn, sites in sorted(_of_sites(fleet).items()):
        named = ", ".join(sites[:_MOST_NAMED]) + (", …" if len(sites) > _MOST_NAMED else "")
        places = f"{'sites' if len(sites) > 1 else 'site'} {named}"
        found += [*_of_another_account(places, arn, account), *_of_another_region(places, arn, region)]
    # A function asks in the Region of the secret.
    for setting, arn in _of_logins(fleet):
        found += _of_another_account(setting, arn, account)
    return found


def _of_another_account(places: str, arn: str, account: str | None) -> Iterator[str]:
    found = arn.split(":")[4]
    if account not in (None, found):
        yield (
            f"{places}: {arn} is a secret of account {found}, expected one of {account}. Make it there; or "
            "let the role that reads it do so by a resource policy of the secret, and encrypt the secret "
            "with a KMS key of its own, named in aws.secret_keys, whose policy allows that role kms:Decrypt"
        )


def _of_another_region(places: str, arn: str, region: str | None) -> Iterator[str]:
    found = arn.split(":")[3]
    if region not in (None, found):
        yield (
            f"{places}: {arn} is a secret of Region {found}, expected one of {region}, where Greengrass' "
            "secret manager asks for it. Replicate it (aws secretsmanager replicate-secret-to-regions "
            f"--secret-id {arn} --region {found} --add-replica-regions Region={region}) and name the "
            f"replica, whose ARN has {region} in place of {found}"
        )


def _of_sites(fleet: Fleet) -> dict[str, list[str]]:
    """The secrets of cameras → the sites that name them."""
    found: dict[str, list[str]] = {}
    for name, site in fleet.sites.items():
        for arn in filter(is_arn, site.secret_ids()):
            found.setdefault(arn, []).append(name)
    return found


def _of_logins(fleet: Fleet) -> Iterator[tuple[str, str]]:
    """The settings of the Google side that name a secret by its ARN, and that."""
    if fleet.gcp is None:
        return
    for name, settings in (("login", fleet.gcp.login), ("registry", fleet.gcp.registry)):
        if settings is not None and settings.secret is not None and is_arn(settings.secret):
            yield f"gcp.{name}.secret", settings.secret
