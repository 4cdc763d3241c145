"""One device's life at the bridge: connect, tell, renew the token, fail, wait, connect again.

`run` retries, `run_once` raises. All of it happens on the link's own thread; nothing of it holds up another
device, and nothing in the media path waits for it. The link holds no queue of states: what is told is what
holds when it is told. Only what came of commands is kept until the bridge has confirmed it, the last few.
"""

from __future__ import annotations

import logging
import random
import threading
from concurrent.futures import Future

from edgecam.backoff import STABLE_AFTER_S, Backoff
from edgecam.brokers.interface import DeviceControl, StateSource
from edgecam.clock import Clock
from edgecam.cloud_iot.commands import CommandHandler
from edgecam.cloud_iot.connection import BridgeConnection, Limits
from edgecam.cloud_iot.faults import ConnectionErrors
from edgecam.cloud_iot.jwt import Token, make_token
from edgecam.cloud_iot.key_source import KeySource
from edgecam.cloud_iot.link_status import LinkStatus, is_refusal
from edgecam.cloud_iot.private_key import PrivateKey
from edgecam.cloud_iot.state_publisher import StatePublisher
from edgecam.cloud_iot.tls import TrustStore
from edgecam.cloud_iot.waiting import run_in_background, wait_or_clock_step
from edgecam.config.brokers import CloudIot
from edgecam.config.camera import Camera
from edgecam.errors import BrokerError, EdgecamError
from edgecam.status.reports import LinkReport

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.25
"""So late a change is seen at most, and the end of the node; looking costs next to nothing."""
FIRST_DELAY_S = 0.5
LONGEST_DELAY_S = 30.0
"""A bridge that is back hears of every device within this and its jitter."""
LONGEST_REFUSED_DELAY_S = 300.0
"""A person has to act; after that it should not take long to go on."""
_JITTER = 0.5
"""A bridge that starts anew has lost every device of every core at once; they must not come back at once."""
_RENEW_FROM = (0.75, 0.85)
"""The part of its life after which a token is renewed, at random within: what remains is for a bridge that
does not take the connection at once, and for clocks that differ."""
_RENEW_BY = 0.92
"""Then it is renewed with the key that is known, even if the secret has not been had anew."""


