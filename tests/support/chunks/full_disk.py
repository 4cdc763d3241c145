"""A spool on a disk of 4 MB, run under `unshare --mount`, so that nobody else sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from spooling import KB, MB, chunk, numbers, opened, record

from edgecam.config.storage import WhenFull
from edgecam.errors import SpoolError


def main() -> None:
    folder = Path(sys.argv[1])
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "tmpfs", str(folder)], check=True)
    spool = opened(folder / "spool", when_full=WhenFull(sys.argv[2]))
    for number in range(3):
        record(spool, number, size=MB)
    path = spool.begin(chunk(3))
    made = []
    with path.open("wb", buffering=0) as file:
        piece = bytes(100 * KB)
        for _ in range(20):
            while (written := _write(file.fileno(), piece)) < len(piece):
                made.append(spool.make_room(len(piece) - written))
                if not made[-1]:
                    break
    found: dict[str, object] = {"made_room": made[:1], "while_writing": numbers(spool)}
    try:
        spool.finish(path, chunk(3, duration_ms=10_000))
    except SpoolError as error:
        found["error"] = str(error)
    report = spool.report()
    spool.close()
    again = opened(folder / "spool", when_full=WhenFull(sys.argv[2]))
    found |= {
        "kept": numbers(again),
        "evicted": again.report().cameras["lobby"].evicted_chunks_total,
        "evicted_before": report.cameras["lobby"].evicted_chunks_total,
    }
    sys.stdout.write(json.dumps(found))


def _write(descriptor: int, piece: bytes) -> int:
    try:
        return os.write(descriptor, piece)
    except OSError:
        return 0


if __name__ == "__main__":
    main()
