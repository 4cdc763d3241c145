"""Who the node is to Google: tokens, fetched before they are needed and renewed before they expire.

Three ways (`google.login`): workload identity federation of the core's AWS role, a service account's key
file, and application default. Federation needs no key on the core: its token exchange credentials sign a
request "who am I" to AWS, Google's token service asks that of AWS, and gives a token for an hour.

google-auth itself looks for AWS credentials in AWS_* variables and the instance's metadata, and never where a
Greengrass core has them (AWS_CONTAINER_CREDENTIALS_FULL_URI); botocore does, and caches them.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import google.auth
from google.auth import aws
from google.auth import transport as google_transport
from google.auth.exceptions import GoogleAuthError, TransportError
from google.oauth2 import service_account

from edgecam.bucket.http_client import Transfer
from edgecam.clock import Clock
from edgecam.config.storage import Google, GoogleLogin
from edgecam.errors import StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS

SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
TOKEN_URL = "https://sts.googleapis.com/v1/token"  # noqa: S105 - an address
IAM_URL = "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts"
CONTAINER_VARIABLE = "AWS_CONTAINER_CREDENTIALS_FULL_URI"

RENEW_BEFORE_S = 600.0
"""So long before a token expires the next one is fetched, beside the uploads: time for some attempts."""
_USUAL_LIFE_S = 3600.0
_LONGEST_LIFE_S = 43_200.0
"""Google's tokens live an hour, or twelve where an organisation extends that: more is not believed."""
TOO_SHORT_S = 30.0
"""A token that is good for less is not sent any more: an upload may wait its turn for some seconds."""
_PAUSE_S = 30.0  # between two attempts to renew a token that is still good
_TIMEOUT_S = 20.0
_LONGEST_WORDS = 300

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Endpoints:
    """Where tokens come from; others than Google's own in tests and in other clouds of Google's."""

    token_url: str = TOKEN_URL
    iam_url: str = IAM_URL


def open_login(
    google_settings: Google, *, clock: Clock, emulated: bool, endpoints: Endpoints | None = None
) -> Tokens | Nobody:
    """The login that the settings ask for; nothing is fetched yet.

    Args:
        google_settings: The settings.
        clock: Time.
        emulated: The store is an emulator: then there is no login by default.
        endpoints: Default Google's own.
    """
    endpoints = endpoints or Endpoints()
    way = google_settings.way
    if way is GoogleLogin.FEDERATION:
        name = google_settings.service_account or f"the federated identity of {google_settings.audience}"
        return Tokens(lambda: _federated(google_settings, endpoints), way, name, clock)
    if way is GoogleLogin.SERVICE_ACCOUNT:
        path = str(google_settings.credentials_file)
        return Tokens(lambda: _from_key_file(path), way, f"the service account of {path}", clock)
    if emulated:
        return Nobody()
    return Tokens(lambda: _application_default(clock), way, "the application default login", clock)


class Nobody:
    """No login, for an emulator."""

    def token(self) -> None:
        """See `bucket_gs.Login`."""

    def refused(self, token: str) -> None:
        """See `bucket_gs.Login`."""

    def identity(self) -> str:
        """See `bucket_gs.Login`."""
        return "nobody (an emulator)"