class DeviceSession:
    """Tells one camera's state to the bridge until it is stopped.

    Args:
        camera: Whose state.
        config: Which bridge.
        states: Knows the state.
        control: Does what the device is asked to do.
        keys: Where its key is.
        trust: Whom to trust, shared by all devices.
        clock: Time.
        limits: Patience with the bridge.
        random_source: For jitter.
    """

    def __init__(
        self,
        camera: Camera,
        config: CloudIot,
        *,
        states: StateSource,
        control: DeviceControl,
        keys: KeySource,
        trust: TrustStore,
        clock: Clock,
        limits: Limits,
        random_source: random.Random | None = None,
    ) -> None:
        self.camera_id = camera.id
        self.device = config.device_name(camera.device_id)
        self._config = config
        self._keys = keys
        self._trust = trust
        self._clock = clock
        self._limits = limits
        self._random = random_source or random.Random()  # noqa: S311 - spreads load, guards nothing
        self._errors = ConnectionErrors(config, self.device, clock)
        self._publisher = StatePublisher(
            camera.id,
            config,
            states=states,
            clock=clock,
            errors=self._errors,
            answer_s=limits.answer_s,
        )
        self._commands = CommandHandler(camera.id, control)
        self._status = LinkStatus(camera.id, clock)
        self._backoff = Backoff(
            self._random,
            first_s=FIRST_DELAY_S,
            longest_s=LONGEST_DELAY_S,
            longest_refused_s=LONGEST_REFUSED_DELAY_S,
            jitter=_JITTER,
        )
        self._next_key: PrivateKey | None = None
        self._accepted: PrivateKey | None = None
        self._ending = threading.Event()
        self._deadline_s = 0.0
        self._thread = threading.Thread(target=self.run, name=f"device-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self, deadline_s: float) -> None:
        """From any thread: tell the last state by `deadline_s` (monotonic), and end. `join` waits for it."""
        self._deadline_s = deadline_s
        self._ending.set()

    def join(self) -> bool:
        """Whether the link has ended in time."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, self._deadline_s - self._clock.monotonic_s()))
        return not self._thread.is_alive()

    @property
    def key_version(self) -> str | None:
        """The version of the key that the bridge has taken last; None where unknown."""
        return None if self._accepted is None else self._accepted.version

    @property
    def final_state_acked(self) -> bool:
        """Whether the bridge has confirmed a state after `stop`."""
        return self._publisher.final_state_acked

    def report(self) -> LinkReport:
        """How the connection is doing now; from any thread."""
        return self._status.report(self._publisher.confirmed_total)

    def run(self) -> None:
        """Retry until stopped, and once more then, where the last state has not been told. Nothing that one
        attempt raises ends it."""
        is_last = False
        while not is_last and not self._is_over():
            is_last = self._ending.is_set()
            try:
                self.run_once()
            except Exception as error:
                wait_or_clock_step(self._clock, self._ending, self._failed(error))
        self._status.disconnected()

    def run_once(self) -> None:
        """One connection, until its token is renewed or the last state is told.

        Raises:
            BrokerError: the bridge does not take it, or it broke.
            CredentialsError: the device has no key.
        """
        key, self._next_key = self._next_key or self._keys.key(), None
        token = make_token(key, project=self._config.project, valid_s=self._config.token_s, clock=self._clock)
        connection = BridgeConnection(
            self._config,
            self.device,
            trust=self._trust,
            errors=self._errors,
            clock=self._clock,
            limits=self._limits,
        )
        self._status.connecting()
        try:
            self._open(connection, token, key)
            self._serve(connection, token)
        finally:
            self._publisher.on_disconnect()
            self._commands.on_disconnect()
            connection.close()

    def _open(self, connection: BridgeConnection, token: Token, key: PrivateKey) -> None:
        left_s = self._limits.connect_s
        if self._ending.is_set():
            left_s = max(0.1, self._deadline_s - self._clock.monotonic_s())
        try:
            connection.open(token.text, key.name, left_s)
        except BrokerError as error:
            if error.reason == "unauthorized" and self._keys.refused(key):
                raise _NewKeyRefusedError(str(error), reason=error.reason) from error
            raise
        if self._accepted is not None and key != self._accepted:
            self._publisher.forget()  # whoever rotates the key waits for a state that names it
        self._keys.accepted(key)
        self._accepted = key
        self._status.connected()

    def _serve(self, connection: BridgeConnection, token: Token) -> None:
        """Tell, hear and do, until it is time for another token, or over."""
        renew_from = self._random.uniform(*_RENEW_FROM)
        errand: Future[PrivateKey] | None = None
        while True:
            used = token.used(self._clock)
            if errand is None and used >= renew_from:
                errand = self._ask_for_key()
            is_renewal = errand is not None and (errand.done() or used >= _RENEW_BY)
            is_ending = self._ending.is_set()
            wait_s = self._publisher.publish_if_due(connection, is_wanted=is_renewal, is_last=is_ending)
            if self._is_over():
                return
            if is_renewal and not is_ending and self._publisher.is_fresh:
                self._renewed(errand)
                return
            self._commands.report(connection)
            connection.poll(min(wait_s, LOOK_EVERY_S))
            self._commands.take(connection)
            self._note(connection)

    def _is_over(self) -> bool:
        """Whether the last state is told, or there is no time left for it."""
        is_late = self._ending.is_set() and self._clock.monotonic_s() >= self._deadline_s
        return is_late or self._publisher.final_state_acked

    def _note(self, connection: BridgeConnection) -> None:
        """What has been confirmed, and that the connection has proved good."""
        if self._publisher.poll_ack(connection):
            self._status.published()
        if connection.lived_s >= STABLE_AFTER_S:
            self._proved_good()

    def _renewed(self, errand: Future[PrivateKey] | None) -> None:
        if errand is not None and errand.done() and errand.exception() is None:
            self._next_key = errand.result()
        else:
            self._next_key = self._accepted
        self._proved_good()

    def _proved_good(self) -> None:
        self._status.settled()
        self._backoff.reset()

    def _ask_for_key(self) -> Future[PrivateKey]:
        """The key for the next token, had without keeping the connection waiting: giving up on a cloud that
        does not answer takes seconds."""
        return run_in_background(self._keys.key, f"key-{self.camera_id}")

    def _failed(self, error: Exception) -> float:
        """Tell what went wrong; seconds until the next attempt is due."""
        self._status.disconnected()
        self._publisher.forget()  # a state that is confirmed shows everybody that it is over
        if isinstance(error, _NewKeyRefusedError):
            log.warning(
                "goes on with the key before: the new one is not taken yet: %s",
                error,
                extra={"camera": self.camera_id},
            )
            return 0.0
        if not isinstance(error, EdgecamError):
            log.error("unexpected fault", exc_info=error, extra={"camera": self.camera_id})
        outage = self._status.failed(error)
        return self._backoff.after_failure(was_refused=is_refusal(outage))


class _NewKeyRefusedError(BrokerError):
    """The bridge does not take a new key, and took another before."""
