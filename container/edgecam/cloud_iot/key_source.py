"""Where the private key of a device comes from, and when it is loaded again.

A rotated key is taken up without a restart: the place is read again before each token. A secret is fetched
at most every five minutes, or when the bridge has refused the key, and then ever more rarely: a wrong key
must not become a bill.
"""

from __future__ import annotations

import logging
import os
import stat
import threading
from collections.abc import Mapping
from pathlib import Path

from edgecam.backoff import doubled_s
from edgecam.clock import Clock
from edgecam.cloud_iot.private_key import PrivateKey, parse_private_key
from edgecam.config.brokers import DeviceKey
from edgecam.credentials.secrets import SecretSource
from edgecam.errors import CredentialsError

MIN_REFRESH_S = 300.0
"""Between two fetches of a secret that the bridge takes."""
_FIRST_REFUSED_PAUSE_S = 5.0  # after a first refusal at once, then doubling up to `MIN_REFRESH_S`
_LONGEST_FILE_BYTES = 64 * 1024
"""A key is two kilobytes at most; a video that is named by mistake is refused."""

_log = logging.getLogger(__name__)


class KeySource:
    """The place of one device's key, and the key that was loaded last. `key` may be called from any thread;
    the rest is for the session's, and never waits for a load.

    A new key that the bridge refuses does not cut off a device whose former key it took: the registry may
    have the new one later than the core. Then the former is used until the next load.

    Args:
        place: Where the key is.
        device: The device's full name, `projects/…/devices/…`.
        camera_id: For the log.
        secrets: Fetches secrets.
        clock: Time, for pauses between fetches.
        environment: Where `place.env` is looked up.
        min_refresh_s: Between two fetches of a secret that the bridge takes.
    """

    def __init__(
        self,
        place: DeviceKey,
        device: str,
        *,
        camera_id: str,
        secrets: SecretSource,
        clock: Clock,
        environment: Mapping[str, str] = os.environ,
        min_refresh_s: float = MIN_REFRESH_S,
    ) -> None:
        self._min_refresh_s = min_refresh_s
        self._place = place
        self._device = device
        self._about = {"camera": camera_id}
        self._secrets = secrets
        self._clock = clock
        self._environment = environment
        self._lock = threading.Lock()
        self._key: PrivateKey | None = None
        self._accepted: PrivateKey | None = None
        self._loaded_s = 0.0
        self._refusals = 0
        self._falls_back = False
        self._warned_of_mode = False

    @property
    def name(self) -> str:
        """For a sentence: `secret arn:…`, `file /…`, `environment variable …`."""
        if self._place.secret is not None:
            return f"secret {self._place.secret}"
        if self._place.file is not None:
            return f"file {self._place.file}"
        return f"environment variable {self._place.env}"

    def key(self) -> PrivateKey:
        """The key for the next token. May take some seconds.

        Raises:
            CredentialsError: there is none, and there was none before.
        """
        if self._falls_back and self._accepted is not None:
            self._falls_back, self._key = False, self._accepted
            return self._accepted
        with self._lock:
            if self._key is None or self._is_due():
                self._load(self._key)
            assert self._key is not None  # noqa: S101 - found or kept
            return self._key

    def accepted(self, key: PrivateKey) -> None:
        """The bridge has taken a token signed with `key`."""
        if self._accepted is not None and key != self._accepted:
            _log.info("uses its %s from now on", key.name, extra=self._about)
        self._accepted, self._refusals = key, 0

    def refused(self, key: PrivateKey) -> bool:
        """The bridge has refused a token signed with `key`.

        Returns:
            Whether there is another key that it took before, to be tried at once.
        """
        self._falls_back = self._accepted is not None and key != self._accepted
        self._refusals += not self._falls_back
        return self._falls_back

    def _is_due(self) -> bool:
        if self._place.secret is None:
            return True  # a file or a variable costs nothing to look at
        if self._refusals == 1:
            return True
        pause_s = self._min_refresh_s
        if self._refusals:
            pause_s = doubled_s(self._refusals, first_s=_FIRST_REFUSED_PAUSE_S, longest_s=pause_s)
        return self._clock.monotonic_s() - self._loaded_s >= pause_s

    def _load(self, before: PrivateKey | None) -> None:
        self._loaded_s = self._clock.monotonic_s()
        try:
            self._key = parse_private_key(self._text(), self.name, self._device)
        except CredentialsError as error:
            if before is None:
                raise
            _log.warning("kept the key that was known before: %s", error, extra=self._about)

    def _text(self) -> str:
        if self._place.secret is not None:
            return self._secrets.fetch(self._place.secret, latest=True)
        if self._place.file is not None:
            return self._read(Path(self._place.file))
        variable = self._place.env or ""
        if variable not in self._environment:
            raise CredentialsError(f"{self.name}: expected the key of device {self._device}, found it unset")
        return self._environment[variable]

    def _read(self, path: Path) -> str:
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                text = file.read(_LONGEST_FILE_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            problem = getattr(error, "strerror", None) or "text that is not UTF-8"
            raise CredentialsError(
                f"{self.name}: expected a key that the user {os.geteuid()} can read, found: {problem}"
            ) from None
        if mode & stat.S_IROTH and not self._warned_of_mode:
            self._warned_of_mode = True
            _log.warning(
                "%s can be read by every user of this machine: chmod o-r it", self.name, extra=self._about
            )
        return text
