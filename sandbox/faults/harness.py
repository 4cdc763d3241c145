"""Synthetic cameras, the node's own spool and uploads, and an embedded store that fails on purpose."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

from edgecam.bucket.gcs import GcsBucket
from edgecam.bucket.gcs_requests import Login
from edgecam.bucket.google_auth import Anonymous
from edgecam.bucket.http_client import HttpClient
from edgecam.clock import Clock, SystemClock
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.status.reports import CameraReport
from edgecam.upload.service import UploadService
from sandbox.faults.ledger import Ledger, NotingSink, Outcome
from sandbox.faults.synthetic_camera import SyntheticCamera
from sandbox.gcs.server import BUCKET, EmbeddedGcs
from sandbox.stoppable import Stoppable

DRAIN_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 5.0


class NoCameras:
    """Reports of a node without cameras."""

    def reports(self) -> Sequence[CameraReport]:
        """None."""
        return ()

    def frame_path(self, camera_id: str) -> Path:
        """None."""
        raise KeyError(camera_id)


def configuration(folder: Path, **parts: Any) -> NodeConfig:
    """A node that records to `gs://`; `parts` (spool, upload, cameras …) are added to what stands here."""
    document: dict[str, Any] = {
        "cameras": [{"id": "synthetic", "uri": "rtsp://127.0.0.1/", "recording": {"enabled": True}}],
        "bucket": f"gs://{BUCKET}",
        "data_dir": str(folder / "data"),
        "http": {"enabled": False},
        **parts,
    }
    document["spool"] = {"path": str(folder / "spool"), "keep_free_bytes": 0, **parts.get("spool", {})}
    return validate(NodeConfig, document, name="fault")


class Harness(Stoppable):
    """A store, a node's way to it, and cameras, from entering to leaving.

    Args:
        folder: Where everything lies.
        synthetic: How many synthetic cameras.
        period_s: Seconds from chunk to chunk of each.
        chunk_bytes: How large one is, about.
        clock: Time.
        login: Makes the node's login at the store; default anonymous.
        parts: Of the node configuration.
    """

    def __init__(
        self,
        folder: Path,
        *,
        synthetic: int = 3,
        period_s: float = 0.2,
        chunk_bytes: int = 100_000,
        clock: Clock | None = None,
        login: Callable[[], Login] = Anonymous,
        **parts: Any,
    ) -> None:
        self.clock = clock or SystemClock()
        self.gcs = EmbeddedGcs(folder=folder / "gcs")
        self.ledger = Ledger()
        self.config = configuration(folder, **parts)
        upload = self.config.upload
        bucket = GcsBucket(
            f"gs://{BUCKET}",
            BUCKET,
            http=HttpClient(self.gcs.url, stall_timeout_s=upload.stall_timeout_s, clock=SystemClock()),
            login=login(),
            part_bytes=upload.part_bytes,
        )
        self.uploading = UploadService(self.config, clock=self.clock, bucket=bucket)
        self.sink = NotingSink(self.uploading.chunks, self.ledger)
        self.cameras = [
            SyntheticCamera(
                f"c{number}", sink=self.sink, clock=self.clock, period_s=period_s, chunk_bytes=chunk_bytes
            )
            for number in range(synthetic)
        ]
        self._begun_s = time.monotonic()

    def __enter__(self) -> Self:
        self.uploading.open()
        self.uploading.start(NoCameras())
        for camera in self.cameras:
            camera.start()
        return self

    def stop(self) -> None:
        """End everything, whatever waits in the spool."""
        for camera in self.cameras:
            camera.stop()
        self.uploading.stop(_STOP_TIMEOUT_S)
        self.gcs.stop()

    @property
    def waiting(self) -> int:
        """Chunks in the spool."""
        return sum(each.waiting_chunks for each in self.uploading.spool_report().cameras.values())

    @property
    def evicted(self) -> int:
        """Chunks that the spool gave up."""
        return sum(each.evicted_chunks_total for each in self.uploading.spool_report().cameras.values())

    def pause(self, duration_s: float) -> None:
        """Let recording and sending go on for `duration_s`."""
        self.clock.wait(threading.Event(), duration_s)

    def settled(self, fault: str, **notes: float) -> Outcome:
        """End the synthetic recordings, wait until everything has been sent, and compare.

        Raises:
            TimeoutError: it has not been within `DRAIN_TIMEOUT_S`.
        """
        for camera in self.cameras:
            camera.stop()
        deadline_s = time.monotonic() + DRAIN_TIMEOUT_S
        while self.waiting:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"{fault}: {self.waiting} chunks wait {DRAIN_TIMEOUT_S:g} s after its end")
            time.sleep(0.05)
        return self.ledger.settle(
            fault,
            seconds=time.monotonic() - self._begun_s,
            stored=self.gcs.objects(),
            evicted=self.evicted,
            retries=self.uploading.upload_report().retries_total,
            notes=notes,
        )
