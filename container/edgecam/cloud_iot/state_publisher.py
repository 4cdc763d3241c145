"""Which state of a device goes to the bridge when, and whether it has arrived. At most one is on its way."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass

from edgecam.brokers.interface import DeviceState, StateSource
from edgecam.clock import Clock
from edgecam.cloud_iot.connection import BridgeConnection
from edgecam.cloud_iot.faults import ConnectionErrors
from edgecam.config.brokers import CloudIot, StatePayload
from edgecam.status.reports import CameraState
from edgecam.status.schedule import LEAST_EVERY_S, ChangeKey, StateSchedule


@dataclass(frozen=True)
class _Pending:
    """A state that the bridge has not confirmed yet.

    Attributes:
        number: By which the connection knows it.
        sent_s: When it was handed over, monotonic.
        change_key: What it is compared by.
        is_last: Whether it was sent as the final state.
    """

    number: int
    sent_s: float
    change_key: ChangeKey
    is_last: bool


class StatePublisher:
    """Outlives the connections. For the session's thread; the counters may be read from any.

    Args:
        camera_id: Whose states.
        config: How often, and in what form.
        states: Asked when a state may be sent, so that none waits.
        clock: Time.
        errors: Makes the error for a bridge that confirms nothing.
        answer_s: How long its confirmation is awaited.
    """

    def __init__(
        self,
        camera_id: str,
        config: CloudIot,
        *,
        states: StateSource,
        clock: Clock,
        errors: ConnectionErrors,
        answer_s: float,
    ) -> None:
        self._camera_id = camera_id
        self._payload = config.payload
        self._states = states
        self._clock = clock
        self._errors = errors
        self._answer_s = answer_s
        self._schedule = StateSchedule(config.every_s)
        self._pending: _Pending | None = None
        self._arrived: ChangeKey | None = None
        self._arrived_s = -math.inf
        self.confirmed_total = 0
        self.final_state_acked = False

    @property
    def is_fresh(self) -> bool:
        """Whether the bridge has a state that is no older than another could be sent."""
        return self._pending is None and self._clock.monotonic_s() - self._arrived_s < LEAST_EVERY_S

    def publish_if_due(self, connection: BridgeConnection, *, is_wanted: bool, is_last: bool) -> float:
        """Send the state, if it is time.

        Args:
            connection: Where to.
            is_wanted: A fresh one is wanted at once: the connection is to be renewed.
            is_last: The node ends: `final_state_acked` is set when the bridge has confirmed this state.

        Returns:
            Seconds until one may be due.
        """
        if self._pending is not None:
            return math.inf
        now_s = self._clock.monotonic_s()
        state = self._states.state(self._camera_id)
        if is_last and state.change_key == self._arrived and state.state == CameraState.DISCONNECTED:
            self.final_state_acked = True
            return math.inf
        due_s = self._schedule.due_in_s(state.change_key, now_s)
        if is_last or (is_wanted and not self.is_fresh):
            due_s = 0.0
        # Not a second after it was sent, but after it has surely arrived: on the way they may come closer.
        wait_s = max(due_s, self._arrived_s + LEAST_EVERY_S - now_s)
        if wait_s > 0:
            return wait_s
        number = connection.publish("state", self._text(state))
        self._schedule.sent(state.change_key, now_s)
        self._pending = _Pending(number, now_s, state.change_key, is_last)
        return math.inf

    def poll_ack(self, connection: BridgeConnection) -> bool:
        """Whether the bridge has just confirmed a state.

        Raises:
            BrokerError: it should have.
        """
        state = self._pending
        if state is None:
            return False
        now_s = self._clock.monotonic_s()
        if connection.is_confirmed(state.number):
            self._pending, self._arrived, self._arrived_s = None, state.change_key, now_s
            self.confirmed_total += 1
            self.final_state_acked = state.is_last
            return True
        if now_s - state.sent_s >= self._answer_s:
            raise self._errors.timed_out("the state to be confirmed", self._answer_s)
        return False

    def on_disconnect(self) -> None:
        """The connection has ended: what was pending may not have arrived, and is sent again."""
        if self._pending is not None:
            self._pending = None
            self.forget()

    def forget(self) -> None:
        """The next state is due at once, but for the rate."""
        self._arrived = None
        self._schedule.forget()

    def _text(self, state: DeviceState) -> str:
        if self._payload is StatePayload.WORD:
            return state.state
        return json.dumps(state.values, ensure_ascii=False)
