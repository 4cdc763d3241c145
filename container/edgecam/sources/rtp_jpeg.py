"""JPEG over RTP wider or higher than 2040 pixels, whose own head has no room for the size (RFC 2435, 3.1.5).

Cameras say it elsewhere: in the description, as `a=x-dimensions` (which rtpjpegdepay reads) or `a=framesize`
(RFC 6064, 3.2.1), or in front of each picture, as a JPEG head in an extension of RTP (ONVIF Streaming
Specification, 5.1.3.3).
"""

from __future__ import annotations

import re
from typing import Any

from edgecam.codecs.jpeg import size_of

_FIXED_BYTES = 12  # of RTP's head, RFC 3550, 5.1
_EXTENSION_BIT = 0x10
_ONVIF = 0xFFD8
_JPEG_START = b"\xff\xd8"
_SIZE = re.compile(r"(\d{1,5})-(\d{1,5})")


def has_no_size(packet: bytes) -> bool:
    """Whether an RTP packet of JPEG says no width or no height."""
    payload = packet[_payload_at(packet) :]
    return len(payload) >= 8 and not (payload[6] and payload[7])


def size_beside(packet: bytes, framesize: str | None) -> tuple[int, int] | None:
    """Width and height, pixels, from what stands beside the pictures; None where it is nowhere.

    Args:
        packet: The first of a picture.
        framesize: The attribute of the description, as `26 2592-1944`.
    """
    said = _SIZE.search(framesize or "")
    if said is not None:
        return int(said[1]), int(said[2])
    if len(packet) < _FIXED_BYTES or not packet[0] & _EXTENSION_BIT:
        return None
    begin = _FIXED_BYTES + 4 * (packet[0] & 0x0F)
    if int.from_bytes(packet[begin : begin + 2]) != _ONVIF:
        return None
    return size_of(_JPEG_START + packet[begin + 4 : _payload_at(packet)])


def with_size(caps: Any, size: tuple[int, int]) -> Any:
    """`caps` (Gst.Caps) with the size where rtpjpegdepay looks for it."""
    changed = caps.copy()
    changed.set_value("x-dimensions", f"{size[0]},{size[1]}")
    return changed


def _payload_at(packet: bytes) -> int:
    if len(packet) < _FIXED_BYTES:
        return len(packet)
    begin = _FIXED_BYTES + 4 * (packet[0] & 0x0F)
    if not packet[0] & _EXTENSION_BIT:
        return begin
    return begin + 4 + 4 * int.from_bytes(packet[begin + 2 : begin + 4])
