"""A named pipe that any outside program feeds: `pipe:///run/camera`, with FLV, MPEG-TS or fragmented MP4, or
with H.264 or H.265 and nothing around it.

The program may come late, pause, end, and come again: none of that is a fault. It is blocked in its
own `open` until the pipe is opened here, so it can also be first.
"""

from __future__ import annotations

import fcntl
import logging
import os
import sys
import termios
from pathlib import Path
from typing import Any

from edgecam.clock import NS_PER_S, SystemClock
from edgecam.codecs.video import Codec
from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceEnded, SourceError, SourceUnsupported
from edgecam.gstreamer.diagnosis import GstError
from edgecam.gstreamer.gst import (
    Gst,
    guarded,
    make,
)
from edgecam.sources.container import ContainerSource
from edgecam.sources.named_pipe import NamedPipe
from edgecam.sources.pipe_reader import PipeReader
from edgecam.sources.stream_form import StreamForm, form_of
from edgecam.sources.stream_starts import ClockReferences, Heads, StreamStarts

log = logging.getLogger(__name__)

_PAUSE_S = 3.0
"""A program that has sent nothing for this long is waited for; a camera's keyframes come more often."""
_STUCK_S = 2.0
"""GStreamer's demuxers may swallow an end, or stop reading at damage, without a word: after this time a new
pipeline begins where the old one stopped."""
_FED_BYTES = 200_000
"""What may wait before a demuxer: it takes everything at once, unless it is stuck."""
_FORMS = "FLV, MPEG-TS or fragmented MP4, or H.264 or H.265 without a container"
_KIND_OF_BOX = slice(4, 8)
_FRAGMENTED = "mp4mux fragment-duration=1000 streamable=true"


