"""A named pipe that any outside program feeds: `pipe:///run/camera`, with FLV, MPEG-TS or fragmented MP4.

The program may come late, pause, go, and come again; none of that is a fault of anybody. It is blocked in its
own `open` until the pipe is opened here, so it can also be first.
"""

from __future__ import annotations

import fcntl
import os
import stat
import sys
import termios
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edgecam.config import Camera
from edgecam.diagnosis import Complaint
from edgecam.errors import SourceEnded, SourceError, SourceNotFound, SourceUnsupported
from edgecam.gst import Gst, add_probe, link, make, measured_bytes
from edgecam.source_container import ContainerSource

PIPE_MODE = 0o660
"""Whoever shares the group may write; what cameras see is not for everybody."""
_PAUSE_S = 3.0
"""A program that has sent nothing for so long is waited for; a camera's keyframes come more often."""
_STUCK_S = 2.0
"""GStreamer's demuxers may swallow an end, or stop reading at damage, without a word: after this time a new
pipeline begins where the old one stopped."""
_FORMS = "FLV, MPEG-TS or fragmented MP4"


class PipeSource(ContainerSource):
    """A named pipe, made if there is none."""

    is_live = True
    is_fed_by_others = True

    def __init__(self, camera: Camera) -> None:
        super().__init__(camera)
        self._path = Path(unquote(urlsplit(camera.uri).path))
        self._file: int | None = None
        self._meter: Any = None
        self._read_bytes = 0
        self._read_s: float | None = None
        self._has_ended = False
        self._checked_bytes = 0
        self._stuck_since_s: float | None = None

    def waits(self, now_s: float) -> str | None:
        read_bytes = self.received_bytes()
        if read_bytes != self._read_bytes:
            self._read_bytes, self._read_s = read_bytes, now_s
        if self._read_s is None:
            return f"waiting for a program that writes {_FORMS} to {self._path}"
        if now_s - self._read_s < _PAUSE_S:
            return None
        return f"waiting for the program that has begun to write to {self._path} to go on"

    def received_bytes(self) -> int:
        return 0 if self._meter is None else measured_bytes(self._meter)

    def check(self, now_s: float) -> None:
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
        # A pipeline that hangs may still read: better one open file too many than another's data in it.
        if self._file is not None and self._bin.get_state(0)[1] == Gst.State.NULL:
            os.close(self._file)
            self._file = None

    def explain(self, complaint: Complaint) -> SourceError:
        if complaint.mentions("enough data", "contains no data"):
            return SourceEnded(
                f"{self.name}: expected {_FORMS}, found that the program closed the pipe before any came"
            )
        if complaint.mentions("determine type of stream"):
            return SourceUnsupported(f"{self.name}: expected {_FORMS}, found something else")
        return super().explain(complaint)

    def _reader(self) -> Any:
        self._file = self._open()
        reader = make("fdsrc", fd=self._file)
        self._meter = make("identity")
        # One element to the outside, so that it can be linked like any other reader.
        both = Gst.Bin.new(None)
        for element in (reader, self._meter):
            both.add(element)
        link(reader, self._meter)
        add_probe(self._meter.get_static_pad("src"), Gst.PadProbeType.EVENT_DOWNSTREAM, self._on_event)
        both.add_pad(Gst.GhostPad.new("src", self._meter.get_static_pad("src")))
        return both

    def _on_event(self, _pad: Any, info: Any) -> Any:
        """On the reader's thread: the end is seen here even where no demuxer hands it on."""
        self._has_ended = self._has_ended or info.get_event().type == Gst.EventType.EOS
        return Gst.PadProbeReturn.OK

    def _unread_bytes(self) -> int:
        """What the program has written and nobody has read yet (ioctl_pipe: FIONREAD)."""
        if self._file is None:
            return 0
        return int.from_bytes(fcntl.ioctl(self._file, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _open(self) -> int:
        """The pipe, open for reading; nobody need write to it yet."""
        try:
            try:
                os.mkfifo(self._path)
                self._path.chmod(PIPE_MODE)
            except FileExistsError:
                pass
            # Looked at through the open file: what stands under the name could be another by then.
            file = os.open(self._path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except FileNotFoundError:
            raise SourceNotFound(
                f"{self.name}: expected the folder {self._path.parent} for a named pipe, found none"
            ) from None
        except OSError as error:
            raise SourceError(
                f"{self.name}: expected a named pipe that can be read, found: {error.strerror}"
            ) from error
        if not stat.S_ISFIFO(os.fstat(file).st_mode):
            os.close(file)
            raise SourceUnsupported(
                f"{self.name}: expected a named pipe (or nothing, and one is made), "
                f"found something else at {self._path}"
            )
        return file
