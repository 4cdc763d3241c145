"""Small films in every container that edgecam reads or writes, made once and kept."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

from sandbox.whole_file import whole_file

FOLDER = Path(__file__).resolve().parent.parent / "build" / "fuzz" / "seeds"
_TIMEOUT_S = 60.0
_LOOK_EVERY_S = 0.05
_SOURCE = (
    "videotestsrc num-buffers={pictures} {live}pattern=ball ! "
    "video/x-raw,width=64,height=48,framerate=10/1 ! "
)
_H264 = _SOURCE + "x264enc key-int-max=10 bitrate=20 tune=zerolatency ! h264parse ! "
_H265 = _SOURCE + "x265enc key-int-max=10 bitrate=20 tune=zerolatency log-level=none ! h265parse ! "
_JPEG = _SOURCE + "jpegenc ! "
_RESERVED = "reserved-max-duration=15000000000 reserved-moov-update-period=500000000 ! "
_PICTURES = 30

PIPES = {
    "pipe.ts": f"{_H264}mpegtsmux ! ",
    "pipe.flv": f"{_H264}video/x-h264,stream-format=avc ! flvmux streamable=true ! ",
    "pipe.mp4": f"{_H264}mp4mux fragment-duration=500 streamable=true ! ",
    "pipe.h265.ts": f"{_H265}mpegtsmux ! ",
}
CHUNKS = {
    "chunk.mp4": f"{_H264}mp4mux {_RESERVED}",
    "chunk.h265.mp4": f"{_H265}mp4mux {_RESERVED}",
    "chunk.jpeg.mp4": f"{_JPEG}qtmux {_RESERVED}",
    "chunk.ts": f"{_H264}mpegtsmux ! ",
}
_HALF_BYTES = 6000
"""By then a file has its header and some pictures, and is far from whole."""


def pipe_seeds() -> list[bytes]:
    """What programs write into pipes."""
    return [_whole(FOLDER / name, chain) for name, chain in PIPES.items()]


def chunk_seeds() -> list[bytes]:
    """Chunks that are whole, and the same killed while they were written."""
    return [
        each
        for name, chain in CHUNKS.items()
        for each in (_whole(FOLDER / name, chain), _killed(FOLDER / f"half-{name}", chain))
    ]


def _command(path: Path, chain: str, *, pictures: int, is_live: bool) -> list[str]:
    description = chain.format(pictures=pictures, live="is-live=true " if is_live else "")
    return ["gst-launch-1.0", "-q", *description.split(), "filesink", f"location={path}", "buffer-mode=2"]


def _whole(path: Path, chain: str) -> bytes:
    if not path.exists():
        with whole_file(path) as made:
            command = _command(made, chain, pictures=_PICTURES, is_live=False)
            subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
    return path.read_bytes()


def _killed(path: Path, chain: str) -> bytes:
    """As a power cut leaves it."""
    if not path.exists():
        with (
            whole_file(path) as made,
            subprocess.Popen(_command(made, chain, pictures=10_000, is_live=True)) as muxer,
        ):
            deadline_s = time.monotonic() + _TIMEOUT_S
            while not made.exists() or made.stat().st_size < _HALF_BYTES:
                if time.monotonic() > deadline_s:
                    raise TimeoutError(f"expected {_HALF_BYTES} bytes in {made}")
                time.sleep(_LOOK_EVERY_S)
            os.kill(muxer.pid, signal.SIGKILL)
    return path.read_bytes()
