"""The recording's branch of a connection, with real elements and no camera."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from edgecam.capture import gst_tap as tap_module
from edgecam.capture.access_unit import NO_PTS
from edgecam.capture.gst_tap import GstTap, sender_time_ns
from edgecam.clock import NS_PER_S
from edgecam.gstreamer.gst import Gst
from sandbox.clocks import ManualClock

CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"
Eventually = Callable[..., Any]


class Line:
    """A tap that is fed by hand."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.ended = threading.Event()
        self.tap = GstTap(on_end=self.ended.set, clock=self.clock)
        self._pipeline = Gst.Pipeline.new(None)
        self._feed = Gst.ElementFactory.make("appsrc")
        self._feed.set_property("caps", Gst.Caps.from_string(CAPS))
        self._feed.set_property("format", Gst.Format.TIME)
        self._pipeline.add(self._feed)
        self._feed.link(self.tap.add_to(self._pipeline, sets_pace=False))
        self._pipeline.set_state(Gst.State.PLAYING)

    def feed(self, content: bytes, *, at_s: float | None = 0.0, key: bool = False) -> None:
        buffer = Gst.Buffer.new_wrapped(content)
        if at_s is not None:
            buffer.pts = round(at_s * NS_PER_S)
        if not key:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        self._feed.emit("push-buffer", buffer)

    def end(self) -> None:
        self._feed.emit("end-of-stream")

    def close(self) -> None:
        self._pipeline.set_state(Gst.State.NULL)


@pytest.fixture
def line() -> Iterator[Line]:
    made = Line()
    yield made
    made.close()


def test_units_come_in_one_batch_in_the_order_of_decoding(line: Line, eventually: Eventually) -> None:
    for content, at_s, key in ((b"keyframe", 1.0, True), (b"p", 1.2, False), (b"bb", 1.1, False)):
        line.feed(content, at_s=at_s, key=key)
    eventually(lambda: line.tap.held_bytes == 11)
    line.clock.advance(5)
    units = line.tap.take()
    assert [unit.pts_ns / NS_PER_S for unit in units] == [1.0, 1.2, 1.1]
    assert [unit.is_keyframe for unit in units] == [True, False, False]
    assert [unit.size_bytes for unit in units] == [8, 1, 2]
    assert {(unit.captured_at, unit.arrived_s) for unit in units} == {(line.clock.now(), 5.0)}
    assert units[0].sample.get_caps().to_string().startswith("video/x-h264")
    assert (line.tap.take(), line.tap.held_bytes) == ([], 0)


def test_unit_of_which_the_stream_gives_no_time_has_none(line: Line, eventually: Eventually) -> None:
    line.feed(b"picture", at_s=None)
    eventually(lambda: line.tap.held_bytes)
    assert [unit.pts_ns for unit in line.tap.take()] == [NO_PTS]


def test_valve_closes_when_too_much_waits_and_opens_after_what_waited_was_taken(
    line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "HELD_BYTES_LIMIT", 10)
    line.feed(bytes(10))
    eventually(lambda: line.tap.held_bytes == 10)
    line.tap.limit()
    assert line.tap.lost == 0
    line.feed(bytes(1))
    eventually(lambda: line.tap.held_bytes == 11)
    for _ in range(2):
        line.tap.limit()
    assert line.tap.lost == 1
    line.feed(b"dropped")
    line.feed(b"too")
    assert [unit.size_bytes for unit in line.tap.take()] == [10, 1]
    assert line.tap.reopen()
    assert not line.tap.reopen()
    line.feed(b"again")
    assert eventually(lambda: line.tap.take())[-1].size_bytes == 5
    assert not line.tap.reopen()


def test_rest_of_a_connection_that_cannot_be_recorded_is_dropped(line: Line, eventually: Eventually) -> None:
    line.feed(b"first")
    eventually(lambda: line.tap.take())
    line.tap.reject_rest()
    line.feed(b"second")
    line.end()
    assert line.ended.wait(10)
    assert line.tap.take() == []
    assert not line.tap.reopen()


def test_valve_is_open_while_the_stream_is_flushed_and_a_closed_one_was_a_gap(
    line: Line, eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tap_module, "HELD_BYTES_LIMIT", 4)
    line.feed(b"first")
    eventually(lambda: line.tap.held_bytes == 5)
    line.tap.limit()
    with line.tap.flushing():
        line.feed(b"second")
        eventually(lambda: line.tap.held_bytes == 11)
    line.feed(b"third")
    eventually(lambda: line.tap.held_bytes == 16)
    assert [unit.size_bytes for unit in line.tap.take()] == [5, 6, 5]
    assert line.tap.reopen()
    assert not line.tap.reopen()


def test_rest_of_a_rejected_connection_is_dropped_after_a_flush_too(
    line: Line, eventually: Eventually
) -> None:
    line.tap.reject_rest()
    with line.tap.flushing():
        line.feed(b"first")
        eventually(lambda: line.tap.held_bytes)
    line.feed(b"second")
    line.end()
    assert line.ended.wait(10)
    assert len(line.tap.take()) == 1
    assert not line.tap.reopen()


def test_recorder_is_called_at_the_end_of_the_stream(line: Line) -> None:
    line.feed(b"last")
    assert not line.ended.is_set()
    line.end()
    assert line.ended.wait(10)
    assert len(line.tap.take()) == 1


def test_time_of_the_sender_is_unix_time_from_ntp() -> None:
    buffer = Gst.Buffer.new_wrapped(b"picture")
    assert sender_time_ns(buffer) is None
    ntp_ns = (2_208_988_800 + 1_767_268_800) * NS_PER_S
    buffer.add_reference_timestamp_meta(Gst.Caps.from_string("timestamp/x-ntp"), ntp_ns, Gst.CLOCK_TIME_NONE)
    assert sender_time_ns(buffer) == 1_767_268_800 * NS_PER_S
