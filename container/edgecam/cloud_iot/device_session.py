"""One device's life at the bridge: connect, publish, renew the token, fail, wait, connect again.

`run` retries, `run_once` raises. All of it is on the session's own thread; nothing of it holds up another
device, and nothing in the media path waits for it. The session holds no queue of states: what is published
is what holds then. Only the results of commands are kept until the bridge has confirmed them, the last few.
"""

from __future__ import annotations

import logging
import random
import threading
from functools import partial

from edgecam.backoff import STABLE_AFTER_S, Backoff
from edgecam.brokers.interface import DeviceControl, StateSource
from edgecam.clock import Clock
from edgecam.cloud_iot.commands import CommandHandler
from edgecam.cloud_iot.connection import BridgeConnection, Limits
from edgecam.cloud_iot.faults import ConnectionErrors
from edgecam.cloud_iot.jwt import Token, make_token
from edgecam.cloud_iot.key_rotation import RENEW_FROM, KeyRotation, Keys
from edgecam.cloud_iot.link_status import LinkStatus, is_refusal
from edgecam.cloud_iot.private_key import PrivateKey
from edgecam.cloud_iot.state_publisher import StatePublisher
from edgecam.cloud_iot.tls import TrustStore
from edgecam.cloud_iot.waiting import Ending, wait_or_clock_step
from edgecam.config.brokers import CloudIot
from edgecam.config.camera import Camera
from edgecam.errors import BrokerError, EdgecamError
from edgecam.status.reports import LinkReport

log = logging.getLogger(__name__)

