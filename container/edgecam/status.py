"""What a camera is doing, as others are told: the page, the metrics, `frame.json` and, later, the brokers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class CameraState(StrEnum):
    """The four states of a camera."""

    CONNECTING = "connecting"
    """Reaching out; nothing has come yet."""
    CONNECTED = "connected"
    """Pictures arrive."""
    STALLED = "stalled"
    """The connection is up and nothing comes."""
    DISCONNECTED = "disconnected"
    """The last attempt failed and the next is due or under way, or the node has ended."""


class DecodeMode(StrEnum):
    """How the pictures of a camera are being decoded right now."""

    NONE = "none"
    """Not yet known, or the source delivers pictures that need no decoding."""
    KEYFRAMES = "keyframes"
    """Only keyframes."""
    CATCH_UP = "catch-up"
    """From the last keyframe on, and only when a picture is due."""
    ALL = "all"
    """Every picture."""


@dataclass(frozen=True)
class FrameInfo:
    """The picture that stands in `frame.jpg`.

    Attributes:
        captured_at: When the picture was taken (arrival time at the core), UTC.
        sequence: Counts the pictures written since the node started, from 1.
        width: Pixels.
        height: Pixels.
        jpeg_bytes: Size of the file.
    """

    captured_at: datetime
    sequence: int
    width: int
    height: int
    jpeg_bytes: int


@dataclass(frozen=True)
class CameraReport:
    """One camera at one moment.

    Attributes:
        camera_id: Its `id`.
        state: What it is doing.
        since: Since when it is in that state, UTC.
        reason: One word for what is wrong (`SourceError.reason`, or `disk`: nothing can be written), or None.
        message: A sentence for a person, redacted, or None.
        frame: The newest picture, or None when there was none since the start of the node.
        frame_age_s: Seconds since that picture was taken, by a clock that does not step; None without one.
        stale_after_s: The age from which on the picture counts as stale.
        decode_mode: How pictures are decoded right now.
        frames_total: Pictures written since the node started.
        reconnects_total: Connections begun after the first.
        received_bytes_total: Encoded bytes received.
    """

    camera_id: str
    state: CameraState
    since: datetime
    reason: str | None
    message: str | None
    frame: FrameInfo | None
    frame_age_s: float | None
    stale_after_s: float
    decode_mode: DecodeMode
    frames_total: int
    reconnects_total: int
    received_bytes_total: int

    @property
    def is_fresh(self) -> bool:
        """Whether there is a picture that is younger than its age limit."""
        return self.frame_age_s is not None and self.frame_age_s <= self.stale_after_s

    @property
    def is_delivering(self) -> bool:
        """Whether the camera does what it is there for: connected, and its picture fresh."""
        return self.state is CameraState.CONNECTED and self.is_fresh
