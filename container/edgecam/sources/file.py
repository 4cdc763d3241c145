"""`file://`: a video file, in a loop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

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

    def _reader(self) -> Any:
        if not self._path.is_file():
            raise SourceNotFound(f"{self.name}: expected a file, found none at {self._path}")
        return make("filesrc", location=str(self._path))
