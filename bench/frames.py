"""What the newest picture costs, and how old it is: edgecam in each decode mode beside its peers, in one run.

    python -m bench.frames [--quick] [--seconds 15] [--rounds 3] [--json bench/results/frames.json]

One test camera: 1080p30 H.264, 4 Mbit/s, a keyframe every 2 s, RTSP over TCP on loopback. Each way runs
alone, after a warm-up, for `--seconds`; all ways take turns for `--rounds`, and the median round of each (by
CPU) is in the table, since a machine that is lent to several is now faster, now slower. The whole table
takes a quarter of an hour, `--quick` two minutes. Measured are

- CPU: user and system seconds of the process and its children per camera and minute, from /proc;
- memory: the largest resident and proportional set size seen;
- age: how old the picture in the file is when it is read, at random moments. The camera shows its film in
  step with the wall clock and stamps each picture with its number, so the picture itself shows when it was
  sent: the same for every peer, and with all that lies between camera and file in it;
- torn: how many reads of the whole file found it cut, empty or missing.

Then 1, 8 and 16 cameras in one edgecam: what each costs. Absolute figures move from machine to machine and
with what else runs on it; `ratio` is CPU against the forerunner's pipeline in the same run. Free memory of 2
GB is enough.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import platform
import random
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from edgecam.gstreamer.gst import Gst
from sandbox.cameras.film import FILM_S, read_mark
from sandbox.ports import free_port

ROOT = Path(__file__).resolve().parent.parent
WIDTH, FPS = 1920, 30
CAMERA = f"lobby:{WIDTH}x1080@{FPS}"
WARM_UP_S = 6.0
"""The decode mode settles after two keyframe intervals; interpreters and plugins are loaded by then."""
_READ_EVERY_S = 0.03  # on the average; random, so that no reader beats in time with a writer
_KEPT_EVERY = 6  # one of this many reads keeps the picture, to measure its age
_MEMORY_EVERY_S = 2.0
_DONE = (b"\xff\xd8", b"\xff\xd9")


@dataclass(frozen=True)
class Way:
    """One way to have the newest picture.

    Attributes:
        name: As in the table.
        command: What runs.
        picture: The file that it keeps new.
        cameras: How many it looks after.
    """

    name: str
    command: Sequence[str]
    picture: Path
    cameras: int = 1


@dataclass(frozen=True)
class Row:
    """What was measured of one way; None where it had no picture."""

    name: str
    cameras: int
    cpu_s_per_camera_minute: float
    rss_mb: float
    pss_mb: float
    age_median_s: float | None
    age_p95_s: float | None
    reads: int
    torn: int
    load: float


@dataclass
class Reads:
    """What a reader saw: the number of reads, how many were torn, and some pictures with the moment of
    reading."""

    count: int = 0
    torn: int = 0
    kept: list[tuple[float, bytes]] = field(default_factory=list)

    def read(self, path: Path) -> None:
        """Read the file once."""
        try:
            data = path.read_bytes()
        except OSError:
            data = b""
        now_s = time.time()
        self.count += 1
        if (data[:2], data[-2:]) != _DONE:
            self.torn += 1
        elif self.count % _KEPT_EVERY == 0:
            self.kept.append((now_s, data))

    def ages_s(self) -> list[float]:
        """How old the kept pictures were when they were read, in seconds."""
        known: dict[bytes, float] = {}
        ages = []
        for read_s, data in self.kept:
            if data not in known:
                known[data] = sent_second(data)
            ages.append((read_s - known[data]) % FILM_S)
        return ages


def sent_second(jpeg: bytes) -> float:
    """The second of the minute in which the camera sent this picture, from its block pattern."""
    pipeline = Gst.parse_launch(
        "appsrc name=in ! jpegdec ! videoconvert ! video/x-raw,format=GRAY8 ! appsink name=out sync=false"
    )
    pipeline.set_state(Gst.State.PLAYING)
    pipeline.get_by_name("in").emit("push-buffer", Gst.Buffer.new_wrapped(jpeg))
    pipeline.get_by_name("in").emit("end-of-stream")
    buffer = pipeline.get_by_name("out").emit("pull-sample").get_buffer()
    luma: bytes = buffer.extract_dup(0, buffer.get_size())
    pipeline.set_state(Gst.State.NULL)
    return read_mark(luma, WIDTH, WIDTH) / FPS


def edgecam(name: str, folder: Path, uri: str, frames: dict[str, Any], cameras: int = 1) -> Way:
    """edgecam itself, as a core runs it."""
    folder = Path(tempfile.mkdtemp(prefix="node-", dir=folder))
    node = {
        "cameras": [{"id": f"c{number}", "uri": uri, "frames": frames} for number in range(cameras)],
        "data_dir": str(folder / "edgecam"),
        "http": {"enabled": False},
    }
    config = folder / "node.json"
    config.write_text(json.dumps(node))
    command = [sys.executable, "-m", "edgecam", "run", "--config", str(config)]
    return Way(name, command, folder / "edgecam" / "c0" / "frame.jpg", cameras)


def gst_launch(name: str, folder: Path, uri: str, between: str) -> Way:
    """A gst-launch line from the camera to a file."""
    picture = folder / "gst.jpg"
    line = f"gst-launch-1.0 -q rtspsrc location={uri} protocols=tcp latency=200 ! {between} ! jpegenc ! "
    return Way(name, [*line.split(), "multifilesink", f"location={picture}"], picture)


def ffmpeg(name: str, folder: Path, uri: str, fps: int) -> Way:
    """ffmpeg doing the same job."""
    picture = folder / "ffmpeg.jpg"
    line = f"ffmpeg -v error -nostdin -rtsp_transport tcp -i {uri} -vf fps={fps} -q:v 3 -update 1 -y"
    return Way(name, [*line.split(), str(picture)], picture)


def ways(folder: Path, uri: str) -> Iterator[Way]:
    """Everything in the first table; the forerunner first, the ratios refer to it."""
    yield gst_launch(
        "forerunner's pipeline, 30/s", folder, uri, "queue ! rtph264depay ! h264parse ! avdec_h264"
    )
    yield edgecam("edgecam, 30/s", folder, uri, {"max_fps": 30})
    yield edgecam("edgecam, 30/s, levels: camera", folder, uri, {"max_fps": 30, "levels": "camera"})
    yield ffmpeg("ffmpeg, 30/s", folder, uri, 30)
    yield edgecam("edgecam, decode all, 1/s", folder, uri, {"max_fps": 1, "decode": "all"})
    yield edgecam("edgecam, auto, 1/s (catch-up)", folder, uri, {"max_fps": 1})
    yield edgecam("edgecam, auto, 1/s, levels: camera", folder, uri, {"max_fps": 1, "levels": "camera"})
    yield ffmpeg("ffmpeg, 1/s", folder, uri, 1)
    yield edgecam("edgecam, auto, 0.5/s (keyframes)", folder, uri, {"max_fps": 0.5})
    all_but_few = "rtph264depay ! h264parse ! avdec_h264 ! videorate drop-only=true max-rate=1"
    yield gst_launch("gst-launch, decode all, 1/s", folder, uri, all_but_few)
    keyframes = "rtph264depay ! h264parse ! identity drop-buffer-flags=delta-unit ! avdec_h264"
    yield gst_launch("gst-launch, keyframes only", folder, uri, keyframes)


def many(folder: Path, uri: str) -> Iterator[Way]:
    """Everything in the second table."""
    for name, frames in (("keyframes", {"max_fps": 0.5}), ("catch-up, 1/s", {"max_fps": 1})):
        for cameras in (1, 8, 16):
            yield edgecam(f"edgecam, {name}", folder, uri, frames, cameras)


def cpu_s(processes: Sequence[psutil.Process]) -> float:
    """User and system seconds of these processes so far."""
    total = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            total += times.user + times.system
    return total


def memory_mb(processes: Sequence[psutil.Process]) -> tuple[float, float]:
    """Resident and proportional set size, summed, in MB of 10^6 bytes."""
    rss = pss = 0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            full = process.memory_full_info()
            rss, pss = rss + full.rss, pss + full.pss
    return rss / 1e6, pss / 1e6


def measure(way: Way, seconds: float, folder: Path) -> Row:
    """Run one way alone."""
    log = folder / "output.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            way.command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
        try:
            await_picture(way.picture)
            time.sleep(WARM_UP_S)
            return observe(way, psutil.Process(process.pid), seconds)
        except (RuntimeError, psutil.Error) as error:
            text = log.read_text(errors="replace")[-600:]
            raise SystemExit(f"{way.name}: {error}; its output:\n{text}") from error
        finally:
            end(process)
            way.picture.unlink(missing_ok=True)


def end(process: subprocess.Popen[bytes]) -> None:
    """Ask the process to end, and see to it that it does."""
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def await_picture(path: Path) -> None:
    """Returns when the first picture is there."""
    deadline_s = time.monotonic() + 30
    while not path.exists():
        if time.monotonic() > deadline_s:
            raise RuntimeError("expected a picture within 30 s, found none")
        time.sleep(0.05)


def observe(way: Way, process: psutil.Process, seconds: float) -> Row:
    """Read the file at random moments while the clock runs."""
    family = [process, *process.children(recursive=True)]
    reads, rss_mb, pss_mb = Reads(), 0.0, 0.0
    chance = random.Random(1)
    begun_s, begun_cpu_s, memory_due_s = time.monotonic(), cpu_s(family), 0.0
    while (passed_s := time.monotonic() - begun_s) < seconds:
        reads.read(way.picture)
        if passed_s >= memory_due_s:
            memory_due_s = passed_s + _MEMORY_EVERY_S
            found = memory_mb(family)
            rss_mb, pss_mb = max(rss_mb, found[0]), max(pss_mb, found[1])
        time.sleep(chance.uniform(0, 2 * _READ_EVERY_S))
    used_s = (cpu_s(family) - begun_cpu_s) / passed_s * 60 / way.cameras
    if not process.is_running() or process.status() == psutil.STATUS_ZOMBIE:
        raise RuntimeError("expected it to run on, found that it has ended")
    ages = sorted(reads.ages_s())
    return Row(
        way.name,
        way.cameras,
        round(used_s, 2),
        round(rss_mb, 1),
        round(pss_mb, 1),
        round(statistics.median(ages), 2) if ages else None,
        round(ages[int(len(ages) * 0.95)], 2) if ages else None,
        reads.count,
        reads.torn,
        round(os.getloadavg()[0], 1),
    )


@contextlib.contextmanager
def running_camera(certificate: Path | None = None) -> Iterator[str]:
    """The uri of a running test camera; one that speaks TLS where there is a `certificate`, with its key."""
    port = free_port()
    command = [sys.executable, "-m", "sandbox.cameras", "--port", str(port), "--camera", CAMERA]
    if certificate is not None:
        command += ["--certificate", str(certificate)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        if not process.stdout.readline():
            raise SystemExit("expected the test camera to start, found that it ended")
        yield f"rtsp{'' if certificate is None else 's'}://127.0.0.1:{port}/lobby"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def in_turns(
    ways: Sequence[Way], rounds: int, seconds: float, folder: Path, say: Callable[[str], object]
) -> list[Row]:
    """The median round of each way, after all have taken turns."""
    measured: list[list[Row]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, rows in zip(ways, measured, strict=True):
            rows.append(measure(way, seconds, folder))
            say(f"{rows[-1]}\n")
    return [sorted(rows, key=lambda row: row.cpu_s_per_camera_minute)[len(rows) // 2] for rows in measured]


def table(rows: Sequence[Row], reference_s: float | None) -> str:
    """The rows as Markdown."""
    lines = [
        "| how | cameras | CPU s/min a camera | ratio | RSS MB | PSS MB | age median / p95 s | torn reads |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        ratio = f"{row.cpu_s_per_camera_minute / reference_s:.3f}" if reference_s else "-"
        age = "-" if row.age_median_s is None else f"{row.age_median_s:.2f} / {row.age_p95_s:.2f}"
        torn = f"{row.torn} of {row.reads}"
        lines.append(
            f"| {row.name} | {row.cameras} | {row.cpu_s_per_camera_minute:.2f} | {ratio} | "
            f"{row.rss_mb:.0f} | "
            f"{row.pss_mb:.0f} | {age} | {torn} |"
        )
    return "\n".join(lines)


def shared_memory_folder() -> Path:
    """A folder in memory, as a core has it; else where temporary files go."""
    memory = Path("/dev/shm")
    return Path(tempfile.mkdtemp(prefix="edgecam-bench-", dir=memory if memory.is_dir() else None))


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything, print the tables, keep them as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.frames", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=15, help="for each way (default 15)")
    parser.add_argument("--rounds", type=int, default=3, help="of each way (default 3)")
    parser.add_argument(
        "--quick", action="store_true", help="one round of 8 s each, without 8 and 16 cameras"
    )
    parser.add_argument("--json", type=Path, default=ROOT / "bench" / "results" / "frames.json")
    arguments = parser.parse_args(argv)
    seconds = 8.0 if arguments.quick else arguments.seconds
    rounds = 1 if arguments.quick else arguments.rounds
    # Asked to end, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = shared_memory_folder()
    multiples: list[Row] = []
    try:
        with running_camera() as uri:
            singles = in_turns([*ways(folder, uri)], rounds, seconds, folder, sys.stderr.write)
            if not arguments.quick:
                multiples = in_turns([*many(folder, uri)], 1, seconds, folder, sys.stderr.write)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    reference_s = singles[0].cpu_s_per_camera_minute
    sys.stdout.write(f"{table(singles, reference_s)}\n")
    if multiples:
        sys.stdout.write(f"\n{table(multiples, reference_s)}\n")
    result = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine()},
        "gstreamer": Gst.version_string(),
        "seconds": seconds,
        "rounds": rounds,
        "camera": CAMERA,
        "one_camera": [asdict(row) for row in singles],
        "many_cameras": [asdict(row) for row in multiples],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
