"""Packets in the order in which they were sent, and of one source: plain decisions over values.

Over TCP nothing is lost on the way, yet cameras drop packets when their buffers are full, send some twice,
and let their threads overtake each other. An old session's packets may come on a new connection, and a camera
may begin again under another identifier (SSRC) while its pictures go on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from enum import IntEnum
from typing import NamedTuple

from edgecam.rtp.counts import Counts
from edgecam.rtp.packet import NUMBERS, Packet

DROPOUT_PACKETS = 3000
MISORDER_PACKETS = 100
"""A number further ahead, or further back, is a jump and no loss or repeat (RFC 3550, A.1)."""
REORDERED_PACKETS = 8
"""So many packets wait for one that is missing: what threads of a camera send past each other are neighbours,
and at 4 Mbit/s eight packets take 20 ms."""
SWITCH_PACKETS = 256
"""Another source that sends so many in a row is the stream now, whatever their time stamps: a keyframe at
4 Mbit/s has about as many. They are kept meanwhile, 400 kB."""
RETURN_PACKETS = 1000
"""A source that was left is a dead session, unless it sends so many (3 s at 4 Mbit/s) while the other is
silent."""
SOURCES_LIMIT = 8
"""Sources that were left and are remembered: a camera has two or three sessions with us at most."""
OTHERS_LIMIT = 64
"""Numbers that went to another payload type and are remembered, each for `_OTHERS_PACKETS`."""
_OTHERS_PACKETS = 256
_LOST_LIMIT = 128  # numbers given up and remembered, to know a late packet from a repeated one


class Continuity(IntEnum):
    """How a packet stands to the one before."""

    FOLLOWS = 0
    GAP = 1
    RESTARTS = 2
    """The numbers begin elsewhere: another source, or the same from another place."""


class Ordered(NamedTuple):
    """A packet whose turn it is."""

    packet: Packet
    continuity: Continuity


class Order:
    """Of one stream. Not safe for threads.

    Args:
        counts: Where to count.
        payload_type: Of the stream; None: that of the first packet.
        ssrc: Its source by the camera's word; a hint, since some cameras say another one.

    Attributes:
        number: Of the sequence, the next one.
        ssrc: Of the stream as it is now; empty before the first packet.
        payload_type: Likewise; None before the first packet.
    """

    def __init__(self, counts: Counts, *, payload_type: int | None = None, ssrc: int | None = None) -> None:
        self._counts = counts
        self._hint = b"" if ssrc is None else ssrc.to_bytes(4)
        self.payload_type = payload_type
        self.ssrc = b""
        self.number = 0
        self._waiting: dict[int, Packet] = {}
        self._jump: Packet | None = None
        self._candidate: list[Packet] = []
        self._left: deque[bytes] = deque(maxlen=SOURCES_LIMIT)
        self._from_left = 0
        self._given_up: deque[int] = deque(maxlen=_LOST_LIMIT)
        self._others: dict[int, int] = {}

    @property
    def is_plain(self) -> bool:
        """Whether the packet of `number` needs nothing but to be taken."""
        return not (self._waiting or self._candidate or self._jump or self._from_left)

    def take(self, packet: Packet) -> Sequence[Ordered]:
        """The packets whose turn it is, now that this one has come."""
        if self.payload_type is None:
            self.payload_type = packet.payload_type
        if packet.payload_type != self.payload_type:
            self._counts.foreign += 1
            self._note_other(packet)
            return ()
        if not self.ssrc:
            self.ssrc, self.number = packet.ssrc, packet.number
        if packet.ssrc != self.ssrc:
            return self._from_other_source(packet)
        self._drop_candidate()
        self._from_left = 0
        return self._in_sequence(packet)

    def flush(self) -> list[Ordered]:
        """All that still waits: nothing more comes."""
        out: list[Ordered] = []
        while self._waiting:
            out += self._give_up()
        return out

    def _in_sequence(self, packet: Packet) -> Sequence[Ordered]:
        ahead = (packet.number - self.number) % NUMBERS
        if ahead == 0 or (ahead <= OTHERS_LIMIT and self._is_filled_by_others(ahead)):
            self.number = (packet.number + 1) % NUMBERS
            if self._jump is not None:
                self._jump = None
                self._counts.late += 1
            return [Ordered(packet, Continuity.FOLLOWS), *self._drained()]
        if ahead >= NUMBERS - MISORDER_PACKETS:
            if packet.number in self._given_up:
                self._counts.late += 1
            else:
                self._counts.repeated += 1
            return ()
        if ahead > DROPOUT_PACKETS:
            return self._jumped(packet)
        if packet.number in self._waiting:
            self._counts.repeated += 1
            return ()
        self._waiting[packet.number] = packet
        return self._give_up() if len(self._waiting) > REORDERED_PACKETS else ()

    def _drained(self) -> list[Ordered]:
        out = []
        while self._waiting and (packet := self._waiting.pop(self.number, None)) is not None:
            out.append(Ordered(packet, Continuity.FOLLOWS))
            self.number = (self.number + 1) % NUMBERS
        return out

    def _give_up(self) -> list[Ordered]:
        """Wait no longer for what is missing before the first that waits."""
        nearest = min(self._waiting, key=lambda number: (number - self.number) % NUMBERS)
        missing = (nearest - self.number) % NUMBERS
        self._counts.lost += missing
        remembered = range(max(0, missing - _LOST_LIMIT), missing)
        self._given_up.extend((self.number + each) % NUMBERS for each in remembered)
        packet = self._waiting.pop(nearest)
        self.number = (nearest + 1) % NUMBERS
        return [Ordered(packet, Continuity.GAP), *self._drained()]

    def _jumped(self, packet: Packet) -> Sequence[Ordered]:
        """Two in a row from the same place are a new beginning (RFC 3550, A.1), one is a stray."""
        former, self._jump = self._jump, packet
        if former is None or packet.number != (former.number + 1) % NUMBERS:
            self._counts.late += former is not None
            return ()
        self._jump = None
        return self._restarted([former, packet])

    def _restarted(self, run: list[Packet]) -> list[Ordered]:
        out = self.flush()
        self.number = (run[-1].number + 1) % NUMBERS
        out.append(Ordered(run[0], Continuity.RESTARTS))
        return out + [Ordered(packet, Continuity.FOLLOWS) for packet in run[1:]]

    def _from_other_source(self, packet: Packet) -> Sequence[Ordered]:
        if packet.ssrc in self._left:
            self._counts.foreign += 1
            self._from_left += 1
            if self._from_left > RETURN_PACKETS:
                self._left.remove(packet.ssrc)
            return ()
        run = self._candidate
        if run and (packet.ssrc != run[-1].ssrc or packet.number != (run[-1].number + 1) % NUMBERS):
            self._drop_candidate()
        run.append(packet)
        # A picture of the other source, and none of ours meanwhile: a dead session's come between ours.
        if packet.ssrc != self._hint and packet.stamp == run[0].stamp and len(run) < SWITCH_PACKETS:
            return ()
        self._candidate = []
        self._jump = None
        self._from_left = 0
        self._left.append(self.ssrc)
        self.ssrc = packet.ssrc
        self._counts.sources += 1
        return self._restarted(run)

    def _drop_candidate(self) -> None:
        self._counts.foreign += len(self._candidate)
        self._candidate.clear()

    def _note_other(self, packet: Packet) -> None:
        """Payload types of one source share its numbers (RFC 3550, 5.1): what is missing may be this."""
        now = self._counts.packets
        if len(self._others) >= OTHERS_LIMIT:
            self._others = {number: at for number, at in self._others.items() if now - at < _OTHERS_PACKETS}
        if packet.ssrc == self.ssrc and len(self._others) < OTHERS_LIMIT:
            self._others[packet.number] = now

    def _is_filled_by_others(self, ahead: int) -> bool:
        now = self._counts.packets
        missing = [(self.number + each) % NUMBERS for each in range(ahead)]
        if not all(now - self._others.get(number, -_OTHERS_PACKETS) < _OTHERS_PACKETS for number in missing):
            return False
        for number in missing:
            del self._others[number]
        return True
