"""All cameras of one node: started and stopped together, otherwise independent of each other."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from edgecam.chunk import ChunkSink
from edgecam.clock import Clock, SystemClock
from edgecam.config.camera import Frames
from edgecam.config.node import NodeConfig
from edgecam.credentials.login import LoginProvider
from edgecam.node.camera_worker import CameraWorker
from edgecam.status.reports import CameraReport

log = logging.getLogger(__name__)

STOP_TIMEOUT_S = 4.0
"""A stopped node has to be gone within 5 s, and there are more things to end than the cameras."""


class Node:
    """One process' cameras.

    Args:
        config: Which cameras, and where their pictures are.
        logins: Knows the cameras' user names and passwords.
        clock: Time.
        chunks: Takes the recordings of the cameras that are recorded.
    """

    def __init__(
        self,
        config: NodeConfig,
        *,
        logins: LoginProvider,
        clock: Clock | None = None,
        chunks: ChunkSink | None = None,
    ) -> None:
        self._clock = clock or SystemClock()
        self._workers = {
            camera.id: CameraWorker(
                camera, data_dir=config.data_dir, logins=logins, clock=self._clock, chunks=chunks
            )
            for camera in config.cameras
        }

    def start(self) -> None:
        """Begin to look after all cameras; returns at once."""
        for worker in self._workers.values():
            worker.start()

    def stop(self, timeout_s: float = STOP_TIMEOUT_S) -> bool:
        """End all cameras: each `frame.json` says disconnected.

        Returns:
            Whether all had ended within `timeout_s` seconds; those that had not are named in the log.
        """
        deadline_s = self._clock.monotonic_s() + timeout_s
        for worker in self._workers.values():
            worker.stop()
        late = [
            camera_id
            for camera_id, worker in self._workers.items()
            if not worker.join(deadline_s - self._clock.monotonic_s())
        ]
        if late:
            log.warning(
                "expected all cameras to end within %g s, found still busy: %s", timeout_s, ", ".join(late)
            )
        return not late

    def reports(self) -> tuple[CameraReport, ...]:
        """How every camera is doing, in the order of the configuration."""
        return tuple(worker.report() for worker in self._workers.values())

    def frame_path(self, camera_id: str) -> Path:
        """Where the picture of `camera_id` is.

        Raises:
            KeyError: the node has no such camera.
        """
        return self._workers[camera_id].path

    def change(self, camera_id: str, *, frames: Frames, chunk_s: float) -> None:
        """Let `camera_id` give pictures and chunks by other settings from now on, on the same connection;
        of `frames` only `max_fps` may differ. From any thread.

        Raises:
            KeyError: the node has no such camera.
        """
        self._workers[camera_id].change(frames=frames, chunk_s=chunk_s)

    def snapshot(self, camera_id: str, then: Callable[[], None]) -> None:
        """A picture of `camera_id` at once; `then` is called when it is written. From any thread.

        Raises:
            CommandError: there can be none now, and why.
            KeyError: the node has no such camera.
        """
        self._workers[camera_id].snapshot(then)

    def reconnect(self, camera_id: str) -> None:
        """Connect to `camera_id` again, since its login has changed or a command asks for it; unknown ids are
        ignored. From any thread."""
        worker = self._workers.get(camera_id)
        if worker is not None:
            worker.reconnect()
