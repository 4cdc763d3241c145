"""The node's login at Google: tokens, fetched before they are needed and renewed before they expire.

Three ways (`google.login`): workload identity federation of the core's AWS role, a service account's key
file, and application default. Federation needs no key on the core: its token exchange credentials sign
`sts:GetCallerIdentity`, Google's token service sends that to AWS, and gives a token for an hour.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from typing import Any

from google.auth.exceptions import GoogleAuthError, TransportError

from edgecam.bucket.google_credentials import (
    LONGEST_MESSAGE,
    AuthRequests,
    CoreCredentialsError,
    Endpoints,
    application_default,
    federated,
    from_key_file,
)
from edgecam.clock import Clock
from edgecam.config.storage import Google, GoogleLogin
from edgecam.errors import StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import SECRETS

RENEW_BEFORE_S = 600.0
"""How long before a token expires the next one is fetched, beside the uploads: time for some attempts."""
_USUAL_LIFE_S = 3600.0
_LONGEST_LIFE_S = 43_200.0
"""Google's tokens live an hour, or twelve where an organisation extends that; more is a mistake."""
TOO_SHORT_S = 30.0
"""A token that is valid for less is not sent any more: the rate limit may delay its request by seconds."""
_PAUSE_S = 30.0  # between two attempts to renew a token that is still valid

_log = logging.getLogger(__name__)


def open_login(
    google_settings: Google, *, clock: Clock, emulated: bool, endpoints: Endpoints | None = None
) -> Tokens | Anonymous:
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
        return Tokens(lambda: federated(google_settings, endpoints), way, name, clock)
    if way is GoogleLogin.SERVICE_ACCOUNT:
        path = str(google_settings.credentials_file)
        return Tokens(lambda: from_key_file(path), way, f"the service account of {path}", clock)
    if emulated:
        return Anonymous()
    return Tokens(lambda: application_default(clock), way, "the application default login", clock)


class Anonymous:
    """No login, for an emulator."""

    def token(self) -> None:
        """See `gcs_requests.Login`."""

    def refused(self, token: str) -> None:
        """See `gcs_requests.Login`."""

    def identity(self) -> str:
        """See `gcs_requests.Login`."""
        return "nobody (an emulator)"


class Tokens:
    """The current token of one login. Safe to use from any thread.

    Args:
        make: Makes the credentials; may read files.
        way: How the node logs in.
        name: Its identity, for messages.
        clock: Time. A token's life is measured by the monotonic clock.
    """

    def __init__(self, make: Callable[[], Any], way: GoogleLogin, name: str, clock: Clock) -> None:
        self._make = make
        self._way = way
        self._name = name
        self._clock = clock
        self._request = AuthRequests(clock)
        self._fetching = threading.Lock()
        self._credentials: Any = None
        self._token: str | None = None
        self._good_until_s = 0.0
        self._renew_at_s = 0.0

    def token(self) -> str:
        """See `gcs_requests.Login`. Waits only when there is no token that is still valid."""
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
        """See `gcs_requests.Login`."""
        with self._fetching:
            if token == self._token:
                SECRETS.forget(token)
                self._token = None

    def identity(self) -> str:
        """See `gcs_requests.Login`."""
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
        except CoreCredentialsError as error:
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
        message = SECRETS.shown(
            " ".join(str(error.args[0] if error.args else error).split()), LONGEST_MESSAGE
        )
        passing = isinstance(error, TransportError) or (
            isinstance(error, GoogleAuthError) and error.retryable
        )
        if passing:
            return StoreUnavailable(f"{self._begin()}: no token can be had now: {message}")
        return StoreRefused(f"{self._begin()}: no token is given: {message}; {_ADVICE[self._way]}")

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


def _lives_s(credentials: Any, clock: Clock) -> float:
    """How long the token is valid, seconds; google-auth has its end as a time of day, by the wall clock."""
    expiry = credentials.expiry
    if expiry is None:
        return _USUAL_LIFE_S
    lives_s: float = (expiry - clock.now().replace(tzinfo=None)).total_seconds()
    return min(max(0.0, lives_s), _LONGEST_LIFE_S)
