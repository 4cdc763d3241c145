"""Google's credentials of a node, as google-auth makes them: federated, from a key file, application default.

google-auth itself looks for AWS credentials in AWS_* variables and the instance's metadata, and never where a
Greengrass core has them (AWS_CONTAINER_CREDENTIALS_FULL_URI); botocore does, and caches them.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import google.auth
from google.auth import aws
from google.auth import transport as google_transport
from google.auth.exceptions import TransportError
from google.oauth2 import service_account

from edgecam.bucket.http_client import HttpClient
from edgecam.clock import Clock
from edgecam.config.storage import Google
from edgecam.errors import ConfigurationError, StoreError
from edgecam.redaction import SECRETS

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TOKEN_URL = "https://sts.googleapis.com/v1/token"  # noqa: S105 - an address
IAM_URL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
CONTAINER_VARIABLE = "AWS_CONTAINER_CREDENTIALS_FULL_URI"
LONGEST_MESSAGE = 300
_TIMEOUT_S = 20.0


@dataclass(frozen=True)
class Endpoints:
    """Where tokens come from; others than Google's own in tests and in other clouds of Google's."""

    token_url: str = TOKEN_URL
    iam_url: str = IAM_URL


def federated(settings: Google, endpoints: Endpoints) -> Any:
    """Federation of the core's AWS role; for `settings.audience`."""
    account = settings.service_account
    return aws.Credentials(
        audience=settings.audience,
        subject_token_type="urn:ietf:params:aws:token-type:aws4_request",  # noqa: S106 - a type
        token_url=endpoints.token_url,
        aws_security_credentials_supplier=CoreCredentials(),
        service_account_impersonation_url=(
            f"{endpoints.iam_url}/{account}:generateAccessToken" if account else None
        ),
        scopes=[SCOPE],
    )


def from_key_file(path: str) -> Any:
    """Those of a service account's JSON key."""
    return service_account.Credentials.from_service_account_file(path, scopes=[SCOPE])


def application_default(clock: Clock) -> Any:
    """Those that Google's libraries find by themselves."""
    credentials, _ = google.auth.default(scopes=[SCOPE], request=AuthRequests(clock))
    return credentials


class CoreCredentialsError(Exception):
    """The core's own AWS credentials could not be had."""


class CoreCredentials(aws.AwsSecurityCredentialsSupplier):
    """The AWS credentials of the core, for google-auth. Cached, and renewed before they expire.

    Args:
        environment: The variables in which a nucleus gives their address.
    """

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._credentials: Any = None

    def get_aws_security_credentials(self, context: Any, request: Any) -> aws.AwsSecurityCredentials:  # noqa: ARG002
        """See the base class."""
        from botocore.exceptions import BotoCoreError

        try:
            if self._credentials is None:
                self._credentials = self._load()
            if self._credentials is None:
                raise CoreCredentialsError(
                    f"the core has no AWS credentials: expected {CONTAINER_VARIABLE} (the recipe depends on "
                    "aws.greengrass.TokenExchangeService) or another of the AWS SDK's ways, found none"
                )
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, OSError) as error:
            self._credentials = None
            raise CoreCredentialsError(
                f"the core's AWS credentials cannot be had now: {SECRETS.shown(str(error), LONGEST_MESSAGE)}"
            ) from error
        return aws.AwsSecurityCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    def get_aws_region(self, context: Any, request: Any) -> str:  # noqa: ARG002
        """See the base class. Any Region can answer `sts:GetCallerIdentity`."""
        region = self._environment.get("AWS_REGION") or self._environment.get("AWS_DEFAULT_REGION")
        return region or "us-east-1"

    def _load(self) -> Any:
        from botocore.credentials import ContainerProvider
        from botocore.session import Session

        if self._environment.get(CONTAINER_VARIABLE):
            return ContainerProvider(dict(self._environment)).load()
        return Session().get_credentials()


@dataclass(frozen=True)
class _Response:
    """What `google.auth.transport.Response` asks for."""

    status: int
    headers: Mapping[str, str]
    data: bytes


class AuthRequests(google_transport.Request):
    """google-auth's own requests, sent through `HttpClient`: same proxies and trust, no more libraries."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_: Any,
    ) -> _Response:
        """See the base class."""
        parts = urlsplit(url)
        content = body.encode() if isinstance(body, str) else body or b""
        try:
            http = HttpClient(
                f"{parts.scheme}://{parts.netloc}", stall_timeout_s=timeout or _TIMEOUT_S, clock=self._clock
            )
        except ConfigurationError as error:  # of a key file's own token_uri
            raise TransportError(str(error)) from error
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            response = http.request(
                method, target, headers or {}, length=len(content), body=lambda: (content,) if content else ()
            )
        except StoreError as error:
            raise TransportError(str(error)) from error
        finally:
            http.close()
        return _Response(response.status, dict(response.headers.items()), response.body)