class Tokens:
    """The current token of one login. Safe to use from any thread.

    Args:
        make: Makes the credentials; may read files.
        way: How the node identifies itself.
        name: Who that is, for messages.
        clock: Time. How long a token lives is measured on the clock that does not step.
    """

    def __init__(self, make: Callable[[], Any], way: GoogleLogin, name: str, clock: Clock) -> None:
        self._make = make
        self._way = way
        self._name = name
        self._clock = clock
        self._request = Requests(clock)
        self._fetching = threading.Lock()
        self._credentials: Any = None
        self._token: str | None = None
        self._good_until_s = 0.0
        self._renew_at_s = 0.0

    def token(self) -> str:
        """See `bucket_gs.Login`. Waits only when there is no token that is still good."""
        now_s = self._clock.monotonic_s()
        token = self._token
        if token is not None and now_s < self._good_until_s - TOO_SHORT_S:
            if now_s >= self._renew_at_s:
                self._renew_beside(now_s)
            return token
        with self._fetching:
            if self._token is None or self._clock.monotonic_s() >= self._good_until_s - TOO_SHORT_S:
                self._fetch()
            assert self._token is not None  # noqa: S101 - _fetch raises otherwise
            return self._token

    def refused(self, token: str) -> None:
        """See `bucket_gs.Login`."""
        with self._fetching:
            if token == self._token:
                SECRETS.forget(token)
                self._token = None

    def identity(self) -> str:
        """See `bucket_gs.Login`."""
        account = getattr(self._credentials, "service_account_email", None)
        return f"{account if account and '@' in str(account) else self._name} (login: {self._way})"

    def _renew_beside(self, now_s: float) -> None:
        self._renew_at_s = now_s + _PAUSE_S
        threading.Thread(target=self._renew, name="google-login", daemon=True).start()

    def _renew(self) -> None:
        with self._fetching:
            try:
                self._fetch()
            except StoreError as error:
                _log.warning("the token for Google could not be renewed yet: %s", error)

    def _fetch(self) -> None:
        """Fetch a token; `_fetching` is held."""
        try:
            if self._credentials is None:
                self._credentials = self._make()
            self._credentials.refresh(self._request)
        except _CoreCredentialsError as error:
            raise StoreUnavailable(f"{self._begin()}: {error}") from error
        except (GoogleAuthError, OSError, ValueError, KeyError, TypeError, OverflowError) as error:
            raise self._explained(error) from error
        before, self._token = self._token, str(self._credentials.token)
        SECRETS.remember(self._token)
        if before is not None and before != self._token:
            SECRETS.forget(before)
        lives_s = _lives_s(self._credentials, self._clock)
        now_s = self._clock.monotonic_s()
        self._good_until_s = now_s + lives_s
        self._renew_at_s = now_s + max(lives_s - RENEW_BEFORE_S, lives_s / 2)

    def _explained(self, error: Exception) -> StoreError:
        said = SECRETS.shown(" ".join(str(error.args[0] if error.args else error).split()), _LONGEST_WORDS)
        passing = isinstance(error, TransportError) or (
            isinstance(error, GoogleAuthError) and error.retryable
        )
        if passing:
            return StoreUnavailable(f"{self._begin()}: no token can be had now: {said}")
        return StoreRefused(f"{self._begin()}: no token is given: {said}; {_ADVICE[self._way]}")

    def _begin(self) -> str:
        return f"Google login by {self._way}, as {self._name}"


_ADVICE = {
    GoogleLogin.FEDERATION: (
        "check `google.audience`, that the provider takes the AWS account and role of the core, that it "
        "may act as `google.service_account` (roles/iam.workloadIdentityUser), and the core's clock"
    ),
    GoogleLogin.SERVICE_ACCOUNT: (
        "check `google.credentials_file`, that its key is not disabled, and the core's clock"
    ),
    GoogleLogin.APPLICATION_DEFAULT: (
        "name a key file in GOOGLE_APPLICATION_CREDENTIALS or `google.credentials_file`, or set "
        "`google.audience` for federation"
    ),
}


class _CoreCredentialsError(Exception):
    """The core's own AWS credentials could not be had."""


class CoreCredentials(aws.AwsSecurityCredentialsSupplier):
    """The AWS credentials of the core, for google-auth. Cached, and renewed before they expire.

    Args:
        environment: The variables in which a nucleus says where they are.
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
                raise _CoreCredentialsError(
                    f"the core has no AWS credentials: expected {CONTAINER_VARIABLE} (the recipe depends on "
                    "aws.greengrass.TokenExchangeService) or another of the AWS SDK's ways, found none"
                )
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, OSError) as error:
            self._credentials = None
            raise _CoreCredentialsError(
                f"the core's AWS credentials cannot be had now: {SECRETS.shown(str(error), _LONGEST_WORDS)}"
            ) from error
        return aws.AwsSecurityCredentials(frozen.access_key, frozen.secret_key, frozen.token)

    def get_aws_region(self, context: Any, request: Any) -> str:  # noqa: ARG002
        """See the base class. Which of AWS' Regions answers who the core is does not matter."""
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


class Requests(google_transport.Request):
    """google-auth's own requests, sent the way of the uploads: same proxies and trust, no more libraries."""

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
        transfer = Transfer(
            f"{parts.scheme}://{parts.netloc}", stall_timeout_s=timeout or _TIMEOUT_S, clock=self._clock
        )
        target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
        try:
            answer = transfer.request(
                method, target, headers or {}, length=len(content), body=lambda: (content,) if content else ()
            )
        except StoreError as error:
            raise TransportError(str(error)) from error
        finally:
            transfer.close()
        return _Response(answer.status, dict(answer.headers.items()), answer.body)


def _federated(settings: Google, endpoints: Endpoints) -> Any:
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


def _from_key_file(path: str) -> Any:
    return service_account.Credentials.from_service_account_file(path, scopes=[SCOPE])


def _application_default(clock: Clock) -> Any:
    credentials, _ = google.auth.default(scopes=[SCOPE], request=Requests(clock))
    return credentials


def _lives_s(credentials: Any, clock: Clock) -> float:
    """How long the token is good, seconds; google-auth says it as a time of day, by the clock of just now."""
    expiry = credentials.expiry
    if expiry is None:
        return _USUAL_LIFE_S
    lives_s: float = (expiry - clock.now().replace(tzinfo=None)).total_seconds()
    return min(max(0.0, lives_s), _LONGEST_LIFE_S)
