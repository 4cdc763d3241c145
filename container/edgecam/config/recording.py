"""The settings of a camera's recording."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from edgecam.config.validation import Model


class ChunkFormat(StrEnum):
    """The container of a chunk; its value is the ending of the file's name without the dot."""

    MP4 = "mp4"
    MPEGTS = "mpegts"

    @property
    def suffix(self) -> str:
        """The ending of a file's name, dot included."""
        return ".mp4" if self is ChunkFormat.MP4 else ".ts"

    @property
    def content_type(self) -> str:
        """The media type, for browsers."""
        return "video/mp4" if self is ChunkFormat.MP4 else "video/mp2t"


ChunkS = Annotated[
    float,
    Field(
        ge=2,
        le=3600,
        description="Length of a chunk in seconds; it ends at the first keyframe after it.",
    ),
]


class Recording(Model):
    """The recording of a camera, as chunks that each play on their own."""

    enabled: bool = Field(default=False, description="true records; the variant `gcs-uploader` only.")
    chunk_s: ChunkS = 10.0
    format: ChunkFormat = Field(
        default=ChunkFormat.MP4,
        description="`mp4` plays everywhere; `mpegts` is for programs that take nothing else.",
    )
    max_chunk_bytes: int = Field(
        default=256 * 1024**2,
        ge=1024**2,
        le=4 * 1024**3,
        description="A chunk that grows to this ends at the next keyframe, however short it is.",
    )
