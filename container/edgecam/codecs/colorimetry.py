"""What the numbers of a picture's pixels mean, and how they become those of a JPEG.

JFIF 1.02 has all 256 levels and the matrix of BT.601. Video mostly has 16 to 235 for luma and 16 to 240 for
chroma, and in HD the matrix of BT.709 (ITU-T H.273, 8.3). Primaries and transfer stay as they are, as in
players of the same video.
"""

from __future__ import annotations

from dataclasses import dataclass

_WEIGHTS = {2: (0.30, 0.11), 3: (0.2126, 0.0722), 4: (0.299, 0.114), 5: (0.212, 0.087), 6: (0.2627, 0.0593)}
"""Of red and blue in luma, by GstVideoColorMatrix: FCC, BT.709, BT.601, SMPTE 240M, BT.2020."""
_FULL_RANGE = 1  # GstVideoColorRange
_BT709, _BT601, _BT2020 = 3, 4, 6
_NAMED = {"bt601": _BT601, "bt709": _BT709, "smpte240m": 5}
_SD_LINES = 576
"""What says nothing is BT.601 up to here and BT.709 above, as GStreamer has it."""


@dataclass(frozen=True)
class Conversion:
    """A picture's own numbers to JPEG's: `y' = y·luma + (u, v)·luma_of + offset`, `u', v' = (u, v)·…`, where
    u and v are chroma less 128.

    Attributes:
        luma: What luma is multiplied by.
        offset: What is added to it, levels.
        luma_of: What u and v add to luma.
        u_of: What u and v make of u.
        v_of: What they make of v.
    """

    luma: float
    offset: float
    luma_of: tuple[float, float]
    u_of: tuple[float, float]
    v_of: tuple[float, float]

    @property
    def is_identity(self) -> bool:
        """Whether the numbers are JPEG's already."""
        return self.luma == 1 and self.luma_of == (0, 0)


def conversion_of(colorimetry: str | None, height: int) -> Conversion:
    """From what the caps of GStreamer say (`2:3:5:1` or `bt709`: range, matrix, transfer, primaries)."""
    is_full, matrix = _parsed(colorimetry or "", height)
    red, blue = _WEIGHTS[matrix]
    chroma_scale = 1.0 if is_full else 255 / 224
    luma = 1.0 if is_full else 255 / 219
    if matrix == _BT601:
        own = (chroma_scale, 0.0)
        return Conversion(luma, _offset(is_full, luma), (0.0, 0.0), own, (0.0, chroma_scale))
    green = 1 - red - blue
    to_red, to_blue = 2 * (1 - red), 2 * (1 - blue)  # of v, of u
    green_u, green_v = -blue * to_blue / green, -red * to_red / green
    jpeg_red, jpeg_blue = _WEIGHTS[_BT601]
    jpeg_green = 1 - jpeg_red - jpeg_blue
    luma_u = jpeg_green * green_u + jpeg_blue * to_blue
    luma_v = jpeg_red * to_red + jpeg_green * green_v
    blue_scale, red_scale = 2 * (1 - jpeg_blue), 2 * (1 - jpeg_red)
    return Conversion(
        luma,
        _offset(is_full, luma),
        (luma_u * chroma_scale, luma_v * chroma_scale),
        ((to_blue - luma_u) / blue_scale * chroma_scale, -luma_v / blue_scale * chroma_scale),
        (-luma_u / red_scale * chroma_scale, (to_red - luma_v) / red_scale * chroma_scale),
    )


def _offset(is_full: bool, luma: float) -> float:
    return 0.0 if is_full else -16 * luma


def _parsed(colorimetry: str, height: int) -> tuple[bool, int]:
    """Whether all levels are used, and the matrix."""
    by_size = _BT601 if height <= _SD_LINES else _BT709
    parts = colorimetry.split(":")
    if len(parts) == 4 and all(part.isdecimal() for part in parts):
        matrix = int(parts[1])
        return int(parts[0]) == _FULL_RANGE, matrix if matrix in _WEIGHTS else by_size
    if colorimetry.startswith(("bt2020", "bt2100")):
        return False, _BT2020
    return False, _NAMED.get(colorimetry, by_size)
