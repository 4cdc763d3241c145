"""The GStreamer elements that the image holds, and those that a pipeline's description names.

`elements.txt` is what `gst-inspect-1.0` lists in the image, a name a line; a test holds it against an image.
`docker run --rm IMAGE gst-inspect-1.0 | python -m container.image.elements` writes it again.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_FILE = Path(__file__).with_name("elements.txt")

_LISTED = re.compile(r"\S+:  ([A-Za-z][\w-]*): .+")
"""A line of gst-inspect-1.0 that is of an element; those of type finders have one blank."""

# gst-launch's own words (gst/parse/parse.l of GStreamer): what is no element comes first.
_TEXT = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'"
_WORDS = re.compile(
    rf"(?P<property>[\w%:-]+\s*=\s*(?:{_TEXT}|(?:\\.|[^\s\"'\\])+)?)"
    r"|(?P<caps>(?:^|(?<=[!:]))\s*[\w-]+/[\w+.-]+[^!]*)"
    r"|(?P<reference>[\w%:-]*\.(?!\s*\()[\w%:-]*)"
    r"|(?P<address>[A-Za-z][\w+.-]*://\S*)"
    r"|(?P<element>[A-Za-z][\w-]*)"
    rf"|(?P<other>{_TEXT}|\S)",
    re.DOTALL,
)


@cache
def elements() -> tuple[str, ...]:
    """The names of the elements in the image, sorted."""
    return tuple(_FILE.read_text(encoding="ascii").split())


def named_in(description: str) -> list[str]:
    """The elements that a gst-launch description names, each once, in their order."""
    found = (match["element"] for match in _WORDS.finditer(description))
    return list(dict.fromkeys(name for name in found if name))


def listed(inspected: str) -> list[str]:
    """The elements in what `gst-inspect-1.0` prints, sorted."""
    return sorted(set(_names(inspected)))


def _names(inspected: str) -> Iterator[str]:
    for line in inspected.splitlines():
        if match := _LISTED.fullmatch(line):
            yield match[1]


if __name__ == "__main__":
    _FILE.write_text("".join(f"{name}\n" for name in listed(sys.stdin.read())), encoding="ascii")
