"""What a receiver has to know of NAL units, H.264's and H.265's: the role of each, and which are keyframes.

Roles stand in tables of 256 entries, by a unit's first byte: they are looked up for every unit that comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

from edgecam.codecs.bits import Bits
from edgecam.codecs.video import H264, H265, Codec

_INTRA_SLICES = (2, 4, 7, 9)  # I and SI, ITU-T H.264, table 7-6
_INTRA_STARTS = frozenset(
    # `first_mb_in_slice` 0, one bit, and a `slice_type` of these (7.3.3)
    byte
    for byte in range(256)
    for code in ("1011", "100101", "10001000", "10001010")
    if f"{byte:08b}".startswith(code)
)


class Role(IntEnum):
    """Of a NAL unit in a stream."""

    OTHER = 0
    """Goes along with its picture."""
    SLICE = 1
    KEY_SLICE = 2
    """Of a picture that can be decoded alone."""
    SET = 3
    """A parameter set."""
    MESSAGE = 4
    """Supplemental (SEI), before a picture."""
    BEFORE = 5
    """Another that begins a picture."""
    DROPPED = 6
    """Means nothing in a file: delimiter, filler, end of sequence or stream."""
    DELIMITER = 7
    """Likewise, and begins a picture."""
    AGGREGATE = 8
    FRAGMENT = 9
    BROKEN = 10
    """None of a camera: the forbidden bit is set, or the type is of a form of transport not agreed upon."""


@dataclass(frozen=True)
class Syntax:
    """Of one codec.

    Attributes:
        codec: Which.
        header_bytes: Of a NAL unit.
        roles: By the first byte of a unit.
        set_kinds: Types of parameter sets in the order in which decoders want them.
    """

    codec: Codec
    header_bytes: int
    roles: tuple[Role, ...]
    set_kinds: tuple[int, ...]

    def kind(self, header: int) -> int:
        """The type of a unit, by its first byte."""
        return header & 0x1F if self.header_bytes == 1 else header >> 1 & 0x3F

    def is_intra(self, head: bytes) -> bool:
        """Whether an H.264 slice refers to no other picture, by the bytes behind its header.

        A picture of such slices is a keyframe, too, as cameras with open groups of pictures send it. H.265's
        keyframes have types of their own.
        """
        if self.header_bytes != 1:
            return False
        if head[0] >= 0x80:
            return head[0] in _INTRA_STARTS
        bits = Bits(head)
        try:
            bits.golomb()
            return bits.golomb() in _INTRA_SLICES
        except EOFError:
            return False


def _roles(kinds: dict[Role, Iterable[int]], *, shift: int, mask: int) -> tuple[Role, ...]:
    by_kind = {kind: role for role, all_kinds in kinds.items() for kind in all_kinds}
    return tuple(
        Role.BROKEN if header & 0x80 else by_kind.get(header >> shift & mask, Role.OTHER)
        for header in range(256)
    )


H264_SYNTAX = Syntax(
    codec=H264,
    header_bytes=1,
    roles=_roles(
        # ITU-T H.264, table 7-1 and 7.4.1.2.3; RFC 6184, table 1
        {
            Role.SLICE: (1, 2),
            Role.KEY_SLICE: (5,),
            Role.MESSAGE: (6,),
            Role.SET: (7, 8),
            Role.DELIMITER: (9,),
            Role.DROPPED: (10, 11, 12),
            Role.BEFORE: range(14, 19),
            Role.AGGREGATE: (24,),
            Role.FRAGMENT: (28,),
            Role.BROKEN: (0, 25, 26, 27, 29, 30, 31),
        },
        shift=0,
        mask=0x1F,
    ),
    set_kinds=(7, 8),
)
H265_SYNTAX = Syntax(
    codec=H265,
    header_bytes=2,
    roles=_roles(
        # ITU-T H.265, table 7-1 and 7.4.2.4.4; RFC 7798, 4.4
        {
            Role.SLICE: (*range(16), *range(24, 32)),
            Role.KEY_SLICE: range(16, 24),
            Role.SET: (32, 33, 34),
            Role.DELIMITER: (35,),
            Role.DROPPED: (36, 37, 38),
            Role.MESSAGE: (39,),
            Role.BEFORE: range(41, 45),
            Role.AGGREGATE: (48,),
            Role.FRAGMENT: (49,),
            Role.BROKEN: range(50, 64),
        },
        shift=1,
        mask=0x3F,
    ),
    set_kinds=(32, 33, 34),
)
