"""One way to a camera's pictures, by either receiver: what the rest of the program knows of it."""

from __future__ import annotations

from abc import ABC, abstractmethod

from edgecam.codecs.orientation import Orientation
from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.redaction import SECRETS, redact
from edgecam.status.reception import Losses

_MOST_OFFERS = 8  # video, sound and metadata of two profiles: no camera offers more
_LONGEST_OFFER = 80  # `application vnd.onvif.metadata.gzip`, and nearly as much again


class CameraSource(ABC):
    """Used for one connection, then thrown away.

    Attributes:
        name: Its uri, redacted: the object of every error message.
        offered: The streams that were found, as `audio PCMU` (RTSP) or `audio/mpeg` (files).
        is_paced: Whether pictures arrive as they are taken.
        orientation: Which way up its pictures are shown, where it says that beside them.
    """

    has_begun = False
    """Whether data of the stream came, where that can be known before the first access unit."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        """`login` is for the schemes that take credentials."""
        self._login = login
        self.name = redact(camera.uri)
        self.is_paced = camera.scheme.is_paced
        self.offered: list[str] = []
        self.orientation = Orientation.UPRIGHT

    def waits(self, now_s: float) -> str | None:
        """What it waits for, as a sentence for a person; None while data comes.

        Args:
            now_s: By the clock that never steps.
        """
        del now_s
        return None

    def received_bytes(self) -> int:
        """What has come from outside so far, coded pictures or not; 0 where nobody outside sends."""
        return 0

    @property
    def losses(self) -> Losses:
        """What of the stream did not come, where that is known; from any thread."""
        return Losses()

    @abstractmethod
    def close(self) -> None:
        """Release what the source holds. To be called once the connection has ended."""

    def successor(self) -> CameraSource | None:
        """The source that goes on where this one, which is closed, has ended; None where nothing is left of
        it. To be asked for once, and closed."""
        return None

    def _note_offer(self, stream: str) -> None:
        """Add `stream`, as the camera or file calls it, to `offered`; a few, and short, whatever comes."""
        if len(self.offered) < _MOST_OFFERS:
            self.offered.append(SECRETS.shown(stream, _LONGEST_OFFER))
        elif len(self.offered) == _MOST_OFFERS:
            self.offered.append("and more")
