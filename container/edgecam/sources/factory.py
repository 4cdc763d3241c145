"""From a camera's `uri` to whole coded pictures: one class a scheme.

A `Source` makes a GStreamer bin whose pads deliver access units in the form that `codecs` lists. Nothing
downstream knows what is behind it: a network, a file, numbered pictures.
"""

from __future__ import annotations

from edgecam.config.camera import Camera
from edgecam.config.schemes import FILE, IMAGES, PIPE, PIPELINE, RTSP, RTSPS, TEST
from edgecam.credentials.login import Login
from edgecam.sources.base import Source
from edgecam.sources.file import FileSource
from edgecam.sources.gst_launch import PipelineSource
from edgecam.sources.images import ImagesSource
from edgecam.sources.pipe import PipeSource
from edgecam.sources.rtsp import RtspSource
from edgecam.sources.test_pattern import PatternSource

SOURCES: dict[str, type[Source]] = {
    RTSP.name: RtspSource,
    RTSPS.name: RtspSource,
    FILE.name: FileSource,
    IMAGES.name: ImagesSource,
    PIPE.name: PipeSource,
    TEST.name: PatternSource,
    PIPELINE.name: PipelineSource,
}


def source_for(camera: Camera, login: Login | None = None) -> Source:
    """The source that `camera.uri` names.

    Raises:
        SourceNotFound: the uri names numbered pictures, and there are none.
    """
    return SOURCES[camera.scheme.name](camera, login)
