"""Pictures where they lie in GStreamer's memory, with one copy or none: PyGObject makes three."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any, NamedTuple

from edgecam.gstreamer.gst import Gst

_READ, _WRITE = 1, 2  # GstMapFlags


class Area(NamedTuple):
    """Some memory.

    Attributes:
        address: Of its first byte.
        size_bytes: How much there is.
    """

    address: int
    size_bytes: int


class Layout(NamedTuple):
    """Where luma, U and V of a picture in I420 are.

    Attributes:
        offsets: From the picture's begin to each plane, bytes.
        strides: From line to line of each plane, bytes.
    """

    offsets: tuple[int, int, int]
    strides: tuple[int, int, int]


class PicturePool:
    """Buffers of one size, each used again once nobody holds it. Safe to use from any thread.

    Fresh memory for a picture costs the kernel as much as all arithmetic on it.

    Args:
        size_bytes: Of each.
    """

    def __init__(self, size_bytes: int) -> None:
        self._pool = Gst.BufferPool.new()
        config = self._pool.get_config()
        Gst.BufferPool.config_set_params(config, None, size_bytes, 0, 0)
        if not (self._pool.set_config(config) and self._pool.set_active(True)):
            raise RuntimeError(f"expected a pool of pictures of {size_bytes} bytes, found none")
        weakref.finalize(self, self._pool.set_active, False)

    def take(self) -> Any:
        """A Gst.Buffer with whatever it held before."""
        result, buffer = self._pool.acquire_buffer(None)
        if result != Gst.FlowReturn.OK:
            raise RuntimeError(f"expected a buffer for a picture, found {result}")
        return buffer


@contextmanager
def mapped(buffer: Any, *, is_written: bool = False) -> Iterator[Area]:
    """The memory of `buffer` (a Gst.Buffer); to write to it, nobody else may hold it.

    Raises:
        RuntimeError: it cannot be reached so, which is a mistake in this program.
    """
    info = _MapInfo()
    pointer, gst = _pointer(buffer), _gst()
    if not gst.gst_buffer_map(pointer, ctypes.byref(info), _WRITE if is_written else _READ):
        raise RuntimeError("expected a buffer whose memory can be reached, found one that is in use")
    try:
        yield Area(info.data or 0, info.size)
    finally:
        gst.gst_buffer_unmap(pointer, ctypes.byref(info))


def bytes_of(buffer: Any) -> bytes:
    """All that is in `buffer` (a Gst.Buffer), copied once."""
    with mapped(buffer) as area:
        return ctypes.string_at(area.address, area.size_bytes)


def layout_of(buffer: Any) -> Layout | None:
    """Where the planes in `buffer` (a Gst.Buffer) are, as who made it says (GstVideoMeta); None where nothing
    is said, and the layout is plain."""
    found = _gst_video().gst_buffer_get_video_meta(_pointer(buffer))
    if not found:
        return None
    offset, stride = found[0].offset, found[0].stride
    return Layout((offset[0], offset[1], offset[2]), (stride[0], stride[1], stride[2]))


def plain_layout(width: int, height: int) -> Layout:
    """As GStreamer lays out a picture of this size, pixels, in I420 (video-info.c)."""
    stride, chroma = _rounded(width, 4), _rounded(_rounded(width, 2) // 2, 4)
    luma_bytes, chroma_lines = stride * _rounded(height, 2), _rounded(height, 2) // 2
    return Layout((0, luma_bytes, luma_bytes + chroma * chroma_lines), (stride, chroma, chroma))


class _MapInfo(ctypes.Structure):
    """GstMapInfo, gstmemory.h."""

    _fields_ = (
        ("memory", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("data", ctypes.c_void_p),
        ("size", ctypes.c_size_t),
        ("maxsize", ctypes.c_size_t),
        ("reserved", ctypes.c_void_p * 8),
    )


class _VideoMeta(ctypes.Structure):
    """The beginning of GstVideoMeta, gstvideometa.h; its typelib is not in the image."""

    _fields_ = (
        ("meta_flags", ctypes.c_int),
        ("meta_info", ctypes.c_void_p),
        ("buffer", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("format", ctypes.c_int),
        ("id", ctypes.c_int),
        ("width", ctypes.c_uint),
        ("height", ctypes.c_uint),
        ("n_planes", ctypes.c_uint),
        ("offset", ctypes.c_size_t * 4),
        ("stride", ctypes.c_int * 4),
    )


def _rounded(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _pointer(buffer: Any) -> int:
    """To the C structure: PyGObject hashes a boxed structure by its address."""
    return hash(buffer)


@cache
def _gst() -> Any:
    gst = ctypes.CDLL("libgstreamer-1.0.so.0")
    gst.gst_buffer_map.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int]
    gst.gst_buffer_unmap.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    gst.gst_buffer_unmap.restype = None
    return gst


@cache
def _gst_video() -> Any:
    """What every plug-in for video is linked with."""
    video = ctypes.CDLL("libgstvideo-1.0.so.0")
    video.gst_buffer_get_video_meta.argtypes = [ctypes.c_void_p]
    video.gst_buffer_get_video_meta.restype = ctypes.POINTER(_VideoMeta)
    return video
