"""Pictures between GStreamer's memory and ours, with one copy: PyGObject makes three."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from edgecam.gstreamer.gst import Gst


def read_into(buffer: Any, address: int, size: int) -> int:
    """Copy up to `size` bytes of `buffer` (a Gst.Buffer) to `address`; how many there were."""
    return int(_library().gst_buffer_extract(_pointer(buffer), 0, address, size))


def buffer_of(address: int, size: int) -> Any:
    """A Gst.Buffer with a copy of the `size` bytes at `address`."""
    buffer = Gst.Buffer.new_allocate(None, size, None)
    _library().gst_buffer_fill(_pointer(buffer), 0, address, size)
    return buffer


def _pointer(buffer: Any) -> int:
    """To the C structure: PyGObject hashes a boxed structure by its address."""
    return hash(buffer)


@cache
def _library() -> Any:
    gst = ctypes.CDLL("libgstreamer-1.0.so.0")
    for function in (gst.gst_buffer_extract, gst.gst_buffer_fill):
        function.restype = ctypes.c_size_t
        function.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_size_t]
    return gst
