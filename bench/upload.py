"""What an upload costs: edgecam's way beside the forerunner's and Google's own client, in turns in one run.

    python -m bench.upload [--quick] [--rounds 5] [--json bench/results/upload.json]

Objects of 5 and 64 MiB, one after another, over plain HTTP and over TLS, to a sink on loopback that takes
bodies in, computes their checksum, and keeps nothing (bench/upload_sink.py, a process of its own). Each way
runs in a process of its own; all take turns for `--rounds`, and the median round of each (by CPU) is in
the table.

- `forerunner`: `blob.upload_from_file(BytesIO(slice))`, the slice read from the file first, as it was from
  the pipe; no create-only.
- `google-cloud-storage`: `blob.upload_from_filename(path, if_generation_match=0)`.
- `edgecam`: `open_bucket("gs://…").put_file(…)` with the node's rate limiter (its limits out of reach),
  create-only, checksum announced and compared, file checked while it is sent; parts of 8 MiB.

CPU is user and system seconds of the process per 10^9 bytes; `ratio` is CPU against the forerunner's of
the same size and protocol. RSS is the largest resident set of the process.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from edgecam.clock import SystemClock
from sandbox.gcs.certificate import Certificate

ROOT = Path(__file__).resolve().parent.parent
MIB = 1024**2
SIZES = (5 * MIB, 64 * MIB)
BYTES_PER_RUN = 640 * MIB
QUICK_BYTES_PER_RUN = 128 * MIB
OUT_OF_REACH = 1e12


@dataclass(frozen=True)
class Row:
    """One way. `cpu_s_per_gb` in seconds per 10^9 bytes, `ratio` of it to the forerunner's."""

    how: str
    tls: bool
    object_mib: int
    mb_per_s: float
    cpu_s_per_gb: float
    rss_mb: float
    ratio: float = 0.0


def _forerunner(path: Path) -> Callable[[int], None]:
    bucket = _google_bucket()

    def upload(number: int) -> None:
        bucket.blob(f"o{number}").upload_from_file(io.BytesIO(path.read_bytes()))

    return upload


def _google(path: Path) -> Callable[[int], None]:
    bucket = _google_bucket()

    def upload(number: int) -> None:
        bucket.blob(f"o{number}").upload_from_filename(str(path), if_generation_match=0)

    return upload


def _google_bucket() -> Any:
    from google.auth.credentials import AnonymousCredentials
    from google.cloud import storage

    client = storage.Client(project="p", credentials=AnonymousCredentials())
    return client.bucket("sink")


def _edgecam(path: Path) -> Callable[[int], None]:
    from edgecam.bucket import crc32c as checksum
    from edgecam.bucket.interface import ChunkUpload
    from edgecam.bucket.open import open_bucket
    from edgecam.config.storage import Google, Upload
    from edgecam.upload.rate_limit import RateLimiter

    clock = SystemClock()
    bucket = open_bucket("gs://sink", Google(), Upload(), clock=clock)
    limiter = RateLimiter(requests_per_s=OUT_OF_REACH, bytes_per_s=OUT_OF_REACH, clock=clock)
    # The recording computes it once, when the chunk is finished.
    crc32c = checksum.of_file(path)

    def upload(number: int) -> None:
        chunk = ChunkUpload(
            name=f"o{number}",
            path=path,
            content_type="video/mp4",
            metadata={"camera": "lobby"},
            crc32c=crc32c,
        )
        bucket.put_file(chunk, rate_limit=limiter, session=_NoSession())

    return upload


class _NoSession:
    """Keeps nothing: the disk is not what is measured."""

    def load(self) -> None:
        return None

    def save(self, text: str) -> None:
        pass

    def clear(self) -> None:
        pass


WAYS = {"forerunner": _forerunner, "google-cloud-storage": _google, "edgecam": _edgecam}


def _run_way(how: str, path: Path, count: int) -> None:
    """In a process of its own: upload so often, print what it cost."""
    upload = WAYS[how](path)
    upload(0)
    started_s, cpu_s = time.perf_counter(), time.process_time()
    for number in range(count):
        upload(number + 1)
    took_s, cpu_s = time.perf_counter() - started_s, time.process_time() - cpu_s
    done = count * path.stat().st_size
    print(json.dumps([done / took_s / 1e6, cpu_s / (done / 1e9), _largest_rss_mb()]))


