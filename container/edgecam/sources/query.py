"""Values in a URI's query: sizes and rates."""

from __future__ import annotations

from fractions import Fraction
from urllib.parse import parse_qsl, urlsplit

from edgecam.config.camera import Camera
from edgecam.errors import SourceUnsupported

_MAX_FPS = 120


def query_of(camera: Camera, name: str, defaults: dict[str, str]) -> dict[str, str]:
    """The settings after the `?` of the uri, on top of `defaults`.

    Raises:
        SourceUnsupported: names an unknown setting.
    """
    given = dict(parse_qsl(urlsplit(camera.uri).query, keep_blank_values=True))
    unknown = sorted(given.keys() - defaults.keys())
    if unknown:
        raise SourceUnsupported(
            f"{name}: expected the settings {', '.join(defaults)} after the ?, found {', '.join(unknown)}"
        )
    return defaults | given


def rate(name: str, text: str) -> Fraction:
    """Pictures a second from text such as `5`, `0.5` or `30000/1001`.

    Raises:
        SourceUnsupported: it is none, or not between 0 and 120.
    """
    try:
        fps = Fraction(text)
    except (ValueError, ZeroDivisionError):
        fps = Fraction(0)
    if not 0 < fps <= _MAX_FPS:
        raise SourceUnsupported(f"{name}: expected fps as a number up to {_MAX_FPS}, found {text!r}")
    return fps.limit_denominator(1001)


def pixels(name: str, setting: str, text: str) -> int:
    """A width or height from text.

    Raises:
        SourceUnsupported: it is none, or not between 16 and 7680.
    """
    if not text.isdecimal() or not 16 <= int(text) <= 7680:
        raise SourceUnsupported(f"{name}: expected {setting} in pixels from 16 to 7680, found {text!r}")
    return int(text)
