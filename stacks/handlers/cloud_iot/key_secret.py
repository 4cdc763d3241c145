"""The secret of a device's private key in AWS Secrets Manager: the only place where the key is.

A new key waits there under AWS' own label for that, AWSPENDING, until the device's registry knows its public
half; then it becomes AWSCURRENT, which is what nodes read. A request that is repeated finds the key that the
first one has made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from ..cloudformation import RequestFailed, logger
from ..ownership import OWNER_LABEL
from .desired import DesiredDevice
from .private_key import Key

CURRENT, PENDING, PREVIOUS = "AWSCURRENT", "AWSPENDING", "AWSPREVIOUS"
"""The labels of a secret's versions."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A key that is in the secret, perhaps not yet as the current one.

    Attributes:
        key: The key.
        version: The version of the secret that holds it.
        was_deleted: It was waiting for its end, and has been restored.
    """

    key: Key
    version: str
    was_deleted: bool = False


class KeySecret:
    """One secret.

    Args:
        manager: The client of AWS Secrets Manager.
        name: The secret's name.
        owner: The stack that it has to belong to.
    """

    def __init__(self, manager: Any, name: str, owner: str) -> None:
        self._manager = manager
        self._name = name
        self._owner = owner

    def prepare(self, desired: DesiredDevice, *, must_change_version: bool) -> Prepared:
        """The desired key: one that is there, or a new one.

        Args:
            desired: What it has to be like.
            must_change_version: The device has been working with the key that is there, which it names by
                its version: another algorithm has to have another one.

        Raises:
            RequestFailed: the secret has another owner, or AWS refuses.
        """
        with self._explained():
            found = self._describe()
            if found is None:
                return self._made(desired)
            self._check_owner(found)
            was_deleted = bool(found.get("DeletedDate"))
            if was_deleted:
                self._manager.restore_secret(SecretId=self._name)
                logger.info("restored secret %s", self._name)
            try:
                return self._kept(desired, must_change_version, was_deleted) or self._added(
                    desired, was_deleted
                )
            except BaseException:
                if was_deleted:
                    self._schedule_deletion(desired.recovery_days)
                raise

    def promote(self, prepared: Prepared) -> None:
        """Make it the current one, and let go of others that were waiting for that."""
        with self._explained():
            labels = self._labels()
            current = _labelled(labels, CURRENT)
            if current != prepared.version:
                moved = {"RemoveFromVersionId": current} if current is not None else {}
                self._label(CURRENT, MoveToVersionId=prepared.version, **moved)
                logger.info(
                    "secret %s: version %s of the key is current", self._name, prepared.key.key_version
                )
            if (pending := _labelled(labels, PENDING)) is not None:
                self._label(PENDING, RemoveFromVersionId=pending)

    def cancel(self, prepared: Prepared, *, recovery_days: int) -> None:
        """Undo `prepare` for a device that could not be made; a failure is logged."""
        try:
            with self._explained():
                current = self._read(CURRENT)
                if prepared.was_deleted:
                    self._schedule_deletion(recovery_days)
                elif current is not None and current.key.device != prepared.key.device:
                    # Another device's, which this one was to replace.
                    self._label(PENDING, RemoveFromVersionId=prepared.version)
                else:
                    self._schedule_deletion(None)
        except RequestFailed as error:
            logger.error("it was made and could not be removed again: %s", error)

    def retire(self, device: str, *, recovery_days: int | None) -> None:
        """Delete it, when it is ours and for this device.

        Args:
            device: The device that is gone.
            recovery_days: How long it can be restored; None removes it at once.

        Raises:
            RequestFailed: AWS refuses.
        """
        with self._explained():
            found = self._describe()
            if found is None or found.get("DeletedDate"):
                return
            if self._owner_of(found) != self._owner:
                logger.info("secret %s is not ours", self._name)
                return
            key = self._read(CURRENT)
            if key is not None and key.key.device != device:
                logger.info("secret %s is for another device by now", self._name)
                return
            self._schedule_deletion(recovery_days)

    def _made(self, desired: DesiredDevice) -> Prepared:
        key = _new_key(desired)
        made = self._manager.create_secret(
            Name=self._name,
            Description=f"Private key of the device {desired.name}",
            SecretString=key.text(),
            Tags=[{"Key": OWNER_LABEL, "Value": self._owner}],
        )
        logger.info("made secret %s", self._name)
        return Prepared(key=key, version=made["VersionId"])

    def _kept(self, desired: DesiredDevice, must_change_version: bool, was_deleted: bool) -> Prepared | None:
        """A key that is there and fits: after a rollback, it is the previous one."""
        for label in (CURRENT, PENDING, PREVIOUS):
            found = self._read(label)
            if found is None or (found.key.device, found.key.key_version) != (
                desired.name,
                desired.key_version,
            ):
                continue
            if found.key.algorithm == desired.algorithm:
                return Prepared(key=found.key, version=found.version, was_deleted=was_deleted)
            if must_change_version and not was_deleted:
                raise RequestFailed(
                    f"{desired.name} has {found.key.algorithm} as version {desired.key_version} of its key: "
                    f"with another gcp.registry.algorithm, set another gcp.registry.key_version too"
                )
        return None

    def _added(self, desired: DesiredDevice, was_deleted: bool) -> Prepared:
        key = _new_key(desired)
        added = self._manager.put_secret_value(
            SecretId=self._name, SecretString=key.text(), VersionStages=[PENDING]
        )
        return Prepared(key=key, version=added["VersionId"], was_deleted=was_deleted)

    def _read(self, label: str) -> Prepared | None:
        try:
            found = self._manager.get_secret_value(SecretId=self._name, VersionStage=label)
        except self._manager.exceptions.ResourceNotFoundException:
            return None
        key = Key.read(found.get("SecretString", ""))
        return None if key is None else Prepared(key=key, version=found["VersionId"])

    def _describe(self) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = self._manager.describe_secret(SecretId=self._name)
        except self._manager.exceptions.ResourceNotFoundException:
            return None
        return found

    def _labels(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = (self._describe() or {}).get("VersionIdsToStages", {})
        return found

    def _label(self, label: str, **change: str) -> None:
        self._manager.update_secret_version_stage(SecretId=self._name, VersionStage=label, **change)

    def _schedule_deletion(self, recovery_days: int | None) -> None:
        how: dict[str, Any] = (
            {"ForceDeleteWithoutRecovery": True}
            if recovery_days is None
            else {"RecoveryWindowInDays": recovery_days}
        )
        self._manager.delete_secret(SecretId=self._name, **how)
        logger.info("deleted secret %s (days to restore it: %s)", self._name, recovery_days or 0)

    def _check_owner(self, found: dict[str, Any]) -> None:
        if self._owner_of(found) != self._owner:
            raise RequestFailed(
                f"the secret {self._name} exists, and this stack did not make it: remove it, or hand it to "
                f"this stack by the tag {OWNER_LABEL}={self._owner}"
            )

    def _owner_of(self, found: dict[str, Any]) -> str | None:
        return next((tag["Value"] for tag in found.get("Tags", ()) if tag["Key"] == OWNER_LABEL), None)

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what boto3 raises into a sentence; it holds no value of a secret."""
        try:
            yield
        except (ClientError, BotoCoreError) as error:
            raise RequestFailed(f"AWS Secrets Manager refuses the secret {self._name}: {error}") from error


def _labelled(labels: dict[str, list[str]], label: str) -> str | None:
    return next((version for version, found in labels.items() if label in found), None)


def _new_key(desired: DesiredDevice) -> Key:
    return Key.made(desired.name, desired.key_version, desired.algorithm)
