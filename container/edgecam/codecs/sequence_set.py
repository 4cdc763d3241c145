"""What a sequence parameter set says (ITU-T H.264, 7.3.2.1.1; ITU-T H.265, 7.3.2.2.1), where it is asked."""

from __future__ import annotations

from dataclasses import dataclass

from edgecam.codecs.bits import Bits
from edgecam.codecs.video import H264, Codec

SET_BYTES = 4096
"""A parameter set has some hundred bytes; H.264's largest, with all scaling lists, about a thousand."""
PROFILE_BYTES = 12
"""In H.265, general_profile_space up to general_level_idc (7.3.3)."""
_H264_WITH_CHROMA = frozenset({44, 83, 86, 100, 110, 118, 122, 128, 134, 135, 138, 139, 244})
_H265_SUB_LAYER_BITS = 88  # of a profile, 7.3.3
_MOST_SUB_LAYERS = 7
_CHROMA_STEP = {0: (1, 1), 1: (2, 2), 2: (2, 1), 3: (1, 1)}
"""Pixels in a row and in a column that share a chroma sample (table 6-1 of both)."""


@dataclass(frozen=True)
class SequenceSet:
    """Of one sequence.

    Attributes:
        number: Its id.
        coded_width: Pixels, before cropping.
        coded_height: Likewise.
        width: Pixels that are shown.
        height: Likewise.
        kept: How many pictures a decoder may have to keep at a time, the present one included.
        profile: Of H.264 three bytes: profile, constraints, level; of H.265 `PROFILE_BYTES`.
        chroma_format: 0: none, 1: 4:2:0, 2: 4:2:2, 3: 4:4:4.
        luma_bits: Of a sample.
        chroma_bits: Likewise.
        sub_layers: Of H.265, those that a stream may have, at the most; 1 in H.264.
        is_nested: Of H.265, `sps_temporal_id_nesting_flag`.
    """

    number: int
    coded_width: int
    coded_height: int
    width: int
    height: int
    kept: int
    profile: bytes
    chroma_format: int = 1
    luma_bits: int = 8
    chroma_bits: int = 8
    sub_layers: int = 1
    is_nested: bool = False


def sequence_set(codec: Codec, unit: bytes) -> SequenceSet:
    """Of a NAL unit of this codec, with its header; more may stand behind it.

    Raises:
        ValueError: it cannot be read.
    """
    coded = unit[:SET_BYTES]
    try:
        return _h264(Bits(coded[1:])) if codec is H264 else _h265(Bits(coded[2:]))
    except EOFError:
        raise ValueError("cut short") from None


def _h264(bits: Bits) -> SequenceSet:
    profile = bytes(bits.take(8) for _ in range(3))
    number = bits.golomb()
    chroma, luma_bits, chroma_bits = 1, 8, 8
    if profile[0] in _H264_WITH_CHROMA:
        chroma, luma_bits, chroma_bits = _h264_chroma(bits)
    bits.golomb()
    order_type = bits.golomb()
    if order_type == 0:
        bits.golomb()
    elif order_type == 1:
        bits.take(1)
        bits.skip_golomb(2)
        bits.skip_golomb(bits.golomb())
    kept = bits.golomb() + 1
    bits.take(1)
    width, height = 16 * (bits.golomb() + 1), 16 * (bits.golomb() + 1)
    rows = 1 if bits.take(1) else 2
    if rows == 2:
        bits.take(1)
        height *= 2
    left, right, top, bottom = _h264_window(bits)
    across, down = _CHROMA_STEP[chroma]
    return SequenceSet(
        number,
        width,
        height,
        width - across * (left + right),
        height - down * rows * (top + bottom),
        kept,
        profile,
        chroma,
        luma_bits,
        chroma_bits,
    )


def _h264_window(bits: Bits) -> tuple[int, int, int, int]:
    try:
        bits.take(1)
        return _window(bits)
    except EOFError:
        return 0, 0, 0, 0  # decoders take what is cut off here for zeros


def _h264_chroma(bits: Bits) -> tuple[int, int, int]:
    """Format, bits of luma and of chroma."""
    chroma = bits.golomb()
    if chroma > 3:
        raise ValueError("no chroma format")
    if chroma == 3:
        bits.take(1)
    luma_bits, chroma_bits = 8 + bits.golomb(), 8 + bits.golomb()
    bits.take(1)
    if bits.take(1):
        for number in range(12 if chroma == 3 else 8):
            if bits.take(1):
                _skip_scaling_list(bits, 16 if number < 6 else 64)
    return chroma, luma_bits, chroma_bits


def _skip_scaling_list(bits: Bits, length: int) -> None:
    last = following = 8
    for _ in range(length):
        if following:
            following = (last + bits.signed()) % 256
        last = following or last


def _h265(bits: Bits) -> SequenceSet:
    bits.take(4)
    layers = bits.take(3)
    if layers >= _MOST_SUB_LAYERS:
        raise ValueError("too many layers")
    is_nested = bool(bits.take(1))
    profile = bytes(bits.take(8) for _ in range(PROFILE_BYTES))
    present = [(bits.take(1), bits.take(1)) for _ in range(layers)]
    if layers:
        bits.take(2 * (8 - layers))
    for has_profile, has_level in present:
        bits.take(_H265_SUB_LAYER_BITS * has_profile + 8 * has_level)
    number = bits.golomb()
    chroma = bits.golomb()
    if chroma > 3:
        raise ValueError("no chroma format")
    if chroma == 3:
        bits.take(1)
    width, height = bits.golomb(), bits.golomb()
    left, right, top, bottom = _window(bits)
    across, down = _CHROMA_STEP[chroma]
    luma_bits, chroma_bits = 8 + bits.golomb(), 8 + bits.golomb()
    bits.golomb()
    kept = 1
    for _ in range(layers + 1 if bits.take(1) else 1):
        kept = max(kept, bits.golomb() + 1)
        bits.skip_golomb(2)
    return SequenceSet(
        number,
        width,
        height,
        width - across * (left + right),
        height - down * (top + bottom),
        kept,
        profile,
        chroma,
        luma_bits,
        chroma_bits,
        layers + 1,
        is_nested,
    )


def _window(bits: Bits) -> tuple[int, int, int, int]:
    """What is cropped left, right, at the top and the bottom, in samples of chroma."""
    if not bits.take(1):
        return 0, 0, 0, 0
    return bits.golomb(), bits.golomb(), bits.golomb(), bits.golomb()
