"""How the embedded Cloud IoT says no: over the API, and on the bridge."""

from __future__ import annotations

from enum import Enum
from typing import Any


class Status(Enum):
    """Google's canonical codes that are used here.

    Attributes:
        number: As google.rpc.Status holds it.
        http: As HTTP answers hold it.
    """

    INVALID_ARGUMENT = (3, 400)
    DEADLINE_EXCEEDED = (4, 504)
    NOT_FOUND = (5, 404)
    ALREADY_EXISTS = (6, 409)
    PERMISSION_DENIED = (7, 403)
    RESOURCE_EXHAUSTED = (8, 429)
    FAILED_PRECONDITION = (9, 400)
    INTERNAL = (13, 500)
    UNAVAILABLE = (14, 503)
    UNAUTHENTICATED = (16, 401)

    def __init__(self, number: int, http: int) -> None:
        self.number = number
        self.http = http


class ApiError(Exception):
    """A request over the API is refused."""

    def __init__(self, status: Status, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message

    @property
    def document(self) -> dict[str, Any]:
        """What the answer holds, in the form of Google's APIs."""
        error = {"code": self.status.http, "message": self.message, "status": self.status.name}
        return {"error": error}


class Why(Enum):
    """Why the bridge refused a connection or ended one.

    Attributes:
        word: In `connections()`.
        status: In `lastErrorStatus`.
        connack: Return code of CONNACK; None where the connection is closed without a word.
    """

    CLIENT_ID = ("client-id", Status.INVALID_ARGUMENT, 2)
    UNKNOWN_DEVICE = ("unknown-device", Status.NOT_FOUND, 5)
    BLOCKED = ("blocked", Status.PERMISSION_DENIED, 5)
    NO_TOKEN = ("no-token", Status.UNAUTHENTICATED, 4)
    MALFORMED_TOKEN = ("malformed-token", Status.UNAUTHENTICATED, 4)
    ALGORITHM = ("algorithm", Status.UNAUTHENTICATED, 5)
    SIGNATURE = ("signature", Status.UNAUTHENTICATED, 5)
    AUDIENCE = ("audience", Status.UNAUTHENTICATED, 5)
    TOKEN_EXPIRED = ("token-expired", Status.UNAUTHENTICATED, 5)
    TOKEN_EARLY = ("token-early", Status.UNAUTHENTICATED, 5)
    TOKEN_LIFE = ("token-life", Status.UNAUTHENTICATED, 5)
    MQTT_DISABLED = ("mqtt-disabled", Status.FAILED_PRECONDITION, 5)
    LAST_WILL = ("last-will", Status.INVALID_ARGUMENT, None)
    QOS = ("qos", Status.INVALID_ARGUMENT, None)
    RETAIN = ("retain", Status.INVALID_ARGUMENT, None)
    TOPIC = ("topic", Status.INVALID_ARGUMENT, None)
    NO_EVENT_TOPIC = ("no-event-topic", Status.FAILED_PRECONDITION, None)
    SIZE = ("size", Status.INVALID_ARGUMENT, None)
    RATE = ("rate", Status.RESOURCE_EXHAUSTED, None)
    TAKEN_OVER = ("taken-over", Status.ALREADY_EXISTS, None)
    DELETED = ("deleted", Status.NOT_FOUND, None)
    IDLE = ("idle", Status.DEADLINE_EXCEEDED, None)
    LOST = ("lost", Status.UNAVAILABLE, None)
    """The connection broke, without a word from the client."""
    BRIDGE_DOWN = ("bridge-down", Status.UNAVAILABLE, None)
    BY_CLIENT = ("by-client", Status.UNAVAILABLE, None)
    """The client disconnected: no error."""

    def __init__(self, word: str, status: Status, connack: int | None) -> None:
        self.word = word
        self.status = status
        self.connack = connack


class RefusedError(Exception):
    """The bridge refuses a connection, a message or a subscription."""

    def __init__(self, why: Why, message: str) -> None:
        super().__init__(message)
        self.why = why
        self.message = message
