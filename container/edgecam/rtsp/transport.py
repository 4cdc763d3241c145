"""How packets travel: the header `Transport` of SETUP (RFC 2326, 12.39), over the requests' connection."""

from __future__ import annotations

import re
from typing import NamedTuple

from edgecam.rtsp.faults import NotOurs

_INTERLEAVED = re.compile(r"interleaved\s*=\s*(\d{1,3})(?:\s*-\s*(\d{1,3}))?", re.IGNORECASE)
_SSRC = re.compile(r"ssrc\s*=\s*(?:0x)?([0-9a-f]{1,8})\b", re.IGNORECASE)
_DATAGRAMS = re.compile(r"client_port|server_port|multicast", re.IGNORECASE)
_MOST_CHANNEL = 255


class Channels(NamedTuple):
    """Where a stream's packets stand between the messages.

    Attributes:
        packets: The channel of RTP.
        reports: The channel of RTCP.
        ssrc: The stream's source identifier, where the camera says it. Many say another than they send.
    """

    packets: int
    reports: int
    ssrc: int | None = None


def asked(channels: Channels) -> str:
    """The header of a request."""
    return f"RTP/AVP/TCP;unicast;interleaved={channels.packets}-{channels.reports}"


def answered(value: str | None, channels: Channels) -> Channels:
    """What the camera has chosen; what was asked for where it does not say.

    Args:
        value: Of the answer's header; None where it has none.
        channels: What was asked for.

    Raises:
        NotOurs: it sends datagrams.
    """
    if value is None:
        return channels
    source = _SSRC.search(value)
    ssrc = int(source[1], 16) if source is not None else None
    found = _INTERLEAVED.search(value)
    if found is None:
        if _DATAGRAMS.search(value):
            raise NotOurs("the camera answers SETUP with datagrams (UDP)")
        return channels._replace(ssrc=ssrc)
    packets = int(found[1])
    reports = int(found[2]) if found[2] is not None else packets + 1
    if max(packets, reports) > _MOST_CHANNEL or packets == reports:
        return channels._replace(ssrc=ssrc)
    return Channels(packets, reports, ssrc)
