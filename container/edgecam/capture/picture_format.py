"""In which form coded pictures are: what a decoder, or the head of a file, has to know before the first."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from edgecam.codecs.video import Codec, by_media_type
from edgecam.gstreamer.gst import Gst, structure_of

_BYTE_STREAM = "byte-stream"


@dataclass(frozen=True)
class PictureFormat:
    """The same for all pictures of a stream until it changes; equal to another that says the same.

    Attributes:
        codec: How they are coded; None where edgecam cannot read it.
        has_lengths: Whether each NAL unit has its length before it, four bytes, as in MP4; else a start code,
            or there are no such units.
        configuration: The decoder configuration record (ISO/IEC 14496-15, 5.3.3.1 and 8.3.3.1); empty where
            the parameter sets are in the stream, or there are none.
        width: Pixels; 0 where it is not known.
        height: Pixels; 0 where it is not known.
        profile: Of the codec, as GStreamer names it; None where it is not known.
        level: Likewise.
        media_type: As GStreamer names it.
    """

    codec: Codec | None
    has_lengths: bool = False
    configuration: bytes = b""
    width: int = 0
    height: int = 0
    profile: str | None = None
    level: str | None = None
    media_type: str = ""
    _caps: Any = field(default=None, compare=False, repr=False)

    @property
    def caps(self) -> Any:
        """The Gst.Caps that say all this; made once."""
        if self._caps is None:
            object.__setattr__(self, "_caps", self._made_caps())
        return self._caps

    @classmethod
    def of_caps(cls, caps: Any) -> PictureFormat:
        """What `caps` (a Gst.Caps) say."""
        structure = structure_of(caps)
        media_type = structure.get_name()
        width, height = structure.get_int("width"), structure.get_int("height")
        form, record = structure.get_string("stream-format"), structure.get_value("codec_data")
        return cls(
            codec=by_media_type(media_type),
            has_lengths=form is not None and form != _BYTE_STREAM,
            configuration=b"" if record is None else bytes(record.extract_dup(0, record.get_size())),
            width=int(width[1]) if width[0] else 0,
            height=int(height[1]) if height[0] else 0,
            profile=structure.get_string("profile"),
            level=structure.get_string("level"),
            media_type=media_type,
            _caps=caps,
        )

    def _made_caps(self) -> Any:
        if self.codec is None:
            raise RuntimeError("expected a codec that is known")
        text = (self.codec.file_caps if self.has_lengths else None) or self.codec.unit_caps
        if self.width and self.height:
            text += f",width={self.width},height={self.height}"
        for name, value in (("profile", self.profile), ("level", self.level)):
            if value is not None:
                text += f",{name}=(string){value}"
        if self.configuration:
            text += f",codec_data=(buffer){self.configuration.hex()}"
        return Gst.Caps.from_string(text)
