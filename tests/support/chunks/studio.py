"""A recorder that is fed by an encoder, and what it recorded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from recorded import ChunkFolder

from edgecam.capture.gst_tap import GstTap
from edgecam.chunk import ChunkSink
from edgecam.clock import Clock, SystemClock
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.gstreamer.gst import Gst
from edgecam.recording.recorder import Recorder

VIDEO = "video/x-raw,width=160,height=90,framerate=30/1"

H264 = (
    "x264enc speed-preset=ultrafast tune=zerolatency key-int-max=30 option-string=scenecut=0 ! "
    "h264parse ! video/x-h264,stream-format=avc,alignment=au ! identity"
)


class Studio:
    """A recorder, and a source of pictures that it is joined to."""

    def __init__(
        self, folder: Path, *, sink: ChunkSink | None = None, clock: Clock | None = None, **recording: Any
    ) -> None:
        self.sink = ChunkFolder(folder)
        self._clock = clock or SystemClock()
        camera = {"id": "c0", "uri": "pipeline:x", "recording": {"enabled": True, "chunk_s": 2} | recording}
        self.recorder = Recorder(
            validate(Camera, camera, name="camera"), sink=sink or self.sink, clock=self._clock
        )
        self.recorder.start()
        self._pipeline: Any = None
        self.tap: GstTap | None = None

    def show(self, description: str, *, keyframes: bool = True, pictures: int | None = None) -> GstTap:
        """Begin a connection that delivers what a gst-launch line makes, without its keyframes on demand, or
        its first pictures alone."""
        self._pipeline = Gst.Pipeline.new(None)
        source = Gst.parse_bin_from_description(description, True)
        if not keyframes:
            source.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, _drop_keyframe)
        if pictures is not None:
            source.get_static_pad("src").add_probe(Gst.PadProbeType.BUFFER, _only_first(pictures))
        self.tap = GstTap(on_end=self.recorder.wake, clock=self._clock)
        self._pipeline.add(source)
        source.link(self.tap.add_to(self._pipeline, sets_pace=True))
        self._pipeline.set_state(Gst.State.PLAYING)
        self.recorder.attach(self.tap)
        return self.tap

    def film(self, seconds: int) -> GstTap:
        """`seconds` of H.264 with a keyframe each second, as fast as they can be made."""
        return self.show(f"videotestsrc num-buffers={seconds * 30} ! {VIDEO} ! {H264}")

    def live(self) -> GstTap:
        """The same without an end and in real time."""
        return self.show(f"videotestsrc is-live=true ! {VIDEO} ! {H264}")

    def show_files(self, pictures: list[Path], form: str) -> None:
        """Files of `keyframes` one after another, a hundred a second by their times, in the form of caps."""
        caps = "video/x-h264,stream-format=byte-stream,alignment=au,framerate=100/1"
        self.show(f"appsrc name=feed format=time caps={caps} ! h264parse ! {form}")
        feed = self._pipeline.get_by_name("feed")
        for number, picture in enumerate(pictures):
            buffer = Gst.Buffer.new_wrapped(picture.read_bytes())
            buffer.pts = number * Gst.SECOND // 100
            feed.emit("push-buffer", buffer)
        feed.emit("end-of-stream")

    def await_end(self) -> None:
        """Returns when all pictures were taken."""
        message = self._pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, Gst.MessageType.EOS)
        assert message is not None

    def cut(self) -> None:
        """End the connection."""
        self.recorder.detach()
        self._pipeline.set_state(Gst.State.NULL)

    def lengths_ms(self) -> list[int]:
        return [chunk.duration_ms for chunk in self.sink.chunks]

    def close(self) -> None:
        self.sink.gate.set()
        if self._pipeline is not None:
            self.cut()
        assert self.recorder.stop(5)


def _drop_keyframe(_pad: Any, info: Any) -> Any:
    is_keyframe = not info.get_buffer().has_flags(Gst.BufferFlags.DELTA_UNIT)
    return Gst.PadProbeReturn.DROP if is_keyframe else Gst.PadProbeReturn.OK


def _only_first(pictures: int) -> Callable[[Any, Any], Any]:
    left = iter(range(pictures))

    def take(_pad: Any, _info: Any) -> Any:
        return Gst.PadProbeReturn.DROP if next(left, None) is None else Gst.PadProbeReturn.OK

    return take


def keyframes(folder: Path, count: int, *, width: int, more: str = "") -> list[Path]:
    """`count` pictures of H.264, each a keyframe with its parameter sets, in a file each; `more` is for the
    coder."""
    folder.mkdir()
    line = (
        f"videotestsrc num-buffers={count} ! video/x-raw,width={width},height=64,framerate=100/1 ! "
        f"x264enc speed-preset=ultrafast tune=zerolatency key-int-max=1 {more} ! "
        f"video/x-h264,stream-format=byte-stream,alignment=au ! multifilesink location={folder}/%05d"
    )
    pipeline = Gst.parse_launch(line)
    pipeline.set_state(Gst.State.PLAYING)
    done = Gst.MessageType.EOS | Gst.MessageType.ERROR
    message = pipeline.get_bus().timed_pop_filtered(20 * Gst.SECOND, done)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None
    assert message.type == Gst.MessageType.EOS
    return sorted(folder.iterdir())
