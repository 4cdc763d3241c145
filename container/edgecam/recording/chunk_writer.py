"""What writes one chunk's file, whatever its container: pictures in, a file out. Nothing is decoded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from edgecam.codecs.video import Codec
from edgecam.config.recording import ChunkFormat


@dataclass(frozen=True)
class Plan:
    """What a chunk's file is to hold.

    Attributes:
        format: The container.
        codec: How the pictures are coded.
        width: Pixels; 0 where the stream does not say.
        height: Pixels; 0 where the stream does not say.
        record: The decoder's configuration, where the file has it once; empty where there is none.
        interval_ns: How far pictures are apart, about, nanoseconds; the same for all chunks of a stream.
        depth: How many pictures, at most, are sent before one that is shown before them.
    """

    format: ChunkFormat
    codec: Codec
    width: int
    height: int
    record: bytes
    interval_ns: int
    depth: int = 0

    @property
    def lead_ns(self) -> int:
        """How long decoding begins before showing does."""
        return self.depth * self.interval_ns


@dataclass(frozen=True)
class WriteFault:
    """Why a file cannot be written on.

    Attributes:
        summary: A phrase for a person.
        is_disk_full: Whether the disk is full, or its quota used up.
    """

    summary: str
    is_disk_full: bool


class ChunkWriter(Protocol):
    """Writes one file. Used by one thread."""

    def add(
        self, data: bytes, pts_ns: int, dts_ns: int, *, is_keyframe: bool, is_damaged: bool = False
    ) -> None:
        """Take the next picture, in the order of decoding; written by `flush`.

        Args:
            data: The coded picture: each NAL unit behind its length of four bytes in MP4, behind a start code
                in MPEG-TS.
            pts_ns: When it is shown, nanoseconds from the chunk's own zero.
            dts_ns: When it is decoded, in the same time.
            is_keyframe: Whether it can be decoded alone.
            is_damaged: Whether it lacks a part, or depends on one that does; marked where the container can.
        """

    def flush(self) -> None:
        """Write what was added, but for the last pictures: the next ones show how long they last."""

    @property
    def is_behind(self) -> bool:
        """Whether the disk is too slow to be given more."""

    @property
    def fault(self) -> WriteFault | None:
        """Why the file cannot be written on, or None."""

    def finish(self, end_ns: int | None = None) -> bool:
        """Write what was added and close the file; whether it is whole.

        Args:
            end_ns: Until when the last picture is shown, nanoseconds from the chunk's own zero; an interval
                where that is not given.
        """
