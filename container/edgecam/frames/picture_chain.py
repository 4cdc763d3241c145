"""From a decoded picture to a JPEG: scaled, in the colours that JPEG means, the right way up, coded."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from edgecam.codecs.colorimetry import conversion_of
from edgecam.codecs.orientation import Orientation
from edgecam.config.camera import Frames, Levels
from edgecam.frames.jpeg_colors import JpegColors
from edgecam.gstreamer.gst import Gst, add_probe, guarded, make, set_property, structure_of


class PictureChain:
    """The elements, in their order, to be linked behind a decoder; belongs to the decoder's thread.

    Args:
        frames: Width, levels and quality of the pictures.
        on_fault: Called with what nobody foresaw.

    Attributes:
        elements: Of GStreamer.
        orientation: Which way up the pictures come.
    """

    def __init__(self, frames: Frames, on_fault: Callable[[Exception], None]) -> None:
        self._on_fault = on_fault
        self._width = frames.width
        self.orientation = Orientation.UPRIGHT
        self.elements: list[Any] = []
        self._size: Any = None
        if frames.width is not None:
            self._size = make("capsfilter", caps=self._scaled())
            self.elements += [make("videoscale"), self._size]
        # Passes on what jpegenc can read anyway; ten-bit pictures need it.
        self.elements.append(make("videoconvert"))
        self._colors: JpegColors | None = None
        if frames.levels is Levels.JPEG:
            planes = make("capsfilter", caps="video/x-raw,format=I420")
            self.elements.append(planes)
            add_probe(planes.get_static_pad("src"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)
            add_probe(planes.get_static_pad("src"), Gst.PadProbeType.BUFFER, self._on_picture)
        self._flip = make("videoflip")
        self.elements += [self._flip, make("jpegenc", quality=frames.quality)]

    def _report(self, error: Exception) -> None:
        self._on_fault(error)

    @guarded("the form of pictures was read", _report, 1)
    def _on_event(self, _pad: Any, info: Any) -> Any:
        """On the decoder's thread: the caps say what the pictures' numbers mean."""
        event = info.get_event()
        if event.type == Gst.EventType.CAPS:
            structure = structure_of(event.parse_caps())
            width, height = structure.get_int("width")[1], structure.get_int("height")[1]
            conversion = conversion_of(structure.get_string("colorimetry"), height)
            self._colors = None if conversion.is_identity else JpegColors(width, height, conversion)
        return Gst.PadProbeReturn.OK

    @guarded("a picture's colours were converted", _report, 0)
    def _on_picture(self, pad: Any, info: Any) -> Any:
        """On the decoder's thread."""
        if self._colors is None:
            return Gst.PadProbeReturn.OK
        pad.get_peer().chain(self._colors.converted(info.get_buffer()))
        return Gst.PadProbeReturn.DROP

    def turn(self, orientation: Orientation) -> None:
        """The next picture comes this way up. To be called on the thread that hands it on."""
        if orientation is self.orientation:
            return
        self.orientation = orientation
        set_property(self._flip, "video-direction", orientation.direction)
        if self._size is not None:
            set_property(self._size, "caps", self._scaled())

    def _scaled(self) -> str:
        """As wide as is asked for once it is shown; what lies on its side is as high as that."""
        side = "height" if self.orientation.is_sideways else "width"
        return f"video/x-raw,{side}={self._width},pixel-aspect-ratio=1/1"
