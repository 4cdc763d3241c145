"""AWS IoT Core, by way of the nucleus: each camera's state on `edgecam/<thing>/<camera>/state`.

One thread and one connection for all cameras. It looks twice a second for states that are due, publishes them
one by one, and holds no queue: what is published is what holds then. A nucleus that is away or refuses is
asked again, ever more slowly; nothing else in the node waits for it.

The recipe's accessControl has to allow the topics; `tests/recipes` holds the two together. That a message got
from the nucleus to the cloud is the nucleus' affair (`greengrass_ipc.py`).
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from edgecam.backoff import Backoff
from edgecam.brokers.interface import DeviceState, StateSource
from edgecam.brokers.topics import ACCESS_OPERATION, ACCESS_SERVICE, topic_of
from edgecam.clock import Clock
from edgecam.errors import BrokerError
from edgecam.greengrass_ipc import (
    RUNNING,
    SOCKET_VARIABLE,
    THING_VARIABLE,
    TOKEN_REFUSED,
    TOKEN_VARIABLE,
    Nucleus,
    address,
    problem,
    refuses_token,
)
from edgecam.status.outage import FAULT_REASON, Lines, OutageLog, OutagePolicy
from edgecam.status.reports import LinkReport
from edgecam.status.schedule import StateSchedule

log = logging.getLogger(__name__)

LOOK_EVERY_S = 0.5
"""Poll period: a change is seen this late at most."""
_FIRST_DELAY_S = 1.0
_LONGEST_DELAY_S = 30.0
_REFUSED_DELAY_S = 60.0  # a person has to act first
_TOKEN_REFUSED_DELAY_S = 10.0  # the node ends when it lasts (`status/restart_policy.py`): tried twice before
_REFUSALS = frozenset({"unauthorized", "no-nucleus"})
_OUTAGES = OutagePolicy(
    lines=Lines("AWS IoT Core takes no states", "states go to AWS IoT Core again"),
    reason_of=lambda error: error.reason if isinstance(error, BrokerError) else FAULT_REASON,
)


@dataclass
class _Device:
    """What is known of one camera's states; only the transport's thread changes it."""

    camera_id: str
    schedule: StateSchedule
    sent_total: int = 0
    sent_s: float = field(default=float("-inf"))


class AwsIotTransport:
    """A `brokers.interface.Transport`.

    Args:
        cameras: The ids of those whose state is published.
        states: Knows the states.
        every_s: A state is never older than this many seconds.
        environment: The variables in which a nucleus gives its address and the name of the thing.
        clock: Time.
    """

    def __init__(
        self,
        cameras: Sequence[str],
        *,
        states: StateSource,
        every_s: float,
        environment: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._states = states
        self._environment = environment
        self._thing = environment.get(THING_VARIABLE, "")
        self._clock = clock
        self._devices = [_Device(camera_id, StateSchedule(every_s)) for camera_id in cameras]
        self._nucleus: Nucleus | None = None
        self._connections = 0
        self._backoff = Backoff(first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
        self._outages = OutageLog(_OUTAGES, log)
        self._since: datetime | None = None
        self._ending = threading.Event()
        self._deadline_s = 0.0
        self._thread = threading.Thread(target=self._run, name="aws-iot", daemon=True)

    def start(self) -> None:
        """Begin to publish; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Within `timeout_s` seconds publish the final state of every camera, and end."""
        self._deadline_s = self._clock.monotonic_s() + timeout_s
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))

    def reports(self) -> Mapping[str, LinkReport]:
        """How the connection is doing; it is the same for all cameras, but for what was sent."""
        nucleus, outage = self._nucleus, self._outages.outage
        is_connected = nucleus is not None and not nucleus.is_lost and outage is None
        return {
            device.camera_id: LinkReport(
                is_connected=is_connected,
                sent_total=device.sent_total,
                reconnects_total=max(0, self._connections - 1),
                reason=outage.reason if outage is not None else None,
                message=outage.message if outage is not None else None,
                since=self._since,
            )
            for device in self._devices
        }

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                pause_s = self._step()
            except BrokerError as error:
                pause_s = self._failed(error)
            except Exception:
                log.exception("AWS IoT Core: expected to publish the states, found a fault of ours")
                pause_s = _LONGEST_DELAY_S
            self._clock.wait(self._ending, pause_s)
        self._publish_final_states()
        self._disconnect()

    def _step(self) -> float:
        """Publish whatever is due; connect first where there is no connection.

        Returns:
            Seconds until the next look.

        Raises:
            BrokerError: the nucleus is away or refuses.
        """
        nucleus = self._nucleus
        if nucleus is None or nucleus.is_lost:
            nucleus = self._connected()
        pause_s = LOOK_EVERY_S
        for device in sorted(self._devices, key=lambda each: each.sent_s):
            if self._ending.is_set():
                break
            state = self._states.state(device.camera_id)
            due_in_s = device.schedule.due_in_s(state.change_key, self._clock.monotonic_s())
            if due_in_s > 0:
                pause_s = min(pause_s, due_in_s)
            else:
                self._publish(nucleus, device, state)
        return pause_s

    def _connected(self) -> Nucleus:
        """A new connection.

        Raises:
            BrokerError: there is no nucleus, or it refuses.
        """
        self._disconnect()
        where = address(self._environment)
        if where is None or not self._thing:
            raise BrokerError(
                "AWS IoT Core: expected a Greengrass nucleus to have started this node, found that "
                f"{SOCKET_VARIABLE}, {TOKEN_VARIABLE} and {THING_VARIABLE} are not all set. In a container "
                "each has to be passed on with --env, as the recipe does",
                reason="no-nucleus",
            )
        if not Path(where[0]).exists():
            raise BrokerError(
                f"the nucleus' socket {where[0]}: expected it there, found nothing. In a container it has to "
                f"be mounted: --volume={where[0]}:{where[0]}",
                reason="no-socket",
            )
        nucleus = Nucleus(*where)
        try:
            nucleus.__enter__()
        except Exception as error:  # the SDK's errors share no root below Exception
            if refuses_token(error):
                raise _token_refused(where[0]) from error
            raise _broker_error(error, f"the nucleus' socket {where[0]}") from error
        self._nucleus = nucleus
        self._connections += 1
        if self._outages.outage is None:
            self._since = self._clock.now()
        for device in self._devices:  # what a nucleus that ended had still to send is lost
            device.schedule.forget()
        if self._connections == 1:
            _say_running(nucleus)
            log.info("states go to AWS IoT Core, topics %s", topic_of(self._thing, "+"))
        return nucleus

    def _publish(self, nucleus: Nucleus, device: _Device, state: DeviceState) -> None:
        """Publish it; a connection on which that comes to nothing is given up.

        Raises:
            BrokerError: it was refused, or not answered.
        """
        topic = topic_of(self._thing, device.camera_id)
        try:
            nucleus.publish(topic, json.dumps(state.values, ensure_ascii=False).encode())
        except Exception as error:  # the SDK's errors share no root below Exception
            raised = _broker_error(error, topic)
            if raised.reason == "away":
                self._disconnect()
            raise raised from error
        now_s = self._clock.monotonic_s()
        device.schedule.sent(state.change_key, now_s)
        device.sent_total += 1
        device.sent_s = now_s
        if self._outages.outage is not None:
            self._since = self._clock.now()
            self._outages.recovered(now_s)
            self._backoff.reset()

    def _failed(self, error: BrokerError) -> float:
        """Note it; seconds until the next attempt."""
        if self._outages.outage is None:
            self._since = self._clock.now()
        outage = self._outages.failed(error, self._clock.monotonic_s())
        delay_s = self._backoff.after_failure()
        if outage.reason == TOKEN_REFUSED:
            return _TOKEN_REFUSED_DELAY_S
        return _REFUSED_DELAY_S if outage.reason in _REFUSALS else delay_s

    def _publish_final_states(self) -> None:
        """Publish the final states, as far as the time goes; a nucleus that is away is not waited for."""
        nucleus = self._nucleus
        if nucleus is None or nucleus.is_lost:
            return
        for device in self._devices:
            state = self._states.state(device.camera_id)
            now_s = self._clock.monotonic_s()
            early_s = device.schedule.due_in_s(state.change_key, now_s)
            if now_s + early_s >= self._deadline_s:
                continue  # it is published already, or there is no time left to wait until it may be
            self._clock.wait(threading.Event(), early_s)
            try:
                self._publish(nucleus, device, state)
            except BrokerError as error:
                log.debug("the last states: %s", error)
                return

    def _disconnect(self) -> None:
        if self._nucleus is not None:
            self._nucleus.__exit__(None, None, None)
            self._nucleus = None


def _say_running(nucleus: Nucleus) -> None:
    """Nothing depends on it: both nuclei take the component for running already."""
    try:
        nucleus.update_state(RUNNING)
    except Exception as error:  # the SDK's errors share no root below Exception
        log.debug("the nucleus: expected it to take %s, found %s", RUNNING, problem(error))


def _token_refused(path: str) -> BrokerError:
    return BrokerError(
        f"the nucleus' socket {path}: expected it to know this component's token ({TOKEN_VARIABLE}), found "
        "it refused. It was given by an earlier start of the nucleus: a new start of the component gets one",
        reason=TOKEN_REFUSED,
    )


def _broker_error(error: Exception, what: str) -> BrokerError:
    """What the SDK raised, as an error of ours with what to do."""
    match type(error).__name__:
        case "UnauthorizedError":
            return BrokerError(
                f"{what}: expected the nucleus to publish it, found that this component may not. Its "
                f"configuration needs accessControl, as the recipe has it: {ACCESS_SERVICE} with the "
                f"operation {ACCESS_OPERATION} and the resource {topic_of('+', '+')}",
                reason="unauthorized",
            )
        case "ServiceError":
            return BrokerError(
                f"{what}: expected the nucleus to publish it, found {problem(error)}. "
                "The core may be offline",
                reason="offline",
            )
        case _:
            return BrokerError(f"{what}: expected an answer, found {problem(error)}", reason="away")
