"""The settings behind the `?` of a camera's `uri`: which there are, and what they may be."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fractions import Fraction
from urllib.parse import parse_qsl, urlsplit

MOST_FPS = 120
PATTERNS = (
    *("ball", "bar", "black", "blink", "blue", "checkers-1", "checkers-2", "checkers-4", "checkers-8"),
    *("chroma-zone-plate", "circular", "colors", "gamut", "gradient", "green", "pinwheel", "red", "smpte"),
    *("smpte-rp-219", "smpte100", "smpte75", "snow", "solid-color", "spokes", "white", "zone-plate"),
)
"""Of videotestsrc; a test holds them against the element."""

_RATE = re.compile(r"\d{1,7}(\.\d{1,6})?|\d{1,7}/\d{1,7}")
_MOST_SETTINGS = 20  # a text from outside is not taken apart further


@dataclass(frozen=True)
class QuerySetting:
    """One setting.

    Attributes:
        default: Where the uri does not have it.
        parse: Reads its text; raises ValueError, which names what was expected.
    """

    default: str
    parse: Callable[[str], object]


def rate(text: str) -> Fraction:
    """Pictures a second from text such as `5`, `0.5` or `30000/1001`.

    Raises:
        ValueError: it is none, or not between 0 and 120.
    """
    try:
        fps = Fraction(text) if _RATE.fullmatch(text) else Fraction(0)
    except ZeroDivisionError:
        fps = Fraction(0)
    if not 0 < fps <= MOST_FPS:
        raise ValueError(f"expected fps as a number up to {MOST_FPS}")
    return fps.limit_denominator(1001)


def pixels(setting: str) -> Callable[[str], int]:
    """Reads the width or height that `setting` names; a ValueError where it is not between 16 and 7680."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[1-9][0-9]{1,3}", text) or not 16 <= int(text) <= 7680:
            raise ValueError(f"expected {setting} in pixels from 16 to 7680")
        return int(text)

    return parse


def pattern(text: str) -> str:
    """A pattern of videotestsrc.

    Raises:
        ValueError: there is no such.
    """
    if text not in PATTERNS:
        raise ValueError(f"expected pattern to be one of {', '.join(PATTERNS)}{did_you_mean(text, PATTERNS)}")
    return text


def query_of(uri: str, settings: Mapping[str, QuerySetting]) -> dict[str, str]:
    """The settings in `uri`, on top of their defaults; none is parsed.

    Raises:
        ValueError: names a setting that is unknown, or stands there twice.
    """
    query = urlsplit(uri).query
    try:
        pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=_MOST_SETTINGS)
    except ValueError:
        raise ValueError(f"expected at most {_MOST_SETTINGS} settings behind the ?") from None
    given = dict(pairs)
    for name in given:
        if name not in settings:
            hint = did_you_mean(name, settings)
            raise ValueError(f"expected only the settings {', '.join(settings)} behind the ?{hint}")
    if len(given) < len(pairs):
        raise ValueError("expected each setting behind the ? once")
    return {name: setting.default for name, setting in settings.items()} | given


def expect_query(uri: str, settings: Mapping[str, QuerySetting]) -> None:
    """Expect `uri` to have these settings alone, each of a form of its own.

    Raises:
        ValueError: names what was expected.
    """
    for name, text in query_of(uri, settings).items():
        settings[name].parse(text)


def did_you_mean(name: str, known: Mapping[str, object] | tuple[str, ...]) -> str:
    """` (did you mean …?)`, or nothing where none of `known` is close."""
    close = get_close_matches(name, list(known), n=1)
    return f" (did you mean {close[0]}?)" if close else ""
