"""Does the nucleus still accept what it gave the node at its start? If not, the node ends to get another.

A component gets a token (`SVCUID`) and the address of the token exchange service in its environment. On
Nucleus Lite both die with a daemon: ggipcd keeps the tokens in its memory, and the service comes back on
another port. Nothing in the node can repair that, and nothing else would notice for most of an hour, while
AWS credentials are cached.

Only nodes that need either are watched. Looking costs a connection to a port of this machine every few
seconds; the token is tried only while something that depends on it fails.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from edgecam import greengrass_ipc
from edgecam.backoff import doubled_s
from edgecam.clock import Clock
from edgecam.config.node import NodeConfig
from edgecam.config.storage import GoogleLogin
from edgecam.credentials.token_exchange import (
    KEY_VARIABLE,
    URI_VARIABLE,
    TokenExchange,
    has_other_credentials,
    never_passed,
    port_refused,
    token_unknown,
)
from edgecam.errors import NucleusError
from edgecam.status.last_run import RunMarker, this_boot_id
from edgecam.status.outage import Lines, Outage, OutageLog, OutagePolicy
from edgecam.status.reports import IdentityReport
from edgecam.status.restart_policy import RestartPolicy

log = logging.getLogger(__name__)

LOOK_EVERY_S = 5.0
_TRY_TOKEN_S, _LONGEST_TRY_TOKEN_S = 60.0, 900.0
"""Between two tries, doubled while something fails and it is not the token's fault: on Nucleus Lite each try
with a token that is known costs a request to AWS IoT."""
CREDENTIALS_DEAD, TOKEN_DEAD = "credentials-port", "token"
"""The reasons, for health and metrics."""
_OUTAGES = OutagePolicy(
    lines=Lines(
        "what the nucleus gave this start of the node is no longer accepted",
        "the nucleus accepts it again after %(lasted_s).0f s",
    ),
)


@dataclass(frozen=True)
class Needs:
    """What the node needs of the nucleus.

    Attributes:
        exchange: For AWS credentials; None where the node needs none of them, or has not been passed it.
        token: Whether it publishes through the nucleus' socket.
        lacks_exchange: Whether it needs AWS credentials and has not been passed where they are: the service
            was started after it, since nothing waits for a SOFT dependency.
    """

    exchange: TokenExchange | None
    token: bool
    lacks_exchange: bool = False

    @classmethod
    def of(cls, config: NodeConfig, environment: Mapping[str, str]) -> Needs:
        """By the configuration; nothing where no nucleus has started the node."""
        if greengrass_ipc.address(environment) is None:
            return cls(None, token=False)
        bucket = config.bucket or ""
        federated = bucket.startswith("gs://") and config.google.way is GoogleLogin.FEDERATION
        needs_credentials = bool(config.secret_ids()) or bucket.startswith("s3://") or federated
        if not needs_credentials:
            return cls(None, token=config.aws_iot.enabled)
        is_passed = bool(environment.get(URI_VARIABLE) or environment.get(KEY_VARIABLE))
        return cls(TokenExchange.of(environment), config.aws_iot.enabled, lacks_exchange=not is_passed)

    def __bool__(self) -> bool:
        """Whether it needs anything."""
        return self.exchange is not None or self.token or self.lacks_exchange


@dataclass(frozen=True)
class Signs:
    """What the rest of the node knows. Each is asked from the watch's thread, cheap.

    Attributes:
        is_failing: Whether anything fails that AWS credentials are for.
        is_token_refused: Whether the nucleus' socket has refused the token.
    """

    is_failing: Callable[[], bool]
    is_token_refused: Callable[[], bool]


class IdentityWatch:
    """Looks every few seconds, on a thread of its own.

    Args:
        needs: What to look at.
        signs: What the rest of the node knows.
        marker: Where the next start finds how this one ended.
        end: Called once, with the reason, when the node is to end; must not block.
        clock: Time.
        boot_id: Of the kernel's start; default the machine's.
    """

    def __init__(
        self,
        needs: Needs,
        signs: Signs,
        *,
        marker: RunMarker,
        end: Callable[[NucleusError], None],
        clock: Clock,
        boot_id: str | None = None,
    ) -> None:
        self._needs = needs
        self._signs = signs
        self._marker = marker
        self._end = end
        self._clock = clock
        self._boot_id = this_boot_id() if boot_id is None else boot_id
        self._policy = RestartPolicy(clock.monotonic_s(), self._boot_id, None)
        self._outages = OutageLog(_OUTAGES, log)
        self._next_try_s = float("-inf")
        self._tries = 0
        self._is_known_useless = False
        self._was_open = False
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="nucleus", daemon=True)

    def start(self) -> None:
        """Begin to look, once `marker` has begun; returns at once."""
        self._policy = RestartPolicy(self._clock.monotonic_s(), self._boot_id, self._marker.restart)
        if self._needs:
            self._thread.start()

    def stop(self) -> None:
        """Look no more. Does not wait for a look that is under way."""
        self._ending.set()

    def report(self) -> IdentityReport:
        """What is no longer accepted, and when the node ends for it."""
        outage, lasted_s = self._outages.outage, self._outages.lasted_s(self._clock.monotonic_s())
        if outage is None or lasted_s is None:
            return IdentityReport(bool(self._needs))
        since = self._clock.now() - timedelta(seconds=lasted_s)
        return IdentityReport(bool(self._needs), outage.reason, outage.message, since)

    def _run(self) -> None:
        # A port that is never seen open counts as one of another network, so the first look is at once.
        while not self._is_to_end():
            if self._clock.wait(self._ending, LOOK_EVERY_S):
                return

    def _is_to_end(self) -> bool:
        """Look once; whether the node is to end for what was found."""
        try:
            fault = self._fault()
        except Exception:
            log.exception("the nucleus: expected to look at what it accepts, found a fault of ours")
            return False
        return self._is_over(fault)

    def _is_over(self, fault: Outage | None) -> bool:
        """Note what was found; whether the node is to end for it."""
        now_s = self._clock.monotonic_s()
        if fault is None:
            self._policy.well(now_s)
            self._outages.recovered(now_s)
            return False
        ends_in_s = self._policy.ends_in_s(now_s)
        when = "now" if ends_in_s <= 0 else f"in {ends_in_s:.0f} s, if this lasts,"
        message = f"{fault.message}. The node ends {when} to be started with what holds now"
        self._outages.lasts(Outage(fault.reason, message), now_s)
        if ends_in_s > 0:
            return False
        if not self._marker.note_restart(self._policy.this_end(now_s)):
            self._policy.not_noted()
            if self._policy.ends_in_s(now_s) > 0:
                return False
        self._end(NucleusError(fault.message))
        return True

    def _fault(self) -> Outage | None:
        """What is dead, if anything is."""
        needs = self._needs
        if needs.exchange is not None and self._has_port_gone(needs.exchange):
            return Outage(CREDENTIALS_DEAD, port_refused(needs.exchange.uri))
        if needs.lacks_exchange and self._is_useless(has_other_credentials):
            return Outage(CREDENTIALS_DEAD, never_passed("this node"))
        is_refused = needs.token and self._signs.is_token_refused()
        if is_refused or (needs.exchange is not None and self._is_useless(needs.exchange.takes_token)):
            return Outage(TOKEN_DEAD, token_unknown(greengrass_ipc.TOKEN_VARIABLE, "this node"))
        return None

    def _has_port_gone(self, exchange: TokenExchange) -> bool:
        """Whether it refuses and that matters. From a container in another network than the host's it was
        never open, and a node that gets its secrets over the nucleus' socket works without it."""
        is_open = exchange.is_open()
        self._was_open = self._was_open or is_open is True
        return is_open is False and (self._was_open or self._signs.is_failing())

    def _is_useless(self, is_useful: Callable[[], bool]) -> bool:
        """Whether what was passed for AWS credentials is of no use: tried while something fails, ever more
        seldom while that is not why."""
        now_s = self._clock.monotonic_s()
        if not self._is_known_useless and not self._signs.is_failing():
            self._tries, self._next_try_s = 0, now_s
        elif now_s >= self._next_try_s:
            self._is_known_useless = not is_useful()
            self._tries = 1 if self._is_known_useless else self._tries + 1
            pause_s = doubled_s(self._tries, first_s=_TRY_TOKEN_S, longest_s=_LONGEST_TRY_TOKEN_S)
            self._next_try_s = now_s + pause_s
        return self._is_known_useless
