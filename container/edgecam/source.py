"""From a camera's `uri` to whole coded pictures: one factory, one class a scheme.

A `Source` makes a GStreamer bin whose `src` pad delivers access units in the form that `codec.py` lists. What
is behind it (a network, a file, numbered pictures) is nobody else's business.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edgecam.codec import by_media_type
from edgecam.config import Camera
from edgecam.credentials import Login
from edgecam.errors import SourceNotFound, SourceUnsupported
from edgecam.gst import GLib, Gst, add_probe, guarded, make, structure_of
from edgecam.redaction import SECRETS
from edgecam.source_base import Source
from edgecam.source_container import ContainerSource
from edgecam.source_made import ImagesSource, PatternSource
from edgecam.source_pipe import PipeSource
from edgecam.source_rtsp import RtspSource

_CAPS = re.compile(r"\"?[a-z]+/[\w.+-]+(\([^)]*\))?\s*(,.*)?")


class FileSource(ContainerSource):
    """A video file of any container, looped for ever, in real time."""

    is_looped = True

    def __init__(self, camera: Camera) -> None:
        super().__init__(camera)
        self._path = Path(unquote(urlsplit(camera.uri).path))

    def _reader(self) -> Any:
        if not self._path.is_file():
            raise SourceNotFound(f"{self.name}: expected a file, found none at {self._path}")
        return make("filesrc", location=str(self._path))


class PipelineSource(Source):
    """A gst-launch description of the user's own, whose last element delivers coded or raw video."""

    def __init__(self, camera: Camera) -> None:
        super().__init__(camera)
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

    @guarded("the pipeline said what it delivers", Source._report, 1)
    def _on_event(self, pad: Any, info: Any) -> Any:
        """On the streaming thread of the user's pipeline: its caps say who has to follow."""
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


def source_for(camera: Camera, login: Login | None = None) -> Source:
    """The source that `camera.uri` names, the one place that knows all schemes.

    Raises:
        SourceUnsupported: the uri has a mistake that only its source can see (an unknown pattern, a wrong
            rate).
    """
    if camera.scheme in ("rtsp", "rtsps"):
        return RtspSource(camera, login)
    kinds: dict[str, type[Source]] = {
        "file": FileSource,
        "images": ImagesSource,
        "pipe": PipeSource,
        "test": PatternSource,
        "pipeline": PipelineSource,
    }
    return kinds[camera.scheme](camera)
