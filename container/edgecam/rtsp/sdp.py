"""The description of a camera's streams (SDP, RFC 8866) as cameras write it: with blanks at the end of lines,
with either kind of line end, with bytes that are no UTF-8, with parts left out."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from edgecam.rtsp.bounds import ATTRIBUTES, FORMATS, MEDIA, OPTIONS, SETS

_LINE_END = re.compile(rb"\r\n|\n|\r")
_START_CODE = re.compile(rb"\x00\x00\x00?\x01")
_STATIC = {0: ("PCMU", 8_000), 8: ("PCMA", 8_000), 26: ("JPEG", 90_000), 33: ("MP2T", 90_000)}
"""By payload type, where the description leaves out what RFC 3551, 6, says already."""
_VIDEO_CLOCK_HZ = 90_000
_CLOCKS_HZ = range(1_000, 1_000_001)
"""What is no rate of a stream's time is read as the usual one of video."""
_SET_NAMES = ("sprop-parameter-sets", "sprop-vps", "sprop-sps", "sprop-pps")


@dataclass(frozen=True)
class Format:
    """One way in which a medium is offered.

    Attributes:
        payload_type: Its number in RTP's head.
        coding: Its name, in upper case; `?` where nothing says it.
        clock_hz: Of its time stamps.
        options: What `fmtp` says, names in lower case.
    """

    payload_type: int
    coding: str
    clock_hz: int
    options: Mapping[str, str] = field(default_factory=dict)

    @property
    def parameter_sets(self) -> tuple[bytes, ...]:
        """NAL units that are in the description (RFC 6184, 8.1; RFC 7798, 7.1), without start codes."""
        texts = [part for name in _SET_NAMES for part in self.options.get(name, "").split(",")]
        units = [unit for text in texts for unit in _START_CODE.split(_decoded(text)) if unit]
        return tuple(units[:SETS])


@dataclass(frozen=True)
class Medium:
    """One stream.

    Attributes:
        kind: `video`, `audio`, `application`.
        protocol: As `RTP/AVP`.
        control: How requests name it; None where nothing says it.
        formats: At least one.
    """

    kind: str
    protocol: str
    control: str | None
    formats: tuple[Format, ...]

    def __str__(self) -> str:
        return f"{self.kind} {self.formats[0].coding}"


class Description(NamedTuple):
    """All streams of a camera, and how requests name them together."""

    control: str | None
    media: tuple[Medium, ...]


def parse_description(body: bytes) -> Description:
    """What `body` describes. Lines that are none are passed over; there may be no stream at all."""
    session: list[tuple[str, str]] = []
    media: list[tuple[str, list[tuple[str, str]]]] = []
    lines = session
    for line in _LINE_END.split(body):
        kind, equals, value = line.decode("utf-8", "replace").partition("=")
        kind, value = kind.strip(), value.strip()
        if not equals or kind not in ("a", "m"):
            continue
        if kind == "m":
            if len(media) == MEDIA:
                break
            lines = []
            media.append((value, lines))
            continue
        if len(lines) == ATTRIBUTES:
            continue
        name, _, value = value.partition(":")
        lines.append((name.strip().lower(), value.strip()))
    found = (_medium(line, attributes) for line, attributes in media)
    return Description(_value_of(session, "control"), tuple(each for each in found if each is not None))


def _medium(line: str, attributes: list[tuple[str, str]]) -> Medium | None:
    words = line.split()
    if len(words) < 4:
        return None
    kind, _, protocol, *types = words
    formats = [_format(text, attributes) for text in types[:FORMATS] if _is_type(text)]
    if not formats:
        formats = [Format(-1, "?", _VIDEO_CLOCK_HZ)]
    return Medium(kind.lower(), protocol.upper(), _value_of(attributes, "control"), tuple(formats))


def _is_type(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 3 and int(text) < 128


def _format(text: str, attributes: list[tuple[str, str]]) -> Format:
    number = int(text)
    coding, clock_hz = _STATIC.get(number, ("?", _VIDEO_CLOCK_HZ))
    options: dict[str, str] = {}
    for name, value in attributes:
        of, _, rest = value.partition(" ")
        if of != text:
            continue
        if name == "rtpmap":
            coding, clock_hz = _mapped(rest.strip())
        elif name == "fmtp":
            options |= _options(rest)
    return Format(number, coding, clock_hz, options)


def _mapped(text: str) -> tuple[str, int]:
    """The coding and its rate in `H264/90000`, or `OPUS/48000/2`."""
    coding, _, rest = text.partition("/")
    rate = rest.partition("/")[0].strip()
    is_rate = rate.isascii() and rate.isdecimal() and len(rate) < 10 and int(rate) in _CLOCKS_HZ
    return coding.strip().upper() or "?", int(rate) if is_rate else _VIDEO_CLOCK_HZ


def _options(text: str) -> dict[str, str]:
    options = {}
    for part in text.split(";")[:OPTIONS]:
        name, equals, value = part.partition("=")
        if equals:
            options[name.strip().lower()] = value.strip()
    return options


def _decoded(text: str) -> bytes:
    """A parameter set; nothing where it is no base64. Some leave the padding out."""
    text = text.strip().strip('"')
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _value_of(attributes: list[tuple[str, str]], name: str) -> str | None:
    return next((value for each, value in attributes if each == name), None)
