"""Packets of one video stream become coded pictures. Most packets are the next fragment of a unit, and those
take a fast way: one look at all of the header that may not change, and one copy.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from struct import Struct

from edgecam.codecs.video import H264, Codec
from edgecam.rtp.counts import Counts
from edgecam.rtp.errors import Unreadable
from edgecam.rtp.nal_payload import H264Payload, H265Payload, NalPayload
from edgecam.rtp.order import Continuity, Order
from edgecam.rtp.packet import HEADER_BYTES, NUMBERS, Packet, parse
from edgecam.rtp.parameter_sets import ParameterSets
from edgecam.rtp.pictures import CodedPicture, PictureBuilder
from edgecam.rtp.reception import Reception
from edgecam.rtp.syntax import H264_SYNTAX, H265_SYNTAX

_NONE = -1
"""No number: the next packet cannot take the fast way."""
_PLAIN = 0x8000
"""Version 2 without padding, extension and contributors, above payload type and marker."""
_MARKER = 0x80


class Depacketizer:
    """Of one stream of H.264 or H.265, for one connection. Not safe for threads.

    Args:
        codec: H.264 or H.265.
        clock_rate_hz: Of the time stamps.
        parameter_sets: NAL units of the description, in any order; what is none is left out.
        options: The description's format parameters, by their names in lower case.
        payload_type: Of the stream; None: that of the first packet.
        ssrc: Its source by the camera's word.

    Raises:
        Unreadable: the stream has a form that is not read here.

    Attributes:
        counts: What came.
        reception: For receiver reports.
    """

    def __init__(
        self,
        codec: Codec,
        clock_rate_hz: int,
        parameter_sets: Sequence[bytes] = (),
        *,
        options: Mapping[str, str] | None = None,
        payload_type: int | None = None,
        ssrc: int | None = None,
    ) -> None:
        if clock_rate_hz <= 0:
            raise Unreadable(f"{codec.name} with time stamps of {clock_rate_hz} Hz")
        self.counts = Counts()
        self.reception = Reception(self.counts, clock_rate_hz)
        syntax = H264_SYNTAX if codec is H264 else H265_SYNTAX
        sets = ParameterSets(syntax, parameter_sets)
        self._builder = PictureBuilder(syntax, sets, self.counts, clock_rate_hz)
        reader: type[H264Payload | H265Payload] = H264Payload if codec is H264 else H265Payload
        self._payload: NalPayload = reader(self._builder, syntax, options or {})
        self._order = Order(self.counts, payload_type=payload_type, ssrc=ssrc)
        self._skipped = HEADER_BYTES + self._payload.fragment_bytes
        # Payload type and number, then time stamp, source and what stands before a fragment's bytes.
        self._unpack = Struct(f">HH{8 + self._payload.fragment_bytes}s").unpack_from
        self._middle = b""
        self._expected = _NONE
        self._plain = _NONE

    @property
    def unreadable(self) -> str | None:
        """Why the stream cannot be read on here, as what follows the camera's name; None while it can."""
        return self._payload.unreadable

    def push(self, data: bytes, packets: Sequence[tuple[int, int]], arrived_s: float) -> list[CodedPicture]:
        """Take the next packets; returns the pictures that are whole now.

        Args:
            data: Holds them; nothing of it is kept.
            packets: Begin and end of each, in the order of arrival.
            arrived_s: When the last has arrived, by the clock that never steps.
        """
        self.counts.packets += len(packets)
        unpack, skipped, append = self._unpack, self._skipped, self._builder.parts.append
        expected, plain, middle, ssrc = self._expected, self._plain, self._middle, self._order.ssrc
        received = 0
        for begin, end in packets:
            received += end - begin
            if end - begin > skipped:
                head, number, rest = unpack(data, begin)
                if number == expected and rest == middle and head == plain:
                    append(data[begin + skipped : end])
                    expected = (number + 1) % NUMBERS
                    continue
                if number == expected and head & ~_MARKER == plain and rest[4:8] == ssrc:
                    expected = (number + 1) % NUMBERS
                    payload = data[begin + HEADER_BYTES : end]
                    middle = self._read(payload, rest[:4], Continuity.FOLLOWS, head & _MARKER > 0)
                    continue
            self._expected, self._middle = expected, middle
            self._take(data, begin, end)
            expected, plain, middle, ssrc = self._expected, self._plain, self._middle, self._order.ssrc
        self._expected, self._middle = expected, middle
        self._builder.note_bytes(received)
        if self._builder.fragment_at < 0:
            self._middle = b""  # the picture was too large
        if expected >= 0:
            self.reception.advance((expected - 1) % NUMBERS)
        return self._finished(arrived_s)

    def end(self) -> list[CodedPicture]:
        """The stream is over: what only lacked the next time stamp."""
        for packet, continuity in self._order.flush():
            self._read_packet(packet, continuity)
        self._builder.end()
        return self._finished(None)

    def _finished(self, arrived_s: float | None) -> list[CodedPicture]:
        finished = self._builder.finished
        if finished:
            self._builder.finished = []
            if arrived_s is not None:
                self.reception.observe(finished[-1].rtp_time, arrived_s)
        return finished

    def _take(self, data: bytes, begin: int, end: int) -> None:
        """A packet that is not simply the next: out of order, with an extension, or none at all."""
        packet = parse(data, begin, end)
        if packet is None:
            self.counts.malformed += 1
            return
        order = self._order
        if self._expected >= 0:
            order.number = self._expected
        is_first = not order.ssrc
        for ordered, continuity in order.take(packet):
            if is_first or continuity is Continuity.RESTARTS:
                self.reception.begin(int.from_bytes(ordered.ssrc), ordered.number)
            self._middle = self._read_packet(ordered, continuity)
        self._expected = order.number if order.is_plain and order.ssrc else _NONE
        self._plain = _NONE if order.payload_type is None else _PLAIN | order.payload_type

    def _read_packet(self, packet: Packet, continuity: Continuity) -> bytes:
        return self._read(packet.payload, packet.stamp, continuity, packet.is_marked)

    def _read(self, payload: bytes, stamp: bytes, continuity: Continuity, is_marked: bool) -> bytes:
        """Read a packet whose turn it is; returns what the next fragment of its unit has where `_middle` is
        looked for."""
        builder = self._builder
        builder.begin_packet(stamp, continuity)
        if payload:
            self._payload.take(payload)
        builder.end_packet(is_marked=is_marked)
        if builder.fragment_at < 0:
            return b""
        return stamp + self._order.ssrc + self._payload.middle
