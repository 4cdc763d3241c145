"""Sound out of RTP: AAC (RFC 3640), G.711 (RFC 3551) and Opus (RFC 7587)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

from edgecam.rtp.counts import Counts
from edgecam.rtp.errors import Unreadable
from edgecam.rtp.order import Continuity, Order
from edgecam.rtp.packet import Packet, parse, time_step
from edgecam.rtp.reception import Reception

FRAME_BYTES = 6144
"""The largest frame of AAC: 6144 bits a channel (ISO/IEC 14496-3, 4.5.3), eight channels at most."""
FRAMES_LIMIT = 64
"""In one packet: a second and a half of AAC."""
_AAC_SAMPLES = 1024
_AAC_SIZE_BITS = {"aac-hbr": 13, "aac-lbr": 6}  # RFC 3640, 3.3.5 and 3.3.6
_INDEX_BITS = {"aac-hbr": 3, "aac-lbr": 2}
_OPUS_HZ = 48_000
_OPUS_FRAMES_LIMIT = 48  # RFC 6716, 3.2.5: of 2.5 ms, 120 ms in all


class CodedSound(NamedTuple):
    """One frame of coded sound.

    Attributes:
        data: The frame.
        rtp_time: Its time stamp, counted on over 32 bits, in ticks of the stream's clock.
        samples: How long it lasts, in ticks.
        is_after_gap: Whether something is missing before it.
    """

    data: bytes
    rtp_time: int
    samples: int
    is_after_gap: bool


class SoundPayload(Protocol):
    """Reads one coding's payloads."""

    def frames(self, packet: Packet, continuity: Continuity) -> Iterator[tuple[bytes, int]]:
        """The frames that are whole now, each with its length in ticks.

        Raises:
            ValueError: it is no payload of this coding.
        """


class SoundDepacketizer:
    """Of one stream of sound, for one connection. Not safe for threads.

    Args:
        payload: Reads what packets carry.
        clock_rate_hz: Of the time stamps.
        payload_type: Of the stream; None: that of the first packet.
        ssrc: Its source by the camera's word.

    Attributes:
        counts: What came.
        reception: For receiver reports.
    """

    def __init__(
        self,
        payload: SoundPayload,
        clock_rate_hz: int,
        *,
        payload_type: int | None = None,
        ssrc: int | None = None,
    ) -> None:
        if clock_rate_hz <= 0:
            raise Unreadable(f"sound with time stamps of {clock_rate_hz} Hz")
        self.counts = Counts()
        self.reception = Reception(self.counts, clock_rate_hz)
        self._payload = payload
        self._order = Order(self.counts, payload_type=payload_type, ssrc=ssrc)
        self._time: int | None = None
        self._is_after_gap = False

    def push(self, data: bytes, packets: Sequence[tuple[int, int]], arrived_s: float) -> list[CodedSound]:
        """See `Depacketizer.push`."""
        self.counts.packets += len(packets)
        finished: list[CodedSound] = []
        for begin, end in packets:
            packet = parse(data, begin, end)
            if packet is None:
                self.counts.malformed += 1
                continue
            is_first = not self._order.ssrc
            for ordered, continuity in self._order.take(packet):
                if is_first or continuity is Continuity.RESTARTS:
                    self.reception.begin(int.from_bytes(ordered.ssrc), ordered.number)
                self.reception.advance(ordered.number)
                finished += self._read(ordered, continuity)
        if finished:
            self.reception.observe(finished[-1].rtp_time, arrived_s)
        return finished

    def end(self) -> list[CodedSound]:
        """The stream is over."""
        return [
            frame for packet, continuity in self._order.flush() for frame in self._read(packet, continuity)
        ]

    def _read(self, packet: Packet, continuity: Continuity) -> Iterator[CodedSound]:
        stamp = int.from_bytes(packet.stamp)
        if self._time is None:
            self._time = stamp
        self._time += time_step(self._time, stamp)
        self._is_after_gap = self._is_after_gap or continuity is not Continuity.FOLLOWS
        time = self._time
        try:
            for data, samples in self._payload.frames(packet, continuity):
                yield CodedSound(data, time, samples, self._is_after_gap)
                self._is_after_gap = False
                time += samples
        except ValueError:
            self.counts.malformed += 1
            self._is_after_gap = True


def g711(_options: Mapping[str, str]) -> SoundPayload:
    """A byte a sample."""
    return _G711()


