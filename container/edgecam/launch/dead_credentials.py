"""Credentials of the core that no wait brings back, while the settings are fetched.

What the nucleus passes to a component holds for one start: the address of the token exchange service and
the token for it die with daemons of Nucleus Lite, and where the service started later they were never passed.
Only another start gets what holds then, so this one ends, as seldom as the node does
(`status/restart_policy.py`).
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path

from edgecam.clock import Clock
from edgecam.credentials.token_exchange import (
    KEY_VARIABLE,
    TOKEN_VARIABLE,
    TokenExchange,
    has_other_credentials,
    never_passed,
    port_refused,
    token_unknown,
)
from edgecam.errors import NucleusError
from edgecam.status.last_run import RunMarker, this_boot_id
from edgecam.status.restart_policy import RestartPolicy

_log = logging.getLogger(__name__)

_MARKER = ".fetch.json"
_STARTED = "this component"


class DeadCredentials:
    """To be asked once credentials could not be had.

    Args:
        environment: What the nucleus has passed.
        folder: Of the settings, where the next start finds how this one ended.
        clock: Time.
    """

    def __init__(self, environment: Mapping[str, str], folder: Path, clock: Clock) -> None:
        self._exchange = TokenExchange.of(environment)
        self._has_key = bool(environment.get(KEY_VARIABLE))
        self._marker = RunMarker(folder / _MARKER)
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._policy: RestartPolicy | None = None

    def fault(self) -> str | None:
        """What is dead; None where waiting may help. Blocks for some seconds."""
        if self._exchange is None:
            is_lacking = not self._has_key and not has_other_credentials()
            return never_passed(_STARTED) if is_lacking else None
        if self._exchange.is_open() is False:
            return port_refused(self._exchange.uri)
        return None if self._exchange.takes_token() else token_unknown(TOKEN_VARIABLE, _STARTED)

    def lasting(self, fault: str) -> float:
        """Note `fault`; seconds until this start is to end for it, more than 0.

        Raises:
            NucleusError: it is to end now.
        """
        now_s = self._clock.monotonic_s()
        if self._policy is None:
            self._marker.begin()
            self._policy = RestartPolicy(self._started_s, this_boot_id(), self._marker.restart)
        ends_in_s = self._policy.ends_in_s(now_s)
        if ends_in_s <= 0 and not self._marker.note_restart(self._policy.this_end(now_s)):
            self._policy.not_noted()
            ends_in_s = self._policy.ends_in_s(now_s)
        if ends_in_s <= 0:
            raise NucleusError(fault)
        _log.warning(
            "%s. Ends in %.0f s, if this lasts, to be started with what holds then", fault, ends_in_s
        )
        return ends_in_s

    def over(self) -> None:
        """Nothing is dead now."""
        if self._policy is not None:
            self._policy.well(self._clock.monotonic_s())
