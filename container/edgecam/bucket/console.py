"""Where a person looks at a bucket in a browser: at its provider's console."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

_AWS_CONSOLES = {"cn-": "console.amazonaws.cn", "us-gov-": "console.amazonaws-us-gov.com"}
"""By how a Region of the partition begins."""


def console_url(uri: str, environment: Mapping[str, str], camera_id: str) -> str | None:
    """The page of a camera's recordings; None where another service than Google's or Amazon's has the bucket.

    Args:
        uri: `gs://BUCKET/PREFIX`, `s3://BUCKET/PREFIX` or `file:///FOLDER`.
        environment: Names what answers in the provider's place.
        camera_id: Whose recordings.
    """
    scheme, _, rest = uri.partition("://")
    bucket, _, prefix = rest.partition("/")
    folder = quote("/".join(filter(None, (prefix, camera_id))))
    if scheme == "gs":
        # https://cloud.google.com/storage/docs/request-endpoints
        from edgecam.bucket.gcs import EMULATOR_VARIABLE

        if environment.get(EMULATOR_VARIABLE):
            return None
        return f"https://console.cloud.google.com/storage/browser/{bucket}/{folder}"
    if scheme == "s3":
        from edgecam.bucket.s3_requests import endpoint_of

        if endpoint_of(environment):
            return None
        return f"https://{_aws_console(environment)}/s3/buckets/{bucket}?prefix={folder}/"
    return None


def _aws_console(environment: Mapping[str, str]) -> str:
    region = environment.get("AWS_REGION") or environment.get("AWS_DEFAULT_REGION") or ""
    consoles = (host for beginning, host in _AWS_CONSOLES.items() if region.startswith(beginning))
    return next(consoles, "console.aws.amazon.com")
