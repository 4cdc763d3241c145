"""Synthetic cameras and the node's uploads as a process of its own, for faults that are about a process.

    STORAGE_EMULATOR_HOST=… python -m sandbox.faults.process --config NODE.json --ledger FILE

A line `SIZE CRC32C` is in the ledger for each chunk that the spool has taken; a line `sent EVICTED` when
everything has been sent after SIGTERM, which ends the recording. With `--tmpfs BYTES` the spool's folder is a
disk of that size, of this process' own (Linux user namespaces).
"""

from __future__ import annotations

import argparse
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import TextIO

from edgecam.clock import SystemClock
from edgecam.config.load import load_file
from edgecam.upload.service import UploadService
from sandbox.faults.harness import NoCameras
from sandbox.faults.ledger import Ledger, NotingSink
from sandbox.faults.synthetic_camera import SyntheticCamera

_NEW_USER_AND_MOUNTS = 0x10000000 | 0x00020000  # CLONE_NEWUSER | CLONE_NEWNS


class _WrittenLedger(Ledger):
    def __init__(self, file: TextIO) -> None:
        super().__init__()
        self._file = file

    def note(self, size_bytes: int, crc32c: str) -> None:
        self._file.write(f"{size_bytes} {crc32c}\n")
        self._file.flush()


def small_disk(folder: Path, size_bytes: int) -> None:
    """Make `folder` a disk of its own that only this process sees; before any thread is started.

    Raises:
        OSError: the kernel does not allow it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    user, group = os.getuid(), os.getgid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(_NEW_USER_AND_MOUNTS):
        raise OSError(ctypes.get_errno(), "unshare")
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    if libc.mount(b"tmpfs", str(folder).encode(), b"tmpfs", 0, f"size={size_bytes},mode=0755".encode()):
        raise OSError(ctypes.get_errno(), "mount")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m sandbox.faults.process")
    parser.add_argument("--config", type=Path, required=True)
    parser.add_argument("--ledger", type=Path, required=True)
    parser.add_argument("--cameras", type=int, default=3)
    parser.add_argument("--period-s", type=float, default=0.2)
    parser.add_argument("--chunk-bytes", type=int, default=100_000)
    parser.add_argument("--tmpfs", type=int)
    return parser.parse_args()


def main() -> int:
    """Record until SIGTERM, then send everything."""
    arguments = _arguments()
    config = load_file(arguments.config)
    if arguments.tmpfs:
        small_disk(Path(config.spool.path), arguments.tmpfs)
    ending = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ending.set())
    uploading, clock = UploadService(config), SystemClock()
    with arguments.ledger.open("w", encoding="utf-8") as file:
        sink = NotingSink(uploading.chunks, _WrittenLedger(file))
        cameras = [
            SyntheticCamera(
                f"c{number}",
                sink=sink,
                clock=clock,
                period_s=arguments.period_s,
                chunk_bytes=arguments.chunk_bytes,
            )
            for number in range(arguments.cameras)
        ]
        uploading.open()
        uploading.start(NoCameras())
        for camera in cameras:
            camera.start()
        ending.wait()
        for camera in cameras:
            camera.stop()
        while any(each.waiting_chunks for each in uploading.spool_report().cameras.values()):
            time.sleep(0.05)
        evicted = sum(each.evicted_chunks_total for each in uploading.spool_report().cameras.values())
        file.write(f"sent {evicted}\n")
    uploading.stop(2.0)
    return 0


if __name__ == "__main__":
    sys.exit(main())
