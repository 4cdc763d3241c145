"""A node on a disk of 16 MB whose trouble a test commands: `disk_of_node.py FOLDER COMMAND…`.

Run under `unshare --mount`, so that nobody else sees the disk, which is mounted at FOLDER. Each line of
standard input is a word of `_Disk`, and is answered with the same word when it is done; the end of the input
ends the node as SIGTERM does. The exit code is the node's.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

SIZE_BYTES = 16_000_000


class _Disk:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._others = folder / "others"
        _mount("-t", "tmpfs", "-o", f"size={SIZE_BYTES}", "tmpfs", str(folder))

    def protect(self) -> None:
        """Read-only: the same folder once more above itself; with open files a remount is refused."""
        _mount("--bind", str(self._folder), str(self._folder))
        _mount("-o", "remount,bind,ro", str(self._folder))

    def release(self) -> None:
        """Writable again."""
        subprocess.run(["umount", str(self._folder)], check=True)

    def fill(self) -> None:
        """Somebody else takes all the room, until `empty`."""
        with self._others.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                os.fsync(file.fileno())

    def empty(self) -> None:
        """That has gone."""
        self._others.unlink()


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True)


def main() -> int:
    """Until the node has ended; its exit code."""
    disk = _Disk(Path(sys.argv[1]))
    node = subprocess.Popen(sys.argv[2:], stdin=subprocess.DEVNULL)
    for line in sys.stdin:
        getattr(disk, line.strip())()
        sys.stdout.write(line)
        sys.stdout.flush()
    node.send_signal(signal.SIGTERM)
    return node.wait(30)


if __name__ == "__main__":
    sys.exit(main())
