"""The newest picture as a file. The folder, the disk and the readers are real."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import resource
import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from own_process import measured_alone
from stranger import become_stranger

from edgecam.codecs.jpeg import size_of
from edgecam.config.camera import Frames, OnStale
from edgecam.config.validation import validate
from edgecam.frames.decoder import Picture
from edgecam.frames.writer import FrameWriter
from edgecam.gstreamer.gst import Gst
from edgecam.status.reports import CameraState

NOON = datetime(2026, 1, 1, 12, 0, 0, 250_000, tzinfo=UTC)


def jpeg(width: int = 64, height: int = 48) -> bytes:
    pipeline = Gst.parse_launch(
        f"videotestsrc num-buffers=1 ! video/x-raw,width={width},height={height} ! jpegenc ! appsink name=out"
    )
    pipeline.set_state(Gst.State.PLAYING)
    buffer = pipeline.get_by_name("out").emit("pull-sample").get_buffer()
    data: bytes = buffer.extract_dup(0, buffer.get_size())
    pipeline.set_state(Gst.State.NULL)
    return data


def picture(captured_s: float = 100.0, data: bytes | None = None) -> Picture:
    return Picture(data or jpeg(), NOON, captured_s)


def writer(folder: Path, *, name: str = "frame.jpg", **frames: Any) -> FrameWriter:
    made = FrameWriter(
        camera_id="lobby", path=folder / name, stale_after_s=5, frames=validate(Frames, frames)
    )
    made.open(NOON)
    return made


def frame_json(folder: Path, name: str = "frame.json") -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / name).read_text())
    return content


def test_the_file_is_the_picture_byte_for_byte(tmp_path: Path) -> None:
    data = jpeg()
    assert writer(tmp_path).write(picture(data=data))
    assert (tmp_path / "frame.jpg").read_bytes() == data


def test_the_modification_time_is_when_the_picture_was_taken(tmp_path: Path) -> None:
    writer(tmp_path).write(picture())
    assert (tmp_path / "frame.jpg").stat().st_mtime_ns == 1_767_268_800_250_000_000


def test_the_json_beside_it_tells_time_number_size_limit_and_status(tmp_path: Path) -> None:
    made = writer(tmp_path)
    made.set_state(CameraState.CONNECTED)
    made.write(picture())
    made.write(picture(data=jpeg(320, 200)))
    assert frame_json(tmp_path) == {
        "camera": "lobby",
        "captured_at": "2026-01-01T12:00:00.250Z",
        "sequence": 2,
        "width": 320,
        "height": 200,
        "stale_after_s": 5,
        "status": "connected",
    }


def test_a_change_of_status_is_written_at_once_and_leaves_the_picture_alone(tmp_path: Path) -> None:
    made = writer(tmp_path)
    made.write(picture())
    before = (tmp_path / "frame.jpg").stat()
    made.set_state(CameraState.STALLED)
    assert frame_json(tmp_path)["status"] == "stalled"
    assert (tmp_path / "frame.jpg").stat().st_ino == before.st_ino


def test_a_path_of_the_cameras_own_has_its_json_beside_it(tmp_path: Path) -> None:
    made = writer(tmp_path / "deep" / "er", name="gate.jpeg")
    made.write(picture())
    assert frame_json(tmp_path / "deep" / "er", "gate.json")["sequence"] == 1


def test_a_reader_that_holds_the_old_picture_keeps_it_whole(tmp_path: Path) -> None:
    made, first = writer(tmp_path), jpeg()
    made.write(picture(data=first))
    with (tmp_path / "frame.jpg").open("rb") as file:
        made.write(picture(data=jpeg(640, 480)))
        assert file.read() == first


def test_readers_never_see_a_torn_or_missing_file(tmp_path: Path) -> None:
    whole = {jpeg(640, 480), jpeg(1280, 720)}
    made = writer(tmp_path)
    made.write(picture(data=min(whole)))
    done, wrong = threading.Event(), []

    def read() -> None:
        while not done.is_set():
            try:
                if (tmp_path / "frame.jpg").read_bytes() not in whole:
                    wrong.append("torn")
                json.loads((tmp_path / "frame.json").read_text())
            except (OSError, ValueError) as error:
                wrong.append(repr(error))

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(100):
        for data in whole:
            made.write(picture(data=data))
    done.set()
    for reader in readers:
        reader.join()
    assert wrong == []


def test_what_a_killed_writer_left_is_cleaned_up_and_nothing_else(tmp_path: Path) -> None:
    for name in (".frame.jpg.3f.tmp", ".frame.json.3f.tmp", ".other.jpg.3f.tmp", "frame.jpg.bak"):
        (tmp_path / name).write_bytes(b"x")
    writer(tmp_path)
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {".other.jpg.3f.tmp", "frame.jpg.bak", "frame.json"}


@pytest.mark.parametrize(
    ("frames", "mode"), [({}, 0o644), ({"mode": "0640"}, 0o640), ({"mode": "0600"}, 0o600)]
)
def test_who_may_read_is_what_the_settings_say_whatever_the_umask_is(
    frames: dict[str, str], mode: int, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    former = os.umask(0o077)
    request.addfinalizer(lambda: os.umask(former))
    writer(tmp_path, **frames).write(picture())
    for name in ("frame.jpg", "frame.json"):
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == mode


def test_group_that_may_read_is_the_one_in_the_settings(tmp_path: Path) -> None:
    group = next(iter({*os.getgroups(), 44} - {0, os.getegid()})) if os.geteuid() else 44
    writer(tmp_path, mode="0640", group=group).write(picture())
    assert [(tmp_path / name).stat().st_gid for name in ("frame.jpg", "frame.json")] == [group] * 2


def test_no_temporary_file_stays_behind(tmp_path: Path) -> None:
    made = writer(tmp_path)
    made.write(picture())
    assert {path.name for path in tmp_path.iterdir()} == {"frame.jpg", "frame.json"}


def test_a_picture_of_the_run_before_stays_with_its_own_time(tmp_path: Path) -> None:
    (tmp_path / "frame.jpg").write_bytes(jpeg(160, 120))
    long_ago = NOON - timedelta(hours=1)
    os.utime(tmp_path / "frame.jpg", (long_ago.timestamp(), long_ago.timestamp()))
    writer(tmp_path)
    assert (tmp_path / "frame.jpg").exists()
    assert frame_json(tmp_path) | {"stale_after_s": 5} == {
        "camera": "lobby",
        "captured_at": "2026-01-01T11:00:00.250Z",
        "sequence": 0,
        "width": 160,
        "height": 120,
        "stale_after_s": 5,
        "status": "connecting",
    }


def test_a_former_runs_picture_is_removed_where_stale_ones_are(tmp_path: Path) -> None:
    (tmp_path / "frame.jpg").write_bytes(jpeg())
    os.utime(tmp_path / "frame.jpg", (0, 0))
    writer(tmp_path, on_stale=OnStale.REMOVE)
    assert not (tmp_path / "frame.jpg").exists()
    assert frame_json(tmp_path)["captured_at"] is None


def test_a_stale_picture_is_removed_when_its_time_has_come_and_returns_with_the_next(tmp_path: Path) -> None:
    made = writer(tmp_path, on_stale=OnStale.REMOVE)
    made.write(picture(100.0))
    made.expire(104.9)
    assert (tmp_path / "frame.jpg").exists()
    assert made.stale_in_s(104.0) == pytest.approx(1.0)
    made.expire(105.0)
    assert not (tmp_path / "frame.jpg").exists()
    assert (tmp_path / "frame.json").exists()
    assert made.stale_in_s(106.0) is None
    made.write(picture(107.0))
    assert (tmp_path / "frame.jpg").exists()


def test_a_stale_picture_is_kept_by_default(tmp_path: Path) -> None:
    made = writer(tmp_path)
    made.write(picture(100.0))
    made.expire(1000.0)
    assert (tmp_path / "frame.jpg").exists()


def test_a_disk_that_does_not_let_us_costs_pictures_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "gone"
    made = writer(folder)
    made.write(picture())
    (folder / "frame.jpg").unlink()
    (folder / "frame.json").unlink()
    folder.rmdir()
    with caplog.at_level(logging.INFO):
        assert [made.write(picture()) for _ in range(3)] == [False] * 3
        folder.mkdir()
        assert made.write(picture())
        assert made.write(picture())
    assert made.failed == 3
    assert made.written == 3
    errors = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert os.strerror(errno.ENOENT) in errors[0].getMessage()
    assert caplog.text.count("can be written again") == 1
    assert frame_json(folder)["sequence"] == 3


def test_folder_that_the_user_may_not_write_is_reported_with_user_and_remedy() -> None:
    problem = measured_alone(problem_of_a_stranger, Path("/edgecam-none/lobby"))
    assert "expected to write /edgecam-none, found: Permission denied for user" in problem
    assert re.search(
        r"user (\d+): sudo install -d -o \1 -g \d+ /edgecam-none/lobby \(in a container: ", problem
    )
    assert "the machine's folder that is mounted there), or run" in problem


def problem_of_a_stranger(folder: Path) -> str | None:
    """In a process of its own."""
    become_stranger()
    return writer(folder).problem


def test_a_disk_too_full_for_the_picture_alone_is_not_called_repaired(
    tmp_path: Path, request: pytest.FixtureRequest, caplog: pytest.LogCaptureFixture
) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    made, large = writer(tmp_path), jpeg(1920, 1080)
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    with caplog.at_level(logging.INFO):
        for state in (CameraState.CONNECTED, CameraState.STALLED):
            assert not made.write(picture(data=large))
            made.set_state(state)  # frame.json is small enough
    assert frame_json(tmp_path)["status"] == "stalled"
    assert "can be written again" not in caplog.text
    assert made.problem is not None
    assert os.strerror(errno.EFBIG) in made.problem
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert made.write(picture(data=large))
    assert made.problem is None


def test_a_disk_that_takes_half_a_picture_leaves_the_last_whole_one(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made, first = writer(tmp_path), jpeg()
    assert made.write(picture(data=first))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    request.addfinalizer(lambda: resource.setrlimit(resource.RLIMIT_FSIZE, limits))
    # The kernel takes that many bytes of a file and refuses the rest, as a disk does that becomes full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (8192, limits[1]))
    assert not made.write(picture(data=jpeg(1920, 1080)))
    assert (tmp_path / "frame.jpg").read_bytes() == first
    assert {path.name for path in tmp_path.iterdir()} == {"frame.jpg", "frame.json"}
    assert frame_json(tmp_path)["sequence"] == 1


def test_what_is_no_jpeg_is_not_written(tmp_path: Path) -> None:
    made = writer(tmp_path)
    assert not made.write(picture(data=b"not a picture"))
    assert not (tmp_path / "frame.jpg").exists()


@pytest.mark.parametrize(("width", "height"), [(64, 48), (1920, 1080), (322, 182)])
def test_width_and_height_are_read_from_the_file(width: int, height: int) -> None:
    assert size_of(jpeg(width, height)) == (width, height)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG", b"\xff\xd8\xff\xe0\x00\x10JFIF"]
)
def test_a_cut_or_foreign_file_has_no_size(data: bytes) -> None:
    assert size_of(data) is None


def test_a_thumbnail_before_the_picture_does_not_pass_for_it() -> None:
    data, thumbnail = jpeg(320, 240), jpeg(32, 24)
    segment = b"\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
    assert size_of(data[:2] + segment + data[2:]) == (320, 240)
