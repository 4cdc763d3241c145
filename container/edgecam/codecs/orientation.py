"""Which way up a picture is shown: what films and pictures say beside their pixels."""

from __future__ import annotations

from enum import IntEnum

_DIRECTIONS = ("identity", "horiz", "180", "vert", "ul-lr", "90r", "ur-ll", "90l")
_TAGS = (
    *("rotate-0", "flip-rotate-0", "rotate-180", "flip-rotate-180"),
    *("flip-rotate-270", "rotate-90", "flip-rotate-90", "rotate-270"),
)


class Orientation(IntEnum):
    """By the numbers of EXIF (CIPA DC-008, 4.6.5.1.4): what has to be done to the picture to show it."""

    UPRIGHT = 1
    MIRRORED = 2
    UPSIDE_DOWN = 3
    MIRRORED_UPSIDE_DOWN = 4
    TRANSPOSED = 5
    TURNED_RIGHT = 6
    TRANSVERSED = 7
    TURNED_LEFT = 8

    @classmethod
    def of_tag(cls, tag: str) -> Orientation:
        """What GStreamer's tag `image-orientation` means; upright where it is unknown."""
        return cls(_TAGS.index(tag) + 1) if tag in _TAGS else cls.UPRIGHT

    @property
    def direction(self) -> str:
        """As `videoflip` calls it (GstVideoOrientationMethod)."""
        return _DIRECTIONS[self - 1]

    @property
    def is_sideways(self) -> bool:
        """Whether width and height change places."""
        return self >= Orientation.TRANSPOSED

    def shown(self, width: int, height: int) -> tuple[int, int]:
        """The size as it is shown of a picture that is coded as `width` x `height`."""
        return (height, width) if self.is_sideways else (width, height)
