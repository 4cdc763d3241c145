"""Objects of S3, and what encrypts them."""

from __future__ import annotations

from ministack.services import s3  # type: ignore[import-not-found]

_KEY_HEADER = "x-amz-server-side-encryption-aws-kms-key-id"


def object_bytes(bucket: str, key: str) -> bytes | None:
    """Content of an S3 object, or None when bucket or key do not exist."""
    data = s3._get_object_data(bucket, key)
    return None if data is None else bytes(data)


def customer_key(bucket: str) -> str | None:
    """ARN of the customer's KMS key that encrypts a bucket by default, or None."""
    found: str | None = s3._bucket_default_sse_headers(bucket).get(_KEY_HEADER)
    return found
