"""Pictures out of a container (MP4, FLV, MPEG-TS and their like), whatever it is read from."""

from __future__ import annotations

from typing import Any

from edgecam.codecs.orientation import Orientation
from edgecam.codecs.video import by_media_type
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
    structure_of,
)
from edgecam.sources.base import Source


class ContainerSource(Source):
    """A container with at least one video stream; the first that can be read counts."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._is_joined = False

    def _parse(self, reader: Any) -> None:
        """Read the container whose bytes the element `reader`, which is in the bin, delivers."""
        parse = make("parsebin")
        self._add(parse)
        link(reader, parse)
        connect(parse, "pad-added", self._on_pad)
        connect(parse, "autoplug-continue", self._on_more, True)
        parse.sync_state_with_parent()

    @guarded("the parser of a stream was chosen", Source._report, True)
    def _on_more(self, _parse: Any, _pad: Any, caps: Any) -> bool:
        """On the demuxer's streaming thread: what is checked before it is parsed, `_join` parses."""
        codec = by_media_type(structure_of(caps).get_name())
        return codec is None or not codec.is_checked_before_parser

    @guarded("a container's stream was found", Source._report, None)
    def _on_pad(self, _parse: Any, pad: Any) -> None:
        """On the demuxer's streaming thread."""
        media_type = structure_of(pad.get_current_caps() or pad.query_caps(None)).get_name()
        codec = by_media_type(media_type)
        self._note_offer(media_type)
        if codec is None or self._is_joined:
            self._discard(pad)
            return
        self._is_joined = True
        add_probe(pad, Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_tags)
        self._join(pad, codec)

    @guarded("a film's tags were read", Source._report, 1)
    def _on_tags(self, _pad: Any, info: Any) -> Any:
        """On the demuxer's streaming thread, before the first picture."""
        event = info.get_event()
        if event.type == Gst.EventType.TAG:
            is_said, tag = event.parse_tag().get_string(Gst.TAG_IMAGE_ORIENTATION)
            if is_said:
                self.orientation = Orientation.of_tag(tag)
        return Gst.PadProbeReturn.OK

    @guarded("data of an unread stream came", Source._report, 1)
    def _on_unread_data(self, _pad: Any, _info: Any) -> Any:
        """On the demuxer's streaming thread: parsebin exposes all streams before the first data flows."""
        if not self._is_joined:
            raise SourceUnsupported(
                f"{self.name}: expected a file with H.264, H.265 or JPEG video, found "
                f"{', '.join(self.offered)}"
            )
        return Gst.PadProbeReturn.REMOVE

    def _discard(self, pad: Any) -> None:
        add_probe(pad, Gst.PadProbeType.BUFFER, self._on_unread_data)
        sink = make("fakesink", sync=False, **{"async": False})
        self._add(sink)
        sink.sync_state_with_parent()
        pad.link(sink.get_static_pad("sink"))
