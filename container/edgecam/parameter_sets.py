"""What a decoder has to know before the first picture of a stream: found in a keyframe's bytes.

H.264 (ISO/IEC 14496-10, annex B) and H.265 (23008-2, annex B) put units one after another, each behind a
start code; parameter sets stand before the first slice of a keyframe.
"""

from __future__ import annotations

_START = b"\x00\x00\x01"
_H264_SETS = (7, 8)  # SPS, PPS (table 7-1)
_H264_SLICES = range(1, 6)
_H265_SETS = (32, 33, 34)  # VPS, SPS, PPS (table 7-1)
_H265_SLICES = range(32)


def parameter_sets(codec: str, head: bytes) -> bytes:
    """The parameter sets of a keyframe, one after another, each once: some stand twice at the first keyframe.

    Args:
        codec: `h264` or `h265`; others have none.
        head: The keyframe's first bytes, up to its first slice at least.
    """
    if codec not in ("h264", "h265"):
        return b""
    sets, slices = (_H264_SETS, _H264_SLICES) if codec == "h264" else (_H265_SETS, _H265_SLICES)
    found = []
    at = head.find(_START)
    while 0 <= at < len(head) - 3:
        kind = head[at + 3] & 0x1F if codec == "h264" else head[at + 3] >> 1 & 0x3F
        if kind in slices:
            break
        following = head.find(_START, at + 3)
        if kind in sets:
            found.append(head[at + 3 : following if following >= 0 else len(head)].rstrip(b"\x00"))
        at = following
    return b"".join(dict.fromkeys(found))
