"""Which receiver a camera has: our own where it can, GStreamer's where settings or the camera ask for it."""

from __future__ import annotations

import logging

from edgecam.config.camera import Camera, Receiver
from edgecam.config.schemes import RTSP, RTSPS
from edgecam.credentials.login import Login
from edgecam.errors import SourceBeyondReceiver
from edgecam.receiver.rtsp_receiver import RtspReceiver
from edgecam.sources.factory import source_for
from edgecam.sources.interface import CameraSource
from edgecam.status.reception import BY_SETTING, ReceiverName

log = logging.getLogger(__name__)


class ReceiverChoice:
    """Of one camera, for as long as it is looked after. Belongs to its thread; attributes may be read by any.

    Args:
        camera: Whose.

    Attributes:
        name: Whose it is.
        reason: Why it is GStreamer's though the camera speaks RTSP, as a phrase; None otherwise.
    """

    def __init__(self, camera: Camera) -> None:
        self._camera = camera
        self.name, self.reason = ReceiverName.OWN, _beyond(camera)
        if self.reason is not None or camera.scheme not in (RTSP, RTSPS):
            self.name = ReceiverName.GSTREAMER

    def source(self, login: Login | None) -> CameraSource:
        """The source for the next attempt.

        Raises:
            SourceError: there is none that could work.
        """
        if self.name is ReceiverName.OWN:
            return RtspReceiver(self._camera, login)
        return source_for(self._camera, login)

    def fall_back(self, error: SourceBeyondReceiver) -> None:
        """The camera offers what ours does not read: GStreamer's from now on."""
        self.name, self.reason = ReceiverName.GSTREAMER, error.what
        log.info(
            "received by GStreamer: %s is beyond edgecam's own receiver",
            error.what,
            extra={"camera": self._camera.id},
        )


def _beyond(camera: Camera) -> str | None:
    """What of the settings is for GStreamer's receiver."""
    if camera.scheme not in (RTSP, RTSPS):
        return None
    if camera.receiver is Receiver.GSTREAMER:
        return BY_SETTING
    return "transport: udp" if camera.transport == "udp" else None
