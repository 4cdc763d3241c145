"""Custom::EdgecamCloudIotDevice: a camera as a device, and its key.

- Create, Update: the key is made in its secret; then the device gets the public half; then the key becomes
  the one that the node reads. At each step a request that is repeated goes on where the former one stopped.
- Another `KeyVersion` makes another key. Both are valid until the device's newest state names the new one;
  the next request then drops the others. Never more than three.
- A device or a secret that this stack did not make is refused and not touched. With `OwnerStack`, the name of
  another stack, that one's are this one's too, and a device that moves between them stays.
- What a failed creation has made is removed at once, the secret without recovery.
- Delete: the device goes, and its secret, which can be restored for `RecoveryDays`; a later creation does.

Properties: Project, Region, Registry, Device, Secret, Algorithm, KeyVersion, KeyDays, RecoveryDays, Checked
(whatever is to lead to a check when it changes), OwnerStack where there is one, and how the provider is
reached (see iot_resources). The resource's id is the device's name. The private key is in no event, answer,
log or id.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from ..cloudformation import (
    Answer,
    Event,
    Refused,
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
from .key_secret import KeySecret, Prepared
from .private_key import FORMATS, Key
from .wanted import WantedDevice


def ensure(event: Event, manager: DeviceManager, secrets: Any) -> Answer:
    """Make the device and its key, or what is missing of them.

    Args:
        event: The request.
        manager: The registry's API.
        secrets: The client of AWS Secrets Manager.

    Raises:
        Refused: with what the API or AWS says, and what to do.
    """
    wanted = WantedDevice.of(event)
    with explained(f"the device {wanted.name}"):
        found = manager.device(wanted.name)
    _check_owner(wanted, found)
    secret = KeySecret(secrets, wanted.secret, wanted.owner)
    prepared = secret.prepare(wanted, must_change_version=found is not None)
    try:
        with explained(f"the device {wanted.name}"):
            _register(manager, wanted, found, prepared)
        secret.promote(prepared)
    except BaseException:
        if event["RequestType"] == "Create" and found is None:
            _take_back(manager, wanted, secret, prepared)
        raise
    _leave_former_secret(event, wanted, secrets)
    return Answer(physical_id=wanted.name, attributes={"Name": wanted.name, "Secret": wanted.secret})


def remove(event: Event, manager: DeviceManager, secrets: Any) -> None:
    """Delete device and secret, as far as they are this resource's.

    Raises:
        Refused: with what the API or AWS says, and what to do.
    """
    wanted = WantedDevice.of(event)
    # Another id is that of a creation that failed, or whose answer never came: nobody has used its key.
    was_made = event["PhysicalResourceId"] == wanted.name
    with explained(f"the device {wanted.name}"):
        found = manager.device(wanted.name)
        if found is not None and not _is_of(wanted, found):
            logger.info("%s belongs to another resource", wanted.name)
            return
        if found is not None:
            _delete(manager, wanted.name)
    KeySecret(secrets, wanted.secret, wanted.owner).retire(
        wanted.name, recovery_days=wanted.recovery_days if was_made else None
    )


def _check_owner(wanted: WantedDevice, found: Device | None) -> None:
    if found is not None and found.metadata.get(OWNER_LABEL) != wanted.owner:
        raise Refused(
            f"the device {wanted.name} exists, and this stack did not make it: name another one "
            f"(device_ids of the site), or hand it to this stack by the metadata {OWNER_LABEL}={wanted.owner}"
        )


def _is_of(wanted: WantedDevice, found: Device) -> bool:
    return all(found.metadata.get(name) == value for name, value in wanted.labels.items())


def _register(manager: DeviceManager, wanted: WantedDevice, found: Device | None, prepared: Prepared) -> None:
    if found is None:
        try:
            manager.make_device(wanted.name, (_credential(wanted, prepared.key),), wanted.labels)
        except Rejected as error:
            if error.code != CONFLICT:
                raise
            # This very request may have made it, before its answer was lost.
            found = manager.device(wanted.name)
            _check_owner(wanted, found)
        else:
            logger.info("made the device %s", wanted.name)
    if found is None:
        return
    credentials = _credentials(wanted, found, prepared.key)
    metadata = {**found.metadata, **wanted.labels}
    if credentials != found.credentials or metadata != dict(found.metadata):
        manager.change_device(wanted.name, credentials, metadata)
        logger.info("%s: set its %d keys and its labels", wanted.name, len(credentials))


def _credential(wanted: WantedDevice, key: Key) -> Credential:
    return Credential(
        format=FORMATS[key.algorithm],
        key=key.public_pem(),
        expires=datetime.now(UTC).replace(microsecond=0) + timedelta(days=wanted.key_days),
    )


def _credentials(wanted: WantedDevice, found: Device, key: Key) -> tuple[Credential, ...]:
    """The public keys that the device is to have."""
    public, now = key.public_pem(), datetime.now(UTC)
    others = [known for known in found.credentials if not known.is_of(public)]
    known = next((each for each in found.credentials if each.is_of(public)), None)
    if known is None:
        valid = [other for other in others if other.expires is None or other.expires > now]
        # The one that has just been made last; those that end last are the newest of the others.
        valid.sort(key=lambda other: other.expires or datetime.max.replace(tzinfo=UTC))
        return (*valid[-(MOST_CREDENTIALS - 1) :], _credential(wanted, key))
    if known.expires is not None and known.expires <= now:
        logger.error(
            "the key of %s ended %s: set another gcp.registry.key_version", wanted.name, known.expires
        )
    if others and _reported_version(found.state) == wanted.key_version:
        logger.info("%s works with its newest key: dropping %d others", wanted.name, len(others))
        return (known,)
    return found.credentials


def _reported_version(state: bytes) -> str | None:
    """The version of the key that a state names; None where it names none (`payload: word`)."""
    try:
        document = json.loads(state)
    except (ValueError, RecursionError):  # whoever holds the device's key writes it
        return None
    version = document.get("key_version") if isinstance(document, Mapping) else None
    return None if version is None else str(version)


def _take_back(manager: DeviceManager, wanted: WantedDevice, secret: KeySecret, prepared: Prepared) -> None:
    """Leave nothing of a creation that failed."""
    try:
        found = manager.device(wanted.name)
        if found is not None and not _is_of(wanted, found):
            return
        if found is not None:
            _delete(manager, wanted.name)
    except (Rejected, Refused) as error:
        logger.error("the device %s was made and could not be removed again: %s", wanted.name, error)
    secret.take_back(prepared, recovery_days=wanted.recovery_days)


def _delete(manager: DeviceManager, name: str) -> None:
    try:
        manager.delete_device(name)
    except Rejected as error:
        if error.code != NOT_FOUND:
            raise
    logger.info("deleted the device %s", name)


def _leave_former_secret(event: Event, wanted: WantedDevice, secrets: Any) -> None:
    """A camera that has got another core has its key below that core's name."""
    former = event.get("OldResourceProperties", {}).get("Secret", wanted.secret)
    if former != wanted.secret:
        KeySecret(secrets, former, wanted.owner).retire(wanted.name, recovery_days=wanted.recovery_days)