def _largest_rss_mb() -> float:
    """Of this program alone; what `getrusage` says includes the process that started it."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) * 1024 / 1e6


@contextmanager
def _sink(certificate: Certificate) -> Iterator[tuple[int, int]]:
    """The ports of a running sink: plain and TLS."""
    files = ["--certificate", str(certificate.path), "--key", str(certificate.key)]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.upload_sink", *files],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        plain, tls = (int(word) for word in process.stdout.readline().split())
        try:
            yield plain, tls
        finally:
            process.stdin.close()


def _measure(how: str, path: Path, count: int, *, port: int, certificate: Certificate, tls: bool) -> Row:
    environment = {
        **os.environ,
        "STORAGE_EMULATOR_HOST": f"{'https' if tls else 'http'}://127.0.0.1:{port}",
        "SSL_CERT_FILE": str(certificate.path),
        "REQUESTS_CA_BUNDLE": str(certificate.path),
        # Google's client asks for the bucket in the background otherwise.
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
    }
    command = [sys.executable, "-m", "bench.upload", "--way", how, "--file", str(path), "--count", str(count)]
    done = subprocess.run(command, env=environment, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True)
    speed, cpu, rss = json.loads(done.stdout)
    return Row(how, tls, path.stat().st_size // MIB, round(speed), round(cpu, 3), round(rss))


def measure(rounds: int, bytes_per_run: int) -> list[Row]:
    """The median round of each way, size and protocol."""
    found: dict[tuple[str, bool, int], list[Row]] = {}
    with tempfile.TemporaryDirectory(prefix="edgecam-bench-") as folder:
        certificate = Certificate.make(Path(folder))
        paths = [Path(folder) / f"{size // MIB}.bin" for size in SIZES]
        for path, size in zip(paths, SIZES, strict=True):
            path.write_bytes(random.Random(size).randbytes(size))
        with _sink(certificate) as (plain, tls):
            for _ in range(rounds):
                for path, size in zip(paths, SIZES, strict=True):
                    for secure, port in ((False, plain), (True, tls)):
                        for how in WAYS:
                            row = _measure(
                                how,
                                path,
                                max(2, bytes_per_run // size),
                                port=port,
                                certificate=certificate,
                                tls=secure,
                            )
                            found.setdefault((how, secure, size), []).append(row)
    middle = {key: _median(rows) for key, rows in found.items()}
    return [
        replace(row, ratio=round(row.cpu_s_per_gb / middle["forerunner", secure, size].cpu_s_per_gb, 2))
        for (_, secure, size), row in middle.items()
    ]


def _median(rows: list[Row]) -> Row:
    return sorted(rows, key=lambda row: row.cpu_s_per_gb)[len(rows) // 2]


def table(rows: list[Row]) -> str:
    """In Markdown."""
    lines = ["| how | object MiB | protocol | MB/s | CPU s/GB | ratio | RSS MB |", "| --- " * 7 + "|"]
    for row in rows:
        protocol = "TLS" if row.tls else "plain"
        lines.append(
            f"| {row.how} | {row.object_mib} | {protocol} | {row.mb_per_s:,.0f} | {row.cpu_s_per_gb:.2f} "
            f"| {row.ratio:.2f} | {row.rss_mb:.0f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round, less data")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, default=ROOT / "bench/results/upload.json")
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--count", type=int, default=1, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        _run_way(options.way, options.file, options.count)
        return
    rounds = 1 if options.quick else options.rounds
    rows = measure(rounds, QUICK_BYTES_PER_RUN if options.quick else BYTES_PER_RUN)
    print(table(rows))
    result = {
        "machine": {"cpus": os.cpu_count(), "architecture": platform.machine()},
        "python": platform.python_version(),
        "rounds": rounds,
        "overall_ratio": round(statistics.geometric_mean(_ratios(rows)), 2),
        "rows": [asdict(row) for row in rows],
    }
    options.json.parent.mkdir(parents=True, exist_ok=True)
    options.json.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


def _ratios(rows: list[Row]) -> list[float]:
    return [row.ratio for row in rows if row.how == "edgecam"]


if __name__ == "__main__":
    main()
