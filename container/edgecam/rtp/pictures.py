"""NAL units become coded pictures: where each ends, which have a hole, and which depend on one that has.

A picture ends where the next time stamp begins (RFC 6184, 5.1), or at once at its marker bit, when the stream
has shown that its marker can be believed: some cameras set it on every slice, or never. It is tried until a
keyframe and another picture have ended with it; meanwhile each is a picture's interval late, and none torn.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from edgecam.codecs.recovery_point import HEAD_BYTES, pictures_to_recovery
from edgecam.rtp.counts import Counts
from edgecam.rtp.damage import DamageChain
from edgecam.rtp.order import Continuity
from edgecam.rtp.packet import TIMES, time_step
from edgecam.rtp.parameter_sets import ParameterSets
from edgecam.rtp.syntax import Role, Syntax

PICTURE_BYTES = 16_000_000
"""Four times the largest keyframe of an 8K camera."""
UNITS_LIMIT = 4096
"""H.264 and H.265 allow 600 slices a picture at the highest level; some messages stand beside."""
PARTS_LIMIT = 32_768
"""Packets in a picture: half of the numbers that there are, beyond which a lost one could not be noticed."""
SETS_IN_PICTURE = 64
"""Parameter sets before one picture: an encoder that repeats all of them has fewer."""
TRIED_PICTURES = 30
"""Where no keyframe comes, as with intra refresh, the marker is believed after so many pictures: a second."""
_LENGTH_BYTES = 4
_SLICE_HEAD_BYTES = 8  # two numbers in Exp-Golomb code, of which a slice's first is at most 139,263
_START = b"\0\0\1"


class CodedPicture(NamedTuple):
    """One access unit.

    Attributes:
        data: Its NAL units, each behind a length of four bytes; without delimiters, and without the
            parameter sets, but for those that change before a picture that is no keyframe.
        rtp_time: Its time stamp, counted on over 32 bits, in ticks of the stream's clock; it may be less than
            the one before, since pictures are sent in the order of decoding.
        is_keyframe: Whether it can be decoded alone; never so where it has a hole.
        has_hole: Whether packets of it are missing, or of a picture right before one that is no keyframe.
        is_damaged: Whether it has a hole, or depends on a picture that has.
        to_recovery: Of a recovery point (intra refresh): how many pictures after it the first whole one
            comes, if decoding begins here. 0 of all others.
        parameter_sets: Those in force; the same tuple as before while nothing changes.
    """

    data: bytes
    rtp_time: int
    is_keyframe: bool
    has_hole: bool
    is_damaged: bool
    to_recovery: int
    parameter_sets: tuple[bytes, ...]


class Marker(Enum):
    """What the marker bit is worth."""

    TRIED = auto()
    BELIEVED = auto()
    IGNORED = auto()


class PictureBuilder:
    """Of one stream. The payload's reader calls it unit by unit; not safe for threads.

    Args:
        syntax: The codec's.
        sets: The parameter sets to begin with.
        counts: Where to count.
        clock_rate_hz: Of the time stamps.

    Attributes:
        parts: The bytes of the picture that is being put together; always the same list, so that the fast way
            can append to it. An open fragment's length is filled in at its end.
        fragment_at: Where in `parts` the fragmented unit begins; negative where none is open.
        stamp: The time stamp of what is being put together; empty before the first packet.
        marker: What the marker bit is worth.
        finished: Pictures that are whole, to be taken away by the caller.
    """

    def __init__(self, syntax: Syntax, sets: ParameterSets, counts: Counts, clock_rate_hz: int) -> None:
        self._syntax = syntax
        self._sets = sets
        self._counts = counts
        self.parts: list[bytes] = []
        self.fragment_at = -1
        self.stamp = self._packet_stamp = b""
        self.marker = Marker.TRIED
        self.finished: list[CodedPicture] = []
        self._time = 0
        self._step = 0
        self._fragment_role = Role.OTHER
        self._marked_rightly = 0
        self._marked_keyframe = False
        # Of the connection:
        self._has_begun = False
        self._is_over = False
        self._is_dropping = False
        self._is_after_gap = False
        self._chain = DamageChain(clock_rate_hz)
        self._clear()

    def _clear(self) -> None:
        """Begin the next picture."""
        self.parts.clear()
        self.fragment_at = -1
        self._units = 0
        self._bytes = 0
        self._new_sets: list[bytes] = []
        self._has_slice = False
        self._has_key_slice = False
        self._is_intra = True  # until a slice says otherwise
        self._has_message = False
        self._has_hole = False
        self._was_marked = False

    def begin_packet(self, stamp: bytes, continuity: Continuity) -> None:
        """A packet with this time stamp comes next."""
        if continuity:
            self._discontinue(stamp, continuity)
        self._packet_stamp = stamp

    def _follow_time(self) -> None:
        """The packet's unit belongs to the picture of its time stamp, and not to the one before."""
        stamp = self._packet_stamp
        if stamp == self.stamp:
            return
        self._end_picture()
        if self.stamp:
            self._step = time_step(int.from_bytes(self.stamp), int.from_bytes(stamp))
            self._time += self._step
        else:
            self._time = int.from_bytes(stamp)
        self.stamp = stamp
        self._is_over = self._is_dropping = False

    def end_packet(self, *, is_marked: bool) -> None:
        """The packet has ended; with the marker bit, perhaps the picture."""
        self._was_marked = is_marked
        if not is_marked:
            return
        if self._is_dropping:
            self._is_dropping, self._is_after_gap = False, True
        elif self.marker is Marker.BELIEVED:
            self._is_over = self._end_picture()

    def unit(self, unit: bytes) -> None:
        """A whole NAL unit."""
        self.close_fragment()  # a camera that does not say where units end: nothing is missing
        role = self._syntax.roles[unit[0]]
        header_bytes = self._syntax.header_bytes
        if role is Role.BROKEN:
            if unit.startswith((_START, b"\0" + _START)):
                self._split(unit)
            else:
                self.malformed()
        elif len(unit) <= header_bytes:
            if role is not Role.DROPPED and role is not Role.DELIMITER:
                self.malformed()
        elif self._is_taken(role, unit[header_bytes]):
            self._add(role, unit)

    def open_fragment(self, header: bytes, part: bytes) -> None:
        """The first part of a NAL unit: its header, and what follows it."""
        self.close_fragment()
        role = self._syntax.roles[header[0]]
        if not part or role in (Role.BROKEN, Role.FRAGMENT, Role.AGGREGATE):
            self.malformed()
        elif self._is_taken(role, part[0]):
            self._fragment_role = role
            self.fragment_at = len(self.parts)
            self.parts += (b"", header, part)

    def continue_fragment(self, part: bytes, *, belongs: bool) -> None:
        """A further part; `belongs` where it is of the unit that was opened last."""
        if self.fragment_at >= 0 and belongs:
            if self._was_marked:
                self.marker = Marker.IGNORED
            self.parts.append(part)
        else:
            self.missing_fragment()

    def close_fragment(self) -> None:
        """The unit that is open, if one is, is whole."""
        if self.fragment_at < 0:
            return
        at, self.fragment_at = self.fragment_at, -1
        role = self._fragment_role
        if role in (Role.SLICE, Role.KEY_SLICE):
            self.parts[at] = sum(map(len, self.parts[at + 1 :])).to_bytes(_LENGTH_BYTES)
            self._note_slice(role, self.parts[at + 2])
        else:
            unit = b"".join(self.parts[at + 1 :])
            del self.parts[at:]
            self._add(role, unit)

    def missing_fragment(self) -> None:
        """A part of a unit whose beginning is not here."""
        self._follow_time()
        if self._is_over:
            self._torn()
        elif self._has_begun and not self._is_dropping:
            self._hole()

    def malformed(self) -> None:
        """What came is no NAL unit, so one is missing."""
        self._counts.malformed += 1
        self.missing_fragment()

    def note_bytes(self, count: int) -> None:
        """So many bytes have come since the last call; those of finished pictures are among them."""
        self._bytes += count
        if self._bytes > PICTURE_BYTES or len(self.parts) > PARTS_LIMIT:
            self._bytes = sum(map(len, self.parts))
            if self._bytes > PICTURE_BYTES or len(self.parts) > PARTS_LIMIT:
                self._drop()

    def end(self) -> None:
        """Nothing more comes: the last picture is whole if its marker says so, or is not known to be."""
        if self._was_marked and self.marker is not Marker.IGNORED:
            self._end_picture()
        self._clear()

    def _discontinue(self, stamp: bytes, continuity: Continuity) -> None:
        """Packets are missing before this one, or the numbers begin elsewhere."""
        is_between = self._was_marked if self._has_slice else not self.parts
        if continuity is Continuity.RESTARTS and is_between and self._goes_on(stamp):
            return
        if self.fragment_at >= 0:
            del self.parts[self.fragment_at :]
            self.fragment_at = -1
        if self._has_slice or self.parts:
            self._has_hole = True
        if self._has_begun:
            self._chain.break_off()
        self._is_after_gap = True

    def _goes_on(self, stamp: bytes) -> bool:
        """Whether a picture of this time stamp is the next: no whole one is missing."""
        step = (int.from_bytes(stamp) - int.from_bytes(self.stamp or stamp)) % TIMES
        return 0 < 2 * step <= 3 * abs(self._step)

    def _is_taken(self, role: Role, first: int) -> bool:
        """Whether a unit belongs to a picture that is being put together; ends the one before where this unit
        begins another of the same time stamp.

        Args:
            role: The unit's.
            first: Its first byte behind its header: a slice that begins its picture has the first bit set
                (`first_mb_in_slice` 0, a single 1; `first_slice_segment_in_pic_flag`).
        """
        is_slice = role is Role.SLICE or role is Role.KEY_SLICE
        begins = first >= 0x80 if is_slice else role in _BEGINNINGS
        # A slice that begins no picture goes on with the last one, whatever its camera stamps it with.
        if not (is_slice and not begins and self._has_slice and not self._is_after_gap):
            self._follow_time()
        if self._is_over:
            if not begins:
                if is_slice:
                    self._torn()
                return False
            self._is_over = False
        elif self._was_marked and self._has_slice:
            if begins:
                self._finish()
            elif is_slice:
                self.marker = Marker.IGNORED
        if not self._has_begun:
            if not begins:
                return False
            self._has_begun = True
        if self._is_after_gap:
            self._is_after_gap = False
            if not begins:
                self._hole()
        elif is_slice and not begins and not self._has_slice:
            self._hole()  # its first slice was never sent
        return not self._is_dropping

    def _torn(self) -> None:
        """A picture goes on behind the marker that has ended it."""
        if self.marker is Marker.IGNORED:
            return
        self.marker = Marker.IGNORED
        self._chain.break_off()
        self._counts.damaged += 1

    def _hole(self) -> None:
        if self.fragment_at >= 0:
            del self.parts[self.fragment_at :]
            self.fragment_at = -1
        self._has_hole = True

    def _add(self, role: Role, unit: bytes) -> None:
        self._units += 1
        if self._units > UNITS_LIMIT:
            self._drop()
            return
        if role in (Role.DROPPED, Role.DELIMITER):
            return
        is_slice = role is Role.SLICE or role is Role.KEY_SLICE
        if not is_slice and _START in unit:
            self._split(unit)
            return
        if role is Role.SET:
            if not self._sets.accepts(unit):
                self._counts.malformed += 1
            elif len(self._new_sets) < SETS_IN_PICTURE:
                self._new_sets.append(unit)
            return
        self.parts.append(len(unit).to_bytes(_LENGTH_BYTES) + unit)
        if is_slice:
            self._note_slice(role, unit[self._syntax.header_bytes :][:_SLICE_HEAD_BYTES])
        elif role is Role.MESSAGE:
            self._has_message = True

    def _note_slice(self, role: Role, head: bytes) -> None:
        self._has_slice = True
        if role is Role.KEY_SLICE:
            self._has_key_slice = True
        elif self._is_intra:
            self._is_intra = self._syntax.is_intra(head[:_SLICE_HEAD_BYTES])

    def _split(self, unit: bytes) -> None:
        """Several units with start codes between them, as in a byte stream, where one belongs."""
        for piece in unit.split(_START):
            if part := piece.rstrip(b"\0"):
                self.unit(part)

    def _drop(self) -> None:
        """The picture is beyond the bounds: neither it is kept nor what follows with its time stamp."""
        self._counts.oversized += 1
        self._clear()
        self._is_dropping = True
        self._chain.break_off()

    def _end_picture(self) -> bool:
        """All of a picture has come that will; whether there was anything of one."""
        self.close_fragment()
        if self._has_slice:
            self._finish()
            return True
        if not self._has_hole:
            return False  # what comes before a picture may have a time stamp or a marker of its own
        self._counts.damaged += 1
        self._sets.update(self._new_sets)
        self._clear()
        self._chain.break_off()
        return True

    def _finish(self) -> None:
        """The picture has ended."""
        is_key = self._has_key_slice or (self._has_slice and self._is_intra)
        if self.marker is Marker.TRIED and self._was_marked and not self._has_hole:
            self._marked_rightly += 1
            self._marked_keyframe = self._marked_keyframe or is_key
            if self._marked_rightly >= (2 if self._marked_keyframe else TRIED_PICTURES):
                self.marker = Marker.BELIEVED
        is_key = is_key and not self._has_hole
        has_new_sets = bool(self._new_sets) and self._sets.update(self._new_sets)
        if has_new_sets and not is_key:
            for unit in reversed(self._new_sets):
                self.parts.insert(0, len(unit).to_bytes(_LENGTH_BYTES) + unit)
        data = b"".join(self.parts)
        to_recovery = 0
        if self._has_message and not is_key and not self._has_hole:
            to_recovery = pictures_to_recovery(self._syntax.codec, data[:HEAD_BYTES], has_lengths=True)
        has_hole, is_damaged = self._chain.judge(
            self._time, is_key=is_key, has_hole=self._has_hole, to_recovery=to_recovery
        )
        if self._sets.is_complete:
            self._counts.damaged += is_damaged
            self.finished.append(
                CodedPicture(data, self._time, is_key, has_hole, is_damaged, to_recovery, self._sets.units)
            )
        else:
            self._counts.without_sets += 1
            self._chain.break_off()
        self._clear()


_BEGINNINGS = frozenset({Role.SET, Role.MESSAGE, Role.BEFORE, Role.DELIMITER})
