"""Look at recordings as any program would, without edgecam: by name, by metadata, with ffprobe."""

from __future__ import annotations

import json
import re
import subprocess
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

PROBE_TIMEOUT_S = 30
ROUNDING_MS = 2
"""Start and length are whole milliseconds each."""

SLEW_MS_PER_S = 0.5
"""By so much a recording's clock is slewed towards the camera's."""

_OBJECT = re.compile(
    r"(?P<camera>[a-z0-9][a-z0-9-]{0,62})/(?P<day>\d{4}/\d{2}/\d{2})/"
    r"(?P<start>\d{8}T\d{6}\.\d{3})Z_(?P<duration_ms>\d+)ms\.(mp4|ts)"
)
_SPOOLED = re.compile(
    r"(?P<start>\d{8}T\d{6}\.\d{3})Z_(?P<duration_ms>\d+)ms,[^/]*?(,gap_before_ms=(?P<gap>-?\d+))?"
    r",size=\d+,crc32c=[0-9a-f]{8}\.(mp4|ts)"
)


@dataclass(frozen=True, kw_only=True, order=True)
class Recorded:
    """A chunk as its name and metadata describe it; `gap_before_ms` None where it is not known."""

    camera: str
    start: datetime
    duration_ms: int
    gap_before_ms: int | None
    name: str

    @property
    def end(self) -> datetime:
        """When the next one should begin."""
        return self.start + timedelta(milliseconds=self.duration_ms)


@dataclass(frozen=True, kw_only=True)
class Played:
    """What ffprobe found in a file that it read to the end without a complaint.

    Attributes:
        keyframes: Their places among the pictures, from 0.
        shown_s: From the first picture's time to the last one's, seconds.
        longest_step_s: From a picture's time to the next one's at the most, seconds.
    """

    codec: str
    width: int
    height: int
    pictures: int
    keyframes: tuple[int, ...]
    shown_s: float
    longest_step_s: float

    @property
    def first_is_keyframe(self) -> bool:
        """Whether it can be decoded from its beginning."""
        return self.keyframes[:1] == (0,)

    def __str__(self) -> str:
        return f"{self.codec} {self.width}x{self.height}, {self.pictures} pictures"


class Unplayable(Exception):  # noqa: N818 - a finding, not an error of ours
    """ffprobe complained, or found no video."""


def of_object(name: str, metadata: Mapping[str, str]) -> Recorded | None:
    """The chunk of an object; None for an object that is none.

    Raises:
        ValueError: the metadata says something else than the name.
    """
    match = _OBJECT.fullmatch(name)
    if match is None:
        return None
    start, gap = _time(match["start"]), metadata.get("gap_before_ms")
    described = (metadata["camera"], datetime.fromisoformat(metadata["start"]), int(metadata["duration_ms"]))
    named = (match["camera"], start, int(match["duration_ms"]))
    if described != named or f"{start:%Y/%m/%d}" != match["day"]:
        raise ValueError(f"{name}: the metadata says {described}")
    return Recorded(
        camera=named[0],
        start=start,
        duration_ms=named[2],
        gap_before_ms=None if gap is None else int(gap),
        name=name,
    )


def in_spool(folder: Path) -> list[Recorded]:
    """The chunks that wait in a spool."""
    found = []
    for path in sorted(folder.glob("*/*")):
        if match := _SPOOLED.fullmatch(path.name):
            gap = match["gap"]
            found.append(
                Recorded(
                    camera=path.parent.name,
                    start=_time(match["start"]),
                    duration_ms=int(match["duration_ms"]),
                    gap_before_ms=None if gap is None else int(gap),
                    name=str(path),
                )
            )
    return found


def holes(chunks: Iterable[Recorded]) -> list[str]:
    """What is missing or doubled between chunks of one camera, other than what they name themselves."""
    ordered = sorted(chunks)
    found = []
    for before, after in pairwise(ordered):
        between_ms = (after.start - before.end) / timedelta(milliseconds=1)
        slew_ms = before.duration_ms / 1000 * SLEW_MS_PER_S
        if after.gap_before_ms is None:
            found.append(f"{after.name} does not know what is missing before it ({between_ms:.0f} ms)")
        elif abs(between_ms - after.gap_before_ms) > ROUNDING_MS + slew_ms:
            found.append(f"{between_ms:.0f} ms before {after.name}, which names {after.gap_before_ms} ms")
    return found


def lacks(played: Played, duration_ms: int, *, fps: int, keyframe_s: float, ends_early: bool) -> str:
    """What is missing in a chunk, or is not as long as its name says; nothing where all is well.

    A picture that is lost makes an interval of keyframes short, and an interval that is lost leaves a hole in
    the times, whatever the pace of the others is: that may follow arrival, on a machine that has no time for
    a camera (design/time-line.md).

    Args:
        played: What the file holds, of a camera that sends no picture late by its own doing.
        duration_ms: What its name says.
        fps: Pictures a second that the camera takes.
        keyframe_s: Between two of its keyframes.
        ends_early: Whether the recording ends with it, or a gap follows that is named.
    """
    interval = round(fps * keyframe_s)
    begins = (*played.keyframes, played.pictures)
    found = [later - earlier for earlier, later in pairwise(begins)]
    is_whole = all(count == interval for count in (found[:-1] if ends_early else found))
    if not is_whole or found[-1] > interval:
        return f"{found} pictures from keyframe to keyframe, {interval} were sent"
    named_s = duration_ms / 1000
    if not 0 < named_s - played.shown_s < 3 / fps:
        return f"its pictures span {played.shown_s:.3f} s, its name says {named_s:.3f} s"
    if played.longest_step_s >= keyframe_s / 2:
        return f"nothing for {played.longest_step_s:.1f} s between two pictures"
    return ""


def play(content: bytes) -> Played:
    """Read a chunk to its end with ffprobe.

    Raises:
        Unplayable: in ffprobe's words, with what was read up to there.
    """
    with tempfile.NamedTemporaryFile(prefix="edgecam-chunk-") as file:
        file.write(content)
        file.flush()
        done = subprocess.run(
            [
                *("ffprobe", "-v", "error", "-select_streams", "v:0", "-of", "json"),
                *("-show_entries", "stream=codec_name,width,height:packet=flags,pts_time", file.name),
            ],
            capture_output=True,
            text=True,
            timeout=PROBE_TIMEOUT_S,
            check=False,
        )
    errors = done.stderr.strip().replace(file.name, "the chunk")
    document: dict[str, Any] = json.loads(done.stdout or "{}")
    if errors or done.returncode != 0 or not document.get("streams") or not document.get("packets"):
        raise Unplayable(errors or "ffprobe finds no video")
    stream, packets = document["streams"][0], document["packets"]
    times = sorted(float(each["pts_time"]) for each in packets)
    return Played(
        codec=stream["codec_name"],
        width=stream["width"],
        height=stream["height"],
        pictures=len(packets),
        keyframes=tuple(place for place, each in enumerate(packets) if each["flags"].startswith("K")),
        shown_s=times[-1] - times[0],
        longest_step_s=max((later - earlier for earlier, later in pairwise(times)), default=0.0),
    )


def _time(text: str) -> datetime:
    return datetime.strptime(text, "%Y%m%dT%H%M%S.%f").replace(tzinfo=UTC)
