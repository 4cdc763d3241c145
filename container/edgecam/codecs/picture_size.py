"""How large the pictures of a stream are, before anything decodes them: from their parameter sets.

The sizes are those that a decoder takes memory for, before cropping.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from edgecam.codecs.sequence_set import SET_BYTES, sequence_set
from edgecam.codecs.video import H264, H265, Codec

_LENGTH_BYTES = 4
_H264_SPS = 7  # table 7-1
_H265_SPS_HEADER = 33 << 1  # table 7-1; of the base layer, which is what decoders read
_STARTS = {
    H264: re.compile(rb"\x00\x00\x01(?=[\x07\x27\x47\x67])"),
    H265: re.compile(rb"\x00\x00\x01(?=\x42)"),
}
_SETS_LIMIT = 32
"""H.264 has 32 ids, H.265 16: a picture with more parameter sets than that is made to keep us busy."""
_UNITS_LIMIT = 4096
"""H.264 and H.265 allow 600 slices a picture at the highest level; some messages and sets stand beside."""
_KEPT_OF_LARGEST = 6
"""At their highest level H.264 and H.265 let a decoder keep six of the largest pictures (H.264 A.3.1,
MaxDpbMbs; H.265 A.4.2, MaxDpbSize), and more of smaller ones: as many pixels in all."""


@dataclass(frozen=True)
class PictureSize:
    """What a decoder takes memory for.

    Attributes:
        width: Pixels.
        height: Pixels.
        kept: How many pictures it may have to keep at a time, the present one included.
    """

    width: int
    height: int
    kept: int = 1

    @property
    def pixels(self) -> int:
        """Of one picture."""
        return self.width * self.height


class TooManyUnits(ValueError):  # noqa: N818 - reads as what was found
    """A picture is made of more parts than any camera's; the message has the limit."""


def sizes_in_stream(codec: Codec, data: bytes, *, has_lengths: bool) -> Iterator[PictureSize]:
    """The sizes that the parameter sets in an access unit name; none where there are none that can be read.

    Args:
        codec: H.264 or H.265.
        data: The access unit.
        has_lengths: Whether each unit has its length before it (as in MP4), instead of a start code.

    Raises:
        TooManyUnits: more than any camera has.
    """
    sets = _with_lengths(codec, data) if has_lengths else _with_start_codes(codec, data)
    for number, unit in enumerate(sets):
        if number == _SETS_LIMIT:
            raise TooManyUnits(f"more than {_SETS_LIMIT} parameter sets")
        yield from _size_in(codec, unit)


def sizes_in_head(codec: Codec, record: bytes) -> Iterator[PictureSize]:
    """The same of what stands beside a stream: the decoder configuration record of MP4 (ISO/IEC 14496-15,
    5.3.3.1 and 8.3.3.1), GStreamer's `codec_data`."""
    sets = _avc_sets(record) if codec is H264 else _hevc_sets(record)
    for unit in islice(sets, _SETS_LIMIT):
        yield from _size_in(codec, unit)


def _with_start_codes(codec: Codec, data: bytes) -> Iterator[bytes]:
    # Found by a pattern, in C: walking through megabytes of tiny units in Python would take a second.
    for match in _STARTS[codec].finditer(data):
        yield data[match.end() : match.end() + SET_BYTES]


def _with_lengths(codec: Codec, data: bytes) -> Iterator[bytes]:
    at = count = 0
    while at + _LENGTH_BYTES < len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin])
        header = data[begin]
        if header & 0x9F == _H264_SPS if codec is H264 else header == _H265_SPS_HEADER:
            yield data[begin : min(at, begin + SET_BYTES)]
        count += 1
        if count > _UNITS_LIMIT:
            raise TooManyUnits(f"more than {_UNITS_LIMIT} parts")


def _avc_sets(record: bytes) -> Iterator[bytes]:
    yield from _counted(record, 6, record[5] & 0x1F) if len(record) > 6 else ()


def _hevc_sets(record: bytes) -> Iterator[bytes]:
    at = 23
    for _ in range(record[22] if len(record) > 22 else 0):
        if at + 3 > len(record):
            return
        units = list(_counted(record, at + 3, int.from_bytes(record[at + 1 : at + 3])))
        yield from (unit for unit in units if unit[:1] == bytes([_H265_SPS_HEADER]))
        at += 3 + sum(2 + len(unit) for unit in units)


def _counted(record: bytes, at: int, count: int) -> Iterator[bytes]:
    for _ in range(count):
        begin = at + 2
        if begin >= len(record):
            return
        at = begin + int.from_bytes(record[begin - 2 : begin])
        yield record[begin:at]


def _size_in(codec: Codec, unit: bytes) -> Iterator[PictureSize]:
    try:
        found = sequence_set(codec, unit)
    except ValueError:
        return  # a decoder refuses it as well
    yield PictureSize(found.coded_width, found.coded_height, found.kept)


def excess(size: PictureSize, max_pixels: int) -> str | None:
    """What is too much about `size`, as what follows the name of a picture or camera; None if nothing is."""
    remedy = "choose a smaller size at the camera, or raise frames.max_pixels if the core has the memory"
    limit = f"expected pictures of at most {max_pixels / 1e6:g} megapixels (frames.max_pixels)"
    if size.pixels > max_pixels:
        return f"{limit}, found {size.width}x{size.height}; {remedy}"
    if size.pixels * size.kept > _KEPT_OF_LARGEST * max_pixels:
        return (
            f"{limit} and a decoder that keeps {_KEPT_OF_LARGEST} of these, "
            f"found {size.width}x{size.height} of which it is to keep {size.kept}; {remedy}"
        )
    return None
