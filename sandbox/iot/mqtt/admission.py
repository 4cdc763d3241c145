"""Who may connect to the bridge, and what a device may publish: the rules, on values.

https://cloud.google.com/iot/docs/how-tos/mqtt-bridge, https://cloud.google.com/iot/quotas
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import NamedTuple

from sandbox.iot import names, tokens
from sandbox.iot.clock import ServerClock
from sandbox.iot.errors import ApiError, RefusedError, Why
from sandbox.iot.registries import Registries

MOST_STATE_BYTES = 64 * 1024
MOST_EVENT_BYTES = 256 * 1024
STATE_EVERY_S = 1.0
RATE_TOLERANCE_S = 0.5
"""A state may come so much early: a network does not carry each equally fast. More than one a second in the
long run is refused all the same."""
QOS_MOST = 1


class Admission(NamedTuple):
    """Which device has connected, and until when its token is good, seconds since 1970."""

    name: str
    expires_s: float


@dataclass(frozen=True)
class Ending:
    """A connection that was refused or ended."""

    at_s: float
    why: str
    message: str


@dataclass
class Account:
    """The connections of one client id."""

    accepted: int = 0
    is_open: bool = False
    refused: list[Ending] = field(default_factory=list)
    """Connections, messages and subscriptions; the first two cost the connection."""
    closed: list[Ending] = field(default_factory=list)
    """Connections that were accepted once."""


class Gate:
    """Safe to use from any thread."""

    def __init__(self, registries: Registries, clock: ServerClock) -> None:
        self._registries = registries
        self._clock = clock
        self._lock = threading.Lock()
        self._accounts: dict[str, Account] = {}
        self._state_due_s: dict[str, float] = {}

    def admit(self, client_id: str, password: str | None, *, has_will: bool) -> Admission:
        """Whether a client may connect.

        Raises:
            RefusedError: why not.
        """
        try:
            project = names.device_name(client_id).project
        except ApiError as error:
            raise RefusedError(Why.CLIENT_ID, f"client id: {error.message}") from None
        if has_will:
            raise RefusedError(Why.LAST_WILL, "expected no last will")
        keys = self._registries.keys(client_id)
        if not password:
            raise RefusedError(Why.NO_TOKEN, "expected a token for a password, found none")
        return Admission(client_id, tokens.check_token(password, keys, project, self._clock.now_s()))

    def publish(self, name: str, topic: str, data: bytes, *, qos: int, retain: bool) -> None:
        """Take what a device publishes.

        Raises:
            RefusedError: it may not; its connection is to be closed.
        """
        if qos > QOS_MOST:
            raise RefusedError(Why.QOS, f"expected QoS 0 or 1, found {qos}")
        if retain:
            raise RefusedError(Why.RETAIN, "expected messages that are not retained")
        where = names.topic_of(names.device_name(name).id, topic)
        most = MOST_STATE_BYTES if where.kind == "state" else MOST_EVENT_BYTES
        if len(data) > most:
            raise RefusedError(Why.SIZE, f"{where.kind}: expected {most} bytes at most, found {len(data)}")
        try:
            if where.kind == "state":
                self._check_rate(name)
                self._registries.add_state(name, data)
            else:
                self._check_event_topic(name)
                self._registries.add_event(name, where.subfolder, data)
        except ApiError as error:
            raise RefusedError(Why.DELETED, error.message) from None

    def now_s(self) -> float:
        """The server's time, seconds since 1970."""
        return self._clock.now_s()

    def accepted(self, client_id: str) -> None:
        """A connection is open."""
        with self._lock:
            account = self._accounts.setdefault(client_id, Account())
            account.accepted += 1
            account.is_open = True

    def refused(self, client_id: str, refusal: RefusedError) -> None:
        """A connection, a message or a subscription was refused."""
        with self._lock:
            account = self._accounts.setdefault(client_id, Account())
            account.refused.append(self._ending(refusal.why, refusal.message))
        self._registries.failed(client_id, refusal.why, refusal.message)

    def closed(self, client_id: str, why: Why, message: str, *, is_last: bool) -> None:
        """A connection that was open is over; `is_last` when no newer one of the same client is open."""
        with self._lock:
            account = self._accounts.setdefault(client_id, Account())
            account.is_open = account.is_open and not is_last
            account.closed.append(self._ending(why, message))
        if why is not Why.BY_CLIENT:
            self._registries.failed(client_id, why, message)

    def account(self, client_id: str) -> Account:
        """The connections of a client id, up to now."""
        with self._lock:
            found = self._accounts.get(client_id, Account())
            return Account(found.accepted, found.is_open, list(found.refused), list(found.closed))

    def _ending(self, why: Why, message: str) -> Ending:
        return Ending(self._clock.now_s(), why.word, message)

    def _check_event_topic(self, name: str) -> None:
        if not self._registries.takes_events(name):
            raise RefusedError(
                Why.NO_EVENT_TOPIC,
                "no Pub/Sub topic for events (eventNotificationConfigs)",
            )

    def _check_rate(self, name: str) -> None:
        now_s = time.monotonic()
        with self._lock:
            due_s = self._state_due_s.get(name, now_s)
            if now_s < due_s - RATE_TOLERANCE_S:
                raise RefusedError(Why.RATE, "expected one state a second at most")
            self._state_due_s[name] = max(now_s, due_s) + STATE_EVERY_S
