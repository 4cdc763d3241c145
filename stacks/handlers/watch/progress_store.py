"""What the watch keeps from one run to the next: how far each recording was, and since when.

A state has the number of chunks, not the time of the last one. The memory is kept in rows of the table,
many cameras each, so that nothing is lost when Lambda starts another instance.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .camera_states import MEMORY, MOST_CHUNKS

CAMERAS_A_ROW = 1_500
"""At most: with the longest names, of 192 characters, a row stays below DynamoDB's 400 KB."""


@dataclass(frozen=True)
class Progress:
    """How far the recording of a camera was.

    Attributes:
        recorded: Chunks.
        grew_s: When that number last changed, seconds since 1970.
        lost: Chunks.
    """

    recorded: int
    grew_s: float
    lost: int


Memory = Mapping[str, Progress]
"""By `<thing>/<camera>`."""


def read(rows: Iterable[Mapping[str, Any]]) -> dict[str, Progress]:
    """The memory that these rows of the table hold; what cannot be is forgotten."""
    return {
        name: progress
        for row in rows
        for name, values in _cameras(row).items()
        if (progress := _progress(values)) is not None
    }


def write(dynamodb: Any, table: str, memory: Memory, former_rows: int) -> None:
    """Put the memory in place of the former one, which had `former_rows` rows."""
    names = sorted(memory)
    pieces = [names[start : start + CAMERAS_A_ROW] for start in range(0, len(names), CAMERAS_A_ROW)]
    for number, piece in enumerate(pieces):
        values = {name: [memory[name].recorded, memory[name].grew_s, memory[name].lost] for name in piece}
        dynamodb.put_item(
            TableName=table,
            Item={**_key(number), "cameras": {"S": json.dumps(values, separators=(",", ":"))}},
        )
    for number in range(len(pieces), former_rows):
        dynamodb.delete_item(TableName=table, Key=_key(number))


def _cameras(row: Mapping[str, Any]) -> Mapping[str, object]:
    try:
        cameras = json.loads(str(row["cameras"]))
    except (KeyError, ValueError, RecursionError):
        return {}
    return cameras if isinstance(cameras, dict) else {}


def _progress(values: object) -> Progress | None:
    match values:
        case [int() as recorded, int() | float() as grew_s, int() as lost] if (
            0 <= recorded <= MOST_CHUNKS and 0 <= grew_s <= MOST_CHUNKS and 0 <= lost <= MOST_CHUNKS
        ):
            return Progress(recorded, grew_s, lost)
    return None


def _key(number: int) -> dict[str, dict[str, str]]:
    return {"thing": {"S": MEMORY}, "camera": {"S": f"{number:04}"}}
