"""Chunks as they stand on a disk while they are written: every write, one by one."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from unittest import mock

from camera_process import PYTHON, ROOT

from edgecam.clock import NS_PER_S
from edgecam.codecs.avc_record import completed
from edgecam.codecs.video import CODECS, H264
from edgecam.config.recording import ChunkFormat
from edgecam.gstreamer.gst import Gst
from edgecam.recording.chunk_writer import Plan
from edgecam.recording.decode_times import DtsGenerator, reorder_depth
from edgecam.recording.mp4_writer import Mp4Writer
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


@dataclass(frozen=True)
class Write:
    """One write: where, and what."""

    offset: int
    data: bytes


def writes_of(
    form: ChunkFormat, path: Path, film: Film = FILM, *, seconds: int = SECONDS, poll: int | None = None
) -> list[Write]:
    """What is written for the first seconds of `film`, in its order; MP4 whenever `poll` pictures have come,
    by default those of a second."""
    if form is ChunkFormat.MP4:
        return _mp4_writes(path, film, seconds, poll or film.fps)
    return _ts_writes(path, film, seconds)


def pictures_and_plan(film: Film, seconds: int = SECONDS) -> tuple[list[CodedPicture], Plan]:
    """The first seconds of `film` as MP4 holds them, and what such a file is to hold."""
    codec = next(codec for codec in CODECS if codec.chunk_name == film.codec)
    shown = coded(film)[: seconds * film.fps]
    record = b""
    if codec.file_caps is not None:
        samples = list(_parsed(film, shown, f"{codec.parser} ! {codec.file_caps}"))
        beside = samples[0].get_caps().get_structure(0).get_value("codec_data")
        record = bytes(beside.extract_dup(0, beside.get_size()))
        record = completed(record) if codec is H264 else record
        shown = [
            replace(picture, data=_content(sample)) for picture, sample in zip(shown, samples, strict=True)
        ]
    depth = reorder_depth(picture.number for picture in shown)
    interval_ns = NS_PER_S // film.fps
    return shown, Plan(ChunkFormat.MP4, codec, film.width, film.height, record, interval_ns, depth)


def write_mp4(path: Path, film: Film, seconds: int = SECONDS, poll: int | None = None) -> None:
    """The first seconds of `film` as a chunk."""
    pictures, plan = pictures_and_plan(film, seconds)
    writer = Mp4Writer(path, plan)
    dts = DtsGenerator(depth=plan.depth, first_ns=0, interval_ns=plan.interval_ns)
    zero_ns = -plan.lead_ns
    for place, picture in enumerate(pictures, start=1):
        shown_ns = picture.number * NS_PER_S // film.fps
        decoded_ns = dts.dts_ns(shown_ns)
        assert decoded_ns is not None
        writer.add(picture.data, shown_ns - zero_ns, decoded_ns - zero_ns, is_keyframe=picture.is_keyframe)
        if place % (poll or film.fps) == 0:
            writer.flush()
    assert writer.finish(seconds * NS_PER_S - zero_ns), writer.fault


@contextmanager
def journal() -> Iterator[list[Write]]:
    """Every write to files of this process, as long as it lasts."""
    writes: list[Write] = []
    really_write, really_put = os.writev, os.pwrite

    def write(file: int, parts: Sequence[bytes]) -> int:
        writes.append(Write(os.lseek(file, 0, os.SEEK_CUR), b"".join(parts)))
        return really_write(file, parts)

    def put(file: int, data: bytes, offset: int) -> int:
        writes.append(Write(offset, bytes(data)))
        return really_put(file, data, offset)

    with mock.patch.object(os, "writev", write), mock.patch.object(os, "pwrite", put):
        yield writes


def _mp4_writes(path: Path, film: Film, seconds: int, poll: int) -> list[Write]:
    with journal() as writes:
        write_mp4(path, film, seconds, poll)
    assert after(writes) == path.read_bytes()
    return writes


def _film_caps(film: Film) -> str:
    caps = f"video/x-{film.codec},stream-format=byte-stream,alignment=au"
    caps = "image/jpeg" if film.codec == "mjpeg" else caps
    return caps + f",width={film.width},height={film.height},framerate={film.fps}/1"


def _fed(
    film: Film, shown: Sequence[CodedPicture], line: str, probe: Callable[[Any, Any], Any] | None = None
) -> Any:
    """A pipeline of `line` that gets the pictures and their end; `probe` sees what goes into `name=out`."""
    pipeline = Gst.parse_launch(f"appsrc name=in format=time caps={_film_caps(film)} ! {line}")
    if probe is not None:
        pad = pipeline.get_by_name("out").get_static_pad("sink")
        pad.add_probe(Gst.PadProbeType.DATA_DOWNSTREAM, probe)
    pipeline.set_state(Gst.State.PLAYING)
    feed = pipeline.get_by_name("in")
    depth = 2 if film.bframes else 0
    for number, picture in enumerate(shown):
        buffer = Gst.Buffer.new_wrapped(picture.data)
        buffer.pts = (picture.number + depth) * NS_PER_S // film.fps
        buffer.dts = number * NS_PER_S // film.fps
        buffer.duration = NS_PER_S // film.fps
        if not picture.is_keyframe:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        feed.emit("push-buffer", buffer)
    feed.emit("end-of-stream")
    return pipeline


def _parsed(film: Film, shown: Sequence[CodedPicture], line: str) -> Iterator[Any]:
    pipeline = _fed(film, shown, f"{line} ! appsink name=end sync=false")
    sink = pipeline.get_by_name("end")
    while (sample := sink.emit("try-pull-sample", 20 * Gst.SECOND)) is not None:
        yield sample
    pipeline.set_state(Gst.State.NULL)


def _content(sample: Any) -> bytes:
    buffer = sample.get_buffer()
    return bytes(buffer.extract_dup(0, buffer.get_size()))


def _ts_writes(path: Path, film: Film, seconds: int) -> list[Write]:
    noted = _Journal()
    pictures = coded(film)[: seconds * film.fps]
    codec = next(codec for codec in CODECS if codec.chunk_name == film.codec)
    line = f"{codec.parser} ! mpegtsmux ! filesink name=out location={path}"
    pipeline = _fed(film, pictures, line, noted.note)
    message = pipeline.get_bus().timed_pop_filtered(
        30 * NS_PER_S, Gst.MessageType.EOS | Gst.MessageType.ERROR
    )
    assert message is not None
    assert message.type == Gst.MessageType.EOS, message.parse_error()
    pipeline.set_state(Gst.State.NULL)
    assert after(noted.writes) == path.read_bytes()
    return noted.writes


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
