"""What the table knows of each camera: the state that it told last, and when that arrived.

A row is what the rule in stacks/camera_table.py selects of a state message (edgecam's device_state.py). The
rows of the watch's own memory (watch_memory.py) lie in the same table, below a name that no thing can have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import TypeDeserializer

MEMORY = "#memory"
"""In place of a thing's name."""

_DESERIALIZE = TypeDeserializer().deserialize


@dataclass(frozen=True)
class CameraState:
    """The last words of a camera.

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
        """The core that told it."""
        return self.name.partition("/")[0]


def read_rows(dynamodb: Any, table: str) -> Iterator[dict[str, Any]]:
    """All rows of the table as plain values, 1 MB of them a request."""
    for page in dynamodb.get_paginator("scan").paginate(TableName=table):
        for item in page["Items"]:
            yield {name: _DESERIALIZE(value) for name, value in item.items()}


def state_of(row: Mapping[str, Any], now_s: float) -> CameraState:
    """A row, as it is at `now_s` (seconds since 1970).

    What a newer or older edgecam does not say is taken for nothing; such a row is not worth an alarm of ours.
    """
    age_s = max(0.0, now_s - float(row["received_ms"]) / 1000)
    return CameraState(
        name=f"{row['thing']}/{row['camera']}",
        state=str(row.get("state")),
        reason=row.get("reason"),
        age_s=age_s,
        in_state_s=age_s + _between_s(row.get("since"), row.get("sent_at")),
        every_s=float(row.get("every_s") or 0),
        chunks_recorded=_whole(row.get("chunks_recorded")),
        chunks_waiting=_whole(row.get("chunks_waiting")),
        chunks_lost=_whole(row.get("chunks_lost")),
        spool_bytes=_whole(row.get("spool_bytes")),
        spool_limit_bytes=_whole(row.get("spool_limit_bytes")),
    )


def forget(dynamodb: Any, table: str, name: str) -> None:
    """Take a camera out of the table."""
    thing, _, camera = name.partition("/")
    dynamodb.delete_item(TableName=table, Key={"thing": {"S": thing}, "camera": {"S": camera}})


def _between_s(since: object, sent_at: object) -> float:
    """Both times are the core's, whose clock may be wrong: their difference is not."""
    try:
        between = datetime.fromisoformat(str(sent_at)) - datetime.fromisoformat(str(since))
    except ValueError:
        return 0.0
    return max(0.0, between.total_seconds())


def _whole(value: object) -> int | None:
    return int(value) if isinstance(value, (int, float, Decimal)) else None
