"""The session of an upload in parts, kept beside its chunk: it goes on after a restart of the node."""

from __future__ import annotations

import contextlib
from pathlib import Path

from edgecam import durable
from edgecam.errors import SpoolError

SUFFIX = ".session"

_LONGEST_BYTES = 1_000_000  # 10,000 parts of an upload with their tags take half of it


class SpoolSession:
    """A `bucket.interface.Session` in a file that only the node can read: its text is as good as a password.

    Args:
        path: The chunk's file.
    """

    def __init__(self, path: Path) -> None:
        self._chunk_path = path
        self._path = path.with_name(path.name + SUFFIX)

    def load(self) -> str | None:
        """What was saved, if anything; nothing where the file cannot be read."""
        try:
            with self._path.open("rb") as file:
                return file.read(_LONGEST_BYTES).decode() or None
        except (OSError, UnicodeDecodeError):
            return None

    def save(self, text: str) -> None:
        """Save durably; not when the chunk has left.

        Raises:
            SpoolError: the disk fails.
        """
        if not self._chunk_path.exists():
            return
        try:
            durable.replace(self._path, text.encode())
        except OSError as error:
            raise SpoolError(f"{self._path}: expected to write it, found: {error.strerror}") from error

    def clear(self) -> None:
        """Forget what was saved."""
        with contextlib.suppress(OSError):
            durable.remove(self._path)
