"""Reports as plain values: what the page, `/cameras`, the bucket's status objects and the brokers show."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any

from edgecam.clock import utc_text
from edgecam.status.reports import (
    CameraReport,
    CameraState,
    IdentityReport,
    LinkReport,
    Links,
    SpooledReport,
    SpoolReport,
    UploadReport,
)
from edgecam.status.schedule import ChangeKey

_NOTHING_SPOOLED = SpooledReport(0, 0, None, 0, 0, 0)


def camera_values(
    report: CameraReport, spool: SpoolReport | None = None, upload: UploadReport | None = None
) -> dict[str, Any]:
    """One camera; `recording` is None where it is not recorded."""
    frame = report.frame
    return {
        "id": report.camera_id,
        "state": str(report.state),
        "since": utc_text(report.since),
        "reason": report.reason,
        "message": report.message,
        "delivering": report.is_delivering,
        "fresh": report.is_fresh,
        "frame": None
        if frame is None
        else {
            "captured_at": utc_text(frame.captured_at),
            "sequence": frame.sequence,
            "width": frame.width,
            "height": frame.height,
            "jpeg_bytes": frame.jpeg_bytes,
        },
        "frame_age_s": None if report.frame_age_s is None else round(report.frame_age_s, 3),
        "stale_after_s": report.stale_after_s,
        "decode_mode": str(report.decode_mode),
        "frames_total": report.frames_total,
        "damaged_total": report.damaged_total,
        "receiver": str(report.receiver),
        "receiver_reason": report.receiver_reason,
        "lost_packets_total": report.losses.packets,
        "incomplete_pictures_total": report.losses.pictures,
        "skipped_bytes_total": report.losses.skipped_bytes,
        "reconnects_total": report.reconnects_total,
        "received_bytes_total": report.received_bytes_total,
        "recording": recording_values(report, spool, upload),
    }


def broker_values(camera_id: str, links: Links) -> list[dict[str, Any]]:
    """The brokers of a camera, and how its connections to them are doing."""
    return [_link_values(broker, own[camera_id]) for broker, own in links.items() if camera_id in own]


def brokers_away(links: Links) -> list[dict[str, Any]]:
    """Which broker takes no states at present, of which camera, and why."""
    return [
        {"broker": broker, "camera": camera_id, "reason": link.reason, "message": link.message}
        for broker, cameras in links.items()
        for camera_id, link in cameras.items()
        if not link.is_connected
    ]


def _link_values(broker: str, link: LinkReport) -> dict[str, Any]:
    return {
        "broker": broker,
        "connected": link.is_connected,
        "since": _moment(link.since),
        "sent_total": link.sent_total,
        "reconnects_total": link.reconnects_total,
        "reason": link.reason,
        "message": link.message,
    }


def change_key_of(report: CameraReport) -> ChangeKey:
    """What makes a state be sent at once when it changes; counters and ages do not."""
    recording = (
        report.recording.reason if report.recording else None
    )  # its message counts bytes and names chunks
    return (report.state, report.since, report.reason, report.message, report.is_fresh, recording)


def as_ended(report: CameraReport, ended_at: datetime) -> CameraReport:
    """The final report of a camera, when its node has ended."""
    if report.state is CameraState.DISCONNECTED:
        return report
    return replace(report, state=CameraState.DISCONNECTED, since=ended_at, reason=None, message=None)


def recording_values(
    report: CameraReport, spool: SpoolReport | None, upload: UploadReport | None
) -> dict[str, Any] | None:
    """What became of a camera's recording; None where it is not recorded."""
    recording = report.recording
    if recording is None:
        return None
    waiting = spool.cameras.get(report.camera_id, _NOTHING_SPOOLED) if spool else _NOTHING_SPOOLED
    return {
        "reason": recording.reason,
        "problem": recording.problem,
        "waiting": recording.waiting,
        "chunks_recorded": recording.chunks_total,
        "chunks_stored": upload.stored_chunks_total.get(report.camera_id, 0) if upload else 0,
        "chunks_waiting": waiting.waiting_chunks,
        "chunks_lost": recording.lost_total + waiting.evicted_chunks_total,
        "chunks_quarantined": waiting.quarantined_chunks,
        "waiting_bytes": waiting.waiting_bytes,
        "oldest_waiting": _moment(waiting.oldest),
        "newest_chunk": _moment(recording.newest_end),
    }


def storage_values(spool: SpoolReport, upload: UploadReport) -> dict[str, Any]:
    """Spool and upload of the whole node."""
    return {
        "spool_bytes": spool.spool_bytes,
        "spool_limit_bytes": spool.limit_bytes,
        "spool_free_bytes": spool.free_bytes,
        "spool_full": spool.is_full,
        "retries_total": upload.retries_total,
        "reason": upload.reason,
        "message": upload.message,
        "since": _moment(upload.since),
        "refused_count": upload.refused_count,
        "refused": [
            {"object": each.name, "since": utc_text(each.since), "message": each.message}
            for each in upload.refused
        ],
    }


def identity_values(identity: IdentityReport) -> dict[str, Any] | None:
    """What the nucleus no longer accepts; None where all is well."""
    if identity.reason is None:
        return None
    return {"nucleus": identity.reason, "message": identity.message, "since": _moment(identity.since)}


def _moment(moment: datetime | None) -> str | None:
    return None if moment is None else utc_text(moment)


def recordings_in_trouble(reports: Iterable[CameraReport]) -> list[dict[str, Any]]:
    """Whose recording has a problem, until a chunk of it has been kept whole again."""
    return [
        {
            "camera": report.camera_id,
            "recording": report.recording.reason,
            "message": report.recording.problem,
        }
        for report in reports
        if report.recording is not None and report.recording.problem is not None
    ]


def trouble_of(spool: SpoolReport, upload: UploadReport) -> list[dict[str, Any]]:
    """What a person should look at. A bucket that is away for a while is not such a thing: that is what the
    spool is for."""
    troubles: list[dict[str, Any]] = []
    if spool.is_full:
        troubles.append(
            {"spool": "full", "message": "chunks are evicted or refused until the bucket takes some"}
        )
    if upload.reason not in (None, "unavailable"):
        troubles.append({"bucket": upload.reason, "message": upload.message})
    troubles += [{"object": each.name, "message": each.message} for each in upload.refused]
    if upload.refused_count > len(upload.refused):
        message = f"the bucket refuses {upload.refused_count} objects, of which the first are named"
        troubles.append({"objects": upload.refused_count, "message": message})
    return troubles