def opus(_options: Mapping[str, str]) -> SoundPayload:
    """A packet of Opus in each of RTP's."""
    return _Opus()


def aac(options: Mapping[str, str]) -> SoundPayload:
    """Frames of AAC, several in a packet or one in several.

    Raises:
        Unreadable: a mode that is none of AAC's.
    """
    mode = options.get("mode", "").strip().lower()
    if mode not in _AAC_SIZE_BITS:
        raise Unreadable(f"sound as MPEG-4 in mode {mode[:20]!r}")
    return _Aac(
        _bits(options, "sizelength", _AAC_SIZE_BITS[mode]),
        _bits(options, "indexlength", _INDEX_BITS[mode]),
        _bits(options, "indexdeltalength", _INDEX_BITS[mode]),
    )


def _bits(options: Mapping[str, str], name: str, default: int) -> int:
    text = options.get(name, "").strip()
    return int(text) if text.isdecimal() and 0 <= int(text[:3]) <= 32 and len(text) < 3 else default


class _G711:
    def frames(self, packet: Packet, _continuity: Continuity) -> Iterator[tuple[bytes, int]]:
        if packet.payload:
            yield packet.payload, len(packet.payload)


class _Opus:
    def frames(self, packet: Packet, _continuity: Continuity) -> Iterator[tuple[bytes, int]]:
        if packet.payload:
            yield packet.payload, _opus_samples(packet.payload)


def _opus_samples(payload: bytes) -> int:
    """How long a packet of Opus lasts, at 48 kHz (RFC 6716, 3.1)."""
    configuration, code = payload[0] >> 3, payload[0] & 3
    if configuration < 12:
        frame_us = (10_000, 20_000, 40_000, 60_000)[configuration & 3]
    elif configuration < 16:
        frame_us = (10_000, 20_000)[configuration & 1]
    else:
        frame_us = (2_500, 5_000, 10_000, 20_000)[configuration & 3]
    if code == 3:
        if len(payload) < 2:
            raise ValueError("cut short")
        frames = payload[1] & 0x3F
    else:
        frames = 1 if code == 0 else 2
    if not 0 < frames <= _OPUS_FRAMES_LIMIT or frames * frame_us > 120_000:
        raise ValueError("longer than a packet of Opus may be")
    return frames * frame_us * _OPUS_HZ // 1_000_000


class _Aac:
    """RFC 3640, 3.2.1: lengths of all headers in bits, the headers, the frames."""

    def __init__(self, size_bits: int, index_bits: int, delta_bits: int) -> None:
        self._size_bits = size_bits
        self._index_bits = index_bits
        self._delta_bits = delta_bits
        self._part = b""
        self._size = 0

    def frames(self, packet: Packet, continuity: Continuity) -> Iterator[tuple[bytes, int]]:
        if continuity is not Continuity.FOLLOWS:
            self._part = b""
        payload = packet.payload
        if len(payload) < 2:
            raise ValueError("cut short")
        header_bits = payload[0] << 8 | payload[1]
        begin = 2 + (header_bits + 7) // 8
        sizes = self._sizes(int.from_bytes(payload[2:begin]), 8 * (begin - 2), header_bits)
        if begin > len(payload) or not sizes:
            raise ValueError("cut short")
        if len(sizes) == 1 and sizes[0] > len(payload) - begin:
            yield from self._fragment(payload[begin:], sizes[0])
            return
        self._part = b""
        for size in sizes:
            if not 0 < size <= len(payload) - begin:
                raise ValueError("cut short")
            yield payload[begin : begin + size], _AAC_SAMPLES
            begin += size

    def _sizes(self, value: int, bits: int, header_bits: int) -> list[int]:
        sizes: list[int] = []
        at = 0
        while len(sizes) < FRAMES_LIMIT:
            each = self._size_bits + (self._delta_bits if sizes else self._index_bits)
            if not each or at + each > header_bits:
                break
            sizes.append(value >> max(0, bits - at - self._size_bits) & (1 << self._size_bits) - 1)
            at += each
        return sizes

    def _fragment(self, part: bytes, size: int) -> Iterator[tuple[bytes, int]]:
        """One frame in several packets, each with the size of the whole."""
        if size > FRAME_BYTES:
            raise ValueError("longer than a frame of AAC may be")
        if self._size != size:
            self._part = b""
        self._size = size
        self._part += part
        if len(self._part) >= size:
            frame, self._part = self._part[:size], b""
            yield frame, _AAC_SAMPLES
