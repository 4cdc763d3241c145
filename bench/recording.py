"""What recording costs: edgecam with 1, 8 and 32 cameras in one node beside its peers, in one run.

    python -m bench.recording [--quick] [--seconds 10] [--rounds 3] [--json bench/results/recording.json]

One test camera, recorded N times: 1080p30 H.264, 4 Mbit/s, a keyframe every 2 s, RTSP over TCP on
loopback, cut into MP4 chunks of 10 s on a disk in memory. edgecam records into its spool, as on a core,
checksums and all; the peers need a process a camera. Each way runs alone, after a warm-up, for `--seconds`, a
whole number of chunks; all ways take turns for `--rounds`, and the median round of each (by CPU) is in
the table, since a machine that is lent to several is now faster, now slower. Measured are

- CPU: user and system seconds of all its processes per camera and minute, from /proc;
- memory: the proportional set size of all its processes, the largest seen;
- chunks: how many of what was recorded ffprobe reads without complaint.

`ratio` is CPU against ffmpeg with as many cameras in the same run. The whole table takes a quarter of an
hour, `--quick` two minutes. 32 cameras at 4 Mbit/s for half a minute are half a GB; free memory of 4 GB is
enough.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from bench.frames import CAMERA, ROOT, cpu_s, memory_mb, running_camera, shared_memory_folder
from edgecam.config.camera import Receiver
from edgecam.config.schemes import RTSPS
from edgecam.gstreamer.gst import Gst
from sandbox.gcs.certificate import Certificate

CHUNK_S = 10
WARM_UP_S = 8.0
"""By then every camera is connected, and the costs of starting are over."""
_END_TIMEOUT_S = 15.0
_MEMORY_EVERY_S = 5.0
_PROBED = 16  # chunks of a way that are read, evenly spread


@dataclass(frozen=True)
class Way:
    """One way to record.

    Attributes:
        name: As in the table.
        cameras: How many.
        commands: What runs, all at once.
        folder: Where the chunks go.
    """

    name: str
    cameras: int
    commands: Sequence[Sequence[str]]
    folder: Path


@dataclass(frozen=True)
class Row:
    """What was measured of one way."""

    name: str
    cameras: int
    cpu_s_per_camera_minute: float
    pss_mb: float
    chunks: int
    probed: int
    playable: int
    load: float


def edgecam(
    folder: Path, uri: str, cameras: int, *, frames: bool = False, receiver: Receiver = Receiver.AUTO
) -> Way:
    """edgecam, all cameras in one node."""
    place = Path(tempfile.mkdtemp(prefix="edgecam-", dir=folder))
    settings = {"enabled": frames, "max_fps": 0.5}
    node = {
        "cameras": [
            {
                "id": f"c{number}",
                "uri": uri,
                "receiver": receiver,
                **({"tls": {"verify": False}} if uri.startswith(RTSPS.name) else {}),
                "frames": settings,
                "recording": {"enabled": True, "chunk_s": CHUNK_S},
            }
            for number in range(cameras)
        ],
        "data_dir": str(place / "data"),
        "bucket": f"file://{place}",
        "spool": {"path": str(place / "spool"), "keep_free_bytes": 0},
    }
    config = place / "node.json"
    config.write_text(json.dumps(node))
    command = [sys.executable, "-m", "bench.recording_node", str(config)]
    name = "edgecam, recording and keyframe pictures" if frames else "edgecam, one node"
    if receiver is Receiver.GSTREAMER:
        name += ", received by GStreamer"
    return Way(name, cameras, [command], place)


def ffmpeg(folder: Path, uri: str, cameras: int) -> Way:
    """ffmpeg, a process a camera."""
    place = Path(tempfile.mkdtemp(prefix="ffmpeg-", dir=folder))
    line = f"ffmpeg -v error -nostdin -rtsp_transport tcp -i {uri} -c copy -f segment -reset_timestamps 1"
    commands = [
        [*line.split(), "-segment_time", str(CHUNK_S), str(place / f"c{number}-%05d.mp4")]
        for number in range(cameras)
    ]
    return Way("ffmpeg -c copy -f segment", cameras, commands, place)


def splitmuxsink(folder: Path, uri: str, cameras: int) -> Way:
    """gst-launch with splitmuxsink, a process a camera."""
    place = Path(tempfile.mkdtemp(prefix="gst-", dir=folder))
    line = f"gst-launch-1.0 -q -e rtspsrc location={uri} protocols=tcp latency=200 ! rtph264depay ! "
    # A quarter of a keyframe interval more, or chunks of four and five intervals alternate at random.
    line += f"h264parse ! splitmuxsink muxer-factory=mp4mux max-size-time={CHUNK_S * 10**9 + 500_000_000}"
    commands = [[*line.split(), f"location={place}/c{number}-%05d.mp4"] for number in range(cameras)]
    return Way("gst-launch splitmuxsink", cameras, commands, place)


def ways(folder: Path, uri: str, counts: Sequence[int]) -> Iterator[Way]:
    """Everything in the table; ffmpeg first, the ratios refer to it."""
    is_encrypted = uri.startswith(RTSPS.name)
    for cameras in counts:
        yield ffmpeg(folder, uri, cameras)
        if not is_encrypted:
            yield splitmuxsink(folder, uri, cameras)
        yield edgecam(folder, uri, cameras, receiver=Receiver.GSTREAMER)
        yield edgecam(folder, uri, cameras)
    if not is_encrypted:
        yield edgecam(folder, uri, counts[-1], frames=True)


def measure(way: Way, seconds: float) -> Row:
    """Run one way alone."""
    way.folder.mkdir(exist_ok=True)
    log = way.folder / "output.txt"
    with log.open("wb") as output:
        running = [
            subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
            for command in way.commands
        ]
        try:
            time.sleep(WARM_UP_S)
            used_s, pss_mb = observe(running, seconds)
        except (RuntimeError, psutil.Error) as error:
            text = log.read_text(errors="replace")[-600:]
            raise SystemExit(f"{way.name}: {error}; its output:\n{text}") from error
        finally:
            end_all(running)
    chunks = sorted(way.folder.rglob("*.mp4"))
    probed = chunks[:: max(1, len(chunks) // _PROBED)][:_PROBED]
    row = Row(
        way.name,
        way.cameras,
        round(used_s / way.cameras, 3),
        round(pss_mb, 1),
        len(chunks),
        len(probed),
        sum(plays(path) for path in probed),
        round(os.getloadavg()[0], 1),
    )
    for path in chunks:
        path.unlink()
    return row


def end_all(running: Sequence[subprocess.Popen[bytes]]) -> None:
    """Ask each process once to end (a second time cuts gst-launch's files short), and see to it that all
    do."""
    for process in running:
        process.send_signal(signal.SIGINT)
    deadline_s = time.monotonic() + _END_TIMEOUT_S
    for process in running:
        try:
            process.wait(max(0.0, deadline_s - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def observe(running: Sequence[subprocess.Popen[bytes]], seconds: float) -> tuple[float, float]:
    """CPU seconds a minute and the largest memory in MB of all these processes."""
    family = [psutil.Process(process.pid) for process in running]
    pss_mb = 0.0
    begun_s, begun_cpu_s, memory_due_s = time.monotonic(), cpu_s(family), 0.0
    while (passed_s := time.monotonic() - begun_s) < seconds:
        if passed_s >= memory_due_s:
            memory_due_s = passed_s + _MEMORY_EVERY_S
            pss_mb = max(pss_mb, memory_mb(family)[1])
        time.sleep(0.2)
    used_s = (cpu_s(family) - begun_cpu_s) / passed_s * 60
    gone = [process.pid for process in running if process.poll() is not None]
    if gone:
        raise RuntimeError(f"expected all to run on, found that {len(gone)} have ended")
    return used_s, pss_mb


def plays(path: Path) -> bool:
    """Whether ffprobe reads the whole file without a complaint."""
    command = ["ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=nb_read_packets"]
    outcome = subprocess.run([*command, str(path)], capture_output=True, check=False)
    return outcome.returncode == 0 and not outcome.stderr


def in_turns(ways: Sequence[Way], rounds: int, seconds: float, say: Callable[[str], object]) -> list[Row]:
    """The median round of each way, after all have taken turns."""
    measured: list[list[Row]] = [[] for _ in ways]
    for _ in range(rounds):
        for way, rows in zip(ways, measured, strict=True):
            rows.append(measure(way, seconds))
            say(f"{rows[-1]}\n")
    return [sorted(rows, key=lambda row: row.cpu_s_per_camera_minute)[len(rows) // 2] for rows in measured]


def table(rows: Sequence[Row]) -> str:
    """The rows as Markdown."""
    reference_s = {row.cameras: row.cpu_s_per_camera_minute for row in rows if row.name.startswith("ffmpeg")}
    lines = [
        "| how | cameras | CPU s/min a camera | ratio | PSS MB | playable |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    lines += [
        f"| {row.name} | {row.cameras} | {row.cpu_s_per_camera_minute:.2f} | "
        f"{row.cpu_s_per_camera_minute / reference_s[row.cameras]:.2f} | {row.pss_mb:.0f} | "
        f"{row.playable} of {row.probed} |"
        for row in rows
    ]
    return "\n".join(lines)


def _with_key(certificate: Certificate) -> Path:
    """One file of both, as the camera's server takes it."""
    both = certificate.path.with_name("both.pem")
    both.write_text(certificate.path.read_text() + certificate.key.read_text())
    return both


def main(argv: Sequence[str] | None = None) -> int:
    """Measure everything, print the table, keep it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m bench.recording", description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10, help="for each way (default 10)")
    parser.add_argument("--rounds", type=int, default=3, help="of each way (default 3)")
    parser.add_argument("--cameras", type=int, nargs="+", default=[1, 8, 32], help="default 1 8 32")
    parser.add_argument("--quick", action="store_true", help="one round, 1 and 4 cameras")
    parser.add_argument("--json", type=Path, default=ROOT / "bench" / "results" / "recording.json")
    parser.add_argument(
        "--tls", action="store_true", help="the camera speaks rtsps; edgecam and ffmpeg alone"
    )
    arguments = parser.parse_args(argv)
    rounds = 1 if arguments.quick else arguments.rounds
    counts = [1, 4] if arguments.quick else arguments.cameras
    # Asked to end, it still ends what it has started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    folder = shared_memory_folder()
    try:
        certificate = _with_key(Certificate.make(folder)) if arguments.tls else None
        with running_camera(certificate) as uri:
            rows = in_turns([*ways(folder, uri, counts)], rounds, arguments.seconds, sys.stderr.write)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    sys.stdout.write(f"{table(rows)}\n")
    result = {
        "measured_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "machine": {"cores": os.cpu_count(), "architecture": platform.machine()},
        "gstreamer": Gst.version_string(),
        "seconds": arguments.seconds,
        "rounds": rounds,
        "camera": CAMERA,
        "chunk_s": CHUNK_S,
        "rows": [asdict(row) for row in rows],
    }
    arguments.json.parent.mkdir(parents=True, exist_ok=True)
    arguments.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
