"""What may travel in RTP, one row a payload format: a new one is a row and what reads its payloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from edgecam.codecs.video import H264, H265, Codec
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.errors import Unreadable
from edgecam.rtp.sound import SoundDepacketizer, SoundPayload, aac, g711, opus

VIDEO, AUDIO = "video", "audio"


@dataclass(frozen=True)
class PayloadFormat:
    """How one coding travels.

    Attributes:
        rtp_name: Its `encoding name` in the description.
        media: The description's word for its kind.
        clock_rate_hz: Of its time stamps, where its RFC fixes that; None where the description says it.
        payload_type: Its number where the description need not name it (RFC 3551, 6); None for all others.
        codec: Of pictures; None for sound.
        sound: Reads the payloads of sound; None for pictures.
    """

    rtp_name: str
    media: str
    clock_rate_hz: int | None = None
    payload_type: int | None = None
    codec: Codec | None = None
    sound: Callable[[Mapping[str, str]], SoundPayload] | None = None


FORMATS = (
    PayloadFormat("H264", VIDEO, 90_000, codec=H264),  # RFC 6184
    PayloadFormat("H265", VIDEO, 90_000, codec=H265),  # RFC 7798
    PayloadFormat("MPEG4-GENERIC", AUDIO, sound=aac),  # RFC 3640
    PayloadFormat("PCMU", AUDIO, 8_000, payload_type=0, sound=g711),  # RFC 3551
    PayloadFormat("PCMA", AUDIO, 8_000, payload_type=8, sound=g711),
    PayloadFormat("OPUS", AUDIO, 48_000, sound=opus),  # RFC 7587
)


def by_name(rtp_name: str, media: str) -> PayloadFormat | None:
    """The format of this name, in any case; None where it is not read here."""
    return next((row for row in FORMATS if (row.rtp_name, row.media) == (rtp_name.upper(), media)), None)


def by_payload_type(payload_type: int, media: str) -> PayloadFormat | None:
    """The format of a number that needs no name."""
    return next((row for row in FORMATS if (row.payload_type, row.media) == (payload_type, media)), None)


def depacketizer(
    codec: Codec,
    clock_rate_hz: int,
    parameter_sets: Sequence[bytes] = (),
    *,
    options: Mapping[str, str] | None = None,
    payload_type: int | None = None,
    ssrc: int | None = None,
) -> Depacketizer:
    """For a stream of pictures; the arguments are `Depacketizer`'s.

    The clock is the RFC's whatever the description says: cameras that write another one send 90 kHz.

    Raises:
        Unreadable: its form is not read here.
    """
    row = next((row for row in FORMATS if row.codec is codec), None)
    if row is None:
        raise Unreadable(f"{codec.name} over RTP")
    return Depacketizer(
        codec,
        row.clock_rate_hz or clock_rate_hz,
        parameter_sets,
        options=options,
        payload_type=payload_type,
        ssrc=ssrc,
    )


def sound_depacketizer(
    rtp_name: str,
    clock_rate_hz: int,
    *,
    options: Mapping[str, str] | None = None,
    payload_type: int | None = None,
    ssrc: int | None = None,
) -> SoundDepacketizer:
    """For a stream of sound.

    Args:
        rtp_name: As the description has it.
        clock_rate_hz: Likewise.
        options: The description's format parameters, by their names in lower case.
        payload_type: Of the stream; None: that of the first packet.
        ssrc: Its source by the camera's word.

    Raises:
        Unreadable: its form is not read here.
    """
    row = by_name(rtp_name, AUDIO)
    if row is None or row.sound is None:
        raise Unreadable(f"sound as {rtp_name[:20]!r}")
    return SoundDepacketizer(
        row.sound(options or {}), row.clock_rate_hz or clock_rate_hz, payload_type=payload_type, ssrc=ssrc
    )
