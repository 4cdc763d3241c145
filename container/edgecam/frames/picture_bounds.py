"""Whether a picture may be decoded: a few bytes can ask for gigabytes, so its size is read before that."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from edgecam.codecs.jpeg import is_whole, size_of
from edgecam.codecs.picture_size import (
    PictureSize,
    TooManyUnits,
    excess,
    sizes_in_head,
    sizes_in_stream,
)
from edgecam.codecs.video import (
    H264,
    H265,
    JPEG,
    Codec,
)
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import structure_of
from edgecam.gstreamer.memory import bytes_of


class PictureBounds:
    """Of one decoder. Not safe for threads: it belongs to the thread that feeds the decoder.

    Args:
        name: The camera, for messages.
        codec: What comes.
        max_pixels: Width times height of a picture, at the most.
    """

    def __init__(self, name: str, codec: Codec, max_pixels: int) -> None:
        self._name = name
        self._codec = codec
        self._max_pixels = max_pixels
        self._head = b""
        self._in_head: tuple[PictureSize, ...] = ()
        self._is_whole = False

    def admits(self, sample: Any) -> bool:
        """Whether the access unit in the Gst.Sample can be read at all, and is whole where that shows.

        Raises:
            SourceUnsupported: it is larger than the bounds; the message says how large, and what to do.
        """
        try:
            sizes = list(self._sizes(sample))
        except TooManyUnits as found:
            raise SourceUnsupported(
                f"{self._name}: expected pictures as cameras make them, found one of {found}"
            ) from None
        for size in sizes:
            too_large = excess(size, self._max_pixels)
            if too_large is not None:
                raise SourceUnsupported(f"{self._name}: {too_large}")
        return self._codec is not JPEG or (bool(sizes) and self._is_whole)

    def _sizes(self, sample: Any) -> Iterator[PictureSize]:
        structure = structure_of(sample.get_caps())
        if structure is not None:
            width, height = structure.get_int("width"), structure.get_int("height")
            if width[0] and height[0] and self._codec is not JPEG:
                yield PictureSize(int(width[1]), int(height[1]))
        if self._codec not in (H264, H265, JPEG):
            return
        data = bytes_of(sample.get_buffer())
        if self._codec is JPEG:
            found, self._is_whole = size_of(data), is_whole(data)
            if found is not None:
                yield PictureSize(*found)
            return
        yield from self._sizes_beside(structure)
        has_lengths = structure is not None and structure.get_string("stream-format") != "byte-stream"
        yield from sizes_in_stream(self._codec, data, has_lengths=has_lengths)

    def _sizes_beside(self, structure: Any) -> Iterator[PictureSize]:
        """Those of the decoder configuration record: it may change with any picture, and seldom does."""
        record = None if structure is None else structure.get_value("codec_data")
        if record is None:
            return
        head = bytes(record.extract_dup(0, record.get_size()))
        if head != self._head:
            self._head, self._in_head = head, tuple(sizes_in_head(self._codec, head))
        yield from self._in_head
