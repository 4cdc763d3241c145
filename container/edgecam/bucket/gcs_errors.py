"""What a response of Google Cloud Storage means for a chunk: try again, let a person act, or done already.

Statuses and reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

from typing import Any

from edgecam.bucket.http_client import Response
from edgecam.errors import StoreError, StoreRefused, StoreUnavailable
from edgecam.json_text import parse_json
from edgecam.redaction import SECRETS

_PASSING_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError"}
"""403 with one of these is a 429 in disguise."""
_LONGEST_MESSAGE = 300


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
    message, reasons = _message(response)
    begin = f"{uri}: {what} was answered {response.status} ({message})"
    if response.status in (408, 409, 429) or response.status >= 500 or reasons & _PASSING_REASONS:
        return StoreUnavailable(begin, retry_after_s=retry_after_s)
    return StoreRefused(f"{begin}; {_advice(response.status, message, bucket, identity)}")


def is_about_checksum(response: Response) -> bool:
    """Whether the service refused an object because it arrived with another checksum than announced."""
    return response.status == 400 and "crc32c" in _message(response)[0].lower()


def _advice(status: int, message: str, bucket: str, identity: str) -> str:
    lower = message.lower()
    if "billing" in lower or "accountdisabled" in lower.replace(" ", ""):
        return f"put the billing of the project that bucket {bucket} belongs to right"
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


def _message(response: Response) -> tuple[str, set[str]]:
    """The service's message, fit for a log, and its reasons."""
    error = document(response).get("error")
    if not isinstance(error, dict):
        text = response.body.decode(errors="replace") if error is None else str(error)
        return _fit(text) or "without a message", set()
    details = [entry for entry in error.get("errors") or [] if isinstance(entry, dict)]
    reasons = {str(entry.get("reason")) for entry in details}
    return _fit(str(error.get("message") or ", ".join(sorted(reasons)) or "without a message")), reasons


def _fit(text: str) -> str:
    return SECRETS.shown(" ".join(text.split()), _LONGEST_MESSAGE)
