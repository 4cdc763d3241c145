"""What a response of Google Cloud Storage means for a chunk: try again, let a person act, or done already.

Statuses and reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

from typing import Any, NamedTuple

from edgecam.bucket.http_client import Response
from edgecam.errors import ObjectRefused, StoreError, StoreRefused, StoreUnavailable
from edgecam.json_text import parse_json
from edgecam.redaction import SECRETS

_PASSING_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError"}
"""403 with one of these is a 429 in disguise."""
_HOLD, _RETENTION = "objectUnderActiveHold", "retentionPolicyNotMet"
_PRECONDITION = "conditionNotMet"
_LONGEST_MESSAGE = 300


class Refusal(NamedTuple):
    """A response that is no success.

    Attributes:
        status: Of HTTP.
        message: The service's own words, fit for a log.
        reasons: Its words for programs.
    """

    status: int
    message: str
    reasons: frozenset[str]

    @classmethod
    def of(cls, response: Response) -> Refusal:
        """What `response` says."""
        error = document(response).get("error")
        if not isinstance(error, dict):
            text = response.body.decode(errors="replace") if error is None else str(error)
            return cls(response.status, _fit(text) or "without a message", frozenset())
        entries = error.get("errors")
        details = [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
        reasons = frozenset(str(entry.get("reason")) for entry in details)
        message = str(error.get("message") or ", ".join(sorted(reasons)) or "without a message")
        return cls(response.status, _fit(message), reasons)

    @property
    def is_passing(self) -> bool:
        """Whether a retry may succeed."""
        status = self.status
        return status in (408, 409, 429) or status >= 500 or bool(self.reasons & _PASSING_REASONS)

    @property
    def is_about_object(self) -> bool:
        """Whether it says nothing of other objects."""
        return bool(self.reasons & {_HOLD, _RETENTION})


def document(response: Response) -> dict[str, Any]:
    """The JSON object in the body; empty where there is none."""
    try:
        found = parse_json(response.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def explain(
    response: Response, *, uri: str, bucket: str, what: str, identity: str, retry_after_s: float | None
) -> StoreError:
    """The error that `response` stands for.

    Args:
        response: Not a success.
        uri: As configured, redacted.
        bucket: Its name alone.
        what: What was tried, as "storing NAME".
        identity: The node's identity at Google.
        retry_after_s: By the header `Retry-After`.
    """
    refusal = Refusal.of(response)
    begin = f"{uri}: {what} was answered {refusal.status} ({refusal.message})"
    if refusal.is_passing:
        return StoreUnavailable(begin, retry_after_s=retry_after_s)
    kind = ObjectRefused if refusal.is_about_object else StoreRefused
    return kind(f"{begin}; {_advice(refusal, bucket, identity)}")


def is_about_checksum(response: Response) -> bool:
    """Whether the service refused an object because it arrived with another checksum than announced."""
    return response.status == 400 and "crc32c" in Refusal.of(response).message.lower()


def is_precondition(response: Response) -> bool:
    """Whether a 412 is about the only precondition that is set, that there is no object of the name; an
    organisation policy answers with the same status."""
    refusal = Refusal.of(response)
    return _PRECONDITION in refusal.reasons and not _is_constraint(refusal)


def _advice(refusal: Refusal, bucket: str, identity: str) -> str:
    return _advice_by_reason(refusal, bucket) or _advice_by_status(refusal.status, bucket, identity)


def _advice_by_reason(refusal: Refusal, bucket: str) -> str | None:
    """What to do about a reason that the service gives, None where its status says more."""
    words, reasons = refusal.message.lower(), refusal.reasons
    if _HOLD in reasons:
        return "release the hold (gcloud storage objects update --no-temporary-hold --no-event-based-hold)"
    if _RETENTION in reasons:
        return (
            f"what bucket {bucket} retains cannot be replaced: set latest.enabled and status.enabled to "
            "false, or use a bucket without a retention policy"
        )
    if "requester pays" in words or any(reason.startswith("userProject") for reason in reasons):
        return f"edgecam names no project that pays: turn off requester pays on bucket {bucket}"
    if any(reason.startswith("cloudKms") for reason in reasons) or "cryptokeys/" in words:
        return (
            f"put the Cloud KMS key of bucket {bucket} right: enabled, and usable "
            "(roles/cloudkms.cryptoKeyEncrypterDecrypter) by the project's Cloud Storage service agent"
        )
    if _is_constraint(refusal) or "organization's policy" in words:
        return (
            "a policy of the Google organisation forbids it: have this bucket excepted there, "
            "or use one that complies"
        )
    if "billing" in words or "accountdisabled" in {reason.lower() for reason in reasons}:
        return f"put the billing of the project that bucket {bucket} belongs to right"
    return None


def _advice_by_status(status: int, bucket: str, identity: str) -> str:
    if status == 401:
        return f"Google does not accept the login of {identity}: check it, and the core's clock"
    if status == 403:
        return (
            f"grant roles/storage.objectUser on bucket {bucket} to {identity} "
            "(storage.objects.create, get, and delete for what is replaced)"
        )
    if status == 404:
        return f"make bucket {bucket}, or correct `bucket` in the node configuration"
    return f"correct `bucket` (now {bucket}) in the node configuration, or report an error of edgecam's"


def _is_constraint(refusal: Refusal) -> bool:
    return "orgPolicyConstraintFailed" in refusal.reasons or "constraint" in refusal.message.lower()


def _fit(text: str) -> str:
    return SECRETS.shown(" ".join(text.split()), _LONGEST_MESSAGE)
