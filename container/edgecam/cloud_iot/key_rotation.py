"""With which key a device's next token is signed, and when the token of a connection is renewed."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol

from edgecam.cloud_iot.private_key import PrivateKey
from edgecam.cloud_iot.waiting import run_in_background

RENEW_FROM = (0.75, 0.85)
"""The part of its life after which a token is renewed, at random within: the rest is for a bridge that does
not take the connection at once, and for clocks that differ."""
RENEW_BY = 0.92
"""The part after which it is renewed with the present key, even if the secret has not been fetched."""


class Keys(Protocol):
    """What `KeySource` offers."""

    def key(self) -> PrivateKey:
        """The key for the next token; may take seconds, and raises `CredentialsError`."""

    def accepted(self, key: PrivateKey) -> None:
        """The bridge has taken a token signed with `key`."""

    def refused(self, key: PrivateKey) -> bool:
        """The bridge has refused such a token; whether there is another key that it took before."""


class TokenRenewal:
    """The renewal of one connection's token.

    Args:
        renew_from: The part of the token's life after which the key is fetched.
        fetch: Begins to fetch the key, without waiting for it.
    """

    def __init__(self, renew_from: float, fetch: Callable[[], Future[PrivateKey]]) -> None:
        self._renew_from = renew_from
        self._fetch = fetch
        self._key_refresh: Future[PrivateKey] | None = None

    def is_due(self, used: float) -> bool:
        """Whether to connect with another token.

        Args:
            used: The part of the token's life that is over (`Token.used`).
        """
        if self._key_refresh is None and used >= self._renew_from:
            self._key_refresh = self._fetch()
        return self._key_refresh is not None and (self._key_refresh.done() or used >= RENEW_BY)

    def key(self) -> PrivateKey | None:
        """The key that was fetched; None while it is not, or where there is none to be had."""
        refresh = self._key_refresh
        if refresh is None or not refresh.done() or refresh.exception() is not None:
            return None
        return refresh.result()


class KeyRotation:
    """The keys of one device over all its connections. For the session's thread; `version` is for any.

    Args:
        keys: Where they come from.
        name: For the thread that fetches one.
    """

    def __init__(self, keys: Keys, name: str) -> None:
        self._keys = keys
        self._name = name
        self._next: PrivateKey | None = None
        self._accepted: PrivateKey | None = None

    @property
    def version(self) -> str | None:
        """The version of the key that the bridge has taken last; None where unknown."""
        return None if self._accepted is None else self._accepted.version

    def next(self) -> PrivateKey:
        """The key for the next token.

        Raises:
            CredentialsError: there is none.
        """
        key, self._next = self._next or self._keys.key(), None
        return key

    def renewal(self, renew_from: float) -> TokenRenewal:
        """For a new connection. The key is fetched in the background: a cloud that is away takes seconds,
        for which the connection must not wait."""
        return TokenRenewal(renew_from, lambda: run_in_background(self._keys.key, self._name))

    def renew(self, renewal: TokenRenewal) -> None:
        """The next token has the key of `renewal`, else the present one."""
        self._next = renewal.key() or self._accepted

    def accepted(self, key: PrivateKey) -> bool:
        """The bridge has taken `key`; whether it had another before."""
        is_rotated = self._accepted is not None and key != self._accepted
        self._keys.accepted(key)
        self._accepted = key
        return is_rotated

    def refused(self, key: PrivateKey) -> bool:
        """The bridge has refused `key`; whether there is another that it took before, to be tried at once."""
        return self._keys.refused(key)
