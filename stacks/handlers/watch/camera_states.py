"""The last state of each camera in the table, and when it arrived.

A row is what the rule in stacks/watch/camera_table.py selects of a state message (edgecam's
state_document.py). The rows of the watch's own memory (progress_store.py) are in the same table, below a name
that no thing can have.

Thing and camera are the topic's, which the policies of the cores guard; everything else in a row is what some
core has sent, and may be anything. A row that cannot be is an `OddState`: a problem of that camera alone.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, TypeGuard

from boto3.dynamodb.types import TypeDeserializer

MEMORY = "#memory"
"""In place of a thing's name."""

MOST_CHUNKS = 10**12
"""A chunk a millisecond for thirty years. CloudWatch takes numbers up to 2^360; sums of these stay below."""
MOST_BYTES = 10**15
"""A petabyte, as the settings of a spool have it (edgecam's config/storage.py)."""
MOST_EVERY_S = 86_400
"""The settings allow an hour; a newer edgecam may allow a day, and then a camera is silent after one."""
LONGEST_WORD = 60
"""Characters of a state or a reason: each is one word of a few."""

_DESERIALIZE = TypeDeserializer().deserialize


@dataclass(frozen=True)
class CameraState:
    """The last state of a camera.

    Attributes:
        name: `<thing>/<camera>`.
        state: connecting, connected, stalled or disconnected.
        reason: One word for what is wrong, or None.
        age_s: Since it arrived, by the cloud's clock.
        in_state_s: How long the camera is in this state, by the core's clock until the message was sent.
        every_s: The node promises that no state grows older than this.
        chunks_recorded: Since the node started; None where nothing is recorded.
        chunks_waiting: For the cloud's receipt; None where nothing is recorded.
        chunks_lost: None where nothing is recorded.
        spool_bytes: Of the whole node; None where nothing is recorded.
        spool_limit_bytes: The most that it may hold; None where nothing is recorded.
    """

    name: str
    state: str
    reason: str | None
    age_s: float
    in_state_s: float
    every_s: float
    chunks_recorded: int | None
    chunks_waiting: int | None
    chunks_lost: int | None
    spool_bytes: int | None
    spool_limit_bytes: int | None

    @property
    def thing(self) -> str:
        """The core that sent it."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class OddState:
    """A row that no edgecam has sent.

    Attributes:
        name: `<thing>/<camera>`.
        why: What was expected, what was found; short, whatever stands there.
        age_s: Since it arrived, by the cloud's clock.
    """

    name: str
    why: str
    age_s: float

    @property
    def thing(self) -> str:
        """The core that sent it."""
        return self.name.partition("/")[0]


class _OddError(ValueError):
    """The reason of an `OddState`."""


def read_rows(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    """All rows of the table as plain values, 1 MB of them a request."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            yield {name: _plain(value) for name, value in item.items()}


def judged(row: Mapping[str, Any], now_s: float) -> CameraState | OddState:
    """A row, as it is at `now_s` (seconds since 1970). Never raises, whatever the row holds."""
    try:
        return state_of(row, now_s)
    except Exception as error:
        # Anything else than `_OddError` would be a mistake of ours: it must not blind the watch either.
        why = str(error) if isinstance(error, _OddError) else f"cannot be read: {type(error).__name__}"
        return OddState(_name(row), why, _age_s(row, now_s))


def state_of(row: Mapping[str, Any], now_s: float) -> CameraState:
    """A row, as it is at `now_s` (seconds since 1970).

    A field that a newer or older edgecam does not send is None; such a row raises no alarm.

    Raises:
        ValueError: the row holds what no edgecam sends.
    """
    age_s = _age_s(row, now_s)
    if math.isinf(age_s):
        raise _odd("received_ms", "milliseconds", row.get("received_ms"))
    return CameraState(
        name=_name(row),
        state=_word(row, "state") or "unknown",
        reason=_word(row, "reason"),
        age_s=age_s,
        in_state_s=age_s + _between_s(row),
        every_s=float(_number(row, "every_s", MOST_EVERY_S) or 0),
        chunks_recorded=_whole(row, "chunks_recorded", MOST_CHUNKS),
        chunks_waiting=_whole(row, "chunks_waiting", MOST_CHUNKS),
        chunks_lost=_whole(row, "chunks_lost", MOST_CHUNKS),
        spool_bytes=_whole(row, "spool_bytes", MOST_BYTES),
        spool_limit_bytes=_whole(row, "spool_limit_bytes", MOST_BYTES),
    )


def forget(dynamodb: Any, table: str, name: str) -> None:
    """Take a camera out of the table."""
    thing, _, camera = name.partition("/")
    dynamodb.delete_item(TableName=table, Key={"thing": {"S": thing}, "camera": {"S": camera}})


def _plain(value: Any) -> Any:
    """What DynamoDB wrote as `{"N": "5"}`; itself where that cannot be, to be found odd."""
    try:
        return _DESERIALIZE(value)
    except (ArithmeticError, TypeError, ValueError):
        return value


def _name(row: Mapping[str, Any]) -> str:
    return f"{row['thing']}/{row['camera']}"


def _age_s(row: Mapping[str, Any], now_s: float) -> float:
    """Infinite without a valid time of arrival, which the rule always adds; such a row is forgotten."""
    received_ms = row.get("received_ms")
    if not _is_number(received_ms) or not 0 <= received_ms <= 1000 * MOST_CHUNKS:
        return math.inf
    return max(0.0, now_s - float(received_ms) / 1000)


def _between_s(row: Mapping[str, Any]) -> float:
    """Both times are the core's, whose clock may be wrong: their difference is not."""
    since, sent_at = _moment(row, "since"), _moment(row, "sent_at")
    return 0.0 if since is None or sent_at is None else max(0.0, (sent_at - since).total_seconds())


def _moment(row: Mapping[str, Any], field: str) -> datetime | None:
    value = row.get(field)
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.utcoffset() is None:
        raise _odd(field, "a time with its zone", value)
    return moment


def _word(row: Mapping[str, Any], field: str) -> str | None:
    value = row.get(field)
    if value is None or (isinstance(value, str) and len(value) <= LONGEST_WORD):
        return value
    raise _odd(field, f"a word of at most {LONGEST_WORD} characters", value)


def _number(row: Mapping[str, Any], field: str, most: int) -> float | Decimal | None:
    value: float | Decimal | None = row.get(field)
    if value is None or (_is_number(value) and 0 <= value <= most):
        return value
    raise _odd(field, f"a number from 0 to {most}", value)


def _whole(row: Mapping[str, Any], field: str, most: int) -> int | None:
    value = _number(row, field, most)
    return None if value is None else int(value)


def _is_number(value: object) -> TypeGuard[int | float | Decimal]:
    return isinstance(value, (int, float, Decimal)) and not isinstance(value, bool)


def _odd(field: str, expected: str, value: object) -> _OddError:
    """Numbers and words are shown, cut; of anything else its kind."""
    is_shown = isinstance(value, str) or _is_number(value)
    found = ascii(str(value)[:LONGEST_WORD]) if is_shown else type(value).__name__
    return _OddError(f"{field}: expected {expected}, found {found}")
