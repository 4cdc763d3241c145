"""The pictures of the own receiver in the form that is wanted: as MP4 has them, or with start codes."""

from __future__ import annotations

from edgecam.capture.picture_format import PictureFormat
from edgecam.codecs.decoder_configuration import configuration_record, describe
from edgecam.codecs.video import H264, H265, Codec
from edgecam.rtp.pictures import CodedPicture

_START_CODE = b"\0\0\0\1"
_LENGTH_BYTES = 4
_DELIMITERS = {H264: b"\x09\xf0", H265: b"\x46\x01\x50"}
"""Of access units, any kind of picture: MPEG-TS has to have them (ITU-T H.222.0, 2.14.1 and 2.17.1)."""


class OwnFormat:
    """Of one connection. Belongs to the receiver's thread.

    Args:
        has_lengths: Whether each NAL unit has its length before it, and parameter sets stand beside; else a
            start code, with a delimiter before each picture, and parameter sets before those that decoding
            may begin with.
    """

    def __init__(self, *, has_lengths: bool) -> None:
        self._has_lengths = has_lengths
        self._sets: tuple[bytes, ...] | None = None
        self._delimiter = self._before = b""
        self._format = PictureFormat(None)

    def of(self, codec: Codec, picture: CodedPicture) -> tuple[PictureFormat, bytes]:
        """The form of `picture`, and its bytes in it."""
        if picture.parameter_sets is not self._sets:
            self._sets = picture.parameter_sets
            self._format = self._described(codec, picture.parameter_sets)
            self._delimiter = _START_CODE + _DELIMITERS[codec]
            self._before = b"".join(_START_CODE + unit for unit in picture.parameter_sets)
        if self._has_lengths:
            return self._format, picture.data
        begins = picture.is_keyframe or picture.to_recovery
        sets = self._before if begins else b""
        return self._format, self._delimiter + sets + with_start_codes(picture.data)

    def _described(self, codec: Codec, sets: tuple[bytes, ...]) -> PictureFormat:
        found = describe(codec, sets)
        return PictureFormat(
            codec=codec,
            has_lengths=self._has_lengths,
            configuration=configuration_record(codec, sets) if self._has_lengths else b"",
            width=0 if found is None else found.width,
            height=0 if found is None else found.height,
            profile=None if found is None else found.profile,
            level=None if found is None else found.level,
            media_type=codec.media_type,
        )


def with_start_codes(data: bytes) -> bytes:
    """The units of `data`, each with a length of four bytes before it, with start codes instead."""
    parts: list[bytes] = []
    at = 0
    while at + _LENGTH_BYTES <= len(data):
        begin = at + _LENGTH_BYTES
        at = begin + int.from_bytes(data[at:begin])
        parts += (_START_CODE, data[begin:at])
    return b"".join(parts)
