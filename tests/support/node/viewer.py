"""Somebody who watches a camera through the own receiver alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from edgecam.codecs.video import Codec
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.credentials.login import Login
from edgecam.errors import SourceError
from edgecam.receiver.rtsp_receiver import Received, RtspReceiver


class Viewer:
    """Keeps what comes.

    Attributes:
        codec: Of the pictures; None before the first.
        received: The pictures.
        fault: Why the connection has ended; None while it has not.
        receiver: Its receiver.
    """

    def __init__(self, receiver: RtspReceiver) -> None:
        self.receiver = receiver
        self.codec: Codec | None = None
        self.received: list[Received] = []
        self.fault: SourceError | None = None
        receiver.start(self)

    def take(self, codec: Codec, received: list[Received], now_s: float) -> None:
        del now_s
        self.codec = codec
        self.received += received

    def ended(self, error: SourceError) -> None:
        self.fault = error

    @property
    def stamps_s(self) -> list[float]:
        """When the pictures are shown, seconds after the first."""
        return [round((each.stamp_ns - self.received[0].stamp_ns) / 1e9, 3) for each in self.received]


@contextmanager
def viewing(uri: str, login: Login | None = None, **settings: Any) -> Iterator[Viewer]:
    """Somebody who watches the camera at `uri`."""
    camera = validate(Camera, {"id": "watched", "uri": uri} | settings, name="test")
    receiver = RtspReceiver(camera, login)
    try:
        yield Viewer(receiver)
    finally:
        receiver.close()
