"""A recorder with real files and faults, fed by a pipeline in this process instead of a camera."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from half_written import probed
from recorded import probe
from studio import H264, VIDEO, Studio, keyframes

from edgecam.capture import gst_tap
from edgecam.recording import ts_writer
from edgecam.recording.chunk_writer import WriteFault
from sandbox.clocks import ManualClock

Eventually = Callable[..., Any]


WITH_B_FRAMES = (
    "x264enc speed-preset=ultrafast key-int-max=30 bframes=2 b-adapt=false rc-lookahead=10 "
    "option-string=scenecut=0 ! h264parse ! video/x-h264,stream-format=avc,alignment=au ! identity"
)


@pytest.mark.parametrize("pictures", range(70, 74))
def test_film_with_b_frames_that_ends_anywhere_plays_as_long_as_its_name_says(
    pictures: int, studio: Callable[..., Studio], eventually: Eventually
) -> None:
    recorded = studio(chunk_s=60)
    recorded.show(f"videotestsrc num-buffers=120 ! {VIDEO} ! {WITH_B_FRAMES}", pictures=pictures)
    recorded.await_end()
    recorded.cut()
    eventually(lambda: recorded.sink.chunks and not recorded.sink.open_paths())
    chunk = recorded.sink.chunks[-1]
    path = recorded.sink.path(chunk)
    shown, plays_s = probed(path)
    assert shown == probe(path).packets
    assert plays_s * 1000 == pytest.approx(chunk.duration_ms, abs=17)  # half a picture


AVC = "video/x-h264,stream-format=avc,alignment=au ! identity"
START_CODES = "video/x-h264,stream-format=byte-stream,alignment=au ! identity"


@pytest.fixture
def studio(tmp_path: Path) -> Iterator[Callable[..., Studio]]:
    """Makes a `Studio` with settings of the recording."""
    made: list[Studio] = []

    def make(**recording: Any) -> Studio:
        made.append(Studio(tmp_path / "chunks", **recording))
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_film_becomes_chunks_that_play_and_join(studio: Callable[..., Studio]) -> None:
    place = studio()
    place.film(7)
    place.await_end()
    place.cut()
    assert place.lengths_ms() == [2000, 2000, 2000, 1000]
    assert [chunk.gap_before_ms for chunk in place.sink.chunks] == [None, 0, 0, 0]
    probed = [probe(place.sink.path(chunk)) for chunk in place.sink.chunks]
    assert [each.packets for each in probed] == [60, 60, 60, 30]
    assert all(each.begins_with_keyframe for each in probed)
    report = place.recorder.report()
    assert (report.chunks_total, report.lost_total, report.problem) == (4, 0, None)
    assert report.newest_end == place.sink.chunks[-1].end
    assert report.bytes_total == sum(place.sink.path(chunk).stat().st_size for chunk in place.sink.chunks)


def test_raw_video_is_refused_in_a_sentence(studio: Callable[..., Studio], eventually: Eventually) -> None:
    place = studio()
    joined = place.show(f"videotestsrc is-live=true ! {VIDEO} ! identity")
    problem = eventually(lambda: place.recorder.report().problem)
    assert problem == (
        "expected video that can be recorded as mp4 without transcoding, found raw video; "
        "choose H.264 in the camera's settings"
    )
    eventually(lambda: joined.held_bytes == 0)
    assert not place.sink.begun


def test_jpeg_does_not_fit_into_mpegts(studio: Callable[..., Studio], eventually: Eventually) -> None:
    place = studio(format="mpegts")
    place.show(f"videotestsrc is-live=true ! {VIDEO} ! jpegenc")
    assert "as mpegts" in eventually(lambda: place.recorder.report().problem)


def test_another_size_begins_another_chunk(studio: Callable[..., Studio]) -> None:
    place = studio(chunk_s=60)
    place.film(2)
    place.await_end()
    place.cut()
    place.show(f"videotestsrc num-buffers=60 ! {VIDEO.replace('160', '320')} ! {H264}")
    place.await_end()
    place.cut()
    assert [chunk.width for chunk in place.sink.chunks] == [160, 320]
    assert place.sink.chunks[1].start >= place.sink.chunks[0].end


def test_parameter_sets_that_alternate_make_few_chunks_and_a_gap_that_is_named(
    studio: Callable[..., Studio], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    small, large = (keyframes(tmp_path / name, 300, width=width) for name, width in (("a", 64), ("b", 80)))
    flips = [picture for pair in zip(small, large, strict=True) for picture in pair]
    place = studio(chunk_s=2)
    with caplog.at_level(logging.INFO):
        place.show_files([*flips, *small], AVC)
        place.await_end()
        place.cut()
    chunks = place.sink.chunks
    assert len(chunks) == 10
    assert [chunk.width for chunk in chunks[:9]] == [64, 80] * 4 + [64]
    for chunk in chunks:
        assert probe(place.sink.path(chunk)).begins_with_keyframe
    assert chunks[9].duration_ms >= 1900
    assert chunks[9].gap_before_ms == (chunks[9].start - chunks[8].end).total_seconds() * 1000 > 5000
    report = place.recorder.report()
    assert (report.chunks_total, report.lost_total, report.problem) == (10, 1, None)
    logged = [entry for entry in caplog.records if entry.levelno >= logging.INFO]
    assert [entry.levelname for entry in logged] == ["ERROR", "INFO"]
    assert "parameter sets" in logged[0].getMessage()


def test_while_a_stream_does_not_settle_the_report_says_why(
    studio: Callable[..., Studio], tmp_path: Path
) -> None:
    small, large = (keyframes(tmp_path / name, 50, width=width) for name, width in (("a", 64), ("b", 80)))
    place = studio(chunk_s=2)
    flips = [picture for pair in zip(small, large, strict=True) for picture in pair]
    place.show_files(flips, AVC)
    place.await_end()
    place.cut()
    report = place.recorder.report()
    assert (report.chunks_total, report.lost_total) == (9, 1)
    assert report.problem is not None
    assert "left out until it has kept to one form for 1 s" in report.problem


def test_in_mpegts_parameter_sets_may_change_within_a_chunk(
    studio: Callable[..., Studio], tmp_path: Path
) -> None:
    plain = keyframes(tmp_path / "a", 150, width=64)
    others = keyframes(tmp_path / "b", 150, width=64, more="option-string=chroma-qp-offset=3")
    assert plain[0].read_bytes()[:60] != others[0].read_bytes()[:60]
    place = studio(chunk_s=2, format="mpegts")
    place.show_files([picture for pair in zip(plain, others, strict=True) for picture in pair], START_CODES)
    place.await_end()
    place.cut()
    assert place.lengths_ms() == [2000, 1000]
    first, second = (probe(place.sink.path(chunk)) for chunk in place.sink.chunks)
    assert (first.packets, second.packets) == (200, 100)
    assert place.recorder.report().lost_total == 0


def test_pictures_without_a_time_are_repaired(studio: Callable[..., Studio]) -> None:
    place = studio(chunk_s=2)
    place.show(f"videotestsrc num-buffers=120 ! {VIDEO} ! {H264} name=last")
    place.await_end()
    place.cut()
    assert sum(place.lengths_ms()) == 4000


def test_a_spool_without_room_is_logged_once_and_tried_again(
    studio: Callable[..., Studio], caplog: pytest.LogCaptureFixture
) -> None:
    place = studio()
    place.sink.is_full = True
    with caplog.at_level(logging.ERROR):
        place.film(6)
        place.await_end()
        place.cut()
    report = place.recorder.report()
    assert (report.chunks_total, report.newest_end) == (0, None)
    assert report.lost_total == 3
    assert len(caplog.records) == 1
    assert "expected room" in str(report.problem)
    place.sink.is_full = False
    place.film(4)
    place.await_end()
    place.cut()
    assert place.recorder.report().problem is None
    assert len(place.sink.chunks) == 2


def test_a_chunk_that_cannot_be_kept_is_counted_and_the_next_is_recorded(
    studio: Callable[..., Studio],
) -> None:
    place = studio()
    place.sink.fails_to_keep = True
    place.film(2)
    place.await_end()
    place.cut()
    place.sink.fails_to_keep = False
    place.film(2)
    place.await_end()
    place.cut()
    report = place.recorder.report()
    assert (report.chunks_total, report.lost_total, report.problem) == (1, 1, None)


def test_a_folder_that_cannot_be_written_loses_chunks_not_the_recorder(
    studio: Callable[..., Studio],
) -> None:
    place = studio()
    place.sink.begin = lambda chunk: place.sink.folder / "missing" / chunk.file_name  # type: ignore[method-assign]
    place.film(2)
    place.await_end()
    place.cut()
    report = place.recorder.report()
    assert report.chunks_total == 0
    assert report.lost_total == 1
    assert report.problem
    assert len(place.sink.discarded) <= 1


def test_a_slow_disk_costs_whole_spans_and_is_named_as_a_gap(
    studio: Callable[..., Studio], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gst_tap, "HELD_BYTES_LIMIT", 20_000)
    place = studio()
    place.sink.gate.clear()
    held = place.live()

    def is_shut() -> bool:
        held.limit()
        return held.lost > 0

    eventually(is_shut)
    place.sink.gate.set()
    eventually(lambda: any(chunk.gap_before_ms for chunk in place.sink.chunks))
    place.cut()
    assert place.recorder.report().lost_total == 1
    for earlier, later in zip(place.sink.chunks[:-1], place.sink.chunks[1:], strict=True):
        assert (later.start - earlier.end).total_seconds() * 1000 == later.gap_before_ms
    for chunk in place.sink.chunks:
        found = probe(place.sink.path(chunk))
        # No hole within: as many pictures as fit into its length.
        assert abs(found.packets * 1000 / 30 - chunk.duration_ms) < 2


def test_a_full_disk_keeps_what_was_written_and_goes_on_when_there_is_room(
    studio: Callable[..., Studio], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = studio(chunk_s=60)
    place.sink.makes_room = True
    place.live()
    path = eventually(lambda: next(iter(place.sink.open_paths()), None))
    eventually(lambda: path.stat().st_size > 20_000)
    full = WriteFault(os.strerror(errno.ENOSPC), is_disk_full=True)
    monkeypatch.setattr(place.recorder._recording._open._writer, "fault", full)  # type: ignore[union-attr]
    eventually(lambda: len(place.sink.begun) == 2)
    assert place.sink.asked_bytes
    place.cut()
    first, second = place.sink.chunks
    assert place.recorder.report().lost_total == 1
    assert probe(place.sink.path(first)).begins_with_keyframe
    assert second.gap_before_ms == (second.start - first.end).total_seconds() * 1000
    probe(place.sink.path(second))


class FrozenClock(ManualClock):
    """Time passes when the test says so; who waits is woken often, and finds that none has passed."""

    def wait(self, event: threading.Event, timeout_s: float) -> bool:
        return event.wait(min(timeout_s, 0.02))


def reason(place: Studio) -> str | None:
    return place.recorder.report().reason


def test_trouble_holds_until_a_whole_chunk_is_kept(studio: Callable[..., Studio]) -> None:
    place = studio()
    place.sink.fails_to_keep = True
    place.film(2)
    place.await_end()
    place.cut()
    assert reason(place) == "disk"
    place.sink.fails_to_keep = False
    assert reason(place) == "disk"
    place.film(2)
    place.await_end()
    place.cut()
    assert reason(place) is None


def test_trouble_is_logged_again_every_hour_though_nothing_is_tried(
    studio: Callable[..., Studio], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FrozenClock()
    place = studio(clock=clock)
    place.show(f"videotestsrc is-live=true ! {VIDEO} ! identity")
    eventually(lambda: reason(place) == "unsupported")
    for hour in range(1, 4):
        clock.advance(3601)
        eventually(lambda hour=hour: len(caplog.records) == hour + 1)
    assert "choose H.264" in caplog.records[-1].getMessage()
    assert "for 180 min now" in caplog.records[-1].getMessage()


def test_disk_that_hangs_is_reported_and_logged_and_over_when_it_answers(
    studio: Callable[..., Studio], eventually: Eventually, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FrozenClock()
    place = studio(clock=clock)
    place.sink.gate.clear()
    place.live()
    recording = place.recorder._recording
    eventually(lambda: recording._stream._lookahead is None and recording._has_pictures)
    place.recorder.watch()
    assert reason(place) is None
    clock.advance(31)
    assert reason(place) == "disk"
    for _ in range(2):
        for _ in range(5):
            place.recorder.watch()
        clock.advance(3601)
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    place.sink.gate.set()
    eventually(lambda: reason(place) is None)
    place.recorder.watch()


def test_file_that_is_behind_for_long_is_trouble(
    studio: Callable[..., Studio], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MPEG-TS is written by a pipeline's thread, which the recorder does not wait for."""
    clock = FrozenClock()
    place = studio(clock=clock, format="mpegts")
    place.show(f"videotestsrc is-live=true ! {VIDEO} ! {H264.partition(' ! video')[0]} ! {START_CODES}")
    eventually(lambda: place.recorder._recording._open is not None)
    monkeypatch.setattr(ts_writer, "WAITING_BYTES_LIMIT", -1)
    eventually(lambda: place.recorder._recording._status._behind._since_s is not None)
    assert reason(place) is None
    clock.advance(31)
    eventually(lambda: reason(place) == "disk")


