"""One spool, one node: a lock that the system releases when its holder dies, however it dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from pathlib import Path

from edgecam.errors import SpoolError

_FILE_MODE = 0o600


class SpoolLock:
    """Held from `take` to `release`, or to the end of the process. The file stays: removing it would let two
    nodes hold locks of two files of the same name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._descriptor: int | None = None

    def take(self) -> None:
        """Lock the spool.

        Raises:
            SpoolError: another node has it; names its process and host.
            OSError: the file cannot be made.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, _FILE_MODE)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(descriptor, 0)
            with contextlib.suppress(OSError):  # on a full disk the lock holds without its holder's name
                os.pwrite(descriptor, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)
        except BlockingIOError:
            holder = os.pread(descriptor, 400, 0).decode(errors="replace").strip()
            os.close(descriptor)
            raise SpoolError(
                f"spool {self._path.parent}: expected to be the only node on it, "
                f"found it in use by {holder or 'another node'}"
            ) from None
        except OSError:
            os.close(descriptor)
            raise
        self._descriptor = descriptor

    def release(self) -> None:
        """Unlock the spool."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
