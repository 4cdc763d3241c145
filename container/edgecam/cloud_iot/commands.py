"""Commands and settings that come over MQTT, and the results that go back.

A command is the subfolder of its topic (`/devices/D/commands/snapshot`), else its text. What came of it is an
event on `/devices/D/events`: `{"command": "snapshot", "done": true}` or `{"command": …, "error": "…"}`.
"""

from __future__ import annotations

import json
import logging
from collections import deque
from dataclasses import dataclass

from edgecam.brokers.interface import DeviceControl
from edgecam.cloud_iot.connection import BridgeConnection, Message
from edgecam.errors import CommandError
from edgecam.redaction import LONGEST_MESSAGE, SECRETS

log = logging.getLogger(__name__)

MOST_OUTCOMES = 16
"""Kept until the bridge has confirmed them; the sender of more commands may repeat them."""
MOST_ATTEMPTS = 2
"""A registry without a topic for events ends the connection of a device that sends one: not for ever."""
_LONGEST_NAME = 100
_COMMANDS = "commands"
_CONFIG = "config"


@dataclass
class _Outcome:
    """What came of a command, and how often it was sent."""

    text: str
    attempts: int = 0


class CommandHandler:
    """Outlives the connections. For the session's thread.

    Args:
        camera_id: Of whom it is asked.
        control: Does it.
    """

    def __init__(self, camera_id: str, control: DeviceControl) -> None:
        self._camera_id = camera_id
        self._about = {"camera": camera_id}
        self._control = control
        self._config: bytes | None = None
        self._outcomes: deque[_Outcome] = deque(maxlen=MOST_OUTCOMES)
        self._pending: dict[int, _Outcome] = {}
        self._has_complained = False

    def take(self, connection: BridgeConnection) -> None:
        """Do what has come."""
        for message in connection.messages():
            try:
                self._handle(message)
            except Exception:
                log.exception(
                    "expected to handle a message on %s", message.topic[:_LONGEST_NAME], extra=self._about
                )
        if connection.refused_subscription and not self._has_complained:
            self._has_complained = True
            log.warning(
                "the bridge takes states but no subscription to config and commands", extra=self._about
            )

    def report(self, connection: BridgeConnection) -> None:
        """Send what came of commands, and strike off what the bridge has confirmed."""
        for number in [each for each in self._pending if connection.is_confirmed(each)]:
            del self._pending[number]
        while self._outcomes:
            outcome = self._outcomes[0]
            outcome.attempts += 1
            self._pending[connection.publish("events", outcome.text)] = self._outcomes.popleft()

    def on_disconnect(self) -> None:
        """What was on its way may not have arrived: it is sent once more."""
        unsure = [*self._pending.values(), *self._outcomes]
        again = [outcome for outcome in unsure if outcome.attempts < MOST_ATTEMPTS]
        if len(again) < len(unsure):
            log.warning(
                "gave up reporting the result of a command: the connection ended whenever it was sent; "
                "has the registry a Pub/Sub topic for events?",
                extra=self._about,
            )
        self._outcomes = deque(again, maxlen=MOST_OUTCOMES)
        self._pending.clear()

    def _handle(self, message: Message) -> None:
        kind, _, subfolder = message.topic.partition("/")
        if kind == _COMMANDS:
            self._command(subfolder or message.payload[: 4 * _LONGEST_NAME].decode(errors="replace").strip())
        elif kind == _CONFIG and message.payload != self._config:
            # The bridge sends it with every connection; what holds already is not logged.
            self._config = message.payload
            self._control.configure(self._camera_id, message.payload)

    def _command(self, name: str) -> None:
        name = name[:_LONGEST_NAME]
        outcome: dict[str, object] = {"command": SECRETS.hide(name)}
        try:
            self._control.command(self._camera_id, name)
            outcome["done"] = True
        except CommandError as error:
            outcome["error"] = SECRETS.shown(str(error), LONGEST_MESSAGE)
        except Exception:
            log.exception("command %s: expected it to be done", name, extra=self._about)
            outcome["error"] = "expected it to be done, found a fault of edgecam; its log says more"
        self._outcomes.append(_Outcome(json.dumps(outcome, ensure_ascii=False)))
