"""When recorded pictures were taken, over values."""

from __future__ import annotations

import itertools
import logging
from datetime import UTC, datetime, timedelta

import pytest

from edgecam.clock import NS_PER_S
from edgecam.recording.content_time import (
    STEP_LASTS_S,
    Arrival,
    Boundary,
    ContentTime,
)

NOON = datetime(2026, 11, 21, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Stream:
    """One camera as the recorder sees it: cut at the stream's seconds, while clocks do what they like.

    `wall` is what the core's clock is wrong by, `fast` how much the stream's clock is (a part of a second a
    second), `camera` what the camera's clock is wrong by, or None when it does not tell the time.
    """

    def __init__(self) -> None:
        self.time = ContentTime("yard")
        self.wall = timedelta()
        self.camera: timedelta | None = None
        self.fast = 0.0
        self.zero_s = 0.0
        self.passed_s = 0.0
        self.boundaries: list[Boundary] = []

    @property
    def pts_ns(self) -> int:
        return round((self.passed_s - self.zero_s) * (1 + self.fast) * NS_PER_S)

    @property
    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s)

    def connect(self) -> None:
        self.time.connect()
        self.zero_s = self.passed_s

    def see(self) -> None:
        taken = None if self.camera is None else self.now + self.camera
        self.time.observe(Arrival(self.pts_ns, self.now + self.wall, 5000 + self.passed_s, taken))

    def cut(self) -> Boundary:
        self.see()
        self.boundaries.append(self.time.boundary_at(self.pts_ns))
        return self.boundaries[-1]

    def record(self, chunks: int, chunk_s: float = 10) -> list[Boundary]:
        """Cut every `chunk_s` seconds, the first time now."""
        cut = []
        for _ in range(chunks):
            cut.append(self.cut())
            self.passed_s += chunk_s
        return cut

    def assert_grows(self) -> None:
        starts = [boundary.start for boundary in self.boundaries]
        assert starts == sorted(set(starts))
        assert all(boundary.start >= boundary.end for boundary in self.boundaries)


@pytest.fixture
def stream() -> Stream:
    return Stream()


def joined(boundaries: list[Boundary]) -> bool:
    return all(boundary.start == boundary.end for boundary in boundaries)


def steps_s(boundaries: list[Boundary]) -> list[float]:
    return [
        (later.start - earlier.start).total_seconds() for earlier, later in itertools.pairwise(boundaries)
    ]


def test_chunks_start_when_their_first_picture_arrived(stream: Stream) -> None:
    assert stream.cut().start == NOON


def test_chunks_of_one_connection_join_by_the_streams_own_clock(stream: Stream) -> None:
    boundaries = stream.record(50)
    assert joined(boundaries)
    assert steps_s(boundaries) == [10.0] * 49


def test_late_packets_do_not_shift_what_is_recorded(stream: Stream) -> None:
    stream.cut()
    pts_ns = 10 * NS_PER_S
    stream.time.observe(
        Arrival(pts_ns, NOON + timedelta(seconds=13), 5013.0)
    )  # three seconds late, all that came
    assert stream.time.boundary_at(pts_ns).start == NOON + timedelta(seconds=10)


def test_the_cameras_clock_counts_where_it_tells_the_time(stream: Stream) -> None:
    stream.camera = timedelta(seconds=-2)
    assert stream.cut().start == NOON - timedelta(seconds=2)


def test_a_camera_that_tells_the_time_late_still_names_its_first_chunk(stream: Stream) -> None:
    stream.cut()
    assert stream.time.start == NOON
    stream.passed_s = 5
    stream.camera = timedelta(milliseconds=-400)
    stream.see()
    assert stream.time.start == NOON - timedelta(milliseconds=400)
    stream.passed_s = 10
    boundary = stream.cut()
    assert boundary.end == boundary.start == NOON + timedelta(seconds=9.6)


def test_a_camera_whose_clock_is_far_off_is_logged_once_and_arrival_counts(
    stream: Stream, caplog: pytest.LogCaptureFixture
) -> None:
    stream.camera = -HOUR
    with caplog.at_level(logging.WARNING):
        assert stream.cut().start == NOON
        stream.passed_s = 20
        stream.connect()
        stream.cut()
    assert [record.message for record in caplog.records if "time server" in record.message] == [
        "expected the camera's clock to agree with the core's within 2 s, found them 3600 s apart: "
        "recordings are named by the time of arrival; set a time server at the camera"
    ]


def test_a_reconnect_leaves_a_gap_as_long_as_it_was(stream: Stream) -> None:
    stream.record(2)
    end = stream.time.end_at(stream.pts_ns)
    stream.passed_s += 7
    stream.connect()
    assert stream.cut().start - end == timedelta(seconds=7)


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_clock_that_steps_in_mid_connection_moves_nothing(stream: Stream, step: timedelta) -> None:
    stream.record(3)
    stream.wall = step
    stream.record(3)
    stream.wall = timedelta()
    stream.record(3)
    assert joined(stream.boundaries)
    assert steps_s(stream.boundaries) == [10.0] * 8


