"""What a connection of the own receiver hands to frames and to a recording, with a receiver by hand."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

import pytest

from edgecam.capture import receiver_connection as module
from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.receiver_connection import ReceiverConnection
from edgecam.capture.unit_tap import UnitTap
from edgecam.clock import NS_PER_S, SystemClock
from edgecam.codecs.video import H264, Codec
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.errors import SourceEnded
from edgecam.receiver.rtsp_receiver import Received, RtspReceiver
from edgecam.rtp.pictures import CodedPicture

SPS, PPS = b"\x67\x64\x00\x0b\xac\xb4\x0a\x0c\xfc\xf8\x0b\x50", b"\x68\xef\x3c\xb0"
SETS = (SPS, PPS)


class Watched:
    """A connection that has begun without a camera; what its receiver gives is up to the test."""

    def __init__(self, *, has_frames: bool = True, recording: str | None = None) -> None:
        recorded = {} if recording is None else {"recording": {"enabled": True, "format": recording}}
        camera = validate(Camera, {"id": "cam", "uri": "rtsp://127.0.0.1:1/x"} | recorded, name="test")
        self.units: list[AccessUnit] = []
        self.events: list[str] = []
        self.tap = None if recording is None else UnitTap(on_end=lambda: self.events.append("end"))
        self.connection = ReceiverConnection(
            RtspReceiver(camera),
            clock=SystemClock(),
            on_format=self._on_format,
            on_unit=self._on_unit if has_frames else None,
            on_gap=lambda: self.events.append("gap"),
            tap=self.tap,
        )

    def come(self, pictures: Sequence[CodedPicture]) -> None:
        received = [Received(each, each.rtp_time * NS_PER_S // 90_000, None) for each in pictures]
        self.connection.take(H264, received, 100.0)

    def _on_format(self, codec: Codec) -> None:
        self.events.append(codec.name)

    def _on_unit(self, unit: AccessUnit) -> None:
        self.units.append(unit)
        self.events.append("K" if unit.is_keyframe else "p")


def picture(number: int, *, key: bool = False, hole: bool = False, **values: Any) -> CodedPicture:
    unit = (b"\x65" if key else b"\x41") + bytes([number])
    fields = {"is_damaged": hole, "has_hole": hole, "to_recovery": 0, "parameter_sets": SETS} | values
    return CodedPicture(data=len(unit).to_bytes(4) + unit, rtp_time=number * 3_000, is_keyframe=key, **fields)


def test_frames_get_the_units_on_the_thread_that_waits() -> None:
    watched = Watched()
    threading.Thread(target=watched.come, args=([picture(1, key=True), picture(2)],)).start()
    while len(watched.units) < 2:
        watched.connection.wait(0.05)
    assert watched.events == ["H.264", "K", "p"]
    assert (watched.connection.received_units, watched.connection.received_bytes) == (2, 12)
    sample = watched.units[0].sample
    caps, buffer = sample.get_caps().to_string(), sample.get_buffer()
    assert "stream-format=(string)avc" in caps
    assert "codec_data=(buffer)01" in caps
    assert buffer.extract_dup(0, 99) == b"\0\0\0\2\x65\1"
    assert buffer.pts == watched.units[0].pts_ns


def test_what_has_a_hole_and_what_needs_it_does_not_reach_frames() -> None:
    watched = Watched()
    watched.come([picture(1, key=True), picture(2), picture(3, hole=True), picture(4, is_damaged=True)])
    watched.come([picture(5, is_damaged=True), picture(6, key=True), picture(7)])
    watched.connection.wait(0)
    assert watched.events == ["H.264", "K", "p", "gap", "K", "p"]
    assert watched.connection.dropped_units == 3
    assert watched.connection.received_units == 7


def test_intra_refresh_goes_on_at_a_recovery_point_with_what_still_shows_the_damage() -> None:
    watched = Watched()
    watched.come([picture(1, to_recovery=2), picture(2), picture(3, hole=True), picture(4, is_damaged=True)])
    watched.come([picture(5, to_recovery=2, is_damaged=True), picture(6, is_damaged=True), picture(7)])
    watched.connection.wait(0)
    assert watched.events == ["H.264", "p", "p", "gap", "p", "p", "p"]


def test_keyframes_alone_are_let_through_where_these_are_wanted() -> None:
    watched = Watched()
    watched.connection.let_through(keyframes_only=True)
    watched.come([picture(1, key=True), picture(2), picture(3), picture(4, key=True)])
    watched.connection.wait(0)
    assert watched.events == ["H.264", "K", "K"]
    assert watched.connection.dropped_units == 0


def test_a_camera_thread_that_is_far_behind_goes_on_at_a_keyframe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "QUEUED_BYTES_LIMIT", 10)
    watched = Watched()
    watched.come([picture(1, key=True), picture(2), picture(3), picture(4, key=True)])
    watched.connection.wait(0)
    watched.come([picture(5), picture(6, key=True), picture(7)])
    watched.connection.wait(0)
    assert watched.events == ["H.264", "K", "p", "gap", "K", "p"]
    assert watched.connection.dropped_units == 3


def test_a_recording_gets_all_units_in_its_form() -> None:
    watched = Watched(recording="mp4")
    watched.come([picture(1, key=True), picture(2, hole=True)])
    assert watched.tap is not None
    first, second = watched.tap.take()
    assert first.coded.data() == b"\0\0\0\2\x65\1"
    assert first.coded.format.configuration[:1] == b"\1"
    assert (first.is_damaged, second.is_damaged) == (False, True)
    assert first.coded.format is second.coded.format
    watched.come([picture(3, key=True, parameter_sets=(SPS, PPS + b"\x80"))])
    assert watched.tap.take()[0].coded.format != first.coded.format


def test_mpeg_ts_gets_start_codes_with_the_parameter_sets_before_keyframes() -> None:
    watched = Watched(recording="mpegts")
    watched.come([picture(1, key=True), picture(2)])
    assert watched.tap is not None
    first, second = watched.tap.take()
    start = b"\0\0\0\1"
    delimiter = start + b"\x09\xf0"
    assert first.coded.data() == delimiter + start + SPS + start + PPS + start + b"\x65\1"
    assert second.coded.data() == delimiter + start + b"\x41\2"
    assert first.coded.format.configuration == b""


def test_the_end_is_raised_and_a_recording_takes_its_last_pictures() -> None:
    watched = Watched(recording="mp4")
    watched.connection.ended(SourceEnded("cam: over"))
    with pytest.raises(SourceEnded, match="over"):
        watched.connection.wait(5)
    assert watched.events == ["end"]


def test_a_wait_ends_when_it_is_woken() -> None:
    watched = Watched()
    threading.Timer(0.05, watched.connection.wake).start()
    watched.connection.wait(3_600)


def test_the_first_unit_wakes_who_makes_no_frames() -> None:
    watched = Watched(has_frames=False, recording="mp4")
    threading.Timer(0.05, watched.come, args=([picture(1, key=True)],)).start()
    watched.connection.wait(3_600)
    assert watched.connection.codec is H264
