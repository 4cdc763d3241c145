"""Chunks as they stand on a disk while a muxer writes them: every write of a real muxer, one by one."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from camera_process import PYTHON, ROOT

from edgecam.clock import NS_PER_S
from edgecam.gstreamer.gst import Gst
from sandbox.cameras.film import (
    FILM_FOLDER,
    CodedPicture,
    Film,
    load,
)

PAGE_BYTES = 4096
FILM = Film(320, 180, 15, keyframe_s=1.0)
FILM_WITH_B_FRAMES = Film(320, 180, 15, keyframe_s=1.0, bframes=2)
SECONDS = 6
PICTURES = SECONDS * FILM.fps
MP4 = (
    "h264parse ! video/x-h264,stream-format=avc,alignment=au ! mp4mux reserved-max-duration=15000000000 "
    "reserved-moov-update-period=1000000000"
)
MPEGTS = "h264parse ! mpegtsmux"
JPEG_MP4 = MP4.replace(MP4.partition(" ! mp4mux")[0], "capsfilter caps=image/jpeg").replace("mp4mux", "qtmux")
H265_MP4 = MP4.replace("h264", "h265").replace("avc", "hvc1")


@dataclass(frozen=True)
class Write:
    """One write: where, and what."""

    offset: int
    data: bytes


def writes_of(muxer: str, path: Path, film: Film = FILM) -> list[Write]:
    """What `muxer` writes for the first seconds of `film`, in its order."""
    caps = f"video/x-{film.codec},stream-format=byte-stream,alignment=au"
    caps = "image/jpeg" if film.codec == "mjpeg" else caps
    caps += f",width={film.width},height={film.height},framerate={film.fps}/1"
    pipeline = Gst.parse_launch(
        f"appsrc name=in format=time block=true caps={caps} ! {muxer} ! filesink name=out location={path}"
    )
    journal = _Journal()
    pipeline.get_by_name("out").get_static_pad("sink").add_probe(
        Gst.PadProbeType.DATA_DOWNSTREAM, journal.note
    )
    pipeline.set_state(Gst.State.PLAYING)
    feed = pipeline.get_by_name("in")
    depth = 2 if film.bframes else 0
    for number, picture in enumerate(coded(film)[: SECONDS * film.fps]):
        buffer = Gst.Buffer.new_wrapped(picture.data)
        buffer.pts = (picture.number + depth) * NS_PER_S // film.fps
        buffer.dts = number * NS_PER_S // film.fps
        buffer.duration = NS_PER_S // film.fps
        if not picture.is_keyframe:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        feed.emit("push-buffer", buffer)
    feed.emit("end-of-stream")
    message = pipeline.get_bus().timed_pop_filtered(
        30 * NS_PER_S, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    assert message is not None
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    pipeline.set_state(Gst.State.NULL)
    assert after(journal.writes) == path.read_bytes()
    return journal.writes


def coded(film: Film) -> list[CodedPicture]:
    """Its pictures. Encoders are not in the image: there, the machine outside codes them, once."""
    if not (FILM_FOLDER / film.file_name()).exists():
        code = f"from sandbox.cameras.film import FILM_FOLDER, Film, load; load({film!r}, FILM_FOLDER)"
        subprocess.run([PYTHON, "-c", code], cwd=ROOT, check=True)
    return load(film, FILM_FOLDER)


class _Journal:
    def __init__(self) -> None:
        self.writes: list[Write] = []
        self._at = 0

    def note(self, _pad: Any, info: Any) -> Any:
        """On the muxer's thread."""
        if info.type & Gst.PadProbeType.BUFFER:
            self._write(info.get_buffer())
        elif info.type & Gst.PadProbeType.BUFFER_LIST:
            several = info.get_buffer_list()
            for number in range(several.length()):
                self._write(several.get(number))
        elif info.get_event().type == Gst.EventType.SEGMENT:
            segment = info.get_event().parse_segment()
            if segment.format == Gst.Format.BYTES:
                self._at = segment.start
        return Gst.PadProbeReturn.OK

    def _write(self, buffer: Any) -> None:
        data = buffer.extract_dup(0, buffer.get_size())
        self.writes.append(Write(self._at, data))
        self._at += len(data)


def after(writes: Sequence[Write]) -> bytes:
    """The file after these writes: what a kill leaves."""
    content = bytearray()
    for write in writes:
        content.extend(bytes(max(0, write.offset + len(write.data) - len(content))))
        content[write.offset : write.offset + len(write.data)] = write.data
    return bytes(content)


def complaints_of(path: Path) -> str:
    """What ffprobe has to say against a file, every picture decoded; nothing when it plays."""
    done = subprocess.run(
        [
            "ffprobe",
            "-v",
            "warning",
            "-threads",
            "1",
            "-count_frames",
            "-show_entries",
            "format=duration",
            path,
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.stderr if done.returncode == 0 else f"{done.stderr} (code {done.returncode})"


def probed(path: Path) -> tuple[int, float]:
    """How many pictures ffprobe decodes of a file, and how long it says it is, seconds."""
    done = subprocess.run(
        [
            *("ffprobe", "-v", "error", "-threads", "1", "-count_frames", "-select_streams", "v:0"),
            *("-show_entries", "stream=nb_read_frames:format=duration", "-of", "csv=p=0", path),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    lines = done.stdout.split()
    return int(lines[0].rstrip(",")), float(lines[-1])
