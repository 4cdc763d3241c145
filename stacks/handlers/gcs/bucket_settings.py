"""The desired settings of a bucket of recordings, and reconciling what differs. Other settings are left."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from google.cloud.storage import Bucket
from google.cloud.storage.constants import PUBLIC_ACCESS_PREVENTION_ENFORCED

from ..ownership import OWNER_LABEL

Rule = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Desired:
    """The properties of the custom resource.

    Attributes:
        name: The bucket.
        project: Where it is made.
        location: Where its objects lie.
        storage_class: Of new objects.
        nearline_after_days: The age at which objects move to NEARLINE, or None.
        delete_after_days: The age at which objects are deleted, or None.
        delete_with_stack: Whether it goes with the stack.
        writers: Who may upload, in the words of Google's IAM.
        prefixes: Below which the writers' nodes put their objects; empty text for the whole bucket.
        parts: Prefixes that have writers of their own, who may upload below them and nowhere else.
    """

    name: str
    project: str
    location: str
    storage_class: str
    nearline_after_days: int | None
    delete_after_days: int | None
    delete_with_stack: bool
    writers: tuple[str, ...]
    prefixes: tuple[str, ...]
    parts: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, properties: Mapping[str, Any]) -> Desired:
        """From CloudFormation, which hands on texts only: what is not set is missing."""
        days = {key: properties.get(key) for key in ("NearlineAfterDays", "DeleteAfterDays")}
        return cls(
            name=properties["Bucket"],
            project=properties["Project"],
            location=properties["Location"],
            storage_class=properties["StorageClass"],
            nearline_after_days=int(days["NearlineAfterDays"]) if days["NearlineAfterDays"] else None,
            delete_after_days=int(days["DeleteAfterDays"]) if days["DeleteAfterDays"] else None,
            delete_with_stack=properties["DeleteWithStack"] == "true",
            writers=tuple(properties.get("Writers", ())),
            prefixes=tuple(properties.get("Prefixes", ("",))),
            parts={part["Prefix"]: tuple(part["Writers"]) for part in properties.get("Parts", ())},
        )

    @property
    def has_writers(self) -> bool:
        """Whether anybody is given anything."""
        return bool(self.writers or self.parts)

    @property
    def uri(self) -> str:
        """How people write it."""
        return f"gs://{self.name}"

    def rules(self) -> list[Rule]:
        """Our lifecycle rules."""
        rules: list[Rule] = []
        if self.nearline_after_days is not None:
            action = {"type": "SetStorageClass", "storageClass": "NEARLINE"}
            rules.append({"action": action, "condition": {"age": self.nearline_after_days}})
        if self.delete_after_days is not None:
            rules.append({"action": {"type": "Delete"}, "condition": {"age": self.delete_after_days}})
        return rules


def reconcile(bucket: Bucket, desired: Desired, owner: str) -> list[str]:
    """Set what differs in `bucket` (as read from the store), and return the names of what has changed."""
    changed = _set_plain(bucket, desired) + _set_access(bucket)
    rules = [dict(rule) for rule in bucket.lifecycle_rules]
    kept = [rule for rule in rules if not _is_ours(rule)]
    if sorted(map(_value, rules)) != sorted(map(_value, [*kept, *desired.rules()])):
        bucket.lifecycle_rules = [*kept, *desired.rules()]
        changed.append("lifecycle")
    if bucket.labels.get(OWNER_LABEL) != owner:
        bucket.labels = {**bucket.labels, OWNER_LABEL: owner}
        changed.append("label")
    return changed


def _set_plain(bucket: Bucket, desired: Desired) -> list[str]:
    changed = []
    if bucket.storage_class != desired.storage_class:
        bucket.storage_class = desired.storage_class
        changed.append("storage class")
    if bucket.versioning_enabled:
        bucket.versioning_enabled = False
        changed.append("versioning")
    # Each newest picture replaces the one before it, every few seconds: kept for Google's seven days of "soft
    # delete", they would cost more than the recordings.
    if bucket.soft_delete_policy.retention_duration_seconds != 0:
        bucket.soft_delete_policy.retention_duration_seconds = 0
        changed.append("soft delete")
    return changed


def _set_access(bucket: Bucket) -> list[str]:
    changed, access = [], bucket.iam_configuration
    if not access.uniform_bucket_level_access_enabled:
        access.uniform_bucket_level_access_enabled = True
        changed.append("uniform access")
    if access.public_access_prevention != PUBLIC_ACCESS_PREVENTION_ENFORCED:
        access.public_access_prevention = PUBLIC_ACCESS_PREVENTION_ENFORCED
        changed.append("public access prevention")
    return changed


def _value(rule: Rule) -> str:
    """A rule's text that only its values decide: Google answers with keys in an order of its own."""
    return json.dumps(rule, sort_keys=True)


def _is_ours(rule: Rule) -> bool:
    """Whether a rule is of the kind that we make: rules have no names. One that asks for more than an age (a
    prefix, say) is somebody else's."""
    action: Rule = rule["action"]
    conditions: Iterable[str] = rule["condition"]
    kind = (action["type"], action.get("storageClass"))
    return kind in (("SetStorageClass", "NEARLINE"), ("Delete", None)) and list(conditions) == ["age"]
