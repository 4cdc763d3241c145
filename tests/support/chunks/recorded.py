"""Recorded chunks in a folder, and what tests want to know of them."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from edgecam.chunk import Chunk
from edgecam.errors import SpoolError, SpoolFull
from edgecam.gstreamer.gst import Gst
from sandbox.cameras.film import read_mark


class ChunkFolder:
    """A `ChunkSink` that keeps every chunk at `<folder>/<name>`, and can be set to fail.

    Attributes:
        chunks: The finished ones, in the order in which they were finished.
        begun: All that were begun.
        discarded: Places that were given back.
        asked_bytes: What `make_room` was asked for.
        is_full: Whether there is no room to begin.
        makes_room: What `make_room` answers.
        fails_to_keep: Whether `finish` fails.
        gate: While it is clear, `begin` and `finish` wait, as for a slow disk.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.chunks: list[Chunk] = []
        self.begun: list[Chunk] = []
        self.discarded: list[Path] = []
        self.asked_bytes: list[int] = []
        self.is_full = False
        self.makes_room = False
        self.fails_to_keep = False
        self.gate = threading.Event()
        self.gate.set()

    def begin(self, chunk: Chunk) -> Path:
        self.gate.wait()
        if self.is_full:
            raise SpoolFull(f"{self.folder}: expected room, found none")
        self.begun.append(chunk)
        path = self.folder / "open" / f"{chunk.camera_id}-{len(self.begun)}{chunk.format.suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def finish(self, path: Path, chunk: Chunk) -> None:
        self.gate.wait()
        if self.fails_to_keep:
            raise SpoolError(f"{path}: expected to keep it, found: Input/output error")
        target = self.path(chunk)
        assert not target.exists(), f"{chunk.name} would be overwritten"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.move(path, target)
        self.chunks.append(chunk)

    def discard(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self.discarded.append(path)

    def make_room(self, needed_bytes: int) -> bool:
        self.asked_bytes.append(needed_bytes)
        return self.makes_room

    def path(self, chunk: Chunk) -> Path:
        """Where a finished chunk stands."""
        return self.folder / chunk.name

    def open_paths(self) -> list[Path]:
        """What is being written, or was left behind."""
        return sorted((self.folder / "open").glob("*"))


@dataclass(frozen=True)
class Probed:
    """What ffprobe says of a file.

    Attributes:
        codec: Its name there.
        width: Pixels.
        height: Pixels.
        packets: How many pictures it holds.
        begins_with_keyframe: Whether the first of them can be decoded alone.
        first_s: When the first is shown, seconds.
        last_s: When the last is shown, seconds.
    """

    codec: str
    width: int
    height: int
    packets: int
    begins_with_keyframe: bool
    first_s: Fraction
    last_s: Fraction


def probe(path: Path) -> Probed:
    """Read the whole file with ffprobe; fails when it complains about anything."""
    entries = "stream=codec_name,width,height:packet=pts_time,flags"
    outcome = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", entries, "-of", "json", str(path)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not outcome.stderr, f"{path.name}: {outcome.stderr}"
    found: dict[str, Any] = json.loads(outcome.stdout)
    stream, packets = found["streams"][0], found["packets"]
    shown = [Fraction(packet["pts_time"]) for packet in packets]
    return Probed(
        stream["codec_name"],
        stream["width"],
        stream["height"],
        len(packets),
        "K" in packets[0]["flags"],
        min(shown),
        max(shown),
    )


def marks(path: Path) -> list[int]:
    """The numbers of the film's pictures in a file, in the order of showing, decoded as a player would."""
    # In the file's own time base: rounded to the rate of pictures, two of them could fall on one time.
    asked = "-fps_mode passthrough -enc_time_base -1 -vf crop=iw:24:0:0 -f rawvideo -pix_fmt gray -"
    command = ["ffmpeg", "-v", "error", "-i", str(path), *asked.split()]
    outcome = subprocess.run(command, capture_output=True, timeout=60, check=False)
    assert not outcome.stderr, f"{path.name}: {outcome.stderr.decode()}"
    width = probe(path).width
    size = width * 24
    data = outcome.stdout
    return [read_mark(data[at : at + size], width, width) for at in range(0, len(data), size)]


def picture_ends(pipeline_text: str) -> None:
    """Run a gst-launch line to its end, in this process."""
    pipeline = Gst.parse_launch(pipeline_text)
    pipeline.set_state(Gst.State.PLAYING)
    kinds = Gst.MessageType.ERROR | Gst.MessageType.EOS
    message = pipeline.get_bus().timed_pop_filtered(30 * Gst.SECOND, kinds)
    pipeline.set_state(Gst.State.NULL)
    assert message is not None
    assert message.type == Gst.MessageType.EOS
