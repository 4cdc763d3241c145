"""Small films in every container that edgecam reads or writes, made once and kept."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from edgecam.clock import NS_PER_S
from edgecam.codecs.video import H264, H265, JPEG, Codec
from edgecam.config.recording import ChunkFormat
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.mp4_writer import Mp4Writer
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
_PICTURES = 30
_PER_S = 10

PIPES = {
    "pipe.ts": f"{_H264}mpegtsmux ! ",
    "pipe.flv": f"{_H264}video/x-h264,stream-format=avc ! flvmux streamable=true ! ",
    "pipe.mp4": f"{_H264}mp4mux fragment-duration=500 streamable=true ! ",
    "pipe.h265.ts": f"{_H265}mpegtsmux ! ",
}
MP4_CHUNKS = {"chunk.mp4": (H264, _H264), "chunk.h265.mp4": (H265, _H265), "chunk.jpeg.mp4": (JPEG, _JPEG)}
TS_CHUNKS = {"chunk.ts": f"{_H264}mpegtsmux ! "}
_HALF_BYTES = 6000
"""By then a file has its header and some pictures, and is far from whole."""


def pipe_seeds() -> list[bytes]:
    """What programs write into pipes."""
    return [_whole(FOLDER / name, chain) for name, chain in PIPES.items()]


def chunk_seeds() -> list[bytes]:
    """Chunks that are whole, and the same killed while they were written."""
    streams = [
        each
        for name, chain in TS_CHUNKS.items()
        for each in (_whole(FOLDER / name, chain), _killed(FOLDER / f"half-{name}", chain))
    ]
    return streams + [
        _mp4(FOLDER / f"{half}{name}", codec, chain, is_whole=not half)
        for name, (codec, chain) in MP4_CHUNKS.items()
        for half in ("", "half-")
    ]


def _mp4(path: Path, codec: Codec, chain: str, *, is_whole: bool) -> bytes:
    """A chunk of the node's own writer, or what a kill leaves of one."""
    if not path.exists():
        with whole_file(path) as made:
            # Nothing that is fuzzed reads the decoder's configuration.
            plan = Plan(ChunkFormat.MP4, codec, 64, 48, b"configuration", NS_PER_S // _PER_S)
            writer = Mp4Writer(made, plan)
            for number, picture in enumerate(_pictures(codec, chain)):
                at_ns = number * NS_PER_S // _PER_S
                writer.add(picture, at_ns, at_ns, is_keyframe=number % _PER_S == 0)
                if number % _PER_S == _PER_S - 1:
                    writer.flush()
            if is_whole:
                writer.finish()
            else:
                os.truncate(made, made.stat().st_size - 100)
    return path.read_bytes()


def _pictures(codec: Codec, chain: str) -> list[bytes]:
    """Pictures in the form that MP4 holds."""
    with tempfile.TemporaryDirectory() as folder:
        form = codec.file_caps or codec.unit_caps
        line = f"{chain.format(pictures=_PICTURES, live='')}{form} ! multifilesink location={folder}/%05d"
        command = ["gst-launch-1.0", "-q", *line.split()]
        subprocess.run(command, check=True, capture_output=True, timeout=_TIMEOUT_S)
        return [file.read_bytes() for file in sorted(Path(folder).iterdir())]


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
