"""`test://`: GStreamer's moving test picture."""

from __future__ import annotations

from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceUnsupported
from edgecam.gstreamer.gst import Gst, link, make
from edgecam.sources.base import Source
from edgecam.sources.query import pixels, query_of, rate


class PatternSource(Source):
    """`test://?pattern=ball&width=640&height=360&fps=15`: videotestsrc's patterns, as raw video."""

    is_live = True

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        defaults = {"pattern": "ball", "width": "640", "height": "360", "fps": "15"}
        query = query_of(camera, self.name, defaults)
        self._pattern = query["pattern"]
        fps = rate(self.name, query["fps"])
        width = pixels(self.name, "width", query["width"])
        height = pixels(self.name, "height", query["height"])
        # I420 is what jpegenc takes as it is.
        self._caps = (
            f"video/x-raw,format=I420,width={width},height={height},"
            f"framerate={fps.numerator}/{fps.denominator}"
        )

    def _fill(self) -> None:
        pattern = make("videotestsrc", is_live=True)
        known = {value.value_nick for value in type(pattern.get_property("pattern")).__enum_values__.values()}
        if self._pattern not in known:
            raise SourceUnsupported(
                f"{self.name}: expected pattern to be one of {', '.join(sorted(known))}, found "
                f"{self._pattern!r}"
            )
        Gst.util_set_object_arg(pattern, "pattern", self._pattern)
        form = make("capsfilter", caps=self._caps)
        self._add(pattern, form)
        link(pattern, form)
        self._expose(form.get_static_pad("src"))
