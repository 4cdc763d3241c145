"""How the last run ended: a file that holds "running" until the node has shut down cleanly.

The file is on the spool's disk where the node records, and survives a power cut there; else in
`data_dir`, which is in memory by default: it then survives a kill, and after a power cut nothing is known. It
is replaced by a rename, synced before and after, so that what is read is always whole.
"""

from __future__ import annotations

import json
import logging
from enum import StrEnum
from pathlib import Path

from edgecam import durable
from edgecam.folder import SHOWN_FOLDER, opened, read_file
from edgecam.json_text import parse_json

log = logging.getLogger(__name__)

SPOOL_MARKER = ".node.json"
"""Its name in a spool, which belongs to one node."""

_LONGEST_BYTES = 1024  # of a file with one word in it
_RUNNING, _ENDED = "running", "ended"


class LastShutdown(StrEnum):
    """How the last run ended."""

    CLEAN = "clean"
    """It was asked to end, and did."""
    UNCLEAN = "unclean"
    """It was killed, the power was cut, or a fault of its own ended it."""


def marker_in(data_dir: str, first_camera_id: str) -> Path:
    """The file of a node that records nothing; two nodes may share a `data_dir`, but no camera."""
    return Path(data_dir) / f".node-of-{first_camera_id}.json"


class RunMarker:
    """The file at `path`. A disk that cannot be written is logged once; only the knowledge is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def begin(self) -> LastShutdown | None:
        """The node starts: how it ended before, None where nothing is known."""
        previous = self._read()
        self._write(_RUNNING)
        return previous

    def end(self) -> None:
        """The node has ended as it should."""
        self._write(_ENDED)

    def _read(self) -> LastShutdown | None:
        try:
            content, _ = read_file(self._path, limit_bytes=_LONGEST_BYTES)
            found = parse_json(content)
        except (OSError, ValueError):
            return None
        word = found.get("node") if isinstance(found, dict) else None
        return {_RUNNING: LastShutdown.UNCLEAN, _ENDED: LastShutdown.CLEAN}.get(str(word))

    def _write(self, word: str) -> None:
        try:
            with opened(self._path.parent, make_mode=SHOWN_FOLDER) as folder:
                name = Path(self._path.name)
                durable.remove_leftovers(name, folder=folder)
                content = json.dumps({"node": word}).encode() + b"\n"
                durable.replace(name, content, folder=folder)
        except OSError as error:
            log.warning(
                "%s: expected to note how the node ends, found: %s. The next start will not know",
                self._path,
                error.strerror,
            )
