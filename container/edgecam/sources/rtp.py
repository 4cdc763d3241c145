"""Pictures that come as RTP, whichever protocol brought the packets."""

from __future__ import annotations

from typing import Any

from edgecam.codecs.video import CODECS, JPEG, by_media_type, by_rtp_name
from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import (
    Gst,
    add_probe,
    connect,
    guarded,
    link,
    make,
    measured_bytes,
    structure_of,
)
from edgecam.sources.base import Source
from edgecam.sources.rtp_jpeg import has_no_size, size_beside, with_size

_MPEGTS = ("MP2T", "MP2T-ES")
_STATIC_CODINGS = {26: "JPEG", 33: "MP2T"}
"""By payload type, where the description leaves out what RFC 3551, 6, says already."""
_HEAD_BYTES = 1500
_SIZELESS_LIMIT = 500  # a picture has some hundred packets, and only its first has ONVIF's extension


class RtpSource(Source):
    """Takes the pictures out of one stream of RTP: out of its payload, or out of MPEG-TS within."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._camera = camera
        self._is_joined = False
        self._sizeless = 0
        self._packets: Any = None
        self._way: Any = None

    def _datagram_bytes(self) -> int:
        """What has come over UDP."""
        return 0 if self._packets is None else measured_bytes(self._packets)

    def _take(self, pad: Any) -> None:
        """Read the stream that comes out of `pad`; what is no video that can be read is left."""
        self.has_begun = True
        structure = structure_of(pad.get_current_caps() or pad.query_caps(None))
        coding = coding_of(structure)
        codec = by_rtp_name(coding)
        if self._way is not None:
            # The same stream with another source identifier (SSRC): what decodes it goes on.
            if (former := self._way.get_peer()) is not None:
                former.unlink(self._way)
        elif coding in _MPEGTS:
            self._way = self._way_to(self._read_mpegts())
        elif codec is not None and codec.depayloader is not None:
            depayloader = make(codec.depayloader)
            self._add(depayloader)
            self._join(depayloader.get_static_pad("src"), codec)
            self._way = self._way_to(depayloader)
        else:
            return
        if codec is JPEG:
            # The next caps say no size again.
            add_probe(self._way, Gst.PadProbeType.BUFFER, self._on_jpeg_packet)
        pad.link(self._way)

    def _way_to(self, depayloader: Any) -> Any:
        """The pad at which packets for `depayloader` are to arrive."""
        depayloader.sync_state_with_parent()
        if self._camera.transport == "tcp":
            return depayloader.get_static_pad("sink")
        # Datagrams pass by the socket of the requests.
        self._packets = make("identity")
        self._add(self._packets)
        link(self._packets, depayloader)
        self._packets.sync_state_with_parent()
        return self._packets.get_static_pad("sink")

    def _read_mpegts(self) -> Any:
        """What takes MPEG-TS out of RTP (RFC 2250, 2), and its first video stream out of that."""
        depayloader, demuxer = make("rtpmp2tdepay"), make("tsdemux")
        self._add(depayloader, demuxer)
        link(depayloader, demuxer)
        connect(demuxer, "pad-added", self._on_program_pad)
        connect(demuxer, "no-more-pads", self._on_program)
        demuxer.sync_state_with_parent()
        return depayloader

    @guarded("a stream within MPEG-TS was found", Source._report, None)
    def _on_program_pad(self, _demuxer: Any, pad: Any) -> None:
        """On the source's streaming thread."""
        media_type = structure_of(pad.get_current_caps() or pad.query_caps(None)).get_name()
        self._note_offer(media_type)
        codec = by_media_type(media_type)
        if codec is not None and not self._is_joined:
            self._is_joined = True
            self._join(pad, codec)

    @guarded("the streams within MPEG-TS were counted", Source._report, None)
    def _on_program(self, _demuxer: Any) -> None:
        """On the source's streaming thread."""
        if not self._is_joined:
            raise self._unreadable()

    @guarded("a packet of JPEG was looked at", Source._report, 0)
    def _on_jpeg_packet(self, pad: Any, info: Any) -> Any:
        """On the source's streaming thread, up to the first packet that says how large its picture is."""
        buffer = info.get_buffer()
        packet = buffer.extract_dup(0, min(buffer.get_size(), _HEAD_BYTES))
        caps = pad.get_current_caps()
        structure = structure_of(caps)
        if not has_no_size(packet) or structure.has_field("x-dimensions"):
            return Gst.PadProbeReturn.REMOVE
        size = size_beside(packet, structure.get_string("a-framesize"))
        if size is not None:
            pad.send_event(Gst.Event.new_caps(with_size(caps, size)))
            return Gst.PadProbeReturn.REMOVE
        self._sizeless += 1
        if self._sizeless > _SIZELESS_LIMIT:
            raise SourceUnsupported(
                f"{self.name}: expected JPEG pictures whose size is said, found some that are larger than "
                "RTP's head can say (2040 pixels) and no a=framesize, a=x-dimensions or ONVIF extension "
                "beside; choose H.264, or a smaller size, in the camera's settings"
            )
        return Gst.PadProbeReturn.DROP

    def _unreadable(self) -> SourceUnsupported:
        readable = ", ".join(codec.name for codec in CODECS if codec.rtp_name)
        return SourceUnsupported(
            f"{self.name}: expected a video stream in one of {readable}, "
            f"found {', '.join(self.offered) or 'none'}; choose H.264 in the camera's settings"
        )


def is_readable(coding: str) -> bool:
    """Whether pictures can be taken out of a stream that is coded like that."""
    return by_rtp_name(coding) is not None or coding in _MPEGTS


def coding_of(structure: Any) -> str:
    """How a stream of RTP is coded; empty where nothing says."""
    name = structure.get_string("encoding-name")
    if name:
        return str(name).upper()
    has_number, number = structure.get_int("payload")
    return _STATIC_CODINGS.get(number, "") if has_number else ""
