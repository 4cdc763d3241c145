"""A day without the store, in half a minute: the clock runs fast, everything else is real.

    python -m sandbox.faults.outage_day [--hours 24] [--seconds 20]

Prints one JSON object: the outcome, with the memory at the second hour and the most after it, the largest
spool, and whether ffprobe plays the newest chunk.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, replace
from pathlib import Path

import psutil

from sandbox.clocks import FastClock
from sandbox.faults.harness import Harness
from sandbox.faults.ledger import Outcome, chunks_of
from sandbox.faults.synthetic_camera import SyntheticCamera

CAMERAS = 3
CHUNK_S = 30
SPOOL_BYTES = 16_000_000
"""The least there is: a day of these chunks is several times as much."""
_SETTLED_H = 2.0
"""By then every buffer has its size, and the spool is full."""
_HOUR_S = 3600.0
_FILM = (
    "videotestsrc num-buffers=60 pattern=ball ! video/x-raw,width=320,height=180,framerate=15/1 ! "
    "x264enc key-int-max=15 bitrate=100 tune=zerolatency ! h264parse ! mp4mux ! filesink location="
)


def made_film(folder: Path) -> bytes:
    """A small recording."""
    path = folder / "film.mp4"
    subprocess.run(["gst-launch-1.0", "-q", *_FILM.split()[:-1], f"location={path}"], check=True, timeout=60)
    return path.read_bytes()


def day(folder: Path, *, hours: float, seconds: float) -> Outcome:
    """`hours` without the store within `seconds`; then it is back.

    Raises:
        TimeoutError: not everything that was still there has been sent.
    """
    film = made_film(folder)
    clock = FastClock(hours * _HOUR_S / seconds)
    upload = {"max_requests_per_s": 1000, "concurrency": 4}
    with Harness(
        folder, synthetic=0, clock=clock, spool={"max_bytes": SPOOL_BYTES}, upload=upload
    ) as harness:
        harness.gcs.down()
        for number in range(CAMERAS):
            camera = SyntheticCamera(
                f"c{number}", sink=harness.sink, clock=clock, period_s=CHUNK_S, chunk_s=CHUNK_S, film=film
            )
            harness.cameras.append(camera)
            camera.start()
        settled_mb, most_mb, most_spool = _watched(harness, hours)
        for camera in harness.cameras:
            camera.stop()
        passed_h = clock.monotonic_s() / _HOUR_S
        attempts = harness.uploading.upload_report().retries_total
        clock.slow_down(60)  # what is sent now takes its real time
        harness.gcs.up()
        outcome = harness.settled(f"{hours:g} h without the store")
        newest = max(chunks_of(harness.gcs.objects()), key=lambda each: each.name.partition("/")[2])
        notes = {
            "rss_mb": settled_mb,
            "grown_mb": round(most_mb - settled_mb, 1),
            "spool_most_bytes": most_spool,
            "hours": round(passed_h, 1),
            "attempts": attempts,
            "newest_plays": _plays(harness.gcs.content(newest.name), folder),
        }
        return replace(outcome, notes=notes)


def _watched(harness: Harness, hours: float) -> tuple[float, float, int]:
    """Memory when it has settled, the most after that (MB), and the most bytes in the spool."""
    process, settled_mb, most_mb, most_spool = psutil.Process(), 0.0, 0.0, 0
    whole_day = CAMERAS * hours * _HOUR_S / CHUNK_S  # a slow machine may need longer than it was given
    while (now_h := harness.clock.monotonic_s() / _HOUR_S) < hours or len(harness.ledger) < whole_day:
        rss_mb = round(process.memory_info().rss / 1e6, 1)
        most_spool = max(most_spool, harness.uploading.spool_report().spool_bytes)
        if now_h < hours * _SETTLED_H / 24:
            settled_mb = rss_mb
        most_mb = max(most_mb, rss_mb)
        harness.pause(_HOUR_S / 4)
    return settled_mb, most_mb, most_spool


def _plays(content: bytes, folder: Path) -> bool:
    path = folder / "newest.mp4"
    path.write_bytes(content)
    command = ["ffprobe", "-v", "error", "-count_frames", "-show_entries", "stream=nb_read_frames", "-of"]
    shown = subprocess.run(
        [*command, "csv=p=0", str(path)], check=False, capture_output=True, text=True, timeout=60
    )
    return shown.returncode == 0 and not shown.stderr and int(shown.stdout.strip()) > 0


def main() -> int:
    """Run it in a folder in memory: a day's fsyncs would take a real disk longer than the day may last."""
    parser = argparse.ArgumentParser(prog="python -m sandbox.faults.outage_day")
    parser.add_argument("--hours", type=float, default=24)
    parser.add_argument("--seconds", type=float, default=20)
    arguments = parser.parse_args()
    begun_s = time.monotonic()
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(
        prefix="edgecam-day-", dir=memory if memory.is_dir() else None
    ) as folder:
        outcome = day(Path(folder), hours=arguments.hours, seconds=arguments.seconds)
    outcome = replace(outcome, seconds=round(time.monotonic() - begun_s, 1))
    sys.stdout.write(json.dumps(asdict(outcome)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
