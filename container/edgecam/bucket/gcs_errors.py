"""What Google Cloud Storage's answers mean for a chunk: try again, let a person act, or done already.

Statuses and reasons: https://cloud.google.com/storage/docs/json_api/v1/status-codes
"""

from __future__ import annotations

from typing import Any

from edgecam.bucket.http_client import Answer
from edgecam.errors import StoreError, StoreRefused, StoreUnavailable
from edgecam.json_text import parse_json
from edgecam.redaction import SECRETS

_PASSING_REASONS = {"rateLimitExceeded", "userRateLimitExceeded", "backendError", "internalError"}
"""403 with one of these is a 429 in disguise."""
_LONGEST_WORDS = 300


def document(answer: Answer) -> dict[str, Any]:
    """The JSON object in the body; empty where there is none."""
    try:
        found = parse_json(answer.body)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def explain(
    answer: Answer, *, uri: str, bucket: str, what: str, identity: str, retry_after_s: float | None
) -> StoreError:
    """The error that `answer` stands for.

    Args:
        answer: Anything but what was hoped for.
        uri: As configured, redacted.
        bucket: Its name alone.
        what: What was tried, as "storing NAME".
        identity: Who the node is to Google.
        retry_after_s: What the header of that name says.
    """
    said, reasons = _words(answer)
    begin = f"{uri}: {what} was answered {answer.status} ({said})"
    if answer.status in (408, 409, 429) or answer.status >= 500 or reasons & _PASSING_REASONS:
        return StoreUnavailable(begin, retry_after_s=retry_after_s)
    return StoreRefused(f"{begin}; {_advice(answer.status, said, bucket, identity)}")


def is_about_checksum(answer: Answer) -> bool:
    """Whether the service refused an object because it arrived with another checksum than announced."""
    return answer.status == 400 and "crc32c" in _words(answer)[0].lower()


def _advice(status: int, said: str, bucket: str, identity: str) -> str:
    lower = said.lower()
    if "billing" in lower or "accountdisabled" in lower.replace(" ", ""):
        return f"mend the billing of the project that bucket {bucket} belongs to"
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


def _words(answer: Answer) -> tuple[str, set[str]]:
    """What the service says, fit for a log, and its reasons."""
    error = document(answer).get("error")
    if not isinstance(error, dict):
        text = answer.body.decode(errors="replace") if error is None else str(error)
        return _fit(text) or "without a word", set()
    details = [entry for entry in error.get("errors") or [] if isinstance(entry, dict)]
    reasons = {str(entry.get("reason")) for entry in details}
    return _fit(str(error.get("message") or ", ".join(sorted(reasons)) or "without a word")), reasons


def _fit(text: str) -> str:
    return SECRETS.shown(" ".join(text.split()), _LONGEST_WORDS)
