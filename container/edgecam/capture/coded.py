"""The bytes of a coded picture, by either receiver: decoders take a Gst.Sample, files take bytes."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Protocol

from edgecam.capture.picture_format import PictureFormat
from edgecam.gstreamer.gst import Gst
from edgecam.gstreamer.memory import bytes_of

WHOLE_BUFFER = (
    Gst.BufferCopyFlags.FLAGS
    | Gst.BufferCopyFlags.TIMESTAMPS
    | Gst.BufferCopyFlags.META
    | Gst.BufferCopyFlags.MEMORY
)


class Coded(Protocol):
    """One coded picture."""

    @property
    def format(self) -> PictureFormat:
        """Of its bytes."""

    def data(self) -> bytes:
        """All of it."""

    def sample(self, pts_ns: int, *, is_keyframe: bool) -> Any:
        """A Gst.Sample for a decoder.

        Args:
            pts_ns: When it is shown.
            is_keyframe: Whether decoding may begin with it.
        """


class SampleCoded:
    """As GStreamer delivered it.

    Args:
        sample: A Gst.Sample.
    """

    def __init__(self, sample: Any) -> None:
        self._sample = sample

    @cached_property
    def format(self) -> PictureFormat:
        return PictureFormat.of_caps(self._sample.get_caps())

    def data(self) -> bytes:
        return bytes_of(self._sample.get_buffer())

    def sample(self, pts_ns: int, *, is_keyframe: bool) -> Any:
        del is_keyframe  # its flags say it
        buffer = self._sample.get_buffer()
        if buffer.pts != pts_ns:
            # The decoder answers by these times.
            self._sample = stamped(self._sample, buffer, pts_ns)
        return self._sample


class BytesCoded:
    """As the own receiver put it together.

    Args:
        data: The picture.
        format: Its form.
    """

    __slots__ = ("_data", "_sample", "format")

    def __init__(self, data: bytes, format: PictureFormat) -> None:  # noqa: A002 - the field's word
        self._data = data
        self.format = format
        self._sample: Any = None

    def data(self) -> bytes:
        return self._data

    def sample(self, pts_ns: int, *, is_keyframe: bool) -> Any:
        if self._sample is None or self._sample.get_buffer().pts != pts_ns:
            buffer = Gst.Buffer.new_wrapped(self._data)
            buffer.pts = pts_ns
            if not is_keyframe:
                buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
            self._sample = Gst.Sample.new(buffer, self.format.caps, None, None)
        return self._sample


def stamped(sample: Any, buffer: Any, pts_ns: int) -> Any:
    """`sample`, which holds `buffer`, with another time."""
    moved = buffer.copy_region(WHOLE_BUFFER, 0, buffer.get_size())
    moved.pts, moved.dts = pts_ns, Gst.CLOCK_TIME_NONE
    return Gst.Sample.new(moved, sample.get_caps(), None, None)
