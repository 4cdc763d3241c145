"""One camera's recording without its thread: what is cut, lost and reported, call by call."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from access_units import ARRIVED, unit
from coded_pictures import coded
from recorded import ChunkFolder, probe

from edgecam.capture.access_unit import AccessUnit
from edgecam.clock import NS_PER_S
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.gstreamer.gst import Gst
from edgecam.recording.camera_recording import CameraRecording
from edgecam.recording.status import KEYFRAME_WITHIN_S
from sandbox.clocks import ManualClock

AVC = "video/x-h264,stream-format=avc,alignment=au"
X264 = (
    "video/x-raw,width=64,height=48,framerate=10/1 ! x264enc speed-preset=ultrafast tune=zerolatency "
    "key-int-max=10 option-string=scenecut=0 ! h264parse"
)


@pytest.fixture
def sink(tmp_path: Path) -> ChunkFolder:
    return ChunkFolder(tmp_path)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def recording(sink: ChunkFolder, clock: ManualClock) -> Iterator[CameraRecording]:
    settings = {"id": "c0", "uri": "pipeline:x", "recording": {"enabled": True, "chunk_s": 2}}
    made = CameraRecording(validate(Camera, settings, name="camera"), sink=sink, clock=clock)
    yield made
    made.end_chunk()


def film(seconds: int, begin_s: float = 0.0) -> list[AccessUnit]:
    """H.264 with a keyframe each second, whose time begins at `begin_s`, arriving as it is shown."""
    units = []
    for number, sample in enumerate(coded(X264, AVC, seconds * 10)):
        buffer = sample.get_buffer()
        at_s = begin_s + number / 10
        is_keyframe = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        arrived = ARRIVED + timedelta(seconds=at_s)
        units.append(
            AccessUnit(round(at_s * NS_PER_S), is_keyframe, buffer.get_size(), arrived, 1000 + at_s, sample)
        )
    return units


def test_units_become_chunks_that_join(recording: CameraRecording, sink: ChunkFolder) -> None:
    units = film(5)
    for at in range(0, 50, 7):
        assert recording.take(units[at : at + 7])
    recording.disconnect()
    assert [chunk.duration_ms for chunk in sink.chunks] == [2000, 2000, 1000]
    assert [chunk.gap_before_ms for chunk in sink.chunks] == [None, 0, 0]
    assert [probe(sink.path(chunk)).packets for chunk in sink.chunks] == [20, 20, 10]
    report = recording.report()
    assert (report.chunks_total, report.lost_total, report.newest_end) == (3, 0, sink.chunks[-1].end)


def test_connection_that_ends_before_the_order_is_known_is_recorded_all_the_same(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    recording.take(film(1)[:8])
    recording.disconnect()
    assert [chunk.duration_ms for chunk in sink.chunks] == [800]


def test_jump_back_in_time_ends_the_chunk_and_begins_another(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    recording.take([*film(2, begin_s=100), *film(2)])
    recording.disconnect()
    assert [chunk.duration_ms for chunk in sink.chunks] == [2000, 2000]
    assert sink.chunks[1].start >= sink.chunks[0].end


def test_jump_back_before_the_order_is_known_loses_nothing(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    recording.take([*film(1, begin_s=100)[:8], *film(1)[:8]])
    recording.disconnect()
    assert [chunk.duration_ms for chunk in sink.chunks] == [800, 800]


def test_what_cannot_be_recorded_is_refused_and_reported(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    raw = [unit(place / 10, key=True, caps="video/x-raw,width=64,height=48") for place in range(3)]
    assert not recording.take(raw)
    assert recording.report().reason == "unsupported"
    assert not sink.begun


def test_pictures_that_were_dropped_are_a_gap_that_the_next_chunk_names(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    units = film(8)
    recording.take(units[:15])
    assert recording.record_gap()
    assert (recording.report().reason, recording.report().lost_total) == ("slow-disk", 1)
    recording.take(units[50:])
    recording.disconnect()
    assert [chunk.duration_ms for chunk in sink.chunks] == [1500, 2000, 1000]
    assert [chunk.gap_before_ms for chunk in sink.chunks] == [None, 3500, 0]
    assert recording.report().reason is None


def test_fault_of_ours_gives_up_the_chunk_and_keeps_what_plays(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    units = film(4)
    recording.take(units[:15])
    recording.abandon(ZeroDivisionError("division by zero"))
    report = recording.report()
    assert (report.reason, report.lost_total) == ("fault", 1)
    assert [probe(sink.path(chunk)).packets for chunk in sink.chunks] == [15]
    recording.take(units[15:])
    recording.disconnect()
    assert sink.chunks[-1].gap_before_ms == 500


def test_pictures_of_which_no_chunk_begins_are_reported(
    recording: CameraRecording, clock: ManualClock
) -> None:
    recording.take([each for each in film(3) if not each.is_keyframe])
    recording.check()
    clock.advance(KEYFRAME_WITHIN_S - 1)
    recording.check()
    assert recording.report().reason is None
    clock.advance(1)
    recording.check()
    assert recording.report().reason == "no-keyframe"


def test_full_disk_is_reported_and_retried(recording: CameraRecording, sink: ChunkFolder) -> None:
    sink.is_full = True
    recording.take(film(3))
    assert recording.report().reason == "spool-full"
    assert recording.report().lost_total == 2
    sink.is_full = False
    recording.take(film(3, begin_s=3))
    recording.disconnect()
    assert recording.report().reason is None
    assert sink.chunks