@pytest.mark.parametrize("step", [HOUR, -HOUR])
def test_a_clock_that_steps_across_a_reconnect_neither_reorders_nor_overwrites(
    stream: Stream, step: timedelta
) -> None:
    stream.record(3)
    end = stream.time.end_at(stream.pts_ns)
    stream.wall = step
    stream.passed_s += 5
    stream.connect()
    assert stream.cut().start - end == timedelta(seconds=5)
    stream.assert_grows()


def test_a_step_forth_that_lasts_is_followed_as_a_gap(stream: Stream) -> None:
    stream.record(3)
    stream.wall = HOUR
    boundaries = stream.record(round(STEP_LASTS_S / 10) + 3)
    jumps = [boundary for boundary in boundaries if boundary.start != boundary.end]
    assert [jump.start - jump.end for jump in jumps] == [HOUR]
    stream.assert_grows()
    assert stream.cut().start == stream.now + HOUR


def test_a_step_back_that_lasts_is_slewed_and_never_overlaps(stream: Stream) -> None:
    stream.record(3)
    stream.wall = -HOUR
    stream.record(round(STEP_LASTS_S / 10) + 100)
    stream.assert_grows()
    assert joined(stream.boundaries)
    assert min(steps_s(stream.boundaries)) >= 9.994


def test_a_clock_that_was_never_set_is_left_as_soon_as_it_is(stream: Stream) -> None:
    stream.wall = datetime(1970, 1, 1, tzinfo=UTC) - NOON
    assert stream.record(2)[0].start.year == 1970
    stream.wall = timedelta()
    assert stream.cut().start == stream.now


@pytest.mark.parametrize("fast", [100e-6, -100e-6])
def test_a_stream_whose_clock_drifts_stays_near_utc_and_joins(stream: Stream, fast: float) -> None:
    stream.fast = fast
    stream.record(3 * 24 * 60, chunk_s=60)
    assert joined(stream.boundaries)
    stream.assert_grows()
    assert abs(stream.cut().start - stream.now) < timedelta(milliseconds=150)


def test_a_chunk_that_nothing_follows_ends_with_its_last_picture(stream: Stream) -> None:
    stream.cut()
    assert stream.time.end_at(3_040_000_000) == NOON + timedelta(seconds=3.04)
    later = stream.time
    later.observe(Arrival(5 * NS_PER_S, NOON + timedelta(seconds=5), 5005.0))
    assert later.boundary_at(5 * NS_PER_S).start == NOON + timedelta(seconds=5)


def test_starts_are_whole_milliseconds_and_roundings_do_not_add_up(stream: Stream) -> None:
    boundaries = stream.record(301, chunk_s=10 / 3)
    assert all(boundary.start.microsecond % 1000 == 0 for boundary in boundaries)
    assert abs(boundaries[-1].start - NOON - timedelta(seconds=1000)) <= timedelta(milliseconds=1)


def test_camera_whose_clock_leaps_is_trusted_no_longer_and_again_when_it_is_right(stream: Stream) -> None:
    stream.camera = timedelta(milliseconds=-300)
    stream.record(3)
    stream.camera = HOUR
    stream.record(12)
    assert abs(stream.cut().start - stream.now) < timedelta(seconds=1)
    stream.camera = timedelta(milliseconds=-300)
    stream.record(3)
    assert joined(stream.boundaries)
    assert abs(stream.cut().start - stream.now) < timedelta(seconds=1)


def test_camera_that_is_some_seconds_off_does_not_name_chunks(stream: Stream) -> None:
    stream.camera = timedelta(seconds=20)
    assert stream.cut().start == NOON


def test_step_of_some_seconds_forth_is_followed_as_a_gap(stream: Stream) -> None:
    stream.record(3)
    stream.wall = timedelta(seconds=5)
    stream.record(round(STEP_LASTS_S / 10) + 3)
    assert abs(stream.cut().start - stream.now - stream.wall) < timedelta(milliseconds=100)
    stream.assert_grows()


def test_step_is_followed_at_the_next_chunk_of_long_ones(stream: Stream) -> None:
    stream.record(1, chunk_s=300)
    stream.wall = HOUR
    for _ in range(100):
        stream.see()
        stream.passed_s += 1
    assert stream.cut().start == stream.now + HOUR


def test_camera_whose_clock_moves_while_it_is_trusted_makes_no_gap(stream: Stream) -> None:
    stream.camera = timedelta(seconds=-1.5)
    stream.record(3)
    stream.camera = timedelta(seconds=1.5)
    stream.record(20)
    assert joined(stream.boundaries)
