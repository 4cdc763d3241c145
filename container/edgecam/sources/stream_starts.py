"""Where a second stream begins in bytes that go on: a shell's loop keeps its pipe open when programs change.

Demuxers do not expect that: FLV's takes the new head for a broken tag and says no more, MPEG-TS' takes the
times that begin again for a jump, and the pause between two programs is lost. So the begin is looked for
before them.
"""

from __future__ import annotations

import re
from typing import NamedTuple, Protocol

_HEADS = re.compile(
    # FLV: signature, version, what is in it, size of the head, size of no tag before (Adobe FLV 10.1, E.2).
    rb"FLV\x01[\x00\x01\x04\x05]\x00\x00\x00\x09\x00\x00\x00\x00"
    # MP4: a first box that names the brands (ISO/IEC 14496-12, 4.3).
    rb"|\x00\x00\x00[\x10-\xff]ftyp[a-zA-Z0-9 ]{4}"
    # Matroska: EBML's head, which names the kind of document (RFC 8794, 11.2).
    rb"|\x1a\x45\xdf\xa3.{1,80}?\x42\x82.(?:matroska|webm)",
    re.DOTALL,
)
_HEAD_BYTES = 100
_PACKET_BYTES, _SYNC = 188, 0x47  # ISO/IEC 13818-1, 2.4.3.2
_SYNCS = re.compile(rb"\x47(?=.{187}\x47)", re.DOTALL)
_CLOCK_RANGE = 1 << 33  # of PCR's base, 90 kHz: 2.4.3.5
_CLOCK_STEP = 10 * 90_000
"""Two clock references of one stream are at most 0.1 s apart; what pauses may be behind by more."""
_HELD_LIMIT = 1_000_000


class Piece(NamedTuple):
    """What of some bytes belongs to the present stream.

    Attributes:
        own: To be read on.
        other: What follows, from the first byte of another stream on; None where there is none.
    """

    own: bytes
    other: bytes | None = None


class StreamStarts(Protocol):
    """Looks at a stream that comes in pieces, cut anywhere."""

    def split(self, data: bytes) -> Piece:
        """The next bytes; some may be held back until more have come."""

    def rest(self) -> bytes:
        """What is held back, at the end."""


class Heads:
    """Of containers that begin with a head: FLV, MP4, Matroska."""

    def __init__(self) -> None:
        self._before = b""
        self._has_passed_head = False

    def split(self, data: bytes) -> Piece:
        both = self._before + data
        # At its very begin stands the stream's own.
        found = _HEADS.search(both, 0 if self._has_passed_head else 1)
        if found is None:
            self._has_passed_head = self._has_passed_head or len(both) > _HEAD_BYTES
            self._before = both[-_HEAD_BYTES:]
            return Piece(data)
        # What of the head has gone to the reader already, ends there: it is not read on.
        own = data[: max(0, found.start() - len(self._before))]
        return Piece(own, both[found.start() :])

    def rest(self) -> bytes:
        return b""


class ClockReferences:
    """Of MPEG-TS, whose head comes ten times a second: another stream's clock (PCR) has gone back.

    One clock reference may be damaged; the next one shows whether it goes on from there.
    """

    def __init__(self) -> None:
        self._held = bytearray()
        self._at = 0
        self._begin: int | None = None
        self._pid: int | None = None
        self._last: int | None = None
        self._back: int | None = None

    def split(self, data: bytes) -> Piece:
        self._held += data
        while (count := self._packets()) or self._resynchronize():
            if self._look(count):
                return Piece(bytes(self._held[: self._begin]), bytes(self._held[self._begin :]))
        if self._begin is not None and self._at - self._begin > _HELD_LIMIT:
            self._begin = self._back = None
        end = self._at if self._begin is None else self._begin
        own = bytes(self._held[:end])
        del self._held[:end]
        self._at -= end
        self._begin = None if self._begin is None else 0
        return Piece(own)

    def rest(self) -> bytes:
        return bytes(self._held)

    def _packets(self) -> int:
        """How many whole packets follow each other from here on, each with another behind it."""
        syncs = self._held[self._at :: _PACKET_BYTES]
        return max(0, len(syncs) - len(syncs.lstrip(bytes([_SYNC]))) - 1)

    def _resynchronize(self) -> bool:
        """Go on at the next packet, behind bytes that are none; False where more have to come first."""
        at, following = self._at, self._at + _PACKET_BYTES
        if following < len(self._held) and (self._held[at], self._held[following]) != (_SYNC, _SYNC):
            found = _SYNCS.search(self._held, at + 1)
            self._at = len(self._held) - _PACKET_BYTES if found is None else found.start()
            return found is not None
        return False

    def _look(self, count: int) -> bool:
        """Look at the next `count` packets, and pass them; whether another stream was found."""
        at, end = self._at, self._at + count * _PACKET_BYTES
        high, low = self._held[at + 1 : end : _PACKET_BYTES], self._held[at + 2 : end : _PACKET_BYTES]
        fields = self._held[at + 3 : end : _PACKET_BYTES]
        for number in range(count):
            if not low[number] and not high[number] & 0x1F:
                self._begin = at + number * _PACKET_BYTES if self._begin is None else self._begin
            elif fields[number] & 0x20 and self._observe(
                at + number * _PACKET_BYTES, (high[number] & 0x1F) << 8 | low[number]
            ):
                return True
        self._at = end
        return False

    def _observe(self, at: int, pid: int) -> bool:
        """The packet at `at` has an adaptation field: whether its clock shows that another stream began."""
        clock = _clock_in(self._held[at : at + 12])
        if clock is None or self._pid not in (None, pid):
            return False
        self._pid = pid
        if self._back is not None and self._last is not None:
            goes_on = (clock - self._last) % _CLOCK_RANGE < _CLOCK_STEP
            if not goes_on and (clock - self._back) % _CLOCK_RANGE < _CLOCK_STEP:
                return True
            self._begin = self._back = None  # it was a stray one
            self._last = clock if goes_on else self._last
        elif self._last is not None and (clock - self._last) % _CLOCK_RANGE > _CLOCK_RANGE // 2:
            self._begin, self._back = at if self._begin is None else self._begin, clock
        else:
            self._last, self._begin = clock, None
        return False


def _clock_in(head: bytearray) -> int | None:
    """The program clock reference in the adaptation field of a packet (2.4.3.5), 90 kHz; None without."""
    if head[4] < 7 or not head[5] & 0x10:
        return None
    return int.from_bytes(head[6:11]) >> 7
