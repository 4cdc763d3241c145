"""Reports as a node gives them, for tests of what shows them."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from edgecam.status.reports import (
    CameraReport,
    CameraState,
    DecodeMode,
    FrameInfo,
    IdentityReport,
    LinkReport,
    Links,
    RecordingReport,
    RefusedObject,
    SpooledReport,
    SpoolReport,
    UploadReport,
)

MOMENT = datetime(2026, 11, 21, 9, 45, 35, 123000, UTC)


def report(camera_id: str = "lobby", **changes: object) -> CameraReport:
    """A camera that delivers, with `changes`."""
    delivering = CameraReport(
        camera_id=camera_id,
        address=f"rtsp://10.0.0.9/{camera_id}",
        state=CameraState.CONNECTED,
        since=MOMENT,
        reason=None,
        message=None,
        frame=FrameInfo(MOMENT, sequence=7, width=640, height=360, jpeg_bytes=20_000),
        frame_age_s=0.25,
        stale_after_s=5.0,
        decode_mode=DecodeMode.KEYFRAMES,
        frames_total=7,
        damaged_total=2,
        reconnects_total=2,
        received_bytes_total=123_456,
    )
    return replace(delivering, **changes)  # type: ignore[arg-type]


def away(camera_id: str = "gate") -> CameraReport:
    """A camera that refuses, and never had a picture."""
    return report(
        camera_id,
        state=CameraState.DISCONNECTED,
        reason="refused",
        message=f"rtsp://10.0.0.9/{camera_id}: expected a camera to listen there, "
        "found the connection refused",
        frame=None,
        frame_age_s=None,
        decode_mode=DecodeMode.NONE,
        frames_total=0,
    )


def waiting(camera_id: str = "dock") -> CameraReport:
    """A named pipe that no program writes to yet."""
    return replace(
        away(camera_id),
        address=f"pipe:///run/{camera_id}",
        state=CameraState.CONNECTING,
        reason="waiting",
        message=f"waiting for a program that writes FLV, MPEG-TS or fragmented MP4 to /run/{camera_id}",
        reconnects_total=0,
    )


def stalled(camera_id: str = "till") -> CameraReport:
    """A camera that had pictures, and sends none any more."""
    return report(
        camera_id,
        state=CameraState.STALLED,
        reason="silent",
        message=f"rtsp://10.0.0.9/{camera_id}: expected data, found that nothing has come for 5 s",
        frame_age_s=93.0,
    )


class ReportedNode:
    """Reports that a test sets, and pictures that it writes: what the page and the metrics need of a node."""

    def __init__(self, folder: Path, *reports: CameraReport) -> None:
        self._folder = folder
        self.current = reports

    def reports(self) -> tuple[CameraReport, ...]:
        return self.current

    def frame_path(self, camera_id: str) -> Path:
        return self._folder / f"{camera_id}.jpg"

    def write(self, camera_id: str, picture: bytes, captured_at: datetime = MOMENT) -> None:
        """Replace a camera's picture as the node does."""
        path = self.frame_path(camera_id)
        temporary = path.with_suffix(".tmp")
        temporary.write_bytes(picture)
        os.utime(temporary, (captured_at.timestamp(), captured_at.timestamp()))
        temporary.replace(path)


def recorded(camera_id: str = "lobby", problem: str | None = None) -> CameraReport:
    """A camera that is recorded."""
    reason = None if problem is None else "disk"
    return report(camera_id, recording=RecordingReport(12, 60_000_000, 1, problem, MOMENT, reason))


HELD = RefusedObject("status/gate.json", MOMENT, "gs://b: found 403 (under active hold); release the hold")


DEAD_TOKEN = IdentityReport(True, "token", "SVCUID: found it refused. The node ends in 30 s", MOMENT)


class ReportedStorage:
    """Spool and upload as a test sets them: 3 chunks wait, `evicted` were evicted, 7 stored."""

    def __init__(
        self,
        *,
        is_full: bool = False,
        reason: str | None = None,
        message: str | None = None,
        refused: tuple[RefusedObject, ...] = (),
        refused_count: int = 0,
        evicted: int = 2,
    ) -> None:
        self._is_full, self._evicted = is_full, evicted
        self._reason, self._message = reason, message
        self._refused, self._refused_count = refused, refused_count

    def spool_report(self) -> SpoolReport:
        waiting = SpooledReport(3, 15_000_000, MOMENT, self._evicted, 0, 1)
        return SpoolReport({"lobby": waiting}, 15_400_000, 10_000_000_000, 50_000_000_000, self._is_full)

    def upload_report(self) -> UploadReport:
        return UploadReport(
            {"lobby": 7},
            {"lobby": 35_000_000},
            4,
            self._reason,
            self._message,
            None if self._reason is None else MOMENT,
            self._refused,
            self._refused_count,
        )


def links() -> Links:
    """One broker is notified of `lobby`, the other refuses."""
    return {
        "aws-iot": {"lobby": LinkReport(True, 7, 0, since=MOMENT)},
        "cloud-iot": {"lobby": LinkReport(False, 3, 5, "refused", "no such device", MOMENT)},
    }


class Lines(io.StringIO):
    """A stream of which the lines can be asked."""

    def lines(self) -> list[str]:
        return self.getvalue().splitlines()
