"""What a camera, the spool and the uploads are doing at one moment: frozen, made for any reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol

from edgecam.status.reception import NO_LOSSES, Losses, ReceiverName


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


class Condition(StrEnum):
    """What a person makes of a camera at a glance."""

    TROUBLE = "trouble"
    """It, or its recording, does not do what it is there for."""
    WAITING = "waiting"
    """Nothing has failed, and nothing has come yet: it is being connected, or its program is to write."""
    DELIVERING = "delivering"


WAITING_REASON = "waiting"
"""The reason of a camera whose program is still to write: the only one that is no fault."""


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
    REFRESH = "refresh"
    """Every picture, and shown once all of it has been renewed: intra refresh has no keyframes."""


@dataclass(frozen=True)
class FrameInfo:
    """The picture in `frame.jpg`.

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
class RecordingReport:
    """The recording of one camera at one moment.

    Attributes:
        chunks_total: Chunks finished since the node started.
        bytes_total: The sum of their sizes.
        lost_total: Chunks that could not be written or kept, since the node started.
        problem: A sentence for a person about what keeps it from recording, or None.
        newest_end: When the newest of these chunks ends, UTC; None before the first.
        reason: One word for the problem (`recording/status.py`), or None.
        waiting: A sentence for a person about what it waits for, which is no fault, or None.
    """

    chunks_total: int
    bytes_total: int
    lost_total: int
    problem: str | None
    newest_end: datetime | None = None
    reason: str | None = None
    waiting: str | None = None


@dataclass(frozen=True)
class SpooledReport:
    """What the spool holds and has lost, of one camera.

    Attributes:
        waiting_chunks: Chunks that the cloud has not confirmed.
        waiting_bytes: The sum of their sizes.
        oldest: The start of the oldest of them, UTC, or None.
        evicted_chunks_total: Chunks removed unconfirmed because of the limit, since the spool was made.
        quarantined_chunks: Chunks quarantined: damaged, unplayable, or the bucket has another of their name.
        recovered_chunks_total: Half-written chunks that were saved at a start, since the node started.
    """

    waiting_chunks: int
    waiting_bytes: int
    oldest: datetime | None
    evicted_chunks_total: int
    quarantined_chunks: int
    recovered_chunks_total: int


@dataclass(frozen=True)
class SpoolReport:
    """The spool at one moment.

    Attributes:
        cameras: By camera id; holds every camera of which anything waits or was lost.
        spool_bytes: Everything in the folder.
        limit_bytes: Most bytes that may wait.
        free_bytes: What is free on its disk.
        is_full: Whether the next chunk would need an eviction, or is refused.
    """

    cameras: Mapping[str, SpooledReport]
    spool_bytes: int
    limit_bytes: int
    free_bytes: int
    is_full: bool


@dataclass(frozen=True)
class RefusedObject:
    """An object that the bucket refuses while it may take others.

    Attributes:
        name: Of the object, below the bucket's prefix.
        since: When it was first refused, UTC.
        message: A sentence for a person about it, redacted: the store's own words, and what to do.
    """

    name: str
    since: datetime
    message: str


@dataclass(frozen=True)
class UploadReport:
    """The way to the bucket at one moment.

    Attributes:
        stored_chunks_total: By camera id: chunks confirmed since the node started.
        stored_bytes_total: By camera id: the sum of their sizes.
        retries_total: Attempts that failed, since the node started.
        reason: One word for what is wrong now (`StoreError.reason`), or None.
        message: A sentence for a person about it, redacted, or None.
        since: Since when it is wrong, UTC, or None.
        refused: The first few objects that are refused while others may be stored.
        refused_count: How many there are.
    """

    stored_chunks_total: Mapping[str, int]
    stored_bytes_total: Mapping[str, int]
    retries_total: int
    reason: str | None
    message: str | None
    since: datetime | None = None
    refused: tuple[RefusedObject, ...] = ()
    refused_count: int = 0


class StorageReporter(Protocol):
    """Who knows the way of the chunks: spool and upload. Asked from any thread, cheap."""

    def spool_report(self) -> SpoolReport:
        """The spool as it is now."""

    def upload_report(self) -> UploadReport:
        """The upload as it is now."""


@dataclass(frozen=True)
class CameraReport:
    """One camera at one moment.

    Attributes:
        camera_id: Its `id`.
        address: Its URI, redacted: what its messages begin with.
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
        recording: The recording, or None where the camera is not recorded.
        makes_frames: Whether pictures are wanted of it at all; a camera may be recorded only.
        damaged_total: Pictures left out since they were damaged, since the node started.
        receiver: Who receives it: `edgecam` or `gstreamer`.
        receiver_reason: Why GStreamer receives an RTSP camera, as a phrase; None where nothing is to be said.
        losses: What of its stream did not come, since the node started; edgecam's own receiver knows.
    """

    camera_id: str
    address: str
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
    recording: RecordingReport | None = None
    makes_frames: bool = True
    damaged_total: int = 0
    receiver: ReceiverName = ReceiverName.GSTREAMER
    receiver_reason: str | None = None
    losses: Losses = NO_LOSSES

    @property
    def is_fresh(self) -> bool:
        """Whether there is a picture that is younger than its age limit."""
        return self.frame_age_s is not None and self.frame_age_s <= self.stale_after_s

    @property
    def is_delivering(self) -> bool:
        """Whether the camera does what it is there for: connected, and its picture fresh if it makes any."""
        return self.state is CameraState.CONNECTED and (self.is_fresh or not self.makes_frames)

    @property
    def condition(self) -> Condition:
        """Whether somebody should look after it."""
        if self.recording is not None and self.recording.problem is not None:
            return Condition.TROUBLE
        if self.is_delivering:
            return Condition.DELIVERING
        has_failed = self.reason not in (None, WAITING_REASON)
        is_beginning = self.state is CameraState.CONNECTED and self.frame is None
        if not has_failed and (self.state is CameraState.CONNECTING or is_beginning):
            return Condition.WAITING
        return Condition.TROUBLE


@dataclass(frozen=True)
class LinkReport:
    """The connection of one device at one moment.

    Attributes:
        is_connected: Whether the broker would take a state now.
        sent_total: States that the broker has confirmed, since the node started.
        reconnects_total: Connections begun after the first, renewals of the token included.
        reason: One word for what is wrong, or None.
        message: A sentence for a person about it, redacted, or None.
        since: When the connection came up, or was lost, UTC; None where nothing is known yet.
    """

    is_connected: bool
    sent_total: int
    reconnects_total: int
    reason: str | None = None
    message: str | None = None
    since: datetime | None = None


Links = Mapping[str, Mapping[str, LinkReport]]
"""How the connections are doing, by the broker's name (`aws-iot`, `cloud-iot`), then by camera id."""


@dataclass(frozen=True)
class IdentityReport:
    """What the nucleus gave the node at its start, at one moment.

    Attributes:
        is_needed: Whether the node needs any of it.
        reason: One word for what is no longer accepted, or None.
        message: A sentence for a person about it, redacted, and when the node ends for it; or None.
        since: Since when, UTC, or None.
    """

    is_needed: bool
    reason: str | None = None
    message: str | None = None
    since: datetime | None = None
