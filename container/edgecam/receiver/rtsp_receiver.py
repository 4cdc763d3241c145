"""A camera that speaks RTSP over TCP or TLS, received on the loop's thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import NamedTuple, Protocol
from urllib.parse import unquote, urlsplit

from edgecam.clock import NS_PER_S
from edgecam.codecs.video import CODECS, H264, H265, Codec, by_rtp_name
from edgecam.config.camera import Camera
from edgecam.config.recording import ChunkFormat
from edgecam.credentials.login import Login
from edgecam.errors import (
    SourceBeyondReceiver,
    SourceEnded,
    SourceError,
    SourceFlooded,
    SourceRedirected,
    SourceUnsupported,
)
from edgecam.receiver.dialing import dial, waits
from edgecam.receiver.reports import Reports
from edgecam.rtp.counts import Counts
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.errors import Unreadable
from edgecam.rtp.payload_formats import depacketizer
from edgecam.rtp.pictures import CodedPicture
from edgecam.rtsp.authentication import Authentication
from edgecam.rtsp.bounds import REDIRECTS
from edgecam.rtsp.client import Client
from edgecam.rtsp.faults import NotOurs, Redirected
from edgecam.rtsp.framing import Span
from edgecam.rtsp.link import Link
from edgecam.rtsp.loop import LOOP
from edgecam.rtsp.refusals import unanswered
from edgecam.rtsp.sdp import Description, Format
from edgecam.rtsp.session import Chosen, Session, Track
from edgecam.rtsp.urls import Location, location_of
from edgecam.sources.interface import CameraSource
from edgecam.status.reception import Losses

log = logging.getLogger(__name__)

OWN_CODECS = (H264, H265)
WITHOUT_PICTURE_BYTES_LIMIT = 16_000_000
"""Bytes that may come without a picture: four times the largest keyframe of an 8K camera."""
_OTHERS = ("MP2T", "MP2T-ES")
"""Forms of video in RTP that GStreamer's receiver takes apart, besides those of the codecs."""
VIDEO_CLOCK_HZ = 90_000
"""Of time stamps (RFC 6184, 8.2.1; RFC 7798, 7.1), whatever the description says."""
_MALFORMED_LIMIT, _MALFORMED_PART = 20, 4
"""So many packets that no RFC allows, and every fourth, before the first picture: another stream."""
_FIRST_LOOK_S = 0.02
_LOOK_S = 0.1
"""A look finds three pictures of a camera; ten a second keep the newest within GStreamer's own delay of 0.2 s
(`latency_ms`)."""
_RECORDED_LOOK_S = 0.25
"""Where no picture is shown, nothing waits for one: fewer looks save a third of a single camera's cost."""
_LOOKS_A_FRAME = 2
_BEGIN_NS = NS_PER_S
"""Of the first picture: those that are sent after it and shown before it have a time as well."""


class Received(NamedTuple):
    """A picture, and its times.

    Attributes:
        picture: As it was put together.
        stamp_ns: Of its time stamp, nanoseconds from a beginning of the connection's own.
        taken_ns: By the camera's clock, nanoseconds since 1970, UTC; None where it sends no reports.
    """

    picture: CodedPicture
    stamp_ns: int
    taken_ns: int | None


class Taker(Protocol):
    """What becomes of the pictures. Called on the loop's thread; must not block."""

    def take(self, codec: Codec, received: list[Received], now_s: float) -> None:
        """These have come, in the order of decoding, at least one."""

    def ended(self, error: SourceError) -> None:
        """Nothing more comes, and why; called once at the most."""


