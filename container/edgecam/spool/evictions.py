"""The count of evicted chunks, over restarts.

The file names the chunks before they are removed, so that a kill in between neither forgets an eviction nor
counts it twice: the next start removes the named ones that are still there, without counting them again.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from pathlib import Path

from edgecam import durable
from edgecam.json_text import parse_json

log = logging.getLogger(__name__)

_MOST_CHUNKS = 10**12
"""A chunk a millisecond for thirty years: more is a damaged count."""
_MOST_BYTES = 64_000_000  # the names of 300,000 chunks that are evicted at once


class EvictionCount:
    """The count, in a file. Not safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._chunks: dict[str, int] = {}

    @property
    def cameras(self) -> tuple[str, ...]:
        """Those with evicted chunks."""
        return tuple(self._chunks)

    def of(self, camera_id: str) -> int:
        """Chunks of a camera evicted since the spool was made."""
        return self._chunks.get(camera_id, 0)

    def load(self) -> tuple[str, ...]:
        """Read the count of earlier runs.

        Returns:
            The files, relative to the spool, that were counted and may not have been removed.

        Raises:
            OSError: the file cannot be read.
        """
        durable.remove_leftovers(self._path)
        try:
            document = parse_json(self._path.read_bytes(), most_bytes=_MOST_BYTES)
            chunks = {str(camera): _count(count) for camera, count in document["evicted_chunks"].items()}
            leaving = tuple(str(name) for name in document["leaving"])
        except FileNotFoundError:
            return ()
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            log.warning(
                "%s: expected the count of evicted chunks, found something else; it begins at 0", self._path
            )
            return ()
        self._chunks = chunks
        return leaving

    def count(self, camera_ids: Iterable[str]) -> None:
        """One more for each mention of a camera; not yet in the file."""
        for camera_id in camera_ids:
            self._chunks[camera_id] = self.of(camera_id) + 1

    def save(self, leaving: Iterable[str]) -> None:
        """Write the count, and the files that are removed next, relative to the spool.

        Raises:
            OSError: from the disk.
        """
        document = {"evicted_chunks": self._chunks, "leaving": list(leaving)}
        durable.replace(self._path, json.dumps(document).encode())


def _count(value: object) -> int:
    if isinstance(value, int) and 0 <= value <= _MOST_CHUNKS:
        return value
    raise ValueError
