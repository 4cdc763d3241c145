"""The publisher: each camera's newest picture and status in the bucket, for readers that cannot reach the
core.

`latest/<camera>.jpg` is `frame.jpg`, at most every `latest.every_s` seconds, sooner for a snapshot, and only
while it is fresh: the time of the object is about that of the picture.

`status/<camera>.json` is replaced at once when something has changed, and every `status.every_s` seconds when
nothing has, so that its age shows whether the core lives. One JSON object:

    {"id": "lobby", "state": "connected", "since": "2026-01-01T12:00:00.000Z",
     "reason": null, "message": null, "delivering": true,
     "fresh": true, "frame_age_s": 0.4, "stale_after_s": 5.0, "decode_mode": "keyframes",
     "frame": {"captured_at": "…Z", "sequence": 7, "width": 1920, "height": 1080,
               "jpeg_bytes": 81234} or null,
     "frames_total": 7, "reconnects_total": 0, "received_bytes_total": 123456,
     "recording": {"reason": null, "problem": null, "chunks_recorded": 9, "chunks_stored": 7,
                   "chunks_waiting": 2, "chunks_lost": 0, "chunks_quarantined": 0, "waiting_bytes": 10485760,
                   "oldest_waiting": "…Z" or null} or null,
     "storage": {"spool_bytes": 10485760, "spool_limit_bytes": 10000000000, "spool_free_bytes": 70000000000,
                 "spool_full": false, "retries_total": 0, "reason": null, "message": null,
                 "refused_count": 0, "refused": [{"object": "status/gate.json", "since": "…Z",
                                                  "message": "a sentence"}, …]},
     "edgecam_version": "0.1.0", "written_at": "2026-01-01T12:00:05.000Z", "every_s": 60.0}

`state` is one of connecting, connected, stalled, disconnected; a node that ends leaves `disconnected` behind.
`storage` is the whole node's; `refused` names the first few objects that the bucket refuses (a hold, say)
while it may take others: each waits alone. A reader takes a core for offline when `written_at` is older than
twice `every_s`."""

from __future__ import annotations

import json
import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from edgecam import __version__
from edgecam.backoff import Backoff, jittered
from edgecam.bucket.interface import Bucket, RateLimit
from edgecam.clock import Clock, utc_text
from edgecam.codecs.jpeg import LONGEST_BYTES
from edgecam.config import storage as config_store
from edgecam.errors import ObjectRefused, StoreError, StoreRefused, StoreUnavailable
from edgecam.folder import read_file
from edgecam.log import hide_values
from edgecam.status.outage import FAULT_REASON, Lines, OutageLog, OutagePolicy
from edgecam.status.reports import CameraReport, SpoolReport, UploadReport
from edgecam.status.schedule import LEAST_EVERY_S, ChangeKey
from edgecam.status.serialize import (
    as_ended,
    camera_values,
    change_key_of,
    storage_values,
)
from edgecam.upload.refused import RefusedObjects

log = logging.getLogger(__name__)

POLL_PERIOD_S = 0.5
"""The most by which a change is seen late; a poll costs next to nothing."""
_FIRST_DELAY_S = 2.0
_LONGEST_DELAY_S = 60.0
_REFUSED_DELAY_S = 60.0  # a person has to act first
_MOST_IN_A_ROW = 4
"""So many objects are refused one after the other before all wait: it may be the login, or the bucket."""
_QUICK_S = 0.25
_REST = 3.0
"""After an object that took longer than `_QUICK_S` the publisher pauses `_REST` times as long: on a slow link
three quarters are left to chunks."""
_OUTAGES = OutagePolicy(
    lines=Lines(
        "latest pictures and status are not written for now",
        "latest pictures and status are written again after %(lasted_s).0f s",
    ),
    reason_of=lambda error: error.reason if isinstance(error, StoreError) else FAULT_REASON,
)
_JPEG_BEGINS = b"\xff\xd8"


@dataclass
class _Written:
    """The last objects of one camera; times by the monotonic clock."""

    status_s: float | None = None
    change_key: ChangeKey = ()
    latest_s: float | None = None
    sequence: int = 0
    asked: int = 0
    answered: int = 0

    @property
    def is_asked_for(self) -> bool:
        """Whether a snapshot is requested and not written."""
        return self.asked != self.answered