class PipeSource(ContainerSource):
    """A named pipe, made if there is none.

    Args:
        camera: Whose `uri` names it.
        login: None; nobody asks for one.
        descriptor: The pipe, where another source has opened it and hands it over.
        before: What that one has read of this one's stream.
    """

    is_live = True

    def __init__(
        self,
        camera: Camera,
        login: Login | None = None,
        *,
        descriptor: int | None = None,
        before: bytes = b"",
    ) -> None:
        super().__init__(camera, login)
        self._camera = camera
        self._path = Path(camera.source_path)
        self._descriptor = descriptor
        self._before = before
        self._rest: bytes | None = None
        self._reader: PipeReader | None = None
        self._feed: Any = None
        self._starts: StreamStarts | None = None
        self._is_reading = False
        self._read_bytes = 0
        self._read_s: float | None = None
        self._has_ended = False
        self._start = b""
        self._clock = SystemClock()
        self._begun_s: float | None = None
        self._checked_bytes = 0
        self._stuck_since_s: float | None = None

    def waits(self, now_s: float) -> str | None:
        read_bytes = self.received_bytes()
        if read_bytes != self._read_bytes:
            self._read_bytes, self._read_s = read_bytes, now_s
        if self._read_s is None:
            # Also where plain mp4mux writes: gst-launch's filesink holds back its few first bytes.
            return (
                f"waiting for a program that writes {_FORMS} to {self._path}; "
                f"mp4mux alone writes nothing before its end: {_FRAGMENTED}"
            )
        if now_s - self._read_s < _PAUSE_S:
            return None
        waited_for = f"waiting for the program that has begun to write to {self._path} to go on"
        # All that plain mp4mux sends before its end, where it cannot go back in what it has written.
        if self._start[_KIND_OF_BOX] == b"ftyp":
            return (
                f"{waited_for}: an MP4 without its index, which {_FRAGMENTED} sends and mp4mux alone does not"
            )
        return waited_for

    def received_bytes(self) -> int:
        return 0 if self._reader is None else self._reader.received_bytes

    def check(self, now_s: float) -> None:
        if self._reader is not None and not self._is_reading:
            # Now, and not before: the pipeline plays, so that what is added to it plays as well.
            self._is_reading = True
            self._reader.start()
        before, self._checked_bytes = self._checked_bytes, self.received_bytes()
        reads_on = self._checked_bytes != before or not self._unread_bytes()
        if reads_on and not self._has_ended:
            self._stuck_since_s = None
            return
        self._stuck_since_s = self._stuck_since_s or now_s
        if now_s - self._stuck_since_s < _STUCK_S:
            return
        if self._has_ended:
            raise SourceEnded(
                f"{self.name}: expected {_FORMS}, found that the program closed the pipe "
                "before a picture came"
            )
        raise SourceUnsupported(f"{self.name}: expected {_FORMS}, found something that cannot be read on")

    def close(self) -> None:
        super().close()
        # A thread that hangs may still read: better one open file too many than another's data in it.
        is_read_no_more = self._reader is None or self._reader.stop()
        self._reader = self._feed = None
        if self._descriptor is not None and self._rest is None and is_read_no_more:
            os.close(self._descriptor)
            self._descriptor = None

    def successor(self) -> PipeSource | None:
        if self._rest is None:
            return None
        descriptor, self._descriptor = self._descriptor, None
        before, self._rest = self._rest, None
        return PipeSource(self._camera, descriptor=descriptor, before=before)

    def explain(self, error: GstError) -> SourceError:
        if error.mentions("enough data", "contains no data"):
            return SourceEnded(
                f"{self.name}: expected {_FORMS}, found that the program closed the pipe before any came"
            )
        if error.mentions("determine type of stream"):
            return SourceUnsupported(f"{self.name}: expected {_FORMS}, found something else")
        return super().explain(error)

    def _fill(self) -> None:
        """Nothing yet: the first bytes show which elements are needed."""
        if self._descriptor is None:
            self._descriptor = NamedPipe(self.name, self._path).open()
        self._reader = PipeReader(
            self._descriptor, before=self._before, on_data=self._on_data, on_end=self._on_end
        )

    @guarded("a program's data were read", ContainerSource._report, False)
    def _on_data(self, data: bytes) -> bool:
        """On the reader's thread: whether to read on."""
        if self._starts is None:
            data = self._start = self._start + data
            form = form_of(data)
            if form is None:
                return True
            self._start = b""
            self._begin(form)
        starts = self._starts
        if starts is None:
            return self._push(data)
        own, other = starts.split(data)
        if other is None:
            return self._push(own)
        self._push(own)
        self._rest = other
        log.info(
            "%s: expected the stream to go on, found that another one begins in the same pipe",
            self.name,
            extra={"camera": self._camera.id},
        )
        # With its end, the demuxer hands out the last pictures of this one.
        self._has_ended = True
        self._feed.emit("end-of-stream")
        return False

    def _push(self, data: bytes) -> bool:
        """Hand `data` on; blocks while the demuxer takes nothing. False once the pipeline has ended."""
        if not data:
            return True
        buffer = Gst.Buffer.new_wrapped(data)
        if self._begun_s is not None:
            buffer.pts = round((self._clock.monotonic_s() - self._begun_s) * NS_PER_S)
        return bool(self._feed.emit("push-buffer", buffer) == Gst.FlowReturn.OK)

    @guarded("a program's end was read", ContainerSource._report, None)
    def _on_end(self) -> None:
        """On the reader's thread: all programs have closed the pipe."""
        self._has_ended = True
        if self._feed is None:
            raise SourceEnded(
                f"{self.name}: expected {_FORMS}, found that the program closed the pipe before any came"
            )
        if self._starts is not None:
            self._push(self._starts.rest())
        self._feed.emit("end-of-stream")

    def _begin(self, form: StreamForm) -> None:
        """On the reader's thread: make what reads this form.

        Raises:
            SourceUnsupported: nothing can; the message has what to write instead.
        """
        if form is StreamForm.LATE_MP4:
            raise SourceUnsupported(
                f"{self.name}: expected {_FORMS}, found MP4 whose index comes at its end, as mp4mux alone "
                f"writes it; write {_FRAGMENTED}, or with ffmpeg -movflags frag_keyframe+empty_moov"
            )
        codec = form.codec
        self._starts = ClockReferences() if form is StreamForm.MPEGTS else Heads()
        self._feed = make("appsrc", block=True, max_bytes=_FED_BYTES, format="bytes")
        self._add(self._feed)
        if codec is None:
            self._parse(self._feed)
        else:
            self._take_by_arrival(codec)
        self._feed.sync_state_with_parent()

    def _take_by_arrival(self, codec: Codec) -> None:
        """Pictures without times have that of their arrival."""
        caps = Gst.Caps.from_string(f"{codec.media_type},stream-format=byte-stream")
        self._feed.set_property("format", Gst.Format.TIME)
        self._feed.set_property("caps", caps)
        self._begun_s = self._clock.monotonic_s()
        self._note_offer(codec.media_type)
        self._is_joined = True
        self._join(self._feed.get_static_pad("src"), codec)

    def _unread_bytes(self) -> int:
        """What the program has written and nobody has read yet (ioctl_pipe: FIONREAD)."""
        if self._descriptor is None:
            return 0
        return int.from_bytes(fcntl.ioctl(self._descriptor, termios.FIONREAD, bytes(4)), sys.byteorder)
