"""What owners of a bucket and of an organisation forbid: holds, retention, requester pays, keys, policies.

Statuses, reasons and words are those of https://cloud.google.com/storage/docs/json_api/v1/status-codes.
"""

from __future__ import annotations

import threading
from enum import StrEnum
from typing import NamedTuple

KEY = "projects/our-project/locations/europe-west1/keyRings/ring/cryptoKeys/key/cryptoKeyVersions/1"
CONSTRAINT = "constraints/gcp.restrictNonCmekServices"


class Hold(StrEnum):
    """The two kinds of hold; the value is Google's word in the message."""

    TEMPORARY = "Temporary"
    EVENT_BASED = "Event-Based"


class Restriction(NamedTuple):
    """An answer that forbids: HTTP status, reason, message."""

    status: int
    reason: str
    message: str


class Restrictions:
    """What is forbidden at present. Everything can be changed while the store runs, from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holds: dict[str, Hold] = {}
        self._denied: tuple[str, ...] = ()
        self._retained = False
        self._whole: Restriction | None = None

    def hold(self, name: str, kind: Hold = Hold.TEMPORARY) -> None:
        """The object `name` may be neither deleted nor replaced."""
        with self._lock:
            self._holds[name] = kind

    def retain(self) -> None:
        """A retention policy: no object may be deleted or replaced."""
        with self._lock:
            self._retained = True

    def deny(self, *prefixes: str) -> None:
        """IAM lets nobody write objects whose names begin like this (a condition on `resource.name`)."""
        with self._lock:
            self._denied = prefixes

    def requester_pays(self) -> None:
        """The requester pays, and has to name a project."""
        message = "Bucket is a requester pays bucket but no user project provided."
        self._forbid(Restriction(400, "required", message))

    def disable_key(self) -> None:
        """The Cloud KMS key of the bucket is disabled."""
        self._forbid(Restriction(400, "cloudKmsDisabledKey", f"Cloud KMS key version {KEY} is disabled."))

    def constrain(self, constraint: str = CONSTRAINT) -> None:
        """A constraint of the organisation policy forbids every write, with the status of a precondition."""
        message = f"Request violates constraint '{constraint}'"
        self._forbid(Restriction(412, "orgPolicyConstraintFailed", message))

    def lift(self) -> None:
        """Nothing is forbidden any more."""
        with self._lock:
            self._holds.clear()
            self._denied, self._retained, self._whole = (), False, None

    def of(self, bucket: str, name: str, *, is_there: bool) -> Restriction | None:
        """Why the object `name` may not be written; `is_there` where it would be replaced."""
        with self._lock:
            if self._whole is not None:
                return self._whole
            if name.startswith(self._denied):
                return Restriction(403, "forbidden", _no_right(bucket, name))
            if is_there and (kind := self._holds.get(name)):
                message = (
                    f"Object '{bucket}/{name}' is under active {kind} hold and cannot be deleted, "
                    "overwritten or archived until hold is removed."
                )
                return Restriction(403, "objectUnderActiveHold", message)
            if is_there and self._retained:
                message = (
                    f"Object '{bucket}/{name}' is subject to bucket's retention policy or object retention "
                    "and cannot be deleted or overwritten until 2126-12-29T12:00:00.000-08:00"
                )
                return Restriction(403, "retentionPolicyNotMet", message)
            return None

    def of_reading(self) -> Restriction | None:
        """Why nothing may be read either."""
        with self._lock:
            return self._whole if self._whole is not None and self._whole.reason == "required" else None

    def _forbid(self, restriction: Restriction) -> None:
        with self._lock:
            self._whole = restriction


def _no_right(bucket: str, name: str) -> str:
    return (
        "uploader@our-project.iam.gserviceaccount.com does not have storage.objects.create access to the "
        "Google Cloud Storage object. Permission 'storage.objects.create' denied on resource "
        f"(or it may not exist): {bucket}/{name}"
    )
