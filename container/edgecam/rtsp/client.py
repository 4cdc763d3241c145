"""One attempt on one connection: framing and session together, packets handed on, reports sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from edgecam.errors import SourceEnded, SourceFlooded
from edgecam.rtsp.bounds import ANSWERS_BYTES, DESCRIPTION_BYTES
from edgecam.rtsp.faults import NoRtsp, Redirected, TooMuch
from edgecam.rtsp.framing import Framing, Span
from edgecam.rtsp.participant import Participant
from edgecam.rtsp.refusals import no_rtsp
from edgecam.rtsp.sdp import Description
from edgecam.rtsp.session import Chosen, Session, Track
from edgecam.rtsp.urls import Location

_MOST_PACKET = 65_535


class Stream(Protocol):
    """What becomes of a camera's streams. Called on the loop's thread."""

    look_period_s: float
    """How often to look for packets, seconds."""
    due_s: float | None
    """When `report` is to be called; None where it need not be."""

    def choose(self, description: Description) -> Sequence[Chosen]:
        """The streams that are wanted; raises why there is none."""

    def agreed(self, tracks: Sequence[Track]) -> None:
        """The channels of all of them are known."""

    def packets(self, channel: int, data: bytes, spans: list[Span], now_s: float) -> None:
        """Packets have come on one of their channels."""

    def report(self, now_s: float) -> list[tuple[int, bytes]]:
        """What is to be sent to the camera: channels and packets."""

    def ended(self, error: Exception) -> None:
        """The connection is over, and why: a SourceError or an RtspFault."""


class Client(Participant):
    """Belongs to the loop's thread.

    Args:
        location: Where the stream is.
        session: The conversation, not begun.
        stream: Takes the packets.
        name: The camera's, for messages, redacted.

    Attributes:
        peer: The address of the other end; empty before there is one.
    """

    def __init__(self, location: Location, session: Session, stream: Stream, name: str) -> None:
        self.session = session
        self.framing = Framing()
        self.peer = ""
        self._location = location
        self._stream = stream
        self._name = name
        self._packets_out = bytearray()
        self._received_bytes = 0
        self._agreed: tuple[int, ...] = ()
        self._has_packets = False

    def opened(self, peer: str, now_s: float) -> None:
        del now_s
        self.peer = peer
        self.session.begin()

    def received(self, data: bytes, now_s: float) -> None:
        self._received_bytes += len(data)
        try:
            batch = self.framing.push(data)
            for message in batch.messages:
                self.session.handle(message, now_s)
                if self.session.redirect is not None:
                    raise Redirected(self.session.redirect)
        except TooMuch as fault:
            raise SourceFlooded(f"{self._name}: {fault}; is this a camera?") from None
        except NoRtsp as fault:
            if self._has_packets:
                raise SourceEnded(f"{self._name}: {fault}") from None
            raise no_rtsp(self._name, self._location.port, fault.head) from None
        if batch.messages:
            self._follow_session()
        if batch.packets:
            self._has_packets = True
            self.session.packets_came()
            for channel, spans in batch.packets.items():
                self._stream.packets(channel, batch.data, spans, now_s)
        if not self._has_packets:
            self._check_bounds()
        self._plan()

    def tick(self, now_s: float) -> None:
        self.session.tick(now_s)
        due_s = self._stream.due_s
        if due_s is not None and now_s >= due_s:
            for channel, packet in self._stream.report(now_s):
                if len(packet) <= _MOST_PACKET:
                    self._packets_out += b"$" + bytes([channel]) + len(packet).to_bytes(2, "big") + packet
        self._plan()

    def take_outgoing(self) -> bytes:
        packets, self._packets_out = bytes(self._packets_out), bytearray()
        return packets + self.session.take_outgoing()

    def ended(self, error: Exception) -> None:
        self._stream.ended(error)

    def _follow_session(self) -> None:
        channels = self.session.agreed_channels
        if channels and channels != self._agreed and len(channels) == 2 * len(self.session.tracks):
            self._agreed = channels
            self.framing.expect(channels)
            self._stream.agreed(self.session.tracks)

    def _plan(self) -> None:
        self.look_period_s = self._stream.look_period_s if self.session.is_playing else 0.0
        dues = [each for each in (self.session.due_s, self._stream.due_s) if each is not None]
        self.due_s = min(dues) if self.session.is_playing and dues else None

    def _check_bounds(self) -> None:
        limit, what = (
            (ANSWERS_BYTES, "before the first picture data")
            if self.session.description is not None
            else (DESCRIPTION_BYTES, "before a description of the streams")
        )
        if self._received_bytes > limit:
            raise SourceFlooded(
                f"{self._name}: expected at most {limit / 1e6:g} MB of answers {what}, "
                f"found {self._received_bytes / 1e6:.1f} MB; is this a camera?"
            )
