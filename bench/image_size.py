"""How large the image is, how long it takes to build and to start, beside what it would otherwise be.

    python bench/image_size.py [--cold] [--json bench/results/image.json]

Peers, on the same base image and in the same run:

- the forerunner's way: GStreamer as its documentation says to install it, with all that apt recommends;
- minimal packages: only the Debian packages that hold a plugin we use, and Python's bindings.

`--cold` also builds the image once without Docker's cache, which takes minutes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from container.image.base import ensure_base_image
from container.image.build import ensure_image
from container.image.context import write_context
from container.image.docker import docker, docker_build
from container.image.inputs import (
    DEFAULT_BASE_IMAGE,
    FRAME_GRABBER,
    GCS_UPLOADER,
    PROJECT,
)
from container.image.layers import layers_stage
from container.image.tarball import GZIP_LEVEL

STARTS = 7
_CHUNK_BYTES = 1 << 20

FORERUNNER_PACKAGES = (
    "gstreamer1.0-tools gstreamer1.0-libav gstreamer1.0-plugins-base gstreamer1.0-plugins-good "
    "gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-x gstreamer1.0-alsa gstreamer1.0-gl "
    "gstreamer1.0-gtk3 gstreamer1.0-qt5 gstreamer1.0-pulseaudio"
)
MINIMAL_PACKAGES = (
    "--no-install-recommends gstreamer1.0-tools gstreamer1.0-libav gstreamer1.0-plugins-base "
    "gstreamer1.0-plugins-good gstreamer1.0-plugins-bad python3-gi gir1.2-gstreamer-1.0"
)
FIRST_PICTURE = ["-q", "videotestsrc", "num-buffers=1", "!", "jpegenc", "!", "fakesink"]


@dataclass(frozen=True)
class Row:
    """One image. Sizes in MB of 10^6 bytes; `first_picture_s` from `docker run` to the end of one picture."""

    what: str
    image_mb: float
    gzip_1_mb: float
    gzip_mb: float
    first_picture_s: float


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cold", action="store_true", help="also build without Docker's cache")
    parser.add_argument("--json", type=Path, default=PROJECT / "bench/results/image.json")
    options = parser.parse_args()
    architecture = docker("version", "--format", "{{.Server.Arch}}")
    ensure_base_image(DEFAULT_BASE_IMAGE, architecture, architecture)
    image = ensure_image(FRAME_GRABBER, architecture)
    own = [
        _measure(f"edgecam {variant}", ensure_image(variant, architecture))
        for variant in (FRAME_GRABBER, GCS_UPLOADER)
    ]
    starts = dict(_start_times(image))
    rows = [
        _measure("the usual package list (the forerunner's way)", _peer("forerunner", FORERUNNER_PACKAGES)),
        _measure("minimal packages", _peer("minimal", MINIMAL_PACKAGES)),
        *own,
    ]
    times = {**dict(_build_times(options.cold)), **starts}
    _print(rows, times)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    result = {
        "architecture": architecture,
        "base": DEFAULT_BASE_IMAGE,
        "gzip_level": GZIP_LEVEL,
        "rows": [asdict(row) for row in rows],
        "times": times,
    }
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _peer(name: str, packages: str) -> str:
    """Build an image with these packages and nothing of ours, and return its name."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "Dockerfile").write_text(
            f"FROM {DEFAULT_BASE_IMAGE}\n"
            f"RUN apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -q -y {packages} "
            "&& rm -rf /var/lib/apt/lists/*\n",
            encoding="utf-8",
        )
        docker_build("--tag", f"edgecam-bench/{name}", folder, environment=os.environ)
    return f"edgecam-bench/{name}"


def _measure(what: str, image: str) -> Row:
    launch = ["docker", "run", "--rm", "--entrypoint=gst-launch-1.0", image, *FIRST_PICTURE]
    return Row(
        what=what,
        image_mb=round(int(docker("image", "inspect", "--format", "{{.Size}}", image)) / 1e6, 1),
        gzip_1_mb=_compressed_mb(image, 1),
        gzip_mb=_compressed_mb(image, GZIP_LEVEL),
        first_picture_s=_median_s(launch),
    )


def _compressed_mb(image: str, level: int) -> float:
    with (
        subprocess.Popen(["docker", "save", image], stdout=subprocess.PIPE) as saving,
        tempfile.TemporaryFile() as file,
    ):
        assert saving.stdout is not None
        with gzip.GzipFile("", "wb", level, file) as packed:
            while chunk := saving.stdout.read(_CHUNK_BYTES):
                packed.write(chunk)
        return round(file.tell() / 1e6, 1)


def _median_s(command: Sequence[str]) -> float:
    def once() -> float:
        started_s = time.monotonic()
        subprocess.run(command, check=True, capture_output=True)
        return time.monotonic() - started_s

    return round(statistics.median(once() for _ in range(STARTS)), 2)


def _start_times(image: str) -> Iterator[tuple[str, float]]:
    """Yield how long it takes from `docker run` to the end of a program that does nothing else."""
    yield "start_python_s", _median_s(["docker", "run", "--rm", image, "python3", "-c", "pass"])
    yield "start_edgecam_s", _median_s(["docker", "run", "--rm", image, "edgecam", "--version"])
    frame = ["edgecam", "frame", "test://?width=640&height=360", "/tmp/frame.jpg"]
    yield "start_to_first_frame_s", _median_s(["docker", "run", "--rm", image, *frame])


def _build_times(cold: bool) -> Iterator[tuple[str, float]]:
    """Yield how long it takes to make both images again, and their layers with Docker's cache, unchanged and
    after a change of the program."""
    architecture = docker("version", "--format", "{{.Server.Arch}}")
    for variant, rebuild in ((FRAME_GRABBER, "all"), (GCS_UPLOADER, "picked")) if cold else ():
        started_s = time.monotonic()
        ensure_image(variant, architecture, rebuild=rebuild)
        yield f"build_{rebuild}_{variant}_s", round(time.monotonic() - started_s, 1)
    with tempfile.TemporaryDirectory() as folder:
        write_context(Path(folder), FRAME_GRABBER)
        command = ["--target", layers_stage(FRAME_GRABBER), "--tag", f"edgecam-bench/{FRAME_GRABBER}", folder]
        yield "build_warm_s", _timed_build_s(*command)
        with (Path(folder) / "edgecam/__init__.py").open("a", encoding="utf-8") as program:
            program.write(f"# changed at {time.time()}\n")
        yield "build_changed_program_s", _timed_build_s(*command)


def _timed_build_s(*arguments: str) -> float:
    started_s = time.monotonic()
    docker_build(*arguments, environment=os.environ)
    return round(time.monotonic() - started_s, 1)


def _print(rows: Sequence[Row], times: dict[str, float]) -> None:
    largest = rows[0]
    print(
        f"| image | MB | of the first | gzip -1 MB | gzip -{GZIP_LEVEL} MB | one picture with gst-launch, s |"
    )
    print("|---|---|---|---|---|---|")
    for row in rows:
        share = f"{row.image_mb / largest.image_mb:.2f}"
        print(
            f"| {row.what} | {row.image_mb:.0f} | {share} | {row.gzip_1_mb:.1f} | {row.gzip_mb:.1f} "
            f"| {row.first_picture_s:.2f} |"
        )
    print()
    for name, value in times.items():
        print(f"{name} = {value}")


if __name__ == "__main__":
    main()
