"""`images://`: numbered JPEG or PNG files, in a loop."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

from edgecam.clock import NS_PER_S
from edgecam.config.camera import Camera
from edgecam.config.queries import rate
from edgecam.config.uris import numbered_path
from edgecam.credentials.login import Login
from edgecam.errors import SourceNotFound, SourceUnsupported
from edgecam.gstreamer.gst import (
    Gst,
    connect,
    guarded,
    link,
    make,
)
from edgecam.sources.base import Source
from edgecam.sources.picture_file import are_png, read_picture

log = logging.getLogger(__name__)

_MOST_NAMED = 5
"""Pictures that are left out and named, each once; of the others a round says how many they are."""


class ImagesSource(Source):
    """`images:///folder/seq_%06d.jpg?fps=5`: numbered JPEG or PNG files, looped for ever, in real time."""

    def __init__(self, camera: Camera, login: Login | None = None) -> None:
        super().__init__(camera, login)
        self._period_ns = round(NS_PER_S / rate(camera.query["fps"]))
        self._files = numbered_files(self.name, camera.source_path)
        self._max_pixels = camera.frames.max_pixels
        self._is_png = are_png(self._files)
        self._at = 0
        self._shown = 0
        self._left_out = self._left_out_logged = 0
        self._named: set[Path] = set()

    def _fill(self) -> None:
        caps = Gst.Caps.from_string("image/png" if self._is_png else "image/jpeg")
        feed = make("appsrc", caps=caps, format="time", max_bytes=1, block=False)
        connect(feed, "need-data", self._on_need)
        self._add(feed)
        if not self._is_png:
            self._expose(feed.get_static_pad("src"))
            return
        decoder = make("pngdec")
        self._add(decoder)
        link(feed, decoder)
        self._expose(decoder.get_static_pad("src"))

    @guarded("a numbered picture was read", Source._report, None)
    def _on_need(self, feed: Any, _size: int) -> None:
        """On the feed's streaming thread, whenever it has nothing left; that thread waits for nothing
        else."""
        buffer = Gst.Buffer.new_wrapped(self._next_picture())
        buffer.pts = self._shown * self._period_ns
        buffer.duration = self._period_ns
        self._shown += 1
        feed.emit("push-buffer", buffer)

    def _next_picture(self) -> bytes:
        """The next file that is a picture; the others are left out."""
        fault: Exception | None = None
        for _ in self._files:
            path = self._files[self._at]
            self._at = (self._at + 1) % len(self._files)
            if self._at == 0:
                self._log_left_out()
            try:
                return read_picture(path, is_png=self._is_png, max_pixels=self._max_pixels)
            except (OSError, SourceUnsupported) as error:
                fault = error
                self._leave_out(path, error)
        raise SourceNotFound(
            f"{self.name}: expected a picture in one of {len(self._files)} files, found none, at last {fault}"
        ) from fault

    def _leave_out(self, path: Path, error: Exception) -> None:
        found = f"{path}: expected a picture, found {error.strerror}" if isinstance(error, OSError) else error
        if path not in self._named and len(self._named) < _MOST_NAMED:
            self._named.add(path)
            log.warning("%s: a picture is left out: %s", self.name, found)
        self._left_out += 1

    def _log_left_out(self) -> None:
        """At the end of a round: one line, and only if it is another number than before."""
        if self._left_out != self._left_out_logged and self._left_out > 1:
            log.warning(
                "%s: pictures left out in this round: %d of %d", self.name, self._left_out, len(self._files)
            )
        self._left_out_logged, self._left_out = self._left_out, 0


def numbered_files(name: str, pattern: str) -> list[Path]:
    """The files that `pattern` (`/folder/seq_%06d.jpg`) names, in the order of their numbers.

    Raises:
        SourceNotFound: no file has such a name.
        ValueError: the pattern has no number, or names neither JPEG nor PNG.
    """
    path, number = numbered_path(pattern)
    folder = Path(path.parent)
    before, after = path.name[: number.start()], path.name[number.end() :]
    digits = f"\\d{{{int(number.group(1) or 1)},}}"
    shape = re.compile(f"{re.escape(before)}({digits}){re.escape(after)}")
    try:
        matches = [(shape.fullmatch(file.name), file) for file in folder.iterdir()]
    except OSError as error:
        raise SourceNotFound(f"{name}: expected the folder {folder}, found {error.strerror}") from None
    found = sorted((int(match.group(1)), file) for match, file in matches if match)
    if not found:
        raise SourceNotFound(f"{name}: expected numbered pictures {path.name} in {folder}, found none")
    return [file for _, file in found]
