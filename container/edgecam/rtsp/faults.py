"""What the protocol finds wrong. Who holds the connection says which camera it is."""

from __future__ import annotations

from edgecam.rtsp.urls import Location


class RtspFault(Exception):  # noqa: N818 - its kinds read as what was found
    """The root; the message says what was expected and what was found."""


class TooMuch(RtspFault):
    """More of something than any camera sends."""


class NoRtsp(RtspFault):
    """What comes is another protocol, or none.

    Attributes:
        head: Its first bytes.
    """

    def __init__(self, message: str, head: bytes = b"") -> None:
        super().__init__(message)
        self.head = head


class NotOurs(RtspFault):
    """It is right, and beyond what this receiver reads: GStreamer's may."""


class Redirected(RtspFault):
    """The camera sends on; the connection is of no more use.

    Attributes:
        location: Where to.
    """

    def __init__(self, location: Location) -> None:
        super().__init__("the camera sends on")
        self.location = location
