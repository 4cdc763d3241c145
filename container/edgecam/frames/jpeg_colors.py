"""Pictures in the colours that every reader of JPEG expects. Belongs to the decoder's thread."""

from __future__ import annotations

import ctypes
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

from edgecam.codecs.colorimetry import Conversion
from edgecam.gstreamer.memory import buffer_of, read_into
from edgecam.gstreamer.orc import Plane, Program

_FRACTION = 64
"""Sums are made in 64ths of a level, in words of 16 bits."""
_CHROMA = """
.function edgecam_chroma
.flags 2d
.dest 1 u_out uint8_t
.dest 1 v_out uint8_t
.dest 1 luma_out int8_t
.source 1 u_in uint8_t
.source 1 v_in uint8_t
.param 2 u_of_u
.param 2 u_of_v
.param 2 v_of_u
.param 2 v_of_v
.param 2 luma_of_u
.param 2 luma_of_v
.temp 2 u
.temp 2 v
.temp 2 a
.temp 2 b
convubw u, u_in
subw u, u, 128
shlw u, u, 8
convubw v, v_in
subw v, v, 128
shlw v, v, 8
mulhsw a, u, u_of_u
mulhsw b, v, u_of_v
addw a, a, b
addw a, a, 8224
shrsw a, a, 6
convsuswb u_out, a
mulhsw a, u, v_of_u
mulhsw b, v, v_of_v
addw a, a, b
addw a, a, 8224
shrsw a, a, 6
convsuswb v_out, a
mulhsw a, u, luma_of_u
mulhsw b, v, luma_of_v
addw a, a, b
addw a, a, 16
shrsw a, a, 5
convssswb luma_out, a
"""
"""8224 is chroma's 128 and a half, in 64ths. What chroma adds to luma is left in halves."""
_LUMA = """
.function edgecam_luma
.flags 2d
.dest 1 luma_out uint8_t
.source 1 luma_in uint8_t
.source 1 of_chroma int8_t
.param 2 factor
.param 2 offset
.temp 2 a
.temp 2 b
.temp 1 c
convubw a, luma_in
shlw a, a, 7
mulhuw a, a, factor
loadupdb c, of_chroma
convsbw b, c
shlw b, b, 5
addw a, a, b
addw a, a, offset
shrsw a, a, 6
convsuswb luma_out, a
"""


class _Scratch:
    """Memory that all cameras take turns with, for a millisecond each: three pictures a camera would be more
    than its decoder takes."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory = (ctypes.c_ubyte * 0)()

    @contextmanager
    def of(self, size_bytes: int) -> Iterator[tuple[int, int, int]]:
        """Addresses of three areas of this size."""
        with self._lock:
            if len(self._memory) < 3 * size_bytes:
                self._memory = (ctypes.c_ubyte * (3 * size_bytes))()
            begin = ctypes.addressof(self._memory)
            yield begin, begin + size_bytes, begin + 2 * size_bytes


_SCRATCH = _Scratch()


class JpegColors:
    """Converts pictures of one size and colorimetry, in I420 as GStreamer lays it out.

    Args:
        width: Pixels.
        height: Pixels.
        conversion: From the pictures' numbers to JPEG's.
    """

    def __init__(self, width: int, height: int, conversion: Conversion) -> None:
        self._width, self._lines = (width + 1) // 2, (height + 1) // 2  # of chroma
        self._stride, self._chroma_stride = (width + 3) // 4 * 4, (self._width + 3) // 4 * 4
        self._u_at = self._stride * 2 * self._lines
        self._v_at = self._u_at + self._chroma_stride * self._lines
        self.size_bytes = self._v_at + self._chroma_stride * self._lines
        self._chroma_numbers = {
            f"{name}_of_{part}": round(factor * 256 * _FRACTION)
            for name, factors in (
                ("u", conversion.u_of),
                ("v", conversion.v_of),
                ("luma", conversion.luma_of),
            )
            for part, factor in zip("uv", factors, strict=True)
        }
        self._luma_numbers = {
            "factor": round(conversion.luma * 512 * _FRACTION),
            "offset": round(conversion.offset * _FRACTION) + _FRACTION // 2,
        }

    def converted(self, picture: Any) -> Any:
        """The same picture (both a Gst.Buffer, the given one without padding) in JPEG's colours.

        Raises:
            ValueError: it is shorter than a picture of this size.
        """
        with _SCRATCH.of(self.size_bytes) as (source, target, of_chroma):
            if (found := read_into(picture, source, self.size_bytes)) < self.size_bytes:
                raise ValueError(f"expected {self.size_bytes} bytes of a picture, found {found}")
            self._convert(source, target, of_chroma)
            converted = buffer_of(target, self.size_bytes)
        converted.pts, converted.dts, converted.duration = picture.pts, picture.dts, picture.duration
        return converted

    def _convert(self, source: int, target: int, of_chroma: int) -> None:
        chroma, stride = self._chroma_stride, self._stride
        _chroma_program().run(
            self._width,
            self._lines,
            {
                "u_in": Plane(source + self._u_at, chroma),
                "v_in": Plane(source + self._v_at, chroma),
                "u_out": Plane(target + self._u_at, chroma),
                "v_out": Plane(target + self._v_at, chroma),
                "luma_out": Plane(of_chroma, chroma),
            },
            self._chroma_numbers,
        )
        for line in (0, 1):  # two lines of luma share one of chroma
            _luma_program().run(
                min(2 * self._width, stride),
                self._lines,
                {
                    "luma_in": Plane(source + line * stride, 2 * stride),
                    "luma_out": Plane(target + line * stride, 2 * stride),
                    "of_chroma": Plane(of_chroma, chroma),
                },
                self._luma_numbers,
            )


@cache
def _chroma_program() -> Program:
    return Program(_CHROMA)


@cache
def _luma_program() -> Program:
    return Program(_LUMA)
