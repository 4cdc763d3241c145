"""How many cameras one core records without a hole, where that ends, and how it says so.

    python -m bench.one_core [--cameras 100 150 200] [--seconds 600]
    python -m bench.one_core --reconnects [--cameras 16] [--seconds 600]

The node runs on the first processor alone; the cameras (`bench.crowd`, 1080p30 H.264 of 4 Mbit/s) and this
measurement on the others. Each chunk is held against its name, and names against each other, and is then
removed: ten minutes of 150 cameras are 45 GB. With `--reconnects` every connection is closed after some
seconds, the cameras have pictures of keyframes as well, and memory, descriptors and threads are looked at.

| column | what it is |
| --- | --- |
| core | CPU seconds of the node a second |
| pictures missing | what keyframe intervals lack: chunks begin and end at keyframes |
| holes | between chunks of a camera: named by them, and not named |
| left out | pictures that the cameras could not send, since they were not taken |
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from bench.crowd import FILM
from bench.frames import ROOT, cpu_s, memory_mb, shared_memory_folder
from edgecam.formats.mp4_boxes import HEADER_BYTES
from edgecam.formats.mp4_fragments import read_moof
from sandbox.checks.chunk_files import Recorded, holes, in_spool

INTERVAL = round(FILM.keyframe_s * FILM.fps)
"""Pictures from keyframe to keyframe. The chunks' names say no more: their times follow arrival where a busy
machine has the cameras send late (design/time-line.md)."""
CHUNK_S = 10
WARM_UP_S = 20.0
HANG_UP_S = 2.0
"""With the delay before the next attempt, up to 2.4 s, this is four to five times as often as each 20 s."""
_LOOK_EVERY_S = 5.0
_END_TIMEOUT_S = 30.0
_LISTED_MESSAGES = 8


@dataclass
class Findings:
    """What the chunks of a run show.

    Attributes:
        chunks: How many were looked at.
        pictures: In them.
        missing: Pictures that lack in their keyframe intervals, which are whole but in a camera's last chunk.
        last: Of each camera, the chunk before.
        rest: Of each camera, what that one had beyond whole intervals.
        named: Holes that a chunk names.
        unnamed: Those that none does.
    """

    chunks: int = 0
    pictures: int = 0
    missing: int = 0
    last: dict[str, Recorded] = field(default_factory=dict)
    rest: dict[str, int] = field(default_factory=dict)
    named: int = 0
    unnamed: list[str] = field(default_factory=list)

    def take(self, folder: Path) -> None:
        """Look at the chunks that are finished, and remove them."""
        by_camera: dict[str, list[Recorded]] = defaultdict(list)
        for chunk in sorted(in_spool(folder)):
            by_camera[chunk.camera].append(chunk)
        for camera, chunks in by_camera.items():
            for chunk in chunks:
                found = pictures_in(Path(chunk.name))
                self.chunks += 1
                self.pictures += found
                self.missing += -self.rest.get(camera, 0) % INTERVAL
                self.rest[camera] = found
                self.named += bool(chunk.gap_before_ms)
                Path(chunk.name).unlink()
            joined = [self.last[camera], *chunks] if camera in self.last else chunks
            self.unnamed += holes(joined)
            self.last[camera] = chunks[-1]


def pictures_in(path: Path) -> int:
    """How many a chunk holds, by the heads of its fragments."""
    pictures = 0
    with path.open("rb") as file:
        while len(intro := file.read(HEADER_BYTES)) == HEADER_BYTES:
            size, kind = int.from_bytes(intro[:4]), intro[4:]
            if kind == b"moof":
                runs = read_moof(intro + file.read(size - HEADER_BYTES))
                pictures += sum(len(run.samples) for run in runs)
            else:
                file.seek(size - HEADER_BYTES, os.SEEK_CUR)
    return pictures


@contextmanager
def crowd(hang_up_s: float | None, said: dict[str, int]) -> Iterator[str]:
    """The uri of cameras on the other processors; `said` has what they say at their end."""
    more = [] if hang_up_s is None else ["--hang-up-s", str(hang_up_s)]
    command = [*_on(_others()), sys.executable, "-m", "bench.crowd", *more]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        yield f"rtsp://127.0.0.1:{int(process.stdout.readline())}/live"
    finally:
        process.terminate()
        said.update(json.loads(process.stdout.read() or "{}"))
        process.wait()
        process.stdout.close()


def _others() -> list[int]:
    return list(range(1, os.cpu_count() or 1)) or [0]


def _on(processors: Sequence[int]) -> list[str]:
    return ["taskset", "-c", ",".join(map(str, processors))]


@contextmanager
def node(folder: Path, uri: str, cameras: int, *, frames: bool) -> Iterator[psutil.Process]:
    """A node that records, on the first processor."""
    settings = {
        "frames": {"enabled": frames, "max_fps": 0.5},
        "recording": {"enabled": True, "chunk_s": CHUNK_S},
    }
    configuration = {
        "cameras": [{"id": f"c{number}", "uri": uri} | settings for number in range(cameras)],
        "data_dir": str(folder / "data"),
        "bucket": f"file://{folder}",
        "spool": {"path": str(folder / "spool"), "keep_free_bytes": 0, "max_bytes": 10**12},
    }
    path = folder / "node.json"
    path.write_text(json.dumps(configuration))
    command = [*_on([0]), sys.executable, "-m", "bench.recording_node", str(path)]
    with (folder / "output.txt").open("wb") as output:
        process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
    try:
        yield psutil.Process(process.pid)
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(_END_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def complaints(folder: Path) -> list[str]:
    """What the node said, most frequent first, numbers and names left out."""
    lines = (folder / "output.txt").read_text(errors="replace").splitlines()
    counted = Counter(re.sub(r"\d[\d.,:TZ-]*", "N", line) for line in lines if line.strip())
    return [f"{number} x {line}" for line, number in counted.most_common(_LISTED_MESSAGES)]


def record(cameras: int, seconds: float) -> str:
    """One row of the table."""
    folder, findings, said = shared_memory_folder(), Findings(), dict[str, int]()
    try:
        with crowd(None, said) as uri:
            with node(folder, uri, cameras, frames=False) as process:
                time.sleep(WARM_UP_S)
                begun_s, begun_cpu_s, pss_mb = time.monotonic(), cpu_s([process]), 0.0
                while time.monotonic() - begun_s < seconds:
                    time.sleep(_LOOK_EVERY_S)
                    findings.take(folder / "spool")
                    pss_mb = max(pss_mb, memory_mb([process])[1])
                core = (cpu_s([process]) - begun_cpu_s) / (time.monotonic() - begun_s)
            findings.take(folder / "spool")
        for line in (*complaints(folder), *findings.unnamed[:_LISTED_MESSAGES]):
            sys.stderr.write(f"{cameras}: {line}\n")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return (
        f"| {cameras} | {core:.2f} | {core * 60 / cameras:.3f} | {pss_mb:.0f} | {findings.chunks} | "
        f"{findings.missing} of {findings.pictures} | {findings.named}, {len(findings.unnamed)} | "
        f"{said.get('left_out')} of {said.get('sent')} |"
    )


def reconnect(cameras: int, seconds: float) -> Iterator[str]:
    """Rows of the other table, one a minute: the least and the most of what was seen within it, since cameras
    that are just connecting decode everything."""
    folder, findings, said = shared_memory_folder(), Findings(), dict[str, int]()
    try:
        with crowd(HANG_UP_S, said) as uri, node(folder, uri, cameras, frames=True) as process:
            begun_s = time.monotonic()
            seen: list[tuple[float, float, float]] = []
            minute = 1
            while time.monotonic() - begun_s < seconds:
                time.sleep(_LOOK_EVERY_S)
                findings.take(folder / "spool")
                seen.append((memory_mb([process])[1], process.num_fds(), process.num_threads()))
                if time.monotonic() - begun_s >= 60 * minute:
                    shown = (f"{min(each):.0f} to {max(each):.0f}" for each in zip(*seen, strict=True))
                    yield f"| {minute} | {' | '.join(shown)} | {findings.chunks} |"
                    seen, minute = [], minute + 1
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    yield f"{said.get('connections')} connections"


def main() -> None:
    """Measure, print."""
    parser = argparse.ArgumentParser(prog="python -m bench.one_core")
    parser.add_argument("--cameras", type=int, nargs="+")
    parser.add_argument("--seconds", type=float, default=600)
    parser.add_argument("--reconnects", action="store_true")
    arguments = parser.parse_args()
    os.sched_setaffinity(0, _others())
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if arguments.reconnects:
        sys.stdout.write("| minute | PSS MB | descriptors | threads | chunks |\n")
        sys.stdout.write("| --- | --- | --- | --- | --- |\n")
        for row in reconnect((arguments.cameras or [16])[0], arguments.seconds):
            sys.stdout.write(f"{row}\n")
            sys.stdout.flush()
        return
    columns = ("cameras", "core", "CPU s/min a camera", "PSS MB", "chunks", "pictures missing")
    sys.stdout.write(f"| {' | '.join(columns)} | holes named, not named | left out |\n")
    sys.stdout.write(f"|{' --- |' * 8}\n")
    for cameras in arguments.cameras or [100, 150, 200]:
        sys.stdout.write(f"{record(cameras, arguments.seconds)}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
