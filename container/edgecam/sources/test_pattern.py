"""`test://`: GStreamer's moving test picture."""

from __future__ import annotations

from edgecam.config.camera import Camera
from edgecam.config.queries import rate
from edgecam.credentials.login import Login
from edgecam.gstreamer.gst import Gst, link, make
from edgecam.sources.base import Source


class PatternSource(Source):
    """`test://?pattern=ball&width=640&height=360&fps=15`: videotestsrc's patterns, as raw video."""

    is_live = True

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        query = camera.query
        self._pattern = query["pattern"]
        fps = rate(query["fps"])
        # I420 is what jpegenc takes as it is.
        self._caps = (
            f"video/x-raw,format=I420,width={query['width']},height={query['height']},"
            f"framerate={fps.numerator}/{fps.denominator}"
        )

    def _fill(self) -> None:
        pattern = make("videotestsrc", is_live=True)
        Gst.util_set_object_arg(pattern, "pattern", self._pattern)
        form = make("capsfilter", caps=self._caps)
        self._add(pattern, form)
        link(pattern, form)
        self._expose(form.get_static_pad("src"))
