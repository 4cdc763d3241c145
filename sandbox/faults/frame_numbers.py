"""The numbers of the pictures in a chunk: the test cameras stamp each with its place in their film."""

from __future__ import annotations

from pathlib import Path

from edgecam.gstreamer.gst import Gst
from sandbox.cameras.film import read_mark


def picture_numbers(path: Path) -> list[int]:
    """Those of all pictures in the file at `path` (MP4 with H.264), in the order of showing.

    Raises:
        ValueError: it cannot be played.
    """
    player = Gst.parse_launch(
        "filesrc name=in ! qtdemux ! h264parse ! avdec_h264 ! videoconvert ! video/x-raw,format=GRAY8 ! "
        "appsink name=out sync=false max-buffers=4"
    )
    player.get_by_name("in").set_property("location", str(path))
    player.set_state(Gst.State.PLAYING)
    out, numbers = player.get_by_name("out"), []
    try:
        while (sample := out.emit("pull-sample")) is not None:
            width = sample.get_caps().get_structure(0).get_value("width")
            buffer = sample.get_buffer()
            luma = buffer.extract_dup(0, buffer.get_size())
            numbers.append(read_mark(luma, (width + 3) // 4 * 4, width))
    finally:
        player.set_state(Gst.State.NULL)
    if not numbers:
        raise ValueError(f"{path}: expected pictures, found none that can be played")
    return numbers
