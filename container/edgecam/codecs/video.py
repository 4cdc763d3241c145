"""How pictures may be coded, one row a codec: the elements that read them, and the files that can hold them.

A codec is a row here, and its parser and decoder in the image. Audio joins as a second table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from edgecam.codecs.media import MediaKind
from edgecam.config.recording import ChunkFormat


@dataclass(frozen=True)
class Codec:
    """One way in which pictures are coded.

    Attributes:
        name: For people.
        chunk_name: Its name in a chunk's metadata; None where it cannot be recorded.
        media_type: GStreamer's name of it.
        unit_caps: The form in which sources hand it on: whole pictures, parameter sets in the stream.
        file_caps: The form in which MP4 holds it: lengths instead of start codes, parameter sets in the caps;
            None where there is no other form than `unit_caps`.
        formats: The containers that can hold it, for players to understand.
        mp4_coding: Its name in MP4, the kind of the sample entry; empty where MP4 cannot hold it.
        is_checked_before_parser: Whether the parser has to be protected from some streams (`stream_end`).
        parser: Element that brings it into that form, or None when it comes so.
        rtp_name: Its `encoding-name` in RTP, or None when it does not travel there.
        depayloader: Element that takes it out of RTP.
        decoders: Elements that decode it, the best first; empty when nothing needs decoding.
        is_intra: Whether every picture stands alone.
    """

    name: str
    kind: ClassVar[MediaKind] = MediaKind.VIDEO
    chunk_name: str | None
    media_type: str
    unit_caps: str
    file_caps: str | None
    formats: frozenset[ChunkFormat]
    parser: str | None
    rtp_name: str | None
    depayloader: str | None
    decoders: tuple[str, ...]
    is_intra: bool
    mp4_coding: str = ""
    is_checked_before_parser: bool = False


H264 = Codec(
    name="H.264",
    chunk_name="h264",
    media_type="video/x-h264",
    unit_caps="video/x-h264,stream-format=byte-stream,alignment=au",
    file_caps="video/x-h264,stream-format=avc,alignment=au",
    formats=frozenset(ChunkFormat),
    parser="h264parse",
    rtp_name="H264",
    mp4_coding="avc1",
    depayloader="rtph264depay",
    # openh264 is Baseline to High without interlacing and four times slower: better than nothing.
    decoders=("avdec_h264", "openh264dec"),
    is_intra=False,
    is_checked_before_parser=True,
)
H265 = Codec(
    name="H.265",
    chunk_name="h265",
    media_type="video/x-h265",
    unit_caps="video/x-h265,stream-format=byte-stream,alignment=au",
    file_caps="video/x-h265,stream-format=hvc1,alignment=au",
    formats=frozenset(ChunkFormat),
    parser="h265parse",
    rtp_name="H265",
    mp4_coding="hvc1",
    depayloader="rtph265depay",
    decoders=("avdec_h265", "libde265dec"),
    is_intra=False,
)
JPEG = Codec(
    name="JPEG",
    chunk_name="mjpeg",
    media_type="image/jpeg",
    unit_caps="image/jpeg",
    file_caps=None,
    formats=frozenset({ChunkFormat.MP4}),
    mp4_coding="mp4v",
    parser=None,
    rtp_name="JPEG",
    depayloader="rtpjpegdepay",
    decoders=("jpegdec", "avdec_mjpeg"),
    is_intra=True,
)
RAW = Codec(
    name="raw video",
    chunk_name=None,
    media_type="video/x-raw",
    unit_caps="video/x-raw",
    file_caps=None,
    formats=frozenset(),
    parser=None,
    rtp_name=None,
    depayloader=None,
    decoders=(),
    is_intra=True,
)

CODECS = (H264, H265, JPEG, RAW)


def by_media_type(media_type: str) -> Codec | None:
    """The codec that GStreamer calls `media_type`, or None when edgecam cannot read it."""
    return next((codec for codec in CODECS if codec.media_type == media_type), None)


def by_rtp_name(rtp_name: str) -> Codec | None:
    """The codec that RTP calls `rtp_name`, or None when edgecam cannot read it."""
    return next((codec for codec in CODECS if codec.rtp_name == rtp_name.upper()), None)
