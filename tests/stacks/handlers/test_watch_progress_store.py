"""The memory of the watch, in a table of an embedded AWS."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stacks.handlers.watch import camera_states
from stacks.handlers.watch import progress_store as watch_memory
from stacks.handlers.watch.progress_store import Progress


@pytest.fixture
def table(aws: Callable[[str], Any]) -> str:
    name = f"cameras-{uuid.uuid4().hex[:8]}"
    aws("dynamodb").create_table(
        TableName=name,
        KeySchema=[
            {"AttributeName": "thing", "KeyType": "HASH"},
            {"AttributeName": "camera", "KeyType": "RANGE"},
        ],
        AttributeDefinitions=[
            {"AttributeName": "thing", "AttributeType": "S"},
            {"AttributeName": "camera", "AttributeType": "S"},
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    return name


def rows(dynamodb: Any, table: str) -> list[dict[str, Any]]:
    return list(camera_states.read_rows(dynamodb, table))


def test_memory_of_a_large_fleet_takes_several_rows_and_comes_back_whole(
    aws: Callable[[str], Any], table: str
) -> None:
    memory = {f"core-{number}/ramp": Progress(number, 1.5, 0) for number in range(2_500)}
    watch_memory.write(aws("dynamodb"), table, memory, former_rows=0)
    kept = rows(aws("dynamodb"), table)
    assert len(kept) == 2
    assert watch_memory.read(kept) == memory


def test_rows_that_a_smaller_fleet_does_not_need_go(aws: Callable[[str], Any], table: str) -> None:
    dynamodb = aws("dynamodb")
    watch_memory.write(
        dynamodb, table, {f"core-{number}/a": Progress(1, 0, 0) for number in range(2_500)}, former_rows=0
    )
    watch_memory.write(dynamodb, table, {"core/a": Progress(1, 0, 0)}, former_rows=2)
    assert watch_memory.read(rows(dynamodb, table)) == {"core/a": Progress(1, 0, 0)}


def test_row_of_the_longest_names_fits_into_dynamodb() -> None:
    written: list[dict[str, Any]] = []

    class Table:
        """Takes what is put."""

        def put_item(self, **request: Any) -> None:
            written.append(request["Item"])

    memory = {
        f"{number:0128}/{'c' * 63}": Progress(10**9, 1_800_000_000.123456, 10**6)
        for number in range(watch_memory.CAMERAS_A_ROW)
    }
    watch_memory.write(Table(), "cameras", memory, former_rows=0)
    (row,) = written
    assert len(row["cameras"]["S"].encode()) < 399 * 1024


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "nonsense",
        "[" * 100_000,
        '{"core/ramp": 5}',
        '{"core/ramp": [1]}',
        '{"core/ramp": ["a", 1, 1]}',
        *(
            f'{{"core/ramp": [{number}, 1.5, 0]}}'
            for number in ("1" + "0" * 125, "-1", "1e400", "null", "NaN")
        ),
    ],
)
def test_memory_that_cannot_be_is_forgotten_and_the_rest_kept(text: str) -> None:
    rows = [{"cameras": text}, {"cameras": '{"core/gate": [3, 1.5, 1]}'}, {}]
    assert watch_memory.read(rows) == {"core/gate": Progress(3, 1.5, 1)}


def test_number_that_cannot_be_read_is_left_as_it_came() -> None:
    class Table:
        def get_paginator(self, _: str) -> Table:
            return self

        def paginate(self, **_: str) -> list[dict[str, Any]]:
            item = {"thing": {"S": "core"}, "camera": {"S": "ramp"}, "every_s": {"N": "1" * 60}}
            return [{"Items": [item, item | {"every_s": {"?": 1}}]}]

    first, second = camera_states.read_rows(Table(), "any")
    assert (first["every_s"], second["every_s"]) == ({"N": "1" * 60}, {"?": 1})
