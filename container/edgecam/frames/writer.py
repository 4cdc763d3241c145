"""The newest picture as a file that others read: always whole, with its age.

Invariants, each a test:

1. A reader of `frame.jpg` gets one whole picture: it is replaced by a rename within its folder, never written
to. 2. Its modification time is when the picture was taken. 3. `frame.json` beside it has the same time and
the camera's status, and is replaced in the same way, after the picture. 4. A writer that is killed leaves at
most one temporary file, and the next one removes it. 5. A full or missing disk costs pictures, never the
node, and is logged once. 6. Nothing is written to, read from or removed in a folder that another user of this
machine owns or may write (`folder.py`); that is a fault of the disk like any other. 7. Who may read both
files is what `frames.mode` and `frames.group` say.
"""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edgecam import durable
from edgecam.clock import utc_text
from edgecam.codecs.jpeg import LONGEST_BYTES, shown_size_of
from edgecam.config.camera import Frames, OnStale
from edgecam.folder import SHOWN_FOLDER, opened, read_file, remedy
from edgecam.frames.decoder import Picture
from edgecam.status.reports import CameraState, FrameInfo

log = logging.getLogger(__name__)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_HEAD_BYTES = 65_536  # a start-of-frame segment is among the first segments, even after a thumbnail


class FrameWriter:
    """Writes one camera's picture and its description. Safe to use from any thread.

    No fsync: a picture lost in a power cut is a picture nobody needs, and flushing thirty times a second
    wears out an SD card.

    Args:
        camera_id: The camera.
        path: The picture's file.
        stale_after_s: The age from which on it counts as stale, seconds.
        frames: What becomes of it then, and who may read it.

    Attributes:
        stale_after_s: As given; may be set again, from any thread.
        newest: The picture of this run that is there now, or None.
        newest_s: When it was taken, by the monotonic clock.
        written: Pictures written so far.
        failed: Pictures that could not be written.
        problem: Why the picture cannot be written now, a sentence, or None.
    """

    def __init__(self, *, camera_id: str, path: Path, stale_after_s: float, frames: Frames) -> None:
        self._camera_id = camera_id
        self._path = path
        self._json_path = path.with_suffix(".json")
        self.stale_after_s = stale_after_s
        self._on_stale = frames.on_stale
        self._mode, self._group = int(frames.mode, 8), frames.group
        self._lock = threading.Lock()
        self._state = CameraState.CONNECTING
        self._inherited: FrameInfo | None = None
        self._failing: set[Path] = set()
        self._is_removed = False
        self._is_prepared = False
        self.newest: FrameInfo | None = None
        self.newest_s: float | None = None
        self.written = 0
        self.failed = 0
        self.problem: str | None = None

    def open(self, now: datetime) -> None:
        """Make the folder, clean up after a killed writer, and read what the run before has left."""
        with self._lock:
            self._attempt(self._path, self._prepare)
            self._inherited = self._read_inherited()
            age_s = (now - self._inherited.captured_at).total_seconds() if self._inherited else 0.0
            if self._on_stale is OnStale.REMOVE and age_s > self.stale_after_s:
                self._attempt(self._path, self._remove_picture)
                self._inherited = None
            self._attempt(self._json_path, self._write_json)

    def write(self, picture: Picture) -> bool:
        """Replace the picture; False when the disk refuses it. Blocks as long as the disk does."""
        size = shown_size_of(picture.jpeg)
        if size is None:
            self.failed += 1
            return False
        with self._lock:
            info = FrameInfo(picture.captured_at, self.written + 1, *size, len(picture.jpeg))
            if not self._attempt(self._path, lambda: self._replace_picture(picture)):
                self.failed += 1
                return False
            self.written += 1
            self.newest, self.newest_s = info, picture.captured_s
            self._is_removed = False
            return self._attempt(self._json_path, self._write_json)

    def set_state(self, state: CameraState) -> None:
        """Write the camera's status to `frame.json`."""
        with self._lock:
            if state is not self._state:
                self._state = state
                self._attempt(self._json_path, self._write_json)

    def stale_in_s(self, now_s: float) -> float | None:
        """Seconds until `expire` has something to do; None when it has not."""
        if self._on_stale is not OnStale.REMOVE or self._is_removed or self.newest_s is None:
            return None
        return max(0.0, self.newest_s + self.stale_after_s - now_s)

    def expire(self, now_s: float) -> None:
        """Remove the picture if it is stale and the settings say so. `frame.json` stays."""
        with self._lock:
            if self.stale_in_s(now_s) == 0.0:
                self._is_removed = self._attempt(self._path, self._remove_picture)

    def _prepare(self) -> None:
        with opened(self._path.parent, make_mode=SHOWN_FOLDER) as folder:
            for path in (self._path, self._json_path):
                durable.remove_leftovers(Path(path.name), folder=folder)
        self._is_prepared = True

    def _read_inherited(self) -> FrameInfo | None:
        try:
            content, facts = read_file(self._path, limit_bytes=LONGEST_BYTES)
        except OSError:
            return None
        size = shown_size_of(content[:_HEAD_BYTES])
        if size is None:
            return None
        return FrameInfo(datetime.fromtimestamp(facts.st_mtime, UTC), 0, *size, facts.st_size)

    def _replace_picture(self, picture: Picture) -> None:
        # Whole numbers: a float of today's seconds has no nanoseconds.
        captured_ns = (picture.captured_at - _EPOCH) // _MICROSECOND * 1000
        self._replace(self._path, picture.jpeg, modified_ns=captured_ns)

    def _replace(self, path: Path, content: bytes, *, modified_ns: int | None = None) -> None:
        if not self._is_prepared:
            self._prepare()  # another process had taken the name, and has let go of it
        # Checked each time: the folder's owner may have changed meanwhile.
        with opened(path.parent) as folder:
            durable.replace(
                Path(path.name),
                content,
                folder=folder,
                sync=False,
                mode=self._mode,
                group=self._group,
                modified_ns=modified_ns,
            )

    def _remove_picture(self) -> None:
        with opened(self._path.parent) as folder:
            durable.remove(Path(self._path.name), folder=folder)

    def _write_json(self) -> None:
        frame = self.newest or self._inherited
        description = {
            "camera": self._camera_id,
            "captured_at": utc_text(frame.captured_at) if frame else None,
            "sequence": frame.sequence if frame else 0,
            "width": frame.width if frame else None,
            "height": frame.height if frame else None,
            "stale_after_s": self.stale_after_s,
            "status": self._state.value,
        }
        self._replace(self._json_path, json.dumps(description).encode() + b"\n")

    def _attempt(self, path: Path, action: Callable[[], None]) -> bool:
        """Whether `action` succeeded for `path`; a failure is logged once, and so is its end."""
        try:
            action()
        except OSError as error:
            step = error.filename if str(error.filename).startswith("/") else path
            problem = f"expected to write {step}, found: {error.strerror}{remedy(error, path.parent)}"
            if path == self._path:
                self.problem = problem
            if path not in self._failing:
                self._failing.add(path)
                lost = "; pictures are lost until this is repaired" if path == self._path else ""
                log.error("%s%s", problem, lost, extra={"camera": self._camera_id})
            return False
        if path == self._path:
            self.problem = None
        if path in self._failing:
            self._failing.remove(path)
            log.info("%s can be written again", path, extra={"camera": self._camera_id})
        return True


class NoFrame(FrameWriter):
    """The writer of a camera without frames: leaves the disk alone."""

    def open(self, now: datetime) -> None:
        """Nothing to prepare."""

    def set_state(self, state: CameraState) -> None:
        """Nowhere to write it."""
