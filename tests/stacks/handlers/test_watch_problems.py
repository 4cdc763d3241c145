"""Which cameras are in trouble, by values."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from stacks.handlers.watch.camera_states import (
    MOST_BYTES,
    MOST_CHUNKS,
    CameraState,
    OddState,
    judged,
    state_of,
)
from stacks.handlers.watch.problems import (
    MOST_CAMERAS,
    MOST_FORGOTTEN,
    Assessment,
    Limits,
    ProblemKind,
    assess,
)
from stacks.handlers.watch.progress_store import Progress

NOW_S = 1_800_000_000.0
LIMITS = Limits(
    late_s=120, trouble_after_s=300, no_chunks_after_s=360, spool_bytes=800, forget_after_s=7 * 86_400
)
WELL = CameraState(
    name="core/ramp",
    state="connected",
    reason=None,
    age_s=10,
    in_state_s=5000,
    every_s=60,
    chunks_recorded=None,
    chunks_waiting=None,
    chunks_lost=None,
    spool_bytes=None,
    spool_limit_bytes=None,
)
RECORDING = replace(WELL, chunks_recorded=9, chunks_waiting=2, chunks_lost=0, spool_bytes=500)


def seen(*states: CameraState, memory: dict[str, Progress] | None = None) -> Assessment:
    return assess(states, memory or {}, LIMITS, NOW_S)


def troubles(*states: CameraState, memory: dict[str, Progress] | None = None) -> list[str]:
    return [str(one.kind) for one in seen(*states, memory=memory).problems]


def remembered(recorded: int = 9, ago_s: float = 0, lost: int = 0) -> dict[str, Progress]:
    return {"core/ramp": Progress(recorded, NOW_S - ago_s, lost)}


def test_well_camera_is_in_no_trouble() -> None:
    assert troubles(WELL, RECORDING) == []
    assert seen(WELL).metrics["ConnectedCameras"] == 1


@pytest.mark.parametrize(("age_s", "found"), [(180, []), (181, ["silent"])])
def test_camera_is_silent_when_its_state_is_older_than_promised_and_messages_may_be_late(
    age_s: float, found: list[str]
) -> None:
    assert troubles(replace(WELL, age_s=age_s)) == found


def test_state_that_is_sent_once_an_hour_may_be_an_hour_old() -> None:
    assert troubles(replace(WELL, every_s=3600, age_s=3700)) == []


def test_silent_camera_is_not_counted_as_connected() -> None:
    assert seen(replace(WELL, age_s=600)).metrics["ConnectedCameras"] == 0


@pytest.mark.parametrize(
    ("state", "trouble"),
    [("stalled", "stalled"), ("disconnected", "disconnected"), ("connecting", "disconnected")],
)
def test_camera_may_be_stalled_or_disconnected_for_a_while(state: str, trouble: str) -> None:
    assert troubles(replace(WELL, state=state, in_state_s=299)) == []
    assert troubles(replace(WELL, state=state, in_state_s=300)) == [trouble]


def test_camera_that_is_silent_and_was_stalled_is_one_trouble() -> None:
    assert troubles(replace(WELL, state="stalled", age_s=600)) == ["silent"]


def test_recording_that_finishes_no_chunk_is_found_when_its_time_is_over() -> None:
    assert troubles(RECORDING, memory=remembered(ago_s=359)) == []
    assert troubles(RECORDING, memory=remembered(ago_s=360)) == ["not recording"]
    assert troubles(RECORDING, memory=remembered(recorded=8, ago_s=999)) == []


def test_camera_that_has_just_come_back_has_time_for_a_chunk() -> None:
    assert troubles(replace(RECORDING, in_state_s=100), memory=remembered(ago_s=9999)) == []


def test_camera_that_is_not_recorded_is_never_without_chunks() -> None:
    assert troubles(WELL, memory=remembered(ago_s=9999)) == []


def test_memory_keeps_since_when_a_recording_stands_still() -> None:
    first = seen(RECORDING).memory
    assert first == {"core/ramp": Progress(9, NOW_S, 0)}
    later = assess([RECORDING], first, LIMITS, NOW_S + 60).memory
    assert later == first
    assert assess([replace(RECORDING, chunks_recorded=10)], later, LIMITS, NOW_S + 120).memory == {
        "core/ramp": Progress(10, NOW_S + 120, 0)
    }


def test_spool_is_one_of_its_core_however_many_cameras_report_it() -> None:
    cameras = [replace(RECORDING, name=f"core/{name}", spool_bytes=800) for name in "abc"]
    found = seen(*cameras).problems
    assert [(one.name, str(one.kind)) for one in found] == [("core", "spool filling")]
    assert seen(*cameras).metrics["FillingSpools"] == 1


def test_spool_below_its_limit_is_not_filling() -> None:
    assert troubles(replace(RECORDING, spool_bytes=799)) == []


@pytest.mark.parametrize(
    ("limit_bytes", "filling"), [(1_000, ["core: 800 bytes, of 800"]), (1_002, []), (None, [])]
)
def test_spool_is_filling_by_its_own_limit_unless_a_setting_says_how_much(
    limit_bytes: int | None, filling: list[str]
) -> None:
    cameras = [replace(RECORDING, spool_bytes=size, spool_limit_bytes=limit_bytes) for size in (799, 800, 0)]
    found = assess(cameras, {}, replace(LIMITS, spool_bytes=None), NOW_S).problems
    assert [f"{one.name}: {one.reason}" for one in found if one.kind is ProblemKind.SPOOL_FILLING] == filling


def test_chunks_are_counted_from_look_to_look() -> None:
    metrics = seen(replace(RECORDING, chunks_recorded=12, chunks_lost=3), memory=remembered(lost=1)).metrics
    assert (metrics["RecordedChunks"], metrics["LostChunks"]) == (3, 2)


def test_node_that_was_restarted_has_recorded_what_it_counts_now() -> None:
    metrics = seen(replace(RECORDING, chunks_recorded=2), memory=remembered(recorded=500, lost=4)).metrics
    assert (metrics["RecordedChunks"], metrics["LostChunks"]) == (2, 0)


def test_camera_that_is_seen_for_the_first_time_adds_no_chunks() -> None:
    assert seen(replace(RECORDING, chunks_recorded=500)).metrics["RecordedChunks"] == 0


def test_camera_that_was_silent_for_days_is_forgotten() -> None:
    result = seen(replace(WELL, age_s=8 * 86_400), RECORDING)
    assert result.forgotten == ["core/ramp"]
    assert result.metrics["Cameras"] == 1
    assert result.problems == []


def test_how_long_a_state_lasts_does_not_depend_on_the_cores_clock() -> None:
    row = {
        "thing": "core",
        "camera": "ramp",
        "received_ms": 1000 * (NOW_S - 30),
        "state": "stalled",
        "since": "1970-01-01T00:00:00.000Z",
        "sent_at": "1970-01-01T00:05:00.000Z",
        "every_s": 60,
    }
    assert state_of(row, NOW_S).in_state_s == pytest.approx(330)


def test_row_of_another_edgecam_is_read_as_far_as_it_goes() -> None:
    state = state_of({"thing": "core", "camera": "ramp", "received_ms": 1000 * NOW_S}, NOW_S)
    assert (state.chunks_recorded, state.every_s, state.in_state_s) == (None, 0, 0)


ROW = {
    "thing": "core",
    "camera": "ramp",
    "received_ms": Decimal(int(1000 * NOW_S)),
    "state": "connected",
    "reason": None,
    "since": "2026-01-01T12:00:00.000Z",
    "sent_at": "2026-01-01T12:20:00.000Z",
    "every_s": Decimal(60),
    "chunks_recorded": Decimal(1),
    "chunks_waiting": Decimal(0),
    "chunks_lost": Decimal(0),
    "spool_bytes": Decimal(1),
    "spool_limit_bytes": Decimal(10),
}
NUMBERS = ["every_s", "chunks_recorded", "chunks_waiting", "chunks_lost", "spool_bytes", "spool_limit_bytes"]
NO_NUMBERS = [
    "often",
    {"a": 1},
    [1],
    True,
    Decimal(-1),
    Decimal("1e125"),
    Decimal("-1e100"),
    b"1",
    {"N": "x"},
]
NO_TIMES = ["2026-01-01T12:00:00", "yesterday", "", Decimal(5), ["2026-01-01T12:00:00Z"], "9" * 100_000]
NO_WORDS = [{"x": 1}, ["a"], Decimal(1), "a" * 61, True]


def odd_fields() -> Iterator[tuple[str, object]]:
    for fields, values in (
        (NUMBERS, NO_NUMBERS),
        (["since", "sent_at"], NO_TIMES),
        (["state", "reason"], NO_WORDS),
    ):
        for field in fields:
            for value in values:
                yield field, value


@pytest.mark.parametrize(("field", "value"), list(odd_fields()))
def test_odd_row_is_the_trouble_of_its_camera_alone(field: str, value: object) -> None:
    rows = [ROW, ROW | {"camera": "odd", field: value}, ROW | {"camera": "stuck", "state": "stalled"}]
    result = assess((judged(row, NOW_S) for row in rows), {}, LIMITS, NOW_S)
    assert [(one.name, str(one.kind)) for one in result.problems] == [
        ("core/stuck", "stalled"),
        ("core/odd", "odd state"),
    ]
    odd = result.problems[1]
    assert str(odd.reason).startswith(f"{field}: expected ")
    assert len(str(odd.reason)) < 200
    assert (result.metrics["Cameras"], result.metrics["OddStates"]) == (3, 1)
    assert result.metrics["ConnectedCameras"] == 1


def test_row_of_which_nothing_can_be_read_is_odd_too() -> None:
    class Hostile(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            return 1 / 0 if key == "state" else super().get(key, default)

    assert judged(Hostile(ROW), NOW_S) == OddState("core/ramp", "cannot be read: ZeroDivisionError", 0.0)


def test_numbers_of_a_million_cameras_stay_within_what_cloudwatch_takes() -> None:
    largest = {field: Decimal(MOST_CHUNKS) for field in NUMBERS if field.startswith("chunks")}
    largest |= {field: Decimal(MOST_BYTES) for field in NUMBERS if field.startswith("spool")}
    state = judged(ROW | largest, NOW_S)
    assert isinstance(state, CameraState)
    metrics = assess([state], {"core/ramp": Progress(0, NOW_S, 0)}, LIMITS, NOW_S).metrics
    assert all(value * 1_000_000 < 2.0**360 for value in metrics.values())


def test_odd_row_is_forgotten_when_it_is_old_or_nobody_knows_how_old() -> None:
    old = ROW | {"camera": "old", "every_s": "often", "received_ms": Decimal(1)}
    undated = ROW | {"camera": "undated", "received_ms": "now"}
    result = assess((judged(row, NOW_S) for row in (old, undated)), {}, LIMITS, NOW_S)
    assert (result.forgotten, result.problems) == (["core/old", "core/undated"], [])


def test_core_that_reports_too_many_cameras_is_named_and_they_are_forgotten_by_and_by() -> None:
    crowd = [replace(RECORDING, name=f"core/{number}") for number in range(MOST_CAMERAS + 5000)]
    other = replace(WELL, name="other/ramp")
    result = seen(*crowd, other)
    assert [(one.name, one.reason) for one in result.problems] == [
        ("core", f"expected at most {MOST_CAMERAS} cameras, found {MOST_CAMERAS + 5000}")
    ]
    assert result.metrics["Cameras"] == MOST_CAMERAS + 1
    assert len(result.forgotten) == MOST_FORGOTTEN
    assert not {f"core/{number}" for number in range(MOST_CAMERAS)} & {*result.forgotten}
