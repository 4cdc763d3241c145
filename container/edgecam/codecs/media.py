"""The kinds of media that a source may deliver."""

from __future__ import annotations

from enum import StrEnum


class MediaKind(StrEnum):
    """One kind of stream. Audio joins here, with a table of codecs of its own."""

    VIDEO = "video"
