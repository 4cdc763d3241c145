"""What `gs://` knows of a chunk while it is being stored, and keeps of a session."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from io import FileIO
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import damaged
from edgecam.bucket.http_client import pieces
from edgecam.bucket.interface import Session
from edgecam.json_text import parse_json


class GsChunk:
    """A chunk that is being stored: its open file, and what the store is to know of it."""

    def __init__(
        self,
        name: str,
        path: Path,
        file: FileIO,
        size: int,
        content_type: str,
        metadata: Mapping[str, str],
        crc32c: str,
    ) -> None:
        self.name = name
        self.path = path
        self.size = size
        self.content_type = content_type
        self.crc32c = crc32c
        self._file = file
        self._metadata = dict(metadata)

    def resource(self, object_name: str) -> dict[str, Any]:
        """As the JSON API describes it."""
        return {
            "name": object_name,
            "contentType": self.content_type,
            "crc32c": checksum.to_base64(self.crc32c),
            "metadata": self._metadata,
        }

    def content(self) -> Iterable[bytes]:
        """The whole file.

        Raises:
            ChunkDamaged: at its end, when it is not what was recorded; the request then ends unfinished.
        """
        running = checksum.Running()
        yield from pieces(self._file, 0, self.size, running)
        if running.digest() != self.crc32c:
            raise damaged(self.path, self.name, self.crc32c, running.digest())

    def part(self, at: int, length: int) -> Iterable[bytes]:
        """So many bytes from there on."""
        return pieces(self._file, at, length)


class SavedSession:
    """What is kept of a session: where it is, and what it is for."""

    @staticmethod
    def load(session: Session, chunk: GsChunk) -> str | None:
        """The target of the session that was begun for this very content, if there is one."""
        text = session.load()
        if text is None:
            return None
        try:
            saved = parse_json(text)
            if (saved["size"], saved["crc32c"]) == (chunk.size, chunk.crc32c):
                return str(saved["target"])
        except (ValueError, KeyError, TypeError):
            pass  # written by another version, or by a disk that failed
        session.clear()
        return None

    @staticmethod
    def save(session: Session, chunk: GsChunk, location: str) -> str:
        """Keep it; returns the target."""
        parts = urlsplit(location)
        target = f"{parts.path}?{parts.query}"
        session.save(json.dumps({"target": target, "size": chunk.size, "crc32c": chunk.crc32c}))
        return target


class Remembered:
    """The newest few names. Safe to use from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = threading.Lock()
        self._names: OrderedDict[str, None] = OrderedDict()

    def add(self, name: str) -> None:
        """Remember `name`, and forget the oldest."""
        with self._lock:
            self._names[name] = None
            while len(self._names) > self._most:
                self._names.popitem(last=False)

    def discard(self, name: str) -> None:
        """Forget `name`."""
        with self._lock:
            self._names.pop(name, None)

    def __contains__(self, name: str) -> bool:
        with self._lock:
            return name in self._names
