"""One camera's recording without its thread: what is cut, lost and reported, call by call."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from access_units import ARRIVED, unit
from coded_pictures import coded
from recorded import ChunkFolder, probe

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.coded import SampleCoded
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
            AccessUnit(
                round(at_s * NS_PER_S),
                is_keyframe,
                buffer.get_size(),
                arrived,
                1000 + at_s,
                SampleCoded(sample),
            )
        )
    return units


def asked(path: Path, entries: str) -> dict[str, Any]:
    command = ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)]
    found: dict[str, Any] = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return found


def seconds(path: Path) -> float:
    return float(asked(path, "format=duration")["format"]["duration"])


def decoding_times(path: Path) -> list[float]:
    return [float(packet["dts_time"]) for packet in asked(path, "packet=dts_time")["packets"]]


def made(pipeline: str, caps: str, count: int, fps: int) -> list[AccessUnit]:
    """Pictures of that encoder, arriving as they are shown, without durations, as from a camera."""
    units = []
    for number, each in enumerate(coded(pipeline, caps, count)):
        buffer = each.get_buffer().copy_deep()
        buffer.duration = Gst.CLOCK_TIME_NONE
        sample = Gst.Sample.new(buffer, each.get_caps(), None, None)
        at_s = number / fps
        arrived = ARRIVED + timedelta(seconds=at_s)
        is_keyframe = not buffer.has_flags(Gst.BufferFlags.DELTA_UNIT)
        size_bytes = buffer.get_size()
        units.append(
            AccessUnit(
                round(at_s * NS_PER_S), is_keyframe, size_bytes, arrived, 1000 + at_s, SampleCoded(sample)
            )
        )
    return units


def shifted(units: list[AccessUnit], shift_s: Callable[[int], float]) -> list[AccessUnit]:
    """The same with stamps that are `shift_s(number)` off, arriving as before."""
    return [
        unit._replace(pts_ns=unit.pts_ns + round(shift_s(number) * NS_PER_S))
        for number, unit in enumerate(units)
    ]


def polled(recording: CameraRecording, units: list[AccessUnit], batch: int) -> None:
    for at in range(0, len(units), batch):
        assert recording.take(units[at : at + batch])


def test_nothing_after_the_first_keyframe_is_left_out_with_one_in_two_minutes(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    encoder = X264.replace("10/1", "2/1").replace("key-int-max=10", "key-int-max=240")
    units = made(encoder, AVC, 840, 2)
    assert [number for number, unit in enumerate(units) if unit.is_keyframe] == [0, 240, 480, 720]
    for first, last in ((100, 600), (600, 840)):  # a viewer joins in the middle, twice
        polled(recording, units[first:last], 2)
        recording.disconnect()
    packets = [probe(sink.path(chunk)).packets for chunk in sink.chunks]
    assert packets == [240, 120, 120]
    assert [chunk.duration_ms for chunk in sink.chunks] == [120_000, 60_000, 60_000]
    report = recording.report()
    assert (report.reason, report.lost_total) == (None, 0)


def test_waiting_for_a_keyframe_is_a_state_with_a_sentence(
    recording: CameraRecording, clock: ManualClock
) -> None:
    units = film(3)
    recording.take(units[1:5])
    recording.check()
    assert recording.report().waiting is None
    clock.advance(10)
    recording.check()
    waiting = recording.report().waiting or ""
    assert waiting.startswith("waits for a keyframe")
    assert "H.264+" in waiting
    recording.take(units[5:])
    recording.check()
    assert recording.report().waiting is None


def test_chunks_are_as_long_as_what_they_show_however_many_are_joined(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    jpeg = "video/x-raw,width=64,height=48,framerate=15/1 ! jpegenc"
    polled(recording, made(jpeg, "image/jpeg", 300, 15), 15)
    recording.disconnect()
    lasting_s = [seconds(sink.path(chunk)) for chunk in sink.chunks]
    assert len(lasting_s) == 10
    assert sum(lasting_s) == pytest.approx(20, abs=0.002)
    assert [chunk.duration_ms / 1000 for chunk in sink.chunks] == pytest.approx(lasting_s, abs=0.001)


def test_pictures_with_one_stamp_have_decoding_times_that_grow(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    units = film(6)
    polled(recording, shifted(units, lambda number: -0.1 * (number % 2)), 10)
    recording.disconnect()
    assert sum(probe(sink.path(chunk)).packets for chunk in sink.chunks) == len(units)
    for chunk in sink.chunks:
        times = decoding_times(sink.path(chunk))
        assert all(later > earlier for earlier, later in pairwise(times)), times


def test_stamps_that_go_back_again_and_again_lose_nothing(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    units = film(40)
    polled(recording, shifted(units, lambda number: 100 - 3.5 * (number // 83)), 10)
    recording.disconnect()
    assert sum(probe(sink.path(chunk)).packets for chunk in sink.chunks) == len(units)
    assert {chunk.gap_before_ms for chunk in sink.chunks[1:]} == {0}
    assert sum(chunk.duration_ms for chunk in sink.chunks) == pytest.approx(40_000, abs=20)


@pytest.mark.parametrize(("stamped_per_sent", "found"), [(0.8, "slower"), (1.25, "faster")])
def test_pace_other_than_that_of_the_stamps_is_logged_once(
    sink: ChunkFolder,
    clock: ManualClock,
    caplog: pytest.LogCaptureFixture,
    stamped_per_sent: float,
    found: str,
) -> None:
    settings = {"id": "c0", "uri": "rtsp://192.0.2.1/", "recording": {"enabled": True, "chunk_s": 2}}
    recording = CameraRecording(validate(Camera, settings, name="camera"), sink=sink, clock=clock)
    caplog.set_level("INFO")
    units = shifted(film(60), lambda number: (stamped_per_sent - 1) * number / 10)
    polled(recording, units[:20], 10)
    assert "pace" not in caplog.text
    polled(recording, units[20:], 10)
    recording.end_chunk()
    assert caplog.text.count(f"found them {found}") == caplog.text.count("pace of their time stamps") == 1


def test_burst_with_hardly_any_time_does_not_change_the_depth_for_ever(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    units = film(20)
    recording.take(shifted(units[:100], lambda number: 0.09 * (number % 10) if 40 <= number < 60 else 0))
    polled(recording, units[100:], 10)
    recording.disconnect()
    assert sum(probe(sink.path(chunk)).packets for chunk in sink.chunks) == len(units)
    assert recording._stream.depth == 0
    assert probe(sink.path(sink.chunks[-1])).first_s == 0


def test_stray_keyframe_and_stray_picture_cost_nothing_but_their_time(
    recording: CameraRecording, sink: ChunkFolder
) -> None:
    units = film(12)
    polled(recording, shifted(units, lambda number: -9800.0 if number in (30, 67) else 0), 10)
    recording.disconnect()
    assert sum(probe(sink.path(chunk)).packets for chunk in sink.chunks) == len(units)
    assert sum(chunk.duration_ms for chunk in sink.chunks) == 12_000
    assert sink.chunks[-1].start.year == ARRIVED.year


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
