"""`gst://`: a pipeline in gst-launch's language."""

from __future__ import annotations

import re
from typing import Any

from edgecam.codecs.video import by_media_type
from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import (
    GLib,
    Gst,
    add_probe,
    guarded,
    structure_of,
)
from edgecam.redaction import SECRETS
from edgecam.sources.base import Source

_CAPS = re.compile(r"\"?[a-z]+/[\w.+-]+(\([^)]*\))?\s*(,.*)?")


class PipelineSource(Source):
    """A gst-launch description of the user's own, whose last element delivers coded or raw video."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._description = camera.uri.partition(":")[2].strip()

    def _fill(self) -> None:
        # Caps may end a line of gst-launch's only when something follows them.
        ends_in_caps = _CAPS.fullmatch(self._description.rpartition("!")[2].strip())
        description = self._description + (" ! identity" if ends_in_caps else "")
        try:
            inner = Gst.parse_bin_from_description(description, False)
        except GLib.Error as error:
            mistake = SECRETS.shown(error.message)
            raise SourceUnsupported(
                f"{self.name}: expected a gst-launch description, found a mistake: {mistake}"
            ) from None
        # Left to GStreamer, a parser that still waits for its demuxer would count as an end that wants data.
        end = inner.find_unlinked_pad(Gst.PadDirection.SRC)
        if end is not None:
            inner.add_pad(Gst.GhostPad.new("src", end))
        if end is None or inner.find_unlinked_pad(Gst.PadDirection.SRC) is not None:
            raise SourceUnsupported(
                f"{self.name}: expected a description with one open end that delivers video, "
                f"found {'none' if end is None else 'several'}"
            )
        self._add(inner)
        add_probe(inner.get_static_pad("src"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)

    @guarded("the pipeline's caps were read", Source._report, 1)
    def _on_event(self, pad: Any, info: Any) -> Any:
        """On the streaming thread of the user's pipeline: its caps choose the parser."""
        event = info.get_event()
        if event.type != Gst.EventType.CAPS:
            return Gst.PadProbeReturn.OK
        media_type = structure_of(event.parse_caps()).get_name()
        codec = by_media_type(media_type)
        if codec is None:
            raise SourceUnsupported(
                f"{self.name}: expected the pipeline to end in H.264, H.265, JPEG or raw video, "
                f"found {media_type}"
            )
        self._join(pad, codec)
        return Gst.PadProbeReturn.REMOVE
