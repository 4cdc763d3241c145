"""The artifact bucket, as S3 lets or does not let the deploy write to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import ClientError

from ..cloudformation import RequestFailed
from ..customer_keys import advice


@contextmanager
def writing(uri: str) -> Iterator[None]:
    """What reads an asset and writes it to `uri`.

    Raises:
        RequestFailed: S3 refuses, with its words and the remedy.
    """
    try:
        yield
    except ClientError as error:
        remedy = advice(str(error), "aws.artifact_key")
        raise RequestFailed(f"{uri} cannot be written: {error}{remedy}") from error