class RtspReceiver(CameraSource):
    """One attempt at a camera. Made, started and closed by one thread; the rest is the loop's.

    Args:
        camera: Whose pictures.
        login: At the camera; one in the uri where that is None.

    Attributes:
        is_wanted_with_lengths: Whether pictures are wanted in MP4's form: MPEG-TS alone needs the other.
    """

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._camera = camera
        is_recorded_as_ts = camera.recording.enabled and camera.recording.format is ChunkFormat.MPEGTS
        self.is_wanted_with_lengths = not is_recorded_as_ts
        self._login = self._login or _login_in(camera.uri)
        uri = camera.uri if self._login is None else self._login.filled_into(camera.uri)
        try:
            self._location = location_of(uri)
        except ValueError as error:
            raise SourceError(f"{self.name}: {error}") from None
        self._lock = threading.Lock()
        self._is_closed = False
        self._taker: Taker | None = None
        self._link: Link | None = None
        self._client: Client | None = None
        self._redirects = 0
        self._peer = ""
        self._earlier_bytes = self._without_picture_bytes = 0
        self._losses_before = Losses()
        self._depacketizer: Depacketizer | None = None
        self._reports: Reports | None = None
        self._codec: Codec | None = None
        self._channels: tuple[int, int] = (-1, -1)
        self._begin_time: int | None = None
        self.look_period_s = _FIRST_LOOK_S
        self.due_s: float | None = None

    def start(self, taker: Taker) -> None:
        """Begin to connect; what comes, and what fails, goes to `taker`."""
        self._taker = taker
        self._attempt(self._location, self._login, sent_by=None)

    def close(self) -> None:
        with self._lock:
            self._is_closed = True
            link, client = self._link, self._client
        if link is not None and client is not None:
            LOOP.remove(link, client.session.tear_down)
        # Counts stay; what refers back to this object does not.
        self._losses_before, self._earlier_bytes = self.losses, self.received_bytes()
        self._taker = self._client = self._link = self._depacketizer = self._reports = None

    def received_bytes(self) -> int:
        link = self._link
        return self._earlier_bytes + (0 if link is None else link.received_bytes)

    @property
    def losses(self) -> Losses:
        """What did not come, or came damaged; from any thread."""
        client, read = self._client, self._depacketizer
        skipped = Losses(skipped_bytes=0 if client is None else client.framing.skipped_bytes)
        found = Losses() if read is None else Losses(read.counts.lost, read.counts.damaged)
        return self._losses_before.plus(skipped).plus(found)

    def explain(self, error: SourceError) -> SourceError:
        """What `error`, which ended the connection, means; asks the port once more where nothing was
        answered. Blocks for some seconds at the most."""
        client = self._client
        if type(error) is not SourceEnded or client is None or client.session.has_answers:
            return error
        return unanswered(self.name, self._location, self._camera.tls.certificate_file) or error

    # What follows is called on the loop's thread.

    def choose(self, description: Description) -> Sequence[Chosen]:
        for medium in description.media:
            self._note_offer(str(medium))
        for medium in description.media:
            if medium.kind != "video":
                continue
            for offered in medium.formats:
                codec = by_rtp_name(offered.coding)
                if codec is None and offered.coding not in _OTHERS:
                    continue
                if codec not in OWN_CODECS:
                    raise NotOurs(f"{offered.coding} over RTP")
                if "SAVP" in medium.protocol:
                    raise NotOurs(f"encrypted packets ({medium.protocol})")
                self._codec = codec
                # It says now what cannot be read, before the camera is asked for it.
                self._reader(offered, None)
                return (Chosen(medium, offered),)
        readable = ", ".join(codec.name for codec in CODECS if codec.rtp_name)
        raise SourceUnsupported(
            f"{self.name}: expected a video stream in one of {readable}, "
            f"found {', '.join(self.offered) or 'none'}; choose H.264 in the camera's settings"
        )

    def agreed(self, tracks: Sequence[Track]) -> None:
        track = tracks[0]
        self._depacketizer = self._reader(track.chosen.format, track.channels.ssrc)
        self._channels = track.channels[:2]
        self._reports = Reports(self._depacketizer, VIDEO_CLOCK_HZ)

    def _reader(self, offered: Format, ssrc: int | None) -> Depacketizer:
        if self._codec is None:
            raise RuntimeError("expected a stream that was chosen")
        try:
            return depacketizer(
                self._codec,
                VIDEO_CLOCK_HZ,
                offered.parameter_sets,
                options=offered.options,
                payload_type=offered.payload_type,
                ssrc=ssrc,
            )
        except Unreadable as found:
            raise NotOurs(str(found)) from None

    def packets(self, channel: int, data: bytes, spans: list[Span], now_s: float) -> None:
        read, reports = self._depacketizer, self._reports
        if read is None or reports is None:
            return
        if channel != self._channels[0]:
            due_s = reports.take(data, spans, now_s)
            self.due_s = due_s if self.has_begun else None
            return
        reports.newest_s = now_s
        pictures = read.push(data, spans, now_s)
        if not self.has_begun:
            counts = read.counts
            self.has_begun = bool(pictures) or counts.packets > counts.foreign + counts.malformed
            self.due_s = reports.begin(now_s) if self.has_begun else None
        if pictures:
            self._without_picture_bytes = 0
            self._hand_on(pictures, now_s)
            return
        if self._begin_time is None:
            self._check_packets(read.counts)
        self._without_picture_bytes += spans[-1][1] - spans[0][0]
        if self._without_picture_bytes > WITHOUT_PICTURE_BYTES_LIMIT:
            raise SourceFlooded(
                f"{self.name}: expected a picture within {WITHOUT_PICTURE_BYTES_LIMIT / 1e6:g} MB, "
                f"found {self._without_picture_bytes / 1e6:.0f} MB without one"
            )

    def _check_packets(self, counts: Counts) -> None:
        """Before the first picture: a camera whose packets are none has none to wait for."""
        malformed = counts.malformed
        if malformed >= _MALFORMED_LIMIT and malformed * _MALFORMED_PART > counts.packets:
            codec = "known" if self._codec is None else self._codec.name
            raise SourceUnsupported(
                f"{self.name}: expected {codec} packets, found {malformed} of {counts.packets} that are none"
            )

    def report(self, now_s: float) -> list[tuple[int, bytes]]:
        reports = self._reports
        read = self._depacketizer
        if reports is None or read is None:
            return []
        if read.unreadable is not None:
            raise NotOurs(read.unreadable)
        if reports.is_over(now_s):
            raise SourceEnded(
                f"{self.name}: expected the stream to go on, found that the camera ends it (BYE)"
            )
        self.due_s, packet = reports.due(now_s)
        return [] if packet is None else [(self._channels[1], packet)]

    def ended(self, error: Exception) -> None:
        if isinstance(error, Redirected):
            self._redirected(error.location)
            return
        if isinstance(error, NotOurs):
            error = SourceBeyondReceiver(f"{self.name}: {error}", str(error))
        if not isinstance(error, SourceError):
            error = SourceError(f"{self.name}: {error}")
        if self._depacketizer is not None and (rest := self._depacketizer.end()):
            self._hand_on(rest, None)
        self._fail(error)

    def _hand_on(self, pictures: list[CodedPicture], now_s: float | None) -> None:
        taker, codec, reports = self._taker, self._codec, self._reports
        if taker is None or codec is None or reports is None:
            return
        if self._begin_time is None:
            self._begin_time = pictures[0].rtp_time
            self.look_period_s = self._look_period_s()
        begin = self._begin_time
        reports.newest_rtp_time = pictures[-1].rtp_time
        received = [
            Received(
                each,
                (each.rtp_time - begin) * NS_PER_S // VIDEO_CLOCK_HZ + _BEGIN_NS,
                reports.taken_ns(each.rtp_time),
            )
            for each in pictures
        ]
        taker.take(codec, received, reports.newest_s if now_s is None else now_s)

    def _look_period_s(self) -> float:
        frames = self._camera.frames
        if not frames.enabled:
            return _RECORDED_LOOK_S
        return max(_FIRST_LOOK_S, min(_LOOK_S, 1 / (frames.max_fps * _LOOKS_A_FRAME)))

    def _redirected(self, location: Location) -> None:
        self._redirects += 1
        if self._redirects > REDIRECTS:
            self._fail(
                SourceRedirected(
                    f"{self.name}: expected at most {REDIRECTS} redirects, found that they go on"
                )
            )
            return
        client, link = self._client, self._link
        if client is not None and link is not None:
            self._peer = self._peer or client.peer
            self._losses_before = self.losses
            self._earlier_bytes += link.received_bytes
            link.received_bytes = 0
        # What the login is for is the host that the configuration names; another gets none.
        is_same = self._location.is_same_host(location)
        log.info(
            "%s: sent on to %s%s",
            self.name,
            location.host,
            "" if is_same else ", where the login is not used",
        )
        self._attempt(location, self._login if is_same else None, sent_by=None if is_same else self._peer)

    def _attempt(self, location: Location, login: Login | None, *, sent_by: str | None) -> None:
        if waits(location):
            threading.Thread(
                target=self._connect, args=(location, login, sent_by), name="receiver-dial", daemon=True
            ).start()
        else:
            self._connect(location, login, sent_by)

    def _connect(self, location: Location, login: Login | None, sent_by: str | None) -> None:
        camera = self._camera
        try:
            target = dial(self.name, location, camera.tls, camera.connect_timeout_s, sent_by=sent_by)
        except SourceError as error:
            self._fail(error)
            return
        session = Session(self.name, location, Authentication(login), self.choose)
        client = Client(location, session, self, self.name)
        link = Link(target, client)
        with self._lock:
            if self._is_closed:
                return
            self._client, self._link = client, link
            LOOP.add(link)

    def _fail(self, error: SourceError) -> None:
        taker, self._taker = self._taker, None
        if taker is not None:
            taker.ended(error)


def _login_in(uri: str) -> Login | None:
    url = urlsplit(uri)
    if url.username is None:
        return None
    return Login(unquote(url.username), unquote(url.password or ""))
