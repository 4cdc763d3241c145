"""A named pipe that any outside program feeds: `pipe:///run/camera`, with FLV, MPEG-TS or fragmented MP4.

The program may come late, pause, end, and come again: none of that is a fault. It is blocked in its
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

from edgecam.config.camera import Camera
from edgecam.credentials.login import Login
from edgecam.errors import SourceEnded, SourceError, SourceNotFound, SourceUnsupported
from edgecam.folder import ForeignFolder, opened, trusted_users
from edgecam.gstreamer.diagnosis import GstError
from edgecam.gstreamer.gst import (
    Gst,
    add_probe,
    guarded,
    link,
    make,
    measured_bytes,
)
from edgecam.sources.container import ContainerSource
from edgecam.sources.mp4_start import MOST_BYTES, has_index_at_end

PIPE_MODE = 0o660
"""The group may write; what cameras see is not for everybody."""
_PAUSE_S = 3.0
"""A program that has sent nothing for this long is waited for; a camera's keyframes come more often."""
_STUCK_S = 2.0
"""GStreamer's demuxers may swallow an end, or stop reading at damage, without a word: after this time a new
pipeline begins where the old one stopped."""
_MOST_LINKS = 40  # as many as the kernel follows itself (path_resolution(7))
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_FORMS = "FLV, MPEG-TS or fragmented MP4"
_KIND_OF_BOX = slice(4, 8)
_FRAGMENTED = "mp4mux fragment-duration=1000 streamable=true"


class PipeSource(ContainerSource):
    """A named pipe, made if there is none."""

    is_live = True

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._path = Path(camera.source_path)
        self._file: int | None = None
        self._meter: Any = None
        self._read_bytes = 0
        self._read_s: float | None = None
        self._has_ended = False
        self._start = b""
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

    def explain(self, error: GstError) -> SourceError:
        if error.mentions("enough data", "contains no data"):
            return SourceEnded(
                f"{self.name}: expected {_FORMS}, found that the program closed the pipe before any came"
            )
        if error.mentions("determine type of stream"):
            return SourceUnsupported(f"{self.name}: expected {_FORMS}, found something else")
        return super().explain(error)

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
        add_probe(self._meter.get_static_pad("src"), Gst.PadProbeType.BUFFER, self._on_first_bytes)
        both.add_pad(Gst.GhostPad.new("src", self._meter.get_static_pad("src")))
        return both

    def _on_event(self, _pad: Any, info: Any) -> Any:
        """On the reader's thread: the end is seen here even where no demuxer hands it on."""
        self._has_ended = self._has_ended or info.get_event().type == Gst.EventType.EOS
        return Gst.PadProbeReturn.OK

    @guarded("the first bytes were looked at", ContainerSource._report, Gst.PadProbeReturn.DROP)
    def _on_first_bytes(self, _pad: Any, info: Any) -> Any:
        """On the reader's thread: what would be waited for until its end is refused at its beginning."""
        buffer = info.get_buffer()
        self._start += buffer.extract_dup(0, min(buffer.get_size(), MOST_BYTES))
        is_late = has_index_at_end(self._start)
        if is_late is None:
            return Gst.PadProbeReturn.OK
        self._start = b""
        if is_late:
            raise SourceUnsupported(
                f"{self.name}: expected {_FORMS}, found MP4 whose index comes at its end, as mp4mux alone "
                f"writes it; write {_FRAGMENTED}"
            )
        return Gst.PadProbeReturn.REMOVE

    def _unread_bytes(self) -> int:
        """What the program has written and nobody has read yet (ioctl_pipe: FIONREAD)."""
        if self._file is None:
            return 0
        return int.from_bytes(fcntl.ioctl(self._file, termios.FIONREAD, bytes(4)), sys.byteorder)

    def _open(self) -> int:
        """The pipe, open for reading; nobody need write to it yet."""
        path = self._path
        try:
            for _ in range(_MOST_LINKS):
                with opened(path.parent, is_shared=True) as folder:
                    target = _link_in(folder, path.name)
                    if target is None:
                        return self._opened_in(folder, path.name)
                    path = path.parent / target
        except FileNotFoundError:
            raise SourceNotFound(
                f"{self.name}: expected the folder {path.parent} for a named pipe, found none"
            ) from None
        except OSError as error:
            raise SourceError(
                f"{self.name}: expected a named pipe that can be read, found: {error.strerror}"
            ) from error
        raise self._something_else("links without end")

    def _opened_in(self, folder: int, name: str) -> int:
        is_new = True
        try:
            os.mkfifo(name, PIPE_MODE, dir_fd=folder)
        except FileExistsError:
            is_new = False
        # Looked at through the open file: what stands under the name could be another by then.
        file = os.open(name, _READ, dir_fd=folder)
        try:
            facts = os.fstat(file)
            self._refuse(facts, os.fstat(folder))
            if is_new and facts.st_uid == os.geteuid():
                os.fchmod(file, PIPE_MODE)  # which the umask has made less
        except BaseException:
            os.close(file)
            raise
        return file

    def _refuse(self, pipe: os.stat_result, above: os.stat_result) -> None:
        """Refuse a pipe that another user could feed: its writer decides what the camera shows."""
        if stat.S_ISREG(pipe.st_mode):
            raise SourceUnsupported(
                f"{self.name}: expected a named pipe (or nothing, and one is made), found a file, not a "
                f"pipe, at {self._path}, as a program makes it that writes there first: remove it, then "
                "start edgecam, and that program after it"
            )
        if not stat.S_ISFIFO(pipe.st_mode):
            raise self._something_else("something else")
        if above.st_mode & stat.S_IWOTH and pipe.st_uid not in trusted_users():
            raise SourceError(
                f"{self.name}: expected a named pipe of user {os.geteuid()} or root in a folder that every "
                f"user may write, found one of user {pipe.st_uid}: put it into a folder of its own"
            )

    def _something_else(self, found: str) -> SourceUnsupported:
        return SourceUnsupported(
            f"{self.name}: expected a named pipe (or nothing, and one is made), found {found} at {self._path}"
        )


def _link_in(folder: int, name: str) -> str | None:
    """Where the link `name` leads; None where it is none."""
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISLNK(facts.st_mode):
            return None
        target = os.readlink(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    if facts.st_uid not in trusted_users():
        raise ForeignFolder(f"{name} is a link of user {facts.st_uid}, which could lead anywhere")
    return target
