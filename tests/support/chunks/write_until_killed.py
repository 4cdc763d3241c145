"""Chunk writers that are killed, one in each tenth of a second: `FOLDER COUNT`.

Each writes the same film in real time, and is asked for a flush each second of it, as a recorder does.
Prints how many pictures each had been given when it was killed.
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import sys
import time
from pathlib import Path

from half_written import FILM, pictures_and_plan

from edgecam.clock import NS_PER_S
from edgecam.recording.mp4_writer import Mp4Writer

PER_S = 10


def main(folder: Path, count: int) -> None:
    """Write, kill, print."""
    pictures, plan = pictures_and_plan(FILM)
    given = mmap.mmap(-1, 4 * count)
    begun_s = time.monotonic()
    writers = []
    for number in range(count):
        writer = os.fork()
        if writer == 0:
            file = Mp4Writer(folder / f"{number}.mp4", plan)
            for place, picture in enumerate(pictures, start=1):
                at_ns = picture.number * NS_PER_S // FILM.fps
                time.sleep(max(0.0, begun_s + at_ns / NS_PER_S - time.monotonic()))
                file.add(picture.data, at_ns, at_ns, is_keyframe=picture.is_keyframe)
                given[4 * number : 4 * number + 4] = place.to_bytes(4)
                if place % FILM.fps == 0:
                    file.flush()
            os._exit(1)  # it was to be killed
        writers.append(writer)
    for number, writer in enumerate(writers, start=1):
        time.sleep(max(0.0, begun_s + number / PER_S - time.monotonic()))
        os.kill(writer, signal.SIGKILL)
        _, status = os.waitpid(writer, 0)
        assert os.WIFSIGNALED(status), "the film was over before the kill"
    seen = [int.from_bytes(given[4 * number : 4 * number + 4]) for number in range(count)]
    sys.stdout.write(json.dumps(seen))


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
