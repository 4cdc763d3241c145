"""`file://`: a video file, in a loop."""

from __future__ import annotations

import stat
from pathlib import Path

from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceNotFound
from edgecam.gstreamer.gst import make
from edgecam.sources.container import ContainerSource


class FileSource(ContainerSource):
    """A video file of any container, looped for ever, in real time."""

    is_looped = True

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._path = Path(camera.source_path)
        self._identity: tuple[int, int] | None = None

    def is_replaced(self) -> bool:
        identity = self._identity_now()
        return identity not in (None, self._identity)

    def _fill(self) -> None:
        self._identity = self._identity_now()
        if self._identity is None:
            raise SourceNotFound(f"{self.name}: expected a file, found none at {self._path}")
        reader = make("filesrc", location=str(self._path))
        self._add(reader)
        self._parse(reader)

    def _identity_now(self) -> tuple[int, int] | None:
        """Which file stands under the path: another one after a rename. None where there is none."""
        try:
            facts = self._path.stat()
        except OSError:
            return None
        return (facts.st_dev, facts.st_ino) if stat.S_ISREG(facts.st_mode) else None
