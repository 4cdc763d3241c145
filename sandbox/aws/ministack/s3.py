"""Objects of S3."""

from __future__ import annotations

from ministack.services import s3  # type: ignore[import-not-found]


def object_bytes(bucket: str, key: str) -> bytes | None:
    """Content of an S3 object, or None when bucket or key do not exist."""
    data = s3._get_object_data(bucket, key)
    return None if data is None else bytes(data)
