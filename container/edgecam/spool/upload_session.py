"""What an upload in parts needs to go on after a restart of the node, kept beside its chunk."""

from __future__ import annotations

import contextlib
from pathlib import Path

from edgecam import durable
from edgecam.errors import SpoolError

SUFFIX = ".session"

_LONGEST_BYTES = 1_000_000  # 10,000 parts of an upload with their tags take half of it


class SpoolSession:
    """A `store.bucket.Session` in a file that only we can read: its text is as good as a password.

    Args:
        path: The chunk's file.
    """

    def __init__(self, path: Path) -> None:
        self._chunk_path = path
        self._path = path.with_name(path.name + SUFFIX)

    def load(self) -> str | None:
        """What was saved, if anything. A file that cannot be read is as good as none."""
        try:
            with self._path.open("rb") as file:
                return file.read(_LONGEST_BYTES).decode() or None
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, text: str) -> None:
        """Durably; not when the chunk has gone in the meantime.

        Raises:
            SpoolError: the disk does not let us.
        """
        if not self._chunk_path.exists():
            return
        try:
            durable.replace(self._path, text.encode())
        except OSError as error:
            raise SpoolError(f"{self._path}: expected to write it, found: {error.strerror}") from error

    def clear(self) -> None:
        """Forget it."""
        with contextlib.suppress(OSError):
            durable.remove(self._path)
