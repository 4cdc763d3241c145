"""Look at a camera's files as any program beside the node would: without knowing edgecam."""

from __future__ import annotations

import json
import struct
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DECODE_TIMEOUT_S = 20
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""JPEG markers that carry the size (ITU-T T.81, table B.1)."""


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A frame file and what frame.json says about it."""

    width: int
    height: int
    age_s: float
    described: dict[str, Any]


def look(folder: Path) -> Picture | None:
    """The newest picture in a camera's folder, or None when there is none yet."""
    frame = folder / "frame.jpg"
    try:
        described = json.loads((folder / "frame.json").read_text())
        modified_s = frame.stat().st_mtime
        width, height = size(frame.read_bytes())
    except FileNotFoundError:
        return None
    return Picture(width=width, height=height, age_s=time.time() - modified_s, described=described)


def size(content: bytes) -> tuple[int, int]:
    """Width and height of a JPEG that is complete; ValueError otherwise."""
    if content[:2] != b"\xff\xd8" or content[-2:] != b"\xff\xd9":
        raise ValueError("the file does not begin and end as a JPEG does")
    position = 2
    while position + 9 < len(content):
        marker, length = content[position + 1], struct.unpack(">H", content[position + 2 : position + 4])[0]
        if marker in _START_OF_FRAME:
            height, width = struct.unpack(">HH", content[position + 5 : position + 9])
            return width, height
        position += 2 + length
    raise ValueError("the JPEG has no start of frame")


def decodes(path: Path) -> bool:
    """Whether GStreamer makes a whole picture of the file.

    What it makes is counted: of a file that is no picture it makes nothing, and complains of nothing.
    """
    content = path.read_bytes()
    width, height = size(content)
    done = subprocess.run(
        ["gst-launch-1.0", "-q", "fdsrc", "!", "jpegparse", "!", "jpegdec", "!", "fdsink"],
        input=content,
        capture_output=True,
        timeout=DECODE_TIMEOUT_S,
        check=False,
    )
    return done.returncode == 0 and len(done.stdout) >= width * height
