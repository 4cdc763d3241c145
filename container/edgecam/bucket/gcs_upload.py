"""The state of one upload to `gs://`: the open file, its description, and what is kept of a session."""

from __future__ import annotations

import json
import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from io import FileIO
from typing import Any
from urllib.parse import urlsplit

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import damaged
from edgecam.bucket.http_client import pieces
from edgecam.bucket.interface import ChunkUpload, Session
from edgecam.json_text import parse_json


class GcsUpload:
    """A chunk that is being stored.

    Args:
        upload: What is to be stored.
        object_name: With the bucket's prefix.
        file: Its file, open.
    """

    def __init__(self, upload: ChunkUpload, object_name: str, file: FileIO) -> None:
        self.upload = upload
        self.size_bytes = os.fstat(file.fileno()).st_size
        self._object_name = object_name
        self._file = file

    def resource(self) -> dict[str, Any]:
        """The object's description in the JSON API."""
        return {
            "name": self._object_name,
            "contentType": self.upload.content_type,
            "crc32c": checksum.to_base64(self.upload.crc32c),
            "metadata": dict(self.upload.metadata),
        }

    def content(self) -> Iterable[bytes]:
        """The whole file.

        Raises:
            ChunkDamaged: at its end, when it is not what was recorded; the request then ends unfinished.
        """
        running = checksum.Running()
        yield from pieces(self._file, 0, self.size_bytes, running)
        if running.digest() != self.upload.crc32c:
            raise damaged(self.upload, running.digest())

    def part(self, at: int, length: int) -> Iterable[bytes]:
        """`length` bytes of the file from byte `at` on."""
        return pieces(self._file, at, length)


class SavedSession:
    """What is kept of a session: its address, and size and checksum of the content that it is for."""

    @staticmethod
    def load(session: Session, chunk: GcsUpload) -> str | None:
        """The target of the session that was begun for this very content, if there is one."""
        text = session.load()
        if text is None:
            return None
        try:
            saved = parse_json(text)
            if (saved["size"], saved["crc32c"]) == (chunk.size_bytes, chunk.upload.crc32c):
                return str(saved["target"])
        except (ValueError, KeyError, TypeError):
            pass  # written by another version, or by a disk that failed
        session.clear()
        return None

    @staticmethod
    def save(session: Session, chunk: GcsUpload, location: str) -> str:
        """Keep the session at `location`; returns its target.

        Raises:
            ValueError: it is no address.
        """
        parts = urlsplit(location)
        target = f"{parts.path}?{parts.query}"
        if not re.fullmatch(r"/[!-~]*", target):
            raise ValueError("expected a path")
        saved = {"target": target, "size": chunk.size_bytes, "crc32c": chunk.upload.crc32c}
        session.save(json.dumps(saved))
        return target


class RecentNames:
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
