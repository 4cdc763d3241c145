"""A chunk: one recorded file that starts at a keyframe and plays alone, and its name.

The name says camera, start and length, so that a listing of the bucket is the timeline:
`<camera>/<YYYY>/<MM>/<DD>/<YYYYMMDDTHHMMSS.mmmZ>_<duration>ms.mp4`. Names of one camera sort by time.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Protocol, Self

from edgecam import __version__
from edgecam.clock import utc_text
from edgecam.config.recording import ChunkFormat

_LONGEST_MS = 99_999_999
"""27.8 hours: the eight digits that `_NAME` reads. More is a discontinuity of the stream's clock."""
_WIDEST_GAP_MS = 999_999_999_999
"""31 years: the twelve digits that `_GAP_MS` reads."""
_NAME = re.compile(
    r"(?P<camera>[a-z0-9][a-z0-9-]{0,62})/\d{4}/\d{2}/\d{2}/"
    r"(?P<start>\d{8}T\d{6}\.\d{3}Z)_(?P<duration>[0-9]{1,8})ms(?P<suffix>\.mp4|\.ts)"
)
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,63}")  # a codec, a version: goes into a header of an upload
_PIXELS = re.compile(r"[0-9]{1,6}")
_GAP_MS = re.compile(r"-?[0-9]{1,12}")
_FORMATS = {form.suffix: form for form in ChunkFormat}


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """What is known of a chunk besides its content.

    Attributes:
        camera_id: Whose it is.
        start: When its first picture was taken, UTC, whole milliseconds.
        duration_ms: From its first picture to the first of the next chunk; 0 while it is being written;
            cut to 99,999,999 (27.8 hours).
        format: Its container.
        codec: `h264`, `h265` or `mjpeg`.
        width: Pixels, at most 999,999; 0 where the stream does not say.
        height: Pixels, at most 999,999; 0 where the stream does not say.
        gap_before_ms: What is missing between the chunk before and this one; 0 where they join, None where
            it is not known (the first after a start); cut to ±999,999,999,999 (31 years).
        recovered: Whether it was cut short by a fault and saved at the next start.
        version: The edgecam that recorded it: at most 64 characters.
    """

    camera_id: str
    start: datetime
    duration_ms: int
    format: ChunkFormat
    codec: str
    width: int
    height: int
    gap_before_ms: int | None
    recovered: bool = False
    version: str = __version__

    def __post_init__(self) -> None:
        whole = self.start.astimezone(UTC).replace(microsecond=self.start.microsecond // 1000 * 1000)
        object.__setattr__(self, "start", whole)
        object.__setattr__(self, "duration_ms", min(self.duration_ms, _LONGEST_MS))
        if self.gap_before_ms is not None:
            gap_ms = max(-_WIDEST_GAP_MS, min(self.gap_before_ms, _WIDEST_GAP_MS))
            object.__setattr__(self, "gap_before_ms", gap_ms)

    @property
    def end(self) -> datetime:
        """When the chunk after it would start."""
        return self.start + timedelta(milliseconds=self.duration_ms)

    @property
    def file_name(self) -> str:
        """The last part of `name`."""
        start = f"{self.start:%Y%m%dT%H%M%S}.{self.start.microsecond // 1000:03d}Z"
        return f"{start}_{self.duration_ms}ms{self.format.suffix}"

    @property
    def name(self) -> str:
        """Its name in the bucket, below the bucket's prefix."""
        return f"{self.camera_id}/{self.start:%Y/%m/%d}/{self.file_name}"

    @property
    def metadata(self) -> dict[str, str]:
        """What the object in the bucket carries, as text."""
        values = {
            "camera": self.camera_id,
            "start": utc_text(self.start),
            "duration_ms": str(self.duration_ms),
            "codec": self.codec,
            "width": str(self.width),
            "height": str(self.height),
            "recovered": "true" if self.recovered else "false",
            "edgecam_version": self.version,
        }
        return values if self.gap_before_ms is None else {**values, "gap_before_ms": str(self.gap_before_ms)}

    @classmethod
    def from_object(cls, name: str, metadata: Mapping[str, str]) -> Self:
        """The chunk of an object (or spool file) with that name and metadata.

        Raises:
            ValueError: either is not that of a chunk.
        """
        match = _NAME.fullmatch(name)
        if match is None:
            raise ValueError(f"{name}: expected <camera>/<YYYY>/<MM>/<DD>/<start>_<duration>ms.mp4 or .ts")
        gap_ms = metadata.get("gap_before_ms")
        try:
            return cls(
                camera_id=match["camera"],
                start=datetime.strptime(match["start"], "%Y%m%dT%H%M%S.%fZ").replace(tzinfo=UTC),
                duration_ms=int(match["duration"]),
                format=_FORMATS[match["suffix"]],
                codec=_word(metadata["codec"]),
                width=_number(_PIXELS, metadata["width"]),
                height=_number(_PIXELS, metadata["height"]),
                gap_before_ms=None if gap_ms is None else _number(_GAP_MS, gap_ms),
                recovered=metadata["recovered"] == "true",
                version=_word(metadata["edgecam_version"]),
            )
        except KeyError as error:
            raise ValueError(f"{name}: expected the metadata {error}, found none") from None

    def lasting(self, duration_ms: int, *, recovered: bool = False) -> Self:
        """The same with another duration."""
        return replace(self, duration_ms=duration_ms, recovered=recovered)


def _word(text: str) -> str:
    if _WORD.fullmatch(text) is None:
        raise ValueError("expected letters and digits in the metadata of a chunk, found something else")
    return text


def _number(form: re.Pattern[str], text: str) -> int:
    if form.fullmatch(text) is None:
        raise ValueError("expected a number in the metadata of a chunk, found something else")
    return int(text)


class ChunkSink(Protocol):
    """Takes chunks from a recording: the spool. Called from the recordings' threads; may wait for the disk,
    never for the network."""

    def begin(self, chunk: Chunk) -> Path:
        """A new, empty place to write `chunk` (its length not yet known) to, on the disk it will stay on.

        What is known of the chunk is kept beside it, so that a node that is killed can save it later.

        Raises:
            SpoolFull: there is no room, and the setting is to stop.
            SpoolError: the disk cannot be written to.
        """

    def finish(self, path: Path, chunk: Chunk) -> None:
        """The file at `path` (from `begin`) is whole: keep it until the cloud has confirmed it.

        Raises:
            SpoolError: it could not be kept; the file is left for the next start to save.
        """

    def discard(self, path: Path) -> None:
        """There is nothing to keep at `path`."""

    def make_room(self, needed_bytes: int) -> bool:
        """The disk is full while a chunk is being written: whether evicting made room for `needed_bytes`."""
