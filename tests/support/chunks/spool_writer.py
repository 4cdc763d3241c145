"""A node that is killed: each line on standard input forks a writer, whose process id is answered.

A writer records chunk after chunk, and uploads some. It writes what it has done into a journal: `kept NUMBER`
after a chunk is finished, `leaving NAME` before one is released.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from pathlib import Path

from spooling import LINE, chunk, opened, receipt

from edgecam.config.storage import Order

CAMERAS = ("gate", "lobby")


def write(folder: Path, journal: int, first: int) -> None:
    """Until it is killed."""
    spool = opened(folder, max_bytes=10**9)
    source = random.Random(first)
    for number in itertools.count(first):
        camera_id = CAMERAS[number % len(CAMERAS)]
        path = spool.begin(chunk(number, camera_id))
        with path.open("wb", buffering=0) as file:
            for _ in range(source.randrange(1, 30)):
                file.write(LINE[:20])
                file.write(LINE[20:])
        spool.finish(path, chunk(number, camera_id, 10_000))
        os.write(journal, f"kept {number}\n".encode())
        if number % 5 == 0:
            oldest = spool.next_chunk(camera_id, Order.OLDEST)
            assert oldest is not None
            os.write(journal, f"leaving {oldest.chunk.name}\n".encode())
            spool.session(oldest).save("https://store/upload?id=1")
            spool.acknowledge(oldest, receipt(oldest))
            spool.unclaim(oldest)


def main() -> None:
    folder, journal_path = Path(sys.argv[1]), sys.argv[2]
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            journal = os.open(journal_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            write(folder, journal, int(line))
        print(child, flush=True)  # noqa: T201 - its answer
        os.waitpid(child, 0)
        print("gone", flush=True)  # noqa: T201 - its answer


if __name__ == "__main__":
    main()
