"""When a camera is connected to again, and with which login: values in, decision out."""

from __future__ import annotations

from dataclasses import dataclass

from edgecam.backoff import Backoff
from edgecam.errors import CredentialsError, EdgecamError, SourceError, SourceSilent, SourceUnauthorized
from edgecam.status.outage import FAULT_REASON
from edgecam.status.reports import CameraState

_FED_DELAY_S = 0.5
"""The longest delay for a source that a program feeds: an attempt costs nothing there."""


@dataclass(frozen=True)
class Retry:
    """What follows a failure.

    Attributes:
        delay_s: Seconds until the next attempt.
        state: The camera's until then.
        reason: One word.
        is_slowed: Whether refusals have made the attempts rare.
    """

    delay_s: float
    state: CameraState
    reason: str
    is_slowed: bool


class Reconnects:
    """The attempts of one camera. For its thread; `total` may be read from any.

    Args:
        is_fed_from_outside: Whether a program feeds the source that may end and come again.
        backoff: The delays.
    """

    def __init__(self, *, is_fed_from_outside: bool, backoff: Backoff | None = None) -> None:
        self._is_fed_from_outside = is_fed_from_outside
        self._backoff = backoff or Backoff()
        self._attempts = 0
        self._connected_s: float | None = None
        self._refreshes_login = False

    @property
    def total(self) -> int:
        """Connections begun after the first."""
        return max(0, self._attempts - 1)

    def begin(self) -> bool:
        """An attempt begins; whether its login is to be fetched again, since the camera has refused it."""
        self._attempts += 1
        self._connected_s = None
        refreshes_login, self._refreshes_login = self._refreshes_login, False
        return refreshes_login

    def taken_back(self) -> None:
        """The attempt has shown that another receiver is needed: it does not count."""
        self._attempts -= 1

    def connected(self, now_s: float) -> None:
        """The first picture has come."""
        self._connected_s = now_s

    def reset(self) -> None:
        """The connection ended as it should: the next failure is a first one."""
        self._backoff.reset()

    def failed(self, error: Exception, now_s: float) -> Retry:
        """What follows `error`, which ended the attempt."""
        was_refused = self._refreshes_login = isinstance(error, SourceUnauthorized)
        lived_s = 0.0 if self._connected_s is None else now_s - self._connected_s
        delay_s = self._backoff.after_failure(lived_s=lived_s, was_refused=was_refused)
        if self._is_fed_from_outside:
            delay_s = min(delay_s, _FED_DELAY_S)
        state = CameraState.STALLED if isinstance(error, SourceSilent) else CameraState.DISCONNECTED
        return Retry(delay_s, state, _reason_of(error), self._backoff.is_slowed)


def _reason_of(error: Exception) -> str:
    if isinstance(error, SourceError):
        return error.reason
    if isinstance(error, CredentialsError):
        return "credentials"
    return "installation" if isinstance(error, EdgecamError) else FAULT_REASON