@dataclass(frozen=True)
class _Object:
    name: str
    content: bytes
    content_type: str
    is_done: Callable[[float], None]


class Publisher:
    """One thread that writes both, without a queue: each object holds the state of the moment it is written
    at.

    Args:
        bucket: Where to.
        rate_limit: Shared with the chunks.
        latest: The settings of the pictures.
        status: The settings of the status objects.
        reports: Of all cameras.
        frame_path: Of a camera's `frame.jpg`.
        spool_report: The state of the spool.
        upload_report: The state of the uploads.
        refused: Gets the objects that are refused while others may be stored.
        clock: Time.
    """

    def __init__(
        self,
        bucket: Bucket,
        rate_limit: RateLimit,
        *,
        latest: config_store.Latest,
        status: config_store.StatusObjects,
        reports: Callable[[], Sequence[CameraReport]],
        frame_path: Callable[[str], Path],
        spool_report: Callable[[], SpoolReport],
        upload_report: Callable[[], UploadReport],
        refused: RefusedObjects,
        clock: Clock,
    ) -> None:
        self._bucket = bucket
        self._rate_limit = rate_limit
        self._latest = latest
        self._status = status
        self._reports = reports
        self._frame_path = frame_path
        self._spool_report = spool_report
        self._upload_report = upload_report
        self._refused = refused
        self._refusals_in_a_row = 0
        self._clock = clock
        self._written: dict[str, _Written] = {}
        self._outages = OutageLog(_OUTAGES, log)
        self._random = random.Random()  # noqa: S311 - spreads load, guards nothing
        self._backoff = Backoff(self._random, first_s=_FIRST_DELAY_S, longest_s=_LONGEST_DELAY_S)
        self._ending = threading.Event()
        self._deadline_s = 0.0
        self._thread = threading.Thread(target=self._run, name="publish", daemon=True)

    def start(self) -> None:
        """Begin to write; returns at once."""
        if self._latest.enabled or self._status.enabled:
            self._thread.start()

    def stop(self, timeout_s: float) -> None:
        """Write the final state `disconnected` of every camera, and end, within `timeout_s` seconds: an
        outage of the bucket must not delay the end of the node."""
        self._deadline_s = self._clock.monotonic_s() + timeout_s
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join(max(0.0, timeout_s))

    def publish_now(self, camera_id: str) -> None:
        """Write the newest picture of a camera now, however recent the last one. From any thread."""
        self._written.setdefault(camera_id, _Written()).asked += 1

    def _run(self) -> None:
        while not self._ending.is_set():
            try:
                pause_s = self._step()
            except Exception:
                log.exception("latest pictures and status: expected to write them, found a fault of ours")
                pause_s = _LONGEST_DELAY_S
            self._clock.wait(self._ending, pause_s)
        if self._status.enabled:
            self._publish_final_states()

    def _step(self) -> float:
        """Write the object that is due most, if any; returns the seconds until the next poll."""
        due = self._due()
        if due is None:
            return POLL_PERIOD_S
        begun_s = self._clock.monotonic_s()
        try:
            self._bucket.put_bytes(
                due.name, due.content, content_type=due.content_type, rate_limit=self._rate_limit
            )
        except StoreError as error:
            return self._failed(due.name, error)
        now_s = self._clock.monotonic_s()
        due.is_done(now_s)
        self._refused.settled(due.name)
        self._refusals_in_a_row = 0
        self._outages.recovered(now_s)
        self._backoff.reset()
        took_s = now_s - begun_s
        return _REST * took_s if took_s > _QUICK_S else 0.0

    def _failed(self, name: str, error: StoreError) -> float:
        """The object `name` could not be written; seconds until the next poll."""
        if self._ending.is_set():
            return 0.0
        reason = self._upload_report().reason
        if isinstance(error, StoreRefused):
            if reason == StoreRefused.reason and not isinstance(error, ObjectRefused):
                return jittered(_REFUSED_DELAY_S, self._random)  # the bucket refuses chunks as well
            self._refused.refused(name, error)
            self._refusals_in_a_row += 1
            return 0.0 if self._refusals_in_a_row < _MOST_IN_A_ROW else self._backoff.after_failure()
        if reason is None:  # else the uploader logs it
            self._outages.failed(error, self._clock.monotonic_s())
        asked_s = error.retry_after_s if isinstance(error, StoreUnavailable) else None
        return max(self._backoff.after_failure(), asked_s or 0.0)

    def _due(self) -> _Object | None:
        """Status before pictures, since it is small; within each the camera that has waited longest."""
        now_s = self._clock.monotonic_s()
        reports = self._reports()
        if self._status.enabled:
            for report in sorted(reports, key=lambda each: self._of(each).status_s or 0.0):
                if not self._refused.waits(_status_name(report)) and self._is_status_due(report, now_s):
                    return self._status_object(report)
        if self._latest.enabled:
            for report in sorted(reports, key=self._latest_rank):
                if self._refused.waits(_latest_name(report)) or not self._is_latest_due(report, now_s):
                    continue
                if picture := self._picture_object(report):
                    return picture
        return None

    def _is_status_due(self, report: CameraReport, now_s: float) -> bool:
        written = self._of(report)
        if written.status_s is None:
            return True
        age_s = now_s - written.status_s
        has_changed = change_key_of(report) != written.change_key
        return age_s >= self._status.every_s or (has_changed and age_s >= LEAST_EVERY_S)

    def _is_latest_due(self, report: CameraReport, now_s: float) -> bool:
        written = self._of(report)
        if report.frame is None or not report.is_fresh or report.frame.sequence == written.sequence:
            return False
        every_s = LEAST_EVERY_S if written.is_asked_for else max(LEAST_EVERY_S, self._latest.every_s)
        return written.latest_s is None or now_s - written.latest_s >= every_s

    def _latest_rank(self, report: CameraReport) -> tuple[bool, float]:
        written = self._of(report)
        return not written.is_asked_for, written.latest_s or 0.0

    def _status_object(self, report: CameraReport) -> _Object:
        written, change_key = self._of(report), change_key_of(report)

        def is_done(now_s: float) -> None:
            written.status_s, written.change_key = now_s, change_key

        content = self._status_text(report).encode()
        return _Object(_status_name(report), content, "application/json", is_done)

    def _picture_object(self, report: CameraReport) -> _Object | None:
        written, sequence = self._of(report), report.frame.sequence if report.frame else 0
        asked = written.asked  # before the file is read: a later request means another picture

        def is_done(now_s: float) -> None:
            written.latest_s, written.sequence, written.answered = now_s, sequence, asked

        try:
            content, _ = read_file(self._frame_path(report.camera_id), limit_bytes=LONGEST_BYTES)
        except (OSError, KeyError):
            return None  # just removed for being stale, or the camera has gone
        if not content.startswith(_JPEG_BEGINS):
            return None
        return _Object(_latest_name(report), content, "image/jpeg", is_done)

    def _status_text(self, report: CameraReport) -> str:
        spool, upload = self._spool_report(), self._upload_report()
        document = {
            **camera_values(report, spool, upload),
            "storage": storage_values(spool, upload),
            "edgecam_version": __version__,
            "written_at": utc_text(self._clock.now()),
            "every_s": self._status.every_s,
        }
        return json.dumps(hide_values(document), ensure_ascii=False) + "\n"

    def _publish_final_states(self) -> None:
        refused = 0
        for report in self._reports():
            status_s = self._of(report).status_s
            now_s = self._clock.monotonic_s()
            early_s = 0.0 if status_s is None else max(0.0, status_s + LEAST_EVERY_S - now_s)
            if now_s + early_s >= self._deadline_s:
                continue
            self._clock.wait(threading.Event(), early_s)
            last = self._status_object(as_ended(report, self._clock.now()))
            try:
                self._bucket.put_bytes(
                    last.name, last.content, content_type=last.content_type, rate_limit=self._rate_limit
                )
            except StoreError as error:
                log.debug("%s: %s", last.name, error)
                refused += 1
                if not isinstance(error, StoreRefused) or refused == _MOST_IN_A_ROW:
                    return

    def _of(self, report: CameraReport) -> _Written:
        return self._written.setdefault(report.camera_id, _Written())


def _status_name(report: CameraReport) -> str:
    return f"status/{report.camera_id}.json"


def _latest_name(report: CameraReport) -> str:
    return f"latest/{report.camera_id}.jpg"
