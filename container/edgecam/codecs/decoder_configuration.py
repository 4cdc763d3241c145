"""What stands beside a stream for its decoder: the configuration record of MP4, and what it describes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from struct import pack

from edgecam.codecs.sequence_set import SequenceSet, sequence_set
from edgecam.codecs.video import H264, H265, Codec

_H264_SPS, _H264_PPS = 7, 8  # ITU-T H.264, table 7-1
_H265_SETS = (32, 33, 34)  # ITU-T H.265, table 7-1
_H265_SPS = 33
H264_PLAIN = frozenset({66, 77, 88})
"""Profiles whose record ends before chroma and depth (ISO/IEC 14496-15, 5.3.3.1.2)."""
_MOST_SPS, _MOST_PPS, _MOST_UNITS, _MOST_UNIT_BYTES = 31, 255, 65_535, 65_535
"""What the record's fields can count."""
_BASELINE, _MAIN, _EXTENDED, _HIGH = 66, 77, 88, 100
_H264_PROFILES = {_MAIN: "main", _EXTENDED: "extended", 110: "high-10", 122: "high-4:2:2", 244: "high-4:4:4"}
_INTRA_PROFILES = frozenset({110, 122, 244})
_H265_PROFILES = {1: "main", 2: "main-10", 3: "main-still-picture"}
_LEVEL_1B = 9


@dataclass(frozen=True)
class Description:
    """What is known of a stream's pictures before any is decoded.

    Attributes:
        width: Pixels that are shown.
        height: Likewise.
        profile: As GStreamer's caps name it; None where it has no name there.
        level: Likewise, as `4.1`.
    """

    width: int
    height: int
    profile: str | None
    level: str | None


def describe(codec: Codec, parameter_sets: Sequence[bytes]) -> Description | None:
    """Of a stream with these parameter sets (NAL units); None where none can be read."""
    found = _first_sequence(codec, parameter_sets)
    if found is None or found.width <= 0 or found.height <= 0:
        return None
    profile, level = _h264_names(found.profile) if codec is H264 else _h265_names(found.profile)
    return Description(found.width, found.height, profile, level)


def configuration_record(codec: Codec, parameter_sets: Sequence[bytes]) -> bytes:
    """The decoder configuration record (ISO/IEC 14496-15): `avcC` of H.264 (5.3.3.1), `hvcC` of H.265
    (8.3.3.1), without the box around it. Lengths of units have four bytes.

    Args:
        codec: H.264 or H.265.
        parameter_sets: NAL units, in any order.

    Returns:
        The record; nothing where sets are missing or cannot be read.
    """
    found = _first_sequence(codec, parameter_sets)
    if found is None or any(len(unit) > _MOST_UNIT_BYTES for unit in parameter_sets):
        return b""
    if codec is H264:
        return _avc_record(found, parameter_sets)
    return _hevc_record(found, parameter_sets) if codec is H265 else b""


def _first_sequence(codec: Codec, parameter_sets: Sequence[bytes]) -> SequenceSet | None:
    for unit in parameter_sets:
        if _kind(codec, unit) == (_H264_SPS if codec is H264 else _H265_SPS):
            try:
                return sequence_set(codec, unit)
            except ValueError:
                continue
    return None


def _kind(codec: Codec, unit: bytes) -> int:
    if not unit or codec not in (H264, H265):
        return -1
    return unit[0] & 0x1F if codec is H264 else unit[0] >> 1 & 0x3F


def _avc_record(found: SequenceSet, parameter_sets: Sequence[bytes]) -> bytes:
    sequences = [unit for unit in parameter_sets if _kind(H264, unit) == _H264_SPS][:_MOST_SPS]
    pictures = [unit for unit in parameter_sets if _kind(H264, unit) == _H264_PPS][:_MOST_PPS]
    if not pictures:
        return b""
    head = b"\x01" + found.profile + b"\xff"
    record = head + bytes([0xE0 | len(sequences)]) + _counted(sequences)
    record += bytes([len(pictures)]) + _counted(pictures)
    return record if found.profile[0] in H264_PLAIN else record + chroma_and_depths(found) + b"\0"


def _hevc_record(found: SequenceSet, parameter_sets: Sequence[bytes]) -> bytes:
    arrays = b""
    for kind in _H265_SETS:
        units = [unit for unit in parameter_sets if _kind(H265, unit) == kind][:_MOST_UNITS]
        if not units:
            return b""
        # All of this type are here and none in the stream: that makes it `hvc1`.
        arrays += pack(">BH", 0x80 | kind, len(units)) + _counted(units)
    layers = found.sub_layers << 3 | found.is_nested << 2 | 3
    return (
        b"\x01"
        + found.profile
        + b"\xf0\x00\xfc"
        + chroma_and_depths(found)
        + pack(">HBB", 0, layers, len(_H265_SETS))
        + arrays
    )


def chroma_and_depths(found: SequenceSet) -> bytes:
    """Format of chroma, bits of luma and of chroma, in the form of both records."""
    return bytes(
        (0xFC | found.chroma_format, 0xF8 | found.luma_bits - 8 & 7, 0xF8 | found.chroma_bits - 8 & 7)
    )


def _counted(units: Sequence[bytes]) -> bytes:
    return b"".join(pack(">H", len(unit)) + unit for unit in units)


def _h264_names(profile: bytes) -> tuple[str | None, str | None]:
    """Profile and level (ITU-T H.264, A.2 and A.3), as GStreamer names them."""
    number, constraints, level = profile

    def has(flag: int) -> bool:
        return bool(constraints & 0x80 >> flag)

    if number == _BASELINE:
        name: str | None = "constrained-baseline" if has(1) else "baseline"
    elif number == _HIGH:
        name = ("constrained-high" if has(5) else "progressive-high") if has(4) else "high"
    else:
        name = _H264_PROFILES.get(number)
        if name is not None and number in _INTRA_PROFILES and has(3):
            name += "-intra"
    if level == _LEVEL_1B or (level == 11 and has(3) and number in H264_PLAIN):
        return name, "1b"
    return name, _level(level, 10)


def _h265_names(profile: bytes) -> tuple[str | None, str | None]:
    """Profile and level (ITU-T H.265, A.3 and A.4)."""
    return _H265_PROFILES.get(profile[0] & 0x1F), _level(profile[-1], 30)


def _level(number: int, unit: int) -> str:
    whole, rest = divmod(number, unit)
    return f"{whole}.{rest * 10 // unit}" if rest else f"{whole}"
