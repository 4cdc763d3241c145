"""Chunks in MP4 as GStreamer's own demuxer reads them; the image's as well, which is another release."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from half_written import FILM, FILM_WITH_B_FRAMES, PICTURES, write_mp4

from edgecam.clock import NS_PER_S
from edgecam.gstreamer.gst import Gst
from sandbox.cameras.film import Film

FILMS = {
    "video/x-h264": FILM,
    "video/x-h264,stream-format=avc": FILM_WITH_B_FRAMES,
    "video/x-h265,stream-format=hvc1": Film(320, 180, 15, codec="h265", keyframe_s=1.0),
    "image/jpeg": Film(320, 180, 15, codec="mjpeg"),
}
TIMEOUT_NS = 20 * NS_PER_S


@pytest.mark.parametrize("caps", FILMS)
def test_every_picture_is_found_with_its_time_and_a_seek_begins_at_a_keyframe(
    caps: str, tmp_path: Path
) -> None:
    path = tmp_path / "c.mp4"
    write_mp4(path, FILMS[caps])
    pipeline = Gst.parse_launch(f"filesrc location={path} ! qtdemux ! {caps} ! appsink name=end sync=false")
    sink = pipeline.get_by_name("end")
    passed: list[Any] = []

    def note(_pad: Any, info: Any) -> Any:
        passed.append(info.get_buffer())
        return Gst.PadProbeReturn.OK

    sink.get_static_pad("sink").add_probe(Gst.PadProbeType.BUFFER, note)
    pipeline.set_state(Gst.State.PLAYING)
    shown = sorted(shown_at(sink))
    assert shown == [pytest.approx(number / 15, abs=1e-4) for number in range(PICTURES)]
    known, duration_ns = pipeline.query_duration(Gst.Format.TIME)
    assert known
    assert duration_ns == pytest.approx(6 * NS_PER_S, abs=NS_PER_S // 1000)
    passed.clear()
    assert pipeline.seek_simple(Gst.Format.TIME, Gst.SeekFlags.FLUSH, round(3.5 * NS_PER_S))
    assert next(shown_at(sink)) == pytest.approx(3.5, abs=0.2)
    # What comes before is decoded, and not shown.
    assert not passed[0].has_flags(Gst.BufferFlags.DELTA_UNIT)
    pipeline.set_state(Gst.State.NULL)


def shown_at(sink: Any) -> Iterator[float]:
    """When each picture up to the end is shown, seconds."""
    while (sample := sink.emit("try-pull-sample", TIMEOUT_NS)) is not None:
        segment = sample.get_segment()
        yield (sample.get_buffer().pts - segment.start + segment.time) / NS_PER_S
