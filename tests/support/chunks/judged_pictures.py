"""What a JPEG shows, by ffmpeg, which had no part in making it; and films whose pictures are known."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

Color = tuple[int, int, int]


def ffmpeg(*arguments: str | Path, data: bytes = b"") -> bytes:
    """What ffmpeg writes to its output."""
    line = ["ffmpeg", "-v", "error", "-nostdin" if not data else "-hide_banner", "-y", *map(str, arguments)]
    done = subprocess.run(line, input=data or None, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def pixels(jpeg: bytes, path: Path) -> tuple[int, int, bytes]:
    """Width, height and the pixels of a picture, three bytes each; `path` is for a file in between."""
    path.write_bytes(jpeg)
    head = subprocess.run(
        ["ffprobe", "-v", "error", "-show_entries", "stream=width,height", "-of", "csv=p=0", str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    width, height = map(int, head.stdout.strip().split(",")[:2])
    scaled = ("-sws_flags", "accurate_rnd+full_chroma_int", "-f", "rawvideo", "-pix_fmt", "rgb24", "-")
    return width, height, ffmpeg("-noautorotate", "-i", path, *scaled)


def color_at(picture: tuple[int, int, bytes], x: float, y: float) -> Color:
    """The colour of the point at these parts of width and height."""
    width, height, data = picture
    at = 3 * (int(y * height) * width + int(x * width))
    return data[at], data[at + 1], data[at + 2]


def patches(width: int, height: int, colors: Sequence[Color]) -> bytes:
    """A picture of upright stripes in these colours, three bytes a pixel."""
    side = width // len(colors)
    return b"".join(bytes(color) * side for color in colors) * height


def access_units(stream: bytes, *, is_h265: bool = False) -> list[bytes]:
    """The pictures of an elementary stream that has a delimiter before each."""
    delimiter = rb"\x00\x00\x00\x01\x46\x01" if is_h265 else rb"\x00\x00\x00\x01\x09"
    begins = [found.start() for found in re.finditer(delimiter, stream)]
    return [stream[begin:end] for begin, end in zip(begins, [*begins[1:], len(stream)], strict=True)]


def white_with_intra_refresh(*, is_h265: bool = False, pictures: int = 120, more: str = "") -> list[bytes]:
    """A white film whose only keyframe is its first picture; a round of its refresh has 20."""
    source = ("-f", "lavfi", "-i", f"color=white:size=320x240:rate=10:duration={pictures / 10}")
    settings = f"intra-refresh=1:keyint=20:min-keyint=20:scenecut=0:bframes=0:aud=1{more}"
    coder = (
        (
            "-c:v",
            "libx265",
            "-preset",
            "ultrafast",
            "-x265-params",
            f"{settings}:log-level=none",
            "-f",
            "hevc",
        )
        if is_h265
        else ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", settings, "-f", "h264")
    )
    return access_units(ffmpeg(*source, "-pix_fmt", "yuv420p", *coder, "-"), is_h265=is_h265)
