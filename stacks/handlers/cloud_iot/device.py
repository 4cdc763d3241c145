"""Custom::EdgecamCloudIotDevice: a camera as a device, and its key.

- Create, Update: the key is made in its secret; then the device gets the public half; then the key becomes
  the one that the node reads. At each step a request that is repeated goes on where the former one stopped.
- Another `KeyVersion` makes another key. Both are valid until the device's newest state names the new one;
  the next request then drops the others. Never more than three.
- A device or a secret of another owner is refused and not touched. With `OwnerStack`, the name of
  another stack, that one's are this one's too, and a device that moves between them stays.
- What a failed creation has made is removed at once, the secret without recovery.
- Delete: the device goes, and its secret, which can be restored for `RecoveryDays`; a later creation does.

Properties: Project, Region, Registry, Device, Secret, Algorithm, KeyVersion, KeyDays, RecoveryDays, Checked
(a check follows when it changes), OwnerStack where there is one, and how the provider is reached (see
resources.py). The resource's id is the device's name. The private key is in no event, response, log or id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..cloudformation import (
    CloudFormationResponse,
    Event,
    RequestFailed,
    logger,
)
from ..ownership import OWNER_LABEL
from .api import (
    CONFLICT,
    MOST_CREDENTIALS,
    NOT_FOUND,
    Credential,
    Device,
    DeviceManager,
    Rejected,
    explained,
)
from .desired import DesiredDevice
from .key_secret import KeySecret, Prepared
from .private_key import FORMATS, Key


def ensure(event: Event, manager: DeviceManager, secrets: Any) -> CloudFormationResponse:
    """Make the device and its key, or what is missing of them.

    Args:
        event: The request.
        manager: The registry's API.
        secrets: The client of AWS Secrets Manager.

    Raises:
        RequestFailed: with the message of the API or AWS, and the remedy.
    """
    desired = DesiredDevice.of(event)
    with explained(f"the device {desired.name}"):
        found = manager.device(desired.name)
    _check_owner(desired, found)
    secret = KeySecret(secrets, desired.secret, desired.owner)
    prepared = secret.prepare(desired, must_change_version=found is not None)
    try:
        with explained(f"the device {desired.name}"):
            _register(manager, desired, found, prepared)
        secret.promote(prepared)
    except BaseException:
        if event["RequestType"] == "Create" and found is None:
            _cancel_creation(manager, desired, secret, prepared)
        raise
    _leave_former_secret(event, desired, secrets)
    return CloudFormationResponse(
        physical_id=desired.name, attributes={"Name": desired.name, "Secret": desired.secret}
    )


def remove(event: Event, manager: DeviceManager, secrets: Any) -> None:
    """Delete device and secret, as far as they are this resource's.

    Raises:
        RequestFailed: with the message of the API or AWS, and the remedy.
    """
    desired = DesiredDevice.of(event)
    # Another id is that of a failed creation, or of one whose response was lost: its key is unused.
    was_made = event["PhysicalResourceId"] == desired.name
    with explained(f"the device {desired.name}"):
        found = manager.device(desired.name)
        if found is not None and not _is_of(desired, found):
            logger.info("%s belongs to another resource", desired.name)
            return
        if found is not None:
            _delete(manager, desired.name)
    KeySecret(secrets, desired.secret, desired.owner).retire(
        desired.name, recovery_days=desired.recovery_days if was_made else None
    )


def _check_owner(desired: DesiredDevice, found: Device | None) -> None:
    if found is not None and found.metadata.get(OWNER_LABEL) != desired.owner:
        raise RequestFailed(
            f"the device {desired.name} exists, and this stack did not make it: name another one "
            "(device_ids of the site), or hand it to this stack by the metadata "
            f"{OWNER_LABEL}={desired.owner}"
        )


def _is_of(desired: DesiredDevice, found: Device) -> bool:
    return all(found.metadata.get(name) == value for name, value in desired.labels.items())


def _register(
    manager: DeviceManager, desired: DesiredDevice, found: Device | None, prepared: Prepared
) -> None:
    if found is None:
        try:
            manager.make_device(desired.name, (_credential(desired, prepared.key),), desired.labels)
        except Rejected as error:
            if error.code != CONFLICT:
                raise
            # This very request may have made it, before its answer was lost.
            found = manager.device(desired.name)
            _check_owner(desired, found)
        else:
            logger.info("made the device %s", desired.name)
    if found is None:
        return
    credentials = _credentials(desired, found, prepared.key)
    metadata = {**found.metadata, **desired.labels}
    if credentials != found.credentials or metadata != dict(found.metadata):
        manager.change_device(desired.name, credentials, metadata)
        logger.info("%s: set its %d keys and its labels", desired.name, len(credentials))


def _credential(desired: DesiredDevice, key: Key) -> Credential:
    return Credential(
        format=FORMATS[key.algorithm],
        key=key.public_pem(),
        expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=desired.key_days),
    )


def _credentials(desired: DesiredDevice, found: Device, key: Key) -> tuple[Credential, ...]:
    """The device's desired public keys."""
    public, now = key.public_pem(), datetime.now(UTC)
    others = [known for known in found.credentials if not known.is_of(public)]
    known = next((each for each in found.credentials if each.is_of(public)), None)
    if known is None:
        valid = [other for other in others if other.expires is None or other.expires > now]
        # The one that has just been made last; those that end last are the newest of the others.
        valid.sort(key=lambda other: other.expires or datetime.max.replace(tzinfo=UTC))
        return (*valid[-(MOST_CREDENTIALS - 1) :], _credential(desired, key))
    if known.expires is not None and known.expires <= now:
        logger.error(
            "the key of %s ended %s: set another gcp.registry.key_version", desired.name, known.expires
        )
    if others and _reported_version(found.state) == desired.key_version:
        logger.info("%s works with its newest key: dropping %d others", desired.name, len(others))
        return (known,)
    return found.credentials


def _reported_version(state: bytes) -> str | None:
    """The version of the key that a state names; None where it names none (`payload: word`)."""
    try:
        document = json.loads(state)
    except (ValueError, RecursionError):  # the holder of the device's key writes it
        return None
    version = document.get("key_version") if isinstance(document, Mapping) else None
    return None if version is None else str(version)


def _cancel_creation(
    manager: DeviceManager, desired: DesiredDevice, secret: KeySecret, prepared: Prepared
) -> None:
    """Remove what a failed creation has made."""
    try:
        found = manager.device(desired.name)
        if found is not None and not _is_of(desired, found):
            return
        if found is not None:
            _delete(manager, desired.name)
    except (Rejected, RequestFailed) as error:
        logger.error("the device %s was made and could not be removed again: %s", desired.name, error)
    secret.cancel(prepared, recovery_days=desired.recovery_days)


def _delete(manager: DeviceManager, name: str) -> None:
    try:
        manager.delete_device(name)
    except Rejected as error:
        if error.code != NOT_FOUND:
            raise
    logger.info("deleted the device %s", name)


def _leave_former_secret(event: Event, desired: DesiredDevice, secrets: Any) -> None:
    """A camera that has got another core has its key below that core's name."""
    former = event.get("OldResourceProperties", {}).get("Secret", desired.secret)
    if former != desired.secret:
        KeySecret(secrets, former, desired.owner).retire(desired.name, recovery_days=desired.recovery_days)
