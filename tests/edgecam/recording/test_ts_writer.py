"""How pictures are handed to the pipeline of a file in MPEG-TS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from half_written import FILM, coded
from recorded import probe

from edgecam.clock import NS_PER_S
from edgecam.codecs.video import H264
from edgecam.config.recording import ChunkFormat
from edgecam.gstreamer.gst import Gst
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.ts_writer import TsWriter


def test_no_list_of_pictures_is_handed_over(tmp_path: Path) -> None:
    """GStreamer's appsrc hands a list of buffers on and then counts what is in it: one that was freed
    meanwhile ended the node, after minutes to hours. No test can hit that moment: the way there is barred."""
    plan = Plan(ChunkFormat.MPEGTS, H264, FILM.width, FILM.height, b"", NS_PER_S // FILM.fps)
    file = TsWriter(tmp_path / "chunk.ts", plan)
    seen: list[Any] = []

    def on_data(_pad: Any, info: Any) -> Any:
        seen.append(info.type & (Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST))
        return Gst.PadProbeReturn.OK

    kinds = Gst.PadProbeType.BUFFER | Gst.PadProbeType.BUFFER_LIST
    file._feed.get_static_pad("src").add_probe(kinds, on_data)
    for picture in coded(FILM)[:3]:
        at_ns = picture.number * NS_PER_S // FILM.fps
        file.add(picture.data, at_ns, at_ns, is_keyframe=picture.is_keyframe)
    file.flush()
    assert file.finish()
    assert seen == [Gst.PadProbeType.BUFFER] * 3
    found = probe(tmp_path / "chunk.ts")
    assert (found.packets, found.begins_with_keyframe) == (3, True)


def test_file_that_cannot_be_written_says_why(tmp_path: Path) -> None:
    plan = Plan(ChunkFormat.MPEGTS, H264, FILM.width, FILM.height, b"", NS_PER_S // FILM.fps)
    file = TsWriter(tmp_path / "missing" / "chunk.ts", plan)
    assert not file.finish()
    assert file.fault is not None
    assert "No such file" in file.fault.summary
    assert not file.fault.is_disk_full
