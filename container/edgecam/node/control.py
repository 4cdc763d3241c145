"""What a device may be asked to do remotely: commands, and settings that change while the node runs.

Transports call it from their threads. Nothing here waits: what is asked is noted where the camera, its
recording and the uploads look for it, and holds from their next access unit, chunk and piece on.
"""

from __future__ import annotations

import hashlib
import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from edgecam.config.camera import Camera
from edgecam.config.node import NodeConfig
from edgecam.config.runtime import RuntimeConfig, UploadLimits, read_runtime
from edgecam.config.validation import found_text
from edgecam.errors import CommandError, ConfigurationError
from edgecam.node.node import Node
from edgecam.redaction import LONGEST_MESSAGE, SECRETS

log = logging.getLogger(__name__)

_MOST_NAMED = 5
"""Mistakes of one document that are reported: with more it is another kind of document altogether."""


class Storage(Protocol):
    """What can be asked of the way to the bucket; none of it blocks."""

    def limit(self, *, max_requests_per_s: float, max_bytes_per_s: float) -> None:
        """Send no faster from now on."""

    def publish_picture(self, camera_id: str) -> None:
        """Put the camera's present picture into the bucket soon."""


@dataclass(frozen=True)
class _Asked:
    """What one device was asked, replaced whole.

    Attributes:
        digest: Of the last document.
        settings: What holds: of the last document that was not refused.
        refused: Why the last document was refused, or None.
    """

    digest: bytes
    settings: RuntimeConfig
    refused: str | None = None


class Control:
    """Does what a device is asked to do. Safe to use from any thread.

    It is also what knows the settings in force (`brokers.interface.RuntimeSettings`).

    Args:
        node: The cameras.
        config: What was deployed.
        storage: The way to the bucket, where there is one.
    """

    def __init__(self, node: Node, config: NodeConfig, storage: Storage | None = None) -> None:
        self._node = node
        self._storage = storage
        self._deployed = config
        self._cameras = {camera.id: camera for camera in config.cameras}
        self._commands: dict[str, Callable[[str], None]] = {
            "restart": node.reconnect,
            "snapshot": self._snapshot,
        }
        self._lock = threading.Lock()  # one document after the other; nobody else waits for it
        nothing = _Asked(_digest(b""), RuntimeConfig())
        self._asked = dict.fromkeys(self._cameras, nothing)

    def command(self, camera_id: str, name: str) -> None:
        """Do `restart` (connect to the camera again) or `snapshot` (a picture now, into its file and, where
        pictures go there, into the bucket).

        Raises:
            CommandError: what was expected, what was found.
        """
        if camera_id not in self._cameras:
            raise CommandError(
                f"expected one of the cameras {', '.join(self._cameras)}, found {found_text((), camera_id)}"
            )
        action = self._commands.get(name.strip())
        if action is None:
            raise CommandError(
                f"{camera_id}: expected one of the commands {', '.join(self._commands)}, "
                f"found {SECRETS.hide(found_text((), name))}"
            )
        action(camera_id)
        log.info("asked remotely: %s", name.strip(), extra={"camera": camera_id})

    def configure(self, camera_id: str, document: bytes) -> None:
        """Take a `config` message (`edgecam.config.runtime` says what it may hold), or nothing for what was
        deployed. One that is refused changes nothing; the one that was taken last may come any number of
        times.

        Raises:
            KeyError: the node has no such camera.
        """
        camera = self._cameras[camera_id]
        with self._lock:
            was = self._asked[camera_id]
            if was.digest == _digest(document):
                return
            now = self._judged(camera, document, was)
            self._asked[camera_id] = now
            if now.settings != was.settings:
                self._apply(camera, now.settings)
        if now.refused is not None:
            log.warning("config refused, nothing changed: %s", now.refused, extra={"camera": camera_id})
        elif now.settings != was.settings:
            log.info("config in force: %s", self.in_force(camera_id), extra={"camera": camera_id})

    def in_force(self, camera_id: str) -> Mapping[str, Any]:
        """What holds now, in the form of a `config` message; without what makes no sense for the camera."""
        camera, settings = self._cameras[camera_id], self._asked[camera_id].settings
        settings_now: dict[str, Any] = {}
        if camera.frames.enabled:
            settings_now["max_fps"] = settings.max_fps_of(camera)
        if camera.recording.enabled:
            settings_now["chunk_s"] = settings.chunk_s_of(camera)
        if self._storage is not None:
            settings_now["upload"] = self._limits()
        return settings_now

    def refused(self, camera_id: str) -> str | None:
        """Why the last `config` message was refused, redacted; None when it was not."""
        return self._asked[camera_id].refused

    def _judged(self, camera: Camera, document: bytes, was: _Asked) -> _Asked:
        digest = _digest(document)
        try:
            return _Asked(digest, read_runtime(document, camera, has_bucket=self._storage is not None))
        except ConfigurationError as error:
            return _Asked(digest, was.settings, _sentence(error))

    def _apply(self, camera: Camera, settings: RuntimeConfig) -> None:
        self._node.change(camera.id, frames=settings.frames_of(camera), chunk_s=settings.chunk_s_of(camera))
        if self._storage is not None:
            self._storage.limit(**self._limits())

    def _limits(self) -> dict[str, Any]:
        """The node's rates: of several devices that name one the smallest counts."""
        named = [asked.settings.upload for asked in tuple(self._asked.values())]
        return {
            rate: min(
                (limit for each in named if (limit := getattr(each, rate)) is not None),
                default=getattr(self._deployed.upload, rate),
            )
            for rate in UploadLimits.model_fields
        }

    def _snapshot(self, camera_id: str) -> None:
        storage = self._storage
        self._node.snapshot(
            camera_id, then=lambda: None if storage is None else storage.publish_picture(camera_id)
        )


def _digest(document: bytes) -> bytes:
    return hashlib.sha256(document).digest()


def _sentence(error: ConfigurationError) -> str:
    shown = [str(mistake) for mistake in error.mistakes[:_MOST_NAMED]]
    if more := len(error.mistakes) - len(shown):
        shown.append(f"and {more} more mistakes")
    return SECRETS.shown("; ".join(shown), LONGEST_MESSAGE)
