"""Pictures encoded by a GStreamer pipeline, as samples and bytes."""

from __future__ import annotations

from typing import Any

from edgecam.gstreamer.gst import Gst


def coded(line: str, caps: str, count: int = 2) -> list[Any]:
    """The Gst.Samples of so many pictures that go through a gst-launch line, in the form of `caps`."""
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers={count} ! {line} ! {caps} ! appsink name=end")
    pipeline.set_state(Gst.State.PLAYING)
    end = pipeline.get_by_name("end")
    samples = [end.emit("try-pull-sample", 20 * Gst.SECOND) for _ in range(count)]
    pipeline.set_state(Gst.State.NULL)
    assert None not in samples
    return samples


def content(sample: Any) -> bytes:
    buffer = sample.get_buffer()
    return bytes(buffer.extract_dup(0, buffer.get_size()))
