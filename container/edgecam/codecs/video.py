"""What pictures may come as, and who takes them apart.

This table is the place where another codec joins: a row here, its parser and decoder in the image, nothing
else. Audio will join as a second table when recordings want it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Codec:
    """One way in which pictures are coded.

    Attributes:
        name: For people.
        media_type: GStreamer's name of it.
        unit_caps: The form in which sources hand it on: whole pictures, parameter sets in the stream.
        file_caps: The form in which MP4 holds it: lengths instead of start codes, parameter sets in the caps;
            None where there is no other form than `unit_caps`.
        parser: Element that brings it into that form, or None when it comes so.
        rtp_name: Its `encoding-name` in RTP, or None when it does not travel there.
        depayloader: Element that takes it out of RTP.
        decoders: Elements that decode it, the best first; empty when nothing needs decoding.
        is_intra: Whether every picture stands alone.
    """

    name: str
    media_type: str
    unit_caps: str
    file_caps: str | None
    parser: str | None
    rtp_name: str | None
    depayloader: str | None
    decoders: tuple[str, ...]
    is_intra: bool


H264 = Codec(
    name="H.264",
    media_type="video/x-h264",
    unit_caps="video/x-h264,stream-format=byte-stream,alignment=au",
    file_caps="video/x-h264,stream-format=avc,alignment=au",
    parser="h264parse",
    rtp_name="H264",
    depayloader="rtph264depay",
    # openh264 is Baseline to High without interlacing and four times slower: better than nothing.
    decoders=("avdec_h264", "openh264dec"),
    is_intra=False,
)
H265 = Codec(
    name="H.265",
    media_type="video/x-h265",
    unit_caps="video/x-h265,stream-format=byte-stream,alignment=au",
    file_caps="video/x-h265,stream-format=hvc1,alignment=au",
    parser="h265parse",
    rtp_name="H265",
    depayloader="rtph265depay",
    decoders=("avdec_h265", "libde265dec"),
    is_intra=False,
)
JPEG = Codec(
    name="JPEG",
    media_type="image/jpeg",
    unit_caps="image/jpeg",
    file_caps=None,
    parser=None,
    rtp_name="JPEG",
    depayloader="rtpjpegdepay",
    decoders=("jpegdec", "avdec_mjpeg"),
    is_intra=True,
)
RAW = Codec(
    name="raw video",
    media_type="video/x-raw",
    unit_caps="video/x-raw",
    file_caps=None,
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
