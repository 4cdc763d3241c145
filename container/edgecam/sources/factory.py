"""From a camera's `uri` to whole coded pictures: one factory, one class a scheme.

A `Source` makes a GStreamer bin whose `src` pad delivers access units in the form that `codec.py` lists. What
is behind it (a network, a file, numbered pictures) is nobody else's business.
"""

from __future__ import annotations

from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.sources.base import Source
from edgecam.sources.file import FileSource
from edgecam.sources.gst_launch import PipelineSource
from edgecam.sources.images import ImagesSource
from edgecam.sources.pipe import PipeSource
from edgecam.sources.rtsp import RtspSource
from edgecam.sources.test_pattern import PatternSource


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
