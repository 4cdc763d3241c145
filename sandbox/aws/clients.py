"""boto3 clients for the embedded AWS."""

from __future__ import annotations

from typing import Any, NamedTuple

import boto3
from botocore.config import Config

ACCOUNT = "123456789012"
REGION = "us-east-1"
CONFIG = Config(connect_timeout=5, read_timeout=30, retries={"total_max_attempts": 2})
"""Everything is on this machine: an answer that does not come soon does not come."""


class Credentials(NamedTuple):
    """Access key, secret key, session token, and when they end (ISO 8601, UTC)."""

    access_key_id: str
    secret_access_key: str
    session_token: str
    expiration: str


ACCOUNT_CREDENTIALS = Credentials(ACCOUNT, "test", "", "")
"""The embedded AWS takes a key of twelve digits for the account of that number, with all rights."""


def client(service: str, url: str, credentials: Credentials = ACCOUNT_CREDENTIALS) -> Any:
    """A client of `service` at `url`; boto3 has no types of its own."""
    return boto3.client(
        service,
        endpoint_url=url,
        aws_access_key_id=credentials.access_key_id,
        aws_secret_access_key=credentials.secret_access_key,
        aws_session_token=credentials.session_token or None,
        region_name=REGION,
        config=CONFIG,
    )


def listed(client: Any, operation: str, **request: Any) -> list[dict[str, Any]]:
    """All entries of a list, however many pages they come in."""
    pages = client.get_paginator(operation).paginate(**request)
    return list(pages.search(f"{pages.result_keys[0].expression}[]"))
