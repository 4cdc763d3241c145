"""A stream's parameter sets as they are now: from the description, then from what comes in the stream."""

from __future__ import annotations

from collections.abc import Iterable

from edgecam.codecs.bits import Bits
from edgecam.codecs.sequence_set import SET_BYTES, sequence_set
from edgecam.rtp.syntax import Syntax

SETS_LIMIT = 31
"""Of each type: what MP4 can hold of H.264's sequence parameter sets (five bits, ISO/IEC 14496-15, 5.3.3.1).
Cameras have one of each, some have several picture parameter sets."""
_SEQUENCE_KINDS = (7, 33)  # of H.264 and of H.265
_H265_VPS = 32


class ParameterSets:
    """Of one stream.

    Args:
        syntax: The codec's.
        units: NAL units to begin with, in any order; what is none is left out.

    Attributes:
        units: Those in force, in the order in which decoders want them; the same tuple while nothing changes.
        is_complete: Whether there is one of each type.
    """

    def __init__(self, syntax: Syntax, units: Iterable[bytes] = ()) -> None:
        self._syntax = syntax
        self._by_id: dict[tuple[int, int], bytes] = {}
        self.units: tuple[bytes, ...] = ()
        self.is_complete = False
        for unit in units:
            if self.accepts(unit):
                self.update([unit])

    def accepts(self, unit: bytes) -> bool:
        """Whether `unit` is a parameter set that can be kept."""
        return self._id_of(unit) is not None

    def update(self, units: Iterable[bytes]) -> bool:
        """Take these, as they came before a picture; whether that changes anything."""
        is_changed = False
        for unit in units:
            found = self._id_of(unit)
            unit = unit.rstrip(b"\0")
            if found is None or self._by_id.get(found) == unit:
                continue
            if found not in self._by_id and self._count(found[0]) >= SETS_LIMIT:
                continue
            self._by_id[found] = unit
            is_changed = True
        if is_changed:
            places = sorted(self._by_id)  # by type, as decoders want them, then by id
            self.units = tuple(self._by_id[place] for place in places)
            self.is_complete = {kind for kind, _ in places} == set(self._syntax.set_kinds)
        return is_changed

    def _count(self, kind: int) -> int:
        return sum(1 for each, _ in self._by_id if each == kind)

    def _id_of(self, unit: bytes) -> tuple[int, int] | None:
        """Type and id; None where `unit` is no parameter set, or too large to be one."""
        if not self._syntax.header_bytes < len(unit) <= SET_BYTES or unit[0] & 0x80:
            return None
        kind = self._syntax.kind(unit[0])
        if kind not in self._syntax.set_kinds:
            return None
        try:
            if kind in _SEQUENCE_KINDS:
                return kind, sequence_set(self._syntax.codec, unit).number
            bits = Bits(unit[self._syntax.header_bytes :])
            return kind, bits.take(4) if kind == _H265_VPS else bits.golomb()
        except (EOFError, ValueError):
            return None
