"""The open chunks: those being written, and how much of the quota they will take."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

from edgecam.chunk import Chunk


class OpenChunks:
    """The files that are being written. Each is expected to become as large as the last of its camera.

    Not safe to use from several threads.
    """

    def __init__(self) -> None:
        self._chunks: dict[Path, Chunk] = {}
        self._usual_bytes: dict[str, int] = {}

    def __contains__(self, path: Path) -> bool:
        return path in self._chunks

    def add(self, path: Path, chunk: Chunk) -> None:
        """`path` is open from now on."""
        self._chunks[path] = chunk

    def remove(self, path: Path, finished_bytes: int | None = None) -> None:
        """`path` is no longer open; `finished_bytes` is its size, if it was finished."""
        chunk = self._chunks.pop(path, None)
        if chunk is not None and finished_bytes is not None:
            self._usual_bytes[chunk.camera_id] = finished_bytes

    def usual_bytes(self, camera_id: str) -> int:
        """The size of the last chunk of a camera, 0 when there was none."""
        return self._usual_bytes.get(camera_id, 0)

    def largest_bytes(self) -> int:
        """The size of the largest last chunk of any camera."""
        return max(self._usual_bytes.values(), default=0)

    def written_bytes(self) -> int:
        """The size of the files now."""
        return sum(_size(path) for path in self._chunks)

    def coming_bytes(self) -> int:
        """The expected growth."""
        usual = ((path, self.usual_bytes(chunk.camera_id)) for path, chunk in self._chunks.items())
        return sum(max(0, size_bytes - _size(path)) for path, size_bytes in usual)

    def bytes_by_camera(self) -> Counter[str]:
        """The expected final size, by camera."""
        sizes: Counter[str] = Counter()
        for path, chunk in self._chunks.items():
            sizes[chunk.camera_id] += max(_size(path), self.usual_bytes(chunk.camera_id))
        return sizes


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return 0