POLL_S = 0.25
"""A change is seen this late at most, and the end of the node; a poll costs next to nothing."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
"""A bridge that is back hears of every device within this and its jitter."""
LONGEST_REFUSED_DELAY_S = 300.0
"""A person has to act; after that it should not take long to go on."""
_JITTER = 0.5
"""A bridge that restarts has lost every device of every core at once; they must not come back at once."""


class DeviceSession:
    """Publishes one camera's state to the bridge until it is stopped.

    Args:
        camera: Whose state.
        config: Which bridge.
        states: Knows the state.
        control: Does what the device is asked to do.
        keys: Where its key is.
        trust: Whom to trust, shared by all devices.
        clock: Time.
        limits: Timeouts of the connection.
        random_source: For jitter.
    """

    def __init__(
        self,
        camera: Camera,
        config: CloudIot,
        *,
        states: StateSource,
        control: DeviceControl,
        keys: Keys,
        trust: TrustStore,
        clock: Clock,
        limits: Limits,
        random_source: random.Random | None = None,
    ) -> None:
        self._about = {"camera": camera.id}
        self._config = config
        self._connect_s = limits.connect_s
        self._clock = clock
        self._random = random_source or random.Random()  # noqa: S311 - spreads load, guards nothing
        device = config.device_name(camera.device_id)
        errors = ConnectionErrors(config, device, clock)
        self._new_connection = partial(
            BridgeConnection, config, device, trust=trust, errors=errors, clock=clock, limits=limits
        )
        self._publisher = StatePublisher(
            camera.id, config, states=states, clock=clock, errors=errors, answer_s=limits.answer_s
        )
        self._commands = CommandHandler(camera.id, control)
        self._keys = KeyRotation(keys, f"key-{camera.id}")
        self._status = LinkStatus(camera.id, clock)
        self._backoff = Backoff(
            self._random,
            first_s=FIRST_DELAY_S,
            longest_s=LONGEST_DELAY_S,
            longest_refused_s=LONGEST_REFUSED_DELAY_S,
            jitter=_JITTER,
        )
        self._ending = Ending(clock)
        self._thread = threading.Thread(target=self.run, name=f"device-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """From any thread: publish the final state by `deadline_s` (monotonic), and end; see `join`."""
        self._ending.set(deadline_s)

    def join(self) -> bool:
        """Whether the session has ended in time; after `stop`."""
        if self._thread.ident is not None:
            self._thread.join(self._ending.left_s)
        return not self._thread.is_alive()

    @property
    def key_version(self) -> str | None:
        """The version of the key that the bridge has taken last; None where unknown."""
        return self._keys.version

    @property
    def final_state_acked(self) -> bool:
        """Whether the bridge has confirmed a state after `stop`."""
        return self._publisher.final_state_acked

    def report(self) -> LinkReport:
        """How the connection is doing now; from any thread."""
        return self._status.report(self._publisher.confirmed_total)

    def run(self) -> None:
        """Retry until stopped, and once more then, where the final state is not confirmed. Nothing that one
        attempt raises ends it."""
        is_last = False
        while not is_last and not self._is_over():
            is_last = self._ending.is_set
            try:
                self.run_once()
            except Exception as error:
                wait_or_clock_step(self._clock, self._ending.event, self._failed(error))
        self._status.disconnected()

    def run_once(self) -> None:
        """One connection, until its token is renewed or the final state is confirmed.

        Raises:
            BrokerError: the bridge does not take it, or it broke.
            CredentialsError: the device has no key.
        """
        key = self._keys.next()
        token = make_token(key, project=self._config.project, valid_s=self._config.token_s, clock=self._clock)
        connection = self._new_connection()
        self._status.connecting()
        try:
            self._open(connection, token, key)
            self._serve(connection, token)
        finally:
            self._publisher.on_disconnect()
            self._commands.on_disconnect()
            connection.close()

    def _open(self, connection: BridgeConnection, token: Token, key: PrivateKey) -> None:
        left_s = max(0.1, min(self._connect_s, self._ending.left_s))
        try:
            connection.open(token.text, key.name, left_s)
        except BrokerError as error:
            if error.reason == "unauthorized" and self._keys.refused(key):
                raise _NewKeyRefusedError(str(error), reason=error.reason) from error
            raise
        if self._keys.accepted(key):
            self._publisher.forget()  # who rotates the key waits for a state that names it
        self._status.connected()

    def _serve(self, connection: BridgeConnection, token: Token) -> None:
        """Publish states and handle commands until it is time for another token, or over."""
        renewal = self._keys.renewal(self._random.uniform(*RENEW_FROM))
        while True:
            is_renewal = renewal.is_due(token.used(self._clock))
            is_ending = self._ending.is_set
            wait_s = self._publisher.publish_if_due(connection, is_wanted=is_renewal, is_last=is_ending)
            if self._is_over():
                return
            if is_renewal and not is_ending and self._publisher.is_fresh:
                self._keys.renew(renewal)
                self._settled()
                return
            self._commands.report(connection)
            connection.poll(min(wait_s, POLL_S))
            self._commands.take(connection)
            if self._publisher.poll_ack(connection):
                self._status.published()
            if connection.lived_s >= STABLE_AFTER_S:
                self._settled()

    def _is_over(self) -> bool:
        """Whether the final state is confirmed, or there is no time left for it."""
        return self._publisher.final_state_acked or self._ending.left_s <= 0

    def _settled(self) -> None:
        """The connection lived long enough: the next failure is a new outage, with the first delay."""
        self._status.settled()
        self._backoff.reset()

    def _failed(self, error: Exception) -> float:
        """Report what went wrong; seconds until the next attempt."""
        self._status.disconnected()
        self._publisher.forget()  # a state that is confirmed shows everybody that it is over
        if isinstance(error, _NewKeyRefusedError):
            text = "goes on with the key before: the new one is not taken yet: %s"
            log.warning(text, error, extra=self._about)
            return 0.0
        if not isinstance(error, EdgecamError):
            log.error("unexpected fault", exc_info=error, extra=self._about)
        outage = self._status.failed(error)
        return self._backoff.after_failure(was_refused=is_refusal(outage))


class _NewKeyRefusedError(BrokerError):
    """The bridge does not take a new key, and took another before."""
