"""How the last run ended: a file that holds "running" until the node has shut down cleanly.

The file is on the spool's disk where the node records, and survives a power cut there; else in
`data_dir`, which is in memory by default: it then survives a kill, and after a power cut nothing is known. It
is replaced by a rename, synced before and after, so that what is read is always whole.

It also holds when the node last ended itself for a new start (`SelfRestart`), so that it does not do that too
often.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from edgecam import durable
from edgecam.folder import SHOWN_FOLDER, opened, read_file
from edgecam.json_text import parse_json

log = logging.getLogger(__name__)

SPOOL_MARKER = ".node.json"
"""Its name in a spool, which belongs to one node."""

_LONGEST_BYTES = 1024  # of a file with one word in it
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_RUNNING, _ENDED = "running", "ended"


class LastShutdown(StrEnum):
    """How the last run ended."""

    CLEAN = "clean"
    """It was asked to end, and did."""
    UNCLEAN = "unclean"
    """It was killed, the power was cut, or a fault of its own ended it."""


@dataclass(frozen=True)
class SelfRestart:
    """An end by the node's own decision, to be started again; as the next start knows of it.

    Attributes:
        boot_id: Of the kernel's start, since `at_s` means nothing after another.
        at_s: When, by the monotonic clock.
        in_a_row: How many there were without a long enough time in between in which all was well.
    """

    boot_id: str
    at_s: float
    in_a_row: int

    @classmethod
    def parsed(cls, values: Any) -> SelfRestart | None:
        """From what the file holds; None where that is not one."""
        if not isinstance(values, dict):
            return None
        boot_id, at_s, in_a_row = values.get("boot_id"), values.get("at_s"), values.get("in_a_row")
        if isinstance(boot_id, str) and isinstance(at_s, float) and isinstance(in_a_row, int):
            return cls(boot_id, at_s, in_a_row) if in_a_row >= 1 else None
        return None


def this_boot_id() -> str:
    """Of the kernel's start; empty where the kernel does not say."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def marker_in(data_dir: str, first_camera_id: str) -> Path:
    """The file of a node that records nothing; two nodes may share a `data_dir`, but no camera."""
    return Path(data_dir) / f".node-of-{first_camera_id}.json"


class RunMarker:
    """The file at `path`. A disk that cannot be written is logged once; only the knowledge is lost."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self.restart: SelfRestart | None = None
        """The last end by the node's own decision; known from `begin` on."""

    def begin(self) -> LastShutdown | None:
        """The node starts: how it ended before, None where nothing is known."""
        previous = self._read()
        self._write(_RUNNING)
        return previous

    def note_restart(self, restart: SelfRestart) -> bool:
        """The node is about to end itself; whether the next start will know."""
        self.restart = restart
        return self._write(_RUNNING)

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
        self.restart = SelfRestart.parsed(found.get("restart")) if isinstance(found, dict) else None
        return {_RUNNING: LastShutdown.UNCLEAN, _ENDED: LastShutdown.CLEAN}.get(str(word))

    def _write(self, word: str) -> bool:
        """Whether it is written."""
        document: dict[str, Any] = {"node": word}
        if self.restart is not None:
            document["restart"] = asdict(self.restart)
        try:
            with opened(self._path.parent, make_mode=SHOWN_FOLDER) as folder:
                name = Path(self._path.name)
                durable.remove_leftovers(name, folder=folder)
                content = json.dumps(document).encode() + b"\n"
                durable.replace(name, content, folder=folder)
        except OSError as error:
            log.warning(
                "%s: expected to note how the node ends, found: %s. The next start will not know",
                self._path,
                error.strerror,
            )
            return False
        return True
