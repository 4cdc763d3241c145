"""What a response of S3 means for a chunk: try again, let a person act, or done already.

Codes: https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html
What an AccessDenied says of policies:
https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
"""

from __future__ import annotations

import html
import re

from edgecam.bucket.http_client import Response
from edgecam.errors import ObjectRefused, StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS

_PASSING = {
    "RequestTimeout",
    "SlowDown",
    "ThrottlingException",
    "RequestLimitExceeded",
    "ConditionalRequestConflict",
    "OperationAborted",
    "InternalError",
}
_DENYING = {
    "service control policy": "a service control policy",
    "resource control policy": "a resource control policy",
    "vpc endpoint policy": "the policy of the VPC endpoint",
    "permissions boundary": "the permissions boundary of the core's role",
    "session policy": "a session policy",
    "resource-based policy": "the bucket's policy",
}
"""A phrase of an explicit deny, and whose it is."""
_LONGEST_MESSAGE = 300
_LONGEST_WORDS = 2000  # the end of a message says which policy denies


def parsed_error(response: Response) -> tuple[str, str]:
    """S3's error code and its message, fit for a log. Responses to HEAD have neither."""
    text = response.body.decode(errors="replace")
    code = element(text, "Code") or ""
    message = element(text, "Message") or ""
    shown = " ".join(f"{code}: {message}".split()) if code or message else "without a message"
    return code, SECRETS.shown(shown, _LONGEST_MESSAGE)


def element(text: str, name: str) -> str | None:
    """The text of the first XML element `name`; S3's responses are flat enough for that."""
    found = re.search(rf"<{name}>([^<]*)</{name}>", text)
    return html.unescape(found[1]) if found else None


def explain(
    response: Response, *, uri: str, bucket: str, region: str, what: str, retry_after_s: float | None
) -> StoreError:
    """The error that `response` stands for.

    Args:
        response: Not a success.
        uri: As configured, redacted.
        bucket: Its name alone.
        region: That the request was sent to.
        what: What was tried, as "storing NAME".
        retry_after_s: By the header `Retry-After`.
    """
    code, message = parsed_error(response)
    begin = f"{uri}: {what} was answered {response.status} ({message})"
    if response.status in (408, 409, 429) or response.status >= 500 or code in _PASSING:
        return StoreUnavailable(begin, retry_after_s=retry_after_s)
    text = response.body.decode(errors="replace")
    words = (element(text, "Message") or "")[:_LONGEST_WORDS].lower()
    kind = ObjectRefused if _is_locked(words) else StoreRefused
    elsewhere = response.headers.get("x-amz-bucket-region")
    if elsewhere and elsewhere != region:
        return kind(f"{begin}; the bucket is in {elsewhere}: set AWS_REGION to that")
    return kind(f"{begin}; {_advice(response.status, code, words, bucket)}")


def _advice(status: int, code: str, words: str, bucket: str) -> str:
    if _is_locked(words):
        return (
            "Object Lock holds it: release the legal hold, or set latest.enabled and status.enabled to "
            "false where a retention keeps objects from being replaced"
        )
    if code.startswith("KMS.") or "kms:" in words:
        return (
            f"put the KMS key of bucket {bucket} right: enabled, and kms:GenerateDataKey and kms:Decrypt "
            "granted to the core's role, in the key's policy too"
        )
    if "explicit deny" in words:
        whose = next((owner for phrase, owner in _DENYING.items() if phrase in words), "a policy")
        return (
            f"{whose} denies it, which no grant outweighs: let who keeps that policy except the core's role"
        )
    if status in (401, 403):
        return (
            f"grant s3:PutObject and s3:GetObject on arn:aws:s3:::{bucket}/* to the core's role, "
            "and check the core's clock; a bucket whose requester pays is not supported"
        )
    if status == 404:
        return f"make bucket {bucket}, or correct `bucket` in the node configuration"
    return f"correct `bucket` (now {bucket}) in the node configuration, or report this as an error"


def _is_locked(words: str) -> bool:
    return "object lock" in words or "legal hold" in words
