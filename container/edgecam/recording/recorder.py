"""The thread that records one camera: it polls the connection's tap and hands what waits to the recording.

Connection and frames never notice what happens here: the tap's queue is between them. This thread also writes
to the disk. One that hangs stops it, for this camera alone, and the camera's own thread reports it
(`DiskWatch`).
"""

from __future__ import annotations

import logging
import threading
from dataclasses import replace

from edgecam.capture.tap import Tap
from edgecam.chunk import ChunkSink
from edgecam.clock import Clock
from edgecam.config.camera import Camera
from edgecam.recording.camera_recording import CameraRecording
from edgecam.recording.status import DiskWatch
from edgecam.status.reports import RecordingReport

log = logging.getLogger(__name__)

POLL_PERIOD_S = 1.0
"""A kill of the node loses up to this much more; each poll costs CPU."""
DETACH_TIMEOUT_S = 2.0
"""How long the end of a connection waits for the recorder to take the last pictures."""


class Recorder:
    """Records one camera over all its connections, on a thread of its own.

    Args:
        camera: The camera; its recording is enabled.
        sink: Takes the chunks.
        clock: Time.
    """

    def __init__(self, camera: Camera, *, sink: ChunkSink, clock: Clock) -> None:
        self._camera_id = camera.id
        self._clock = clock
        self._recording = CameraRecording(camera, sink=sink, clock=clock)
        self._disk = DiskWatch(camera.id)
        self._tap: Tap | None = None
        self._followed: Tap | None = None
        self._detached = threading.Event()
        self._stopping = threading.Event()
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"recording-{camera.id}", daemon=True)

    def start(self) -> None:
        """Begin, on a thread of its own."""
        self._thread.start()

    def stop(self, timeout_s: float) -> bool:
        """End; whether that was done within `timeout_s` seconds. A connection is to be detached before."""
        self._stopping.set()
        self._woken.set()
        self._thread.join(max(0.0, timeout_s))
        return not self._thread.is_alive()

    def attach(self, tap: Tap) -> None:
        """A connection has begun: record what it delivers."""
        self._tap = tap
        self._woken.set()

    def detach(self) -> None:
        """The connection is about to be closed: take its last pictures and finish the chunk. Returns after
        `DETACH_TIMEOUT_S` at the latest."""
        self._detached.clear()
        self._tap = None
        self._woken.set()
        if not self._detached.wait(DETACH_TIMEOUT_S):
            log.warning(
                "expected the recording to finish its chunk within %g s, found it waiting for the disk",
                DETACH_TIMEOUT_S,
                extra={"camera": self._camera_id},
            )

    def change(self, chunk_s: float) -> None:
        """From any thread: how long chunks are to be from now on, seconds. They join as before."""
        self._recording.change(chunk_s)

    def wake(self) -> None:
        """From any thread: poll now."""
        self._woken.set()

    def report(self) -> RecordingReport:
        """How the recording is doing; from any thread."""
        report = self._recording.report()
        hanging = self._disk.outage(self._clock.monotonic_s())
        if hanging is None:
            return report
        return replace(report, problem=hanging.message, reason=hanging.reason)

    def watch(self) -> None:
        """From the camera's thread, now and then: log that the disk hangs, which the recorder cannot."""
        self._disk.watch(self._clock.monotonic_s())

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._clock.wait(self._woken, POLL_PERIOD_S)
            self._woken.clear()
            self._disk.begins(self._clock.monotonic_s())
            try:
                self._poll()
                self._recording.check()
            except Exception as error:
                self._recording.abandon(error)
            self._disk.ends()
        self._recording.end_chunk()

    def _poll(self) -> None:
        tap, followed = self._tap, self._followed
        self._recording.salvage_if_broken()
        if followed is not None:
            self._recording.observe_backlog()
            # A disk that is behind is given no more, unless the connection ends.
            if tap is not followed or not self._recording.is_behind:
                self._take(followed)
        if tap is not followed:
            self._recording.disconnect()
            self._followed = tap
        if tap is None:
            self._detached.set()

    def _take(self, tap: Tap) -> None:
        if not self._recording.take(tap.take()):
            tap.reject_rest()
        if tap.reopen() and not self._recording.record_gap():
            tap.reject_rest()
        self._recording.report_lapses()
