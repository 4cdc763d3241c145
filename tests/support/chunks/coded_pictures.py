"""Pictures encoded by a GStreamer pipeline, as samples and bytes."""

from __future__ import annotations

from typing import Any

from edgecam.gstreamer.gst import Gst

START = b"\0\0\0\1"
H264_CAPS = "video/x-h264,stream-format=byte-stream,alignment=au"


def coded(line: str, caps: str, count: int = 2) -> list[Any]:
    """The Gst.Samples of `count` pictures that go through a gst-launch line, in the form of `caps`."""
    end = "appsink name=end sync=false"
    pipeline = Gst.parse_launch(f"videotestsrc num-buffers={count} ! {line} ! {caps} ! {end}")
    pipeline.set_state(Gst.State.PLAYING)
    sink = pipeline.get_by_name("end")
    samples = [sink.emit("try-pull-sample", 20 * Gst.SECOND) for _ in range(count)]
    pipeline.set_state(Gst.State.NULL)
    assert None not in samples
    return samples


def content(sample: Any) -> bytes:
    buffer = sample.get_buffer()
    return bytes(buffer.extract_dup(0, buffer.get_size()))


def _golomb(number: int) -> str:
    digits = f"{number + 1:b}"
    return "0" * (len(digits) - 1) + digits


def h264_sps(width: int, height: int, references: int = 1) -> bytes:
    """A parameter set of the Baseline profile, level 4.0."""
    fields = [_golomb(0), _golomb(0), _golomb(2), _golomb(references), "0"]
    bits = "".join([*fields, _golomb(width // 16 - 1), _golomb(height // 16 - 1), "1", "1", "0", "0", "1"])
    bits += "0" * (-len(bits) % 8)
    return b"\x67\x42\xc0\x28" + int(bits, 2).to_bytes(len(bits) // 8)
