"""Pictures in the colours that every reader of JPEG expects. Belongs to the decoder's thread."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

from edgecam.codecs.colorimetry import Conversion
from edgecam.gstreamer.memory import Layout, PicturePool, layout_of, mapped, plain_layout
from edgecam.gstreamer.orc import Program

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
    """Memory that all cameras take turns with, for a part of a millisecond each."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._memory = (ctypes.c_ubyte * 0)()

    @contextmanager
    def of(self, size_bytes: int) -> Iterator[int]:
        """The address of so much memory."""
        with self._lock:
            if len(self._memory) < size_bytes:
                self._memory = (ctypes.c_ubyte * size_bytes)()
            yield ctypes.addressof(self._memory)


_SCRATCH = _Scratch()


class JpegColors:
    """Converts pictures of one size and colorimetry, in I420.

    Args:
        width: Pixels.
        height: Pixels.
        conversion: From the pictures' numbers to JPEG's.
    """

    def __init__(self, width: int, height: int, conversion: Conversion) -> None:
        self._height = height
        self._width, self._lines = (width + 1) // 2, (height + 1) // 2  # of chroma
        self._plain = plain_layout(width, height)
        self.size_bytes = self._bytes_of(self._plain)
        self._pool = _pool_of(self.size_bytes)
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
        self._set_strides(self._plain.strides)

    def converted(self, picture: Any) -> Any:
        """The same picture (both a Gst.Buffer) in JPEG's colours, in GStreamer's plain layout.

        Raises:
            ValueError: it is shorter than a picture of this size.
        """
        layout, target = layout_of(picture) or self._plain, self._pool.take()
        if layout.strides != self._strides:
            self._set_strides(layout.strides)
        with (
            mapped(picture) as source,
            mapped(target, is_written=True) as room,
            _SCRATCH.of(self._width * self._lines) as of_chroma,
        ):
            if source.size_bytes < (expected := self._bytes_of(layout)):
                raise ValueError(f"expected {expected} bytes of a picture, found {source.size_bytes}")
            self._convert([source.address + offset for offset in layout.offsets], room.address, of_chroma)
        target.pts, target.dts, target.duration = picture.pts, picture.dts, picture.duration
        return target

    def _bytes_of(self, layout: Layout) -> int:
        """Up to the end of a picture's last plane."""
        return layout.offsets[2] + layout.strides[2] * self._lines

    def _set_strides(self, strides: tuple[int, int, int]) -> None:
        """Of the pictures that come."""
        self._strides = strides
        plain = self._plain.strides
        self._chroma = _chroma_program().with_settings(
            self._width,
            {
                "u_in": strides[1],
                "v_in": strides[2],
                "u_out": plain[1],
                "v_out": plain[2],
                "luma_out": self._width,
            },
            self._chroma_numbers,
        )
        self._luma = _luma_program().with_settings(
            min(2 * self._width, plain[0], strides[0]),
            # Every second line: two lines of luma share one of chroma.
            {"luma_in": 2 * strides[0], "luma_out": 2 * plain[0], "of_chroma": self._width},
            self._luma_numbers,
        )

    def _convert(self, source: Sequence[int], target: int, of_chroma: int) -> None:
        luma_at, u_at, v_at = self._plain.offsets
        self._chroma.run(
            self._lines,
            {
                "u_in": source[1],
                "v_in": source[2],
                "u_out": target + u_at,
                "v_out": target + v_at,
                "luma_out": of_chroma,
            },
        )
        for line, lines in enumerate((self._lines, self._height // 2)):
            if lines:
                self._luma.run(
                    lines,
                    {
                        "luma_in": source[0] + line * self._strides[0],
                        "luma_out": target + luma_at + line * self._plain.strides[0],
                        "of_chroma": of_chroma,
                    },
                )


_pools: weakref.WeakValueDictionary[int, PicturePool] = weakref.WeakValueDictionary()
_pools_lock = threading.Lock()


def _pool_of(size_bytes: int) -> PicturePool:
    """The one that all cameras of this size share: a picture is in it only while it is coded."""
    with _pools_lock:
        pool = _pools.get(size_bytes)
        if pool is None:
            pool = _pools[size_bytes] = PicturePool(size_bytes)
        return pool


@cache
def _chroma_program() -> Program:
    return Program(_CHROMA)


@cache
def _luma_program() -> Program:
    return Program(_LUMA)
