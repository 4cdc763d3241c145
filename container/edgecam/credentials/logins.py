"""User names and passwords of cameras: fetched when needed, kept in memory only, renewed on rotation."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edgecam.backoff import doubled_s
from edgecam.clock import Clock, SystemClock
from edgecam.config.camera import Camera, Credentials
from edgecam.credentials.login import Login, parse_secret, read_password
from edgecam.credentials.secrets import SecretSource
from edgecam.errors import CredentialsError
from edgecam.redaction import SECRETS

_log = logging.getLogger(__name__)

RENEW_EVERY_S = 3600.0
"""How often every login is looked at again without being asked to.

A camera that refuses the old password has its login renewed at once, so this only has to find what nobody
complains about. Secrets Manager takes 0.05 USD for 10,000 calls: hourly is 36 USD a month for 10,000 cores
with one secret each, every five minutes would be 430."""
_JITTER = 0.2  # cores that were switched on together must not ask together

_FIRST_PAUSE_S = 5.0  # after a fetch, a camera that still refuses gets the same login for this long …
_LONGEST_PAUSE_S = 900.0  # … and, doubling, up to this long: a wrong password must not become a bill


@dataclass
class _Entry:
    """What is known of one login; `lock` is held while it is being fetched, `fetches` counts those that gave
    the same."""

    lock: threading.Lock = field(default_factory=threading.Lock)
    login: Login | None = None
    not_before_s: float = 0.0
    fetches: int = 0


class Logins:
    """The logins of a node's cameras. Safe to use from any thread; same credentials, one fetch.

    Args:
        cameras: The cameras of the node.
        clock: Time, for pauses between fetches.
        environment: Where `password_env` and the nucleus' variables are looked up.
        secrets: Fetches secrets; default a `SecretSource` over `environment`.
        renew_every_s: Seconds between two rounds of the background renewal.
    """

    def __init__(
        self,
        cameras: Iterable[Camera],
        *,
        clock: Clock | None = None,
        environment: Mapping[str, str] = os.environ,
        secrets: SecretSource | None = None,
        renew_every_s: float = RENEW_EVERY_S,
    ) -> None:
        self._cameras = {camera.id: camera for camera in cameras}
        self._clock = clock or SystemClock()
        self._environment = environment
        self._secrets = secrets or SecretSource(environment)
        self._renew_every_s = renew_every_s
        self._entries_lock = threading.Lock()
        self._entries: dict[Credentials, _Entry] = {}
        self._on_change: Callable[[str], None] = _ignore
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def login(self, camera: Camera, *, refresh: bool = False) -> Login | None:
        """See `LoginProvider.login`."""
        if camera.credentials is None:
            return None
        login, changed = self._current(camera.credentials, refresh=refresh)
        if changed:
            self._notify(camera.credentials, except_for=camera.id)
        return login

    def start(self, on_change: Callable[[str], None]) -> None:
        """Begin the background renewal.

        Args:
            on_change: Called with the id of every camera whose login has changed, from whatever thread found
                out; must not block.
        """
        self._on_change = on_change
        if any(camera.credentials is not None for camera in self._cameras.values()):
            self._thread = threading.Thread(target=self._run, name="logins", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """End the background renewal. Does not wait for a fetch that is under way."""
        self._stopping.set()

    def renew(self) -> None:
        """Fetch every login in use again, and notify the cameras whose login has changed."""
        with self._entries_lock:
            in_use = [credentials for credentials, entry in self._entries.items() if entry.login is not None]
        for credentials in in_use:
            _, changed = self._current(credentials, refresh=True, keeps_pauses=False)
            if changed:
                self._notify(credentials)

    def _run(self) -> None:
        while True:
            # S311: spreads load, guards nothing.
            pause_s = self._renew_every_s * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311
            if self._clock.wait(self._stopping, pause_s):
                return
            self.renew()

    def _notify(self, credentials: Credentials, except_for: str | None = None) -> None:
        for camera in self._cameras.values():
            if camera.credentials == credentials and camera.id != except_for:
                _log.info("its credentials have changed", extra={"camera": camera.id})
                self._on_change(camera.id)

    def _current(
        self, credentials: Credentials, *, refresh: bool, keeps_pauses: bool = True
    ) -> tuple[Login, bool]:
        """The login, and whether it has changed; `keeps_pauses` defers a fetch that comes too soon."""
        with self._entries_lock:
            entry = self._entries.setdefault(credentials, _Entry())
        with entry.lock:
            before = entry.login
            if before is not None and not refresh:
                return before, False
            if before is not None and keeps_pauses and self._clock.monotonic_s() < entry.not_before_s:
                return before, False
            try:
                entry.login = self._load(credentials, latest=refresh)
            except CredentialsError as error:
                if before is None:
                    raise
                _log.warning("kept the credentials that were known before: %s", error)
            changed = before is not None and entry.login != before
            self._pause(credentials, entry, changed=changed or before is None)
            assert entry.login is not None  # noqa: S101 - either loaded or kept
            return entry.login, changed

    def _pause(self, credentials: Credentials, entry: _Entry, *, changed: bool) -> None:
        if credentials.secret is None:
            return  # a file or a variable costs nothing to look at
        entry.fetches = 1 if changed else entry.fetches + 1
        pause_s = doubled_s(entry.fetches, first_s=_FIRST_PAUSE_S, longest_s=_LONGEST_PAUSE_S)
        entry.not_before_s = self._clock.monotonic_s() + pause_s

    def _load(self, credentials: Credentials, *, latest: bool) -> Login:
        if credentials.secret is not None:
            login = parse_secret(self._secrets.fetch(credentials.secret, latest=latest), credentials.secret)
        elif credentials.password_file is not None:
            password = read_password(Path(credentials.password_file))
            login = Login(credentials.username or "", password)
        else:
            variable = credentials.password_env or ""
            if variable not in self._environment:
                raise CredentialsError(
                    f"password_env: expected the environment variable {variable}, found it unset"
                )
            login = Login(credentials.username or "", self._environment[variable])
        SECRETS.remember(login.password)
        return login


def _ignore(camera_id: str) -> None:
    """The callback before `start`."""
