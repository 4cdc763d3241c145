"""Spool, bucket and uploads of one node, put together: what the process starts and stops beside the
cameras."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from edgecam.bucket.interface import Bucket
from edgecam.bucket.open import open_bucket
from edgecam.chunk import ChunkSink
from edgecam.clock import Clock, SystemClock
from edgecam.config.node import NodeConfig
from edgecam.formats import repair as media
from edgecam.spool.spool import Recover, Spool
from edgecam.status.reports import CameraReport, SpoolReport, UploadReport
from edgecam.upload.publisher import Publisher
from edgecam.upload.rate_limit import RateLimiter
from edgecam.upload.refused import RefusedObjects
from edgecam.upload.uploader import Uploader

log = logging.getLogger(__name__)

_CHUNKS_SHARE = 0.6
"""Of the shutdown timeout: for the last chunks; the final states have half of the rest."""


class CameraReports(Protocol):
    """The reports of all cameras, as the node has them."""

    def reports(self) -> Sequence[CameraReport]:
        """How every camera is doing."""

    def frame_path(self, camera_id: str) -> Path:
        """Where the picture of `camera_id` stands."""


class UploadService:
    """From finished chunk to receipt.

    Args:
        config: The node's; names a bucket.
        clock: Time.
        recover: Repairs a file that was cut short.
        bucket: In place of the one that `config` names.

    Raises:
        ValueError: `config` names no bucket.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        clock: Clock | None = None,
        recover: Recover = media.repair,
        bucket: Bucket | None = None,
    ) -> None:
        if config.bucket is None:
            raise ValueError("expected a bucket in the node configuration, found none")
        self._config = config
        self._clock = clock or SystemClock()
        self._bucket = bucket or open_bucket(config.bucket, config.google, config.upload, clock=self._clock)
        self._limiter = RateLimiter(
            requests_per_s=config.upload.max_requests_per_s,
            bytes_per_s=config.upload.max_bytes_per_s,
            clock=self._clock,
        )
        self._publisher: Publisher | None = None
        self._spool = Spool(config.spool, clock=self._clock, recover=recover)
        self._refused = RefusedObjects(self._clock)
        self._uploader = Uploader(
            self._spool, self._bucket, self._limiter, config.upload, clock=self._clock, refused=self._refused
        )

    @property
    def chunks(self) -> ChunkSink:
        """Takes the chunks of recordings, from `open` on."""
        return self._spool

    def open(self) -> None:
        """Lock the spool and recover what an earlier run has left half-written; before any camera is started.

        Raises:
            SpoolError: another node has it, or the disk fails.
        """
        self._spool.open()
        report = self._spool.report()
        waiting = sum(camera.waiting_chunks for camera in report.cameras.values())
        log.info(
            "recordings go to %s, by way of %s, where %d chunks wait",
            self._bucket.uri,
            self._config.spool.path,
            waiting,
        )

    def start(self, node: CameraReports) -> None:
        """Begin to upload chunks, and to publish the reports of `node`."""
        self._uploader.start()
        self._publisher = Publisher(
            self._bucket,
            self._limiter,
            latest=self._config.latest,
            status=self._config.status,
            reports=node.reports,
            frame_path=node.frame_path,
            spool_report=self.spool_report,
            upload_report=self.upload_report,
            refused=self._refused,
            clock=self._clock,
        )
        self._publisher.start()

    def limit(self, *, max_requests_per_s: float, max_bytes_per_s: float) -> None:
        """Change the rate limits, also of uploads under way. One caller at a time."""
        self._limiter.change(requests_per_s=max_requests_per_s, bytes_per_s=max_bytes_per_s)

    def publish_picture(self, camera_id: str) -> None:
        """Publish the newest picture now, where there is one. From any thread."""
        if self._publisher is not None:
            self._publisher.publish_now(camera_id)

    def stop(self, timeout_s: float) -> None:
        """Send the last chunks and the final states within `timeout_s` seconds; what is left stays in the
        spool for the next start. To be called when the cameras have ended."""
        deadline_s = self._clock.monotonic_s() + timeout_s
        self._uploader.finish(timeout_s * _CHUNKS_SHARE)
        if self._publisher is not None:
            self._publisher.stop(timeout_s=max(0.0, deadline_s - self._clock.monotonic_s()) / 2)
        self._uploader.stop(timeout_s=max(0.0, deadline_s - self._clock.monotonic_s()))
        self._bucket.close()
        self._spool.close()

    def spool_report(self) -> SpoolReport:
        """The state of the spool."""
        return self._spool.report()

    def upload_report(self) -> UploadReport:
        """The state of the uploads."""
        return self._uploader.report()