def test_disk_that_hangs_in_a_write_stops_its_own_camera_alone(
    tmp_path: Path, eventually: Eventually
) -> None:
    """A pipe that nobody reads takes as much as a page, and then no more."""
    fifo = tmp_path / "hangs"
    os.mkfifo(fifo)
    reader = os.open(fifo, os.O_RDONLY | os.O_NONBLOCK)
    fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, 4096)
    clock = FrozenClock()
    hanging, other = (Studio(tmp_path / name, clock=clock) for name in ("hanging", "other"))
    hanging.sink.begin = lambda _: fifo  # type: ignore[method-assign]
    try:
        held, _ = hanging.live(), other.live()
        eventually(lambda: hanging.recorder._recording._open is not None)
        eventually(lambda: held.held_bytes > 0)
        kept = len(other.sink.chunks)
        clock.advance(31)
        eventually(lambda: reason(hanging) == "disk")
        eventually(lambda: len(other.sink.chunks) > kept)
        assert reason(other) is None
    finally:
        del hanging.sink.begin
        os.close(reader)  # the write fails: the disk answers
        hanging.close()
        other.close()


def test_pictures_of_which_no_chunk_can_begin_are_trouble(
    studio: Callable[..., Studio], eventually: Eventually
) -> None:
    clock = FrozenClock()
    place = studio(clock=clock)
    place.show(f"videotestsrc is-live=true ! {VIDEO} ! {H264}", keyframes=False)
    eventually(lambda: place.recorder._recording._status._chunkless._since_s is not None)
    clock.advance(61)
    eventually(lambda: "waits for a keyframe" in (place.recorder.report().waiting or ""))
    assert reason(place) is None
    clock.advance(540)
    eventually(lambda: reason(place) == "no-keyframe")


def test_fault_of_ours_is_reported_and_ends_nothing(
    studio: Callable[..., Studio], eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = studio()
    place.live()
    eventually(lambda: place.recorder._recording._open is not None)
    with monkeypatch.context() as broken:
        broken.setattr(place.recorder, "_take", lambda _tap: 1 / 0)
        broken.setattr(place.recorder._recording, "_keep_rest", lambda _open: 1 / 0)
        eventually(lambda: reason(place) == "fault" and place.recorder._recording._open is None)
    eventually(lambda: place.sink.chunks)
    eventually(lambda: reason(place) is None)
