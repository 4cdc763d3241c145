"""One build at a time on an engine, and what it is doing, for those who wait or watch.

Two builds side by side would compile everything twice, since neither finds what the other has made so far.
The lock is the kernel's (flock(2)): it goes with the process that holds it, however that ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from container.image.docker import BuildError

_LOG = logging.getLogger(__name__)

MAX_STATE_BYTES = 4096
"""What is read of a state: a line, and not whatever a file of this name may hold."""

Report = Callable[[str], None]


@contextlib.contextmanager
def only_build(of: str) -> Iterator[Report]:
    """Wait until no other process of this user builds the same, and keep others out meanwhile.

    Args:
        of: What is built once at a time: all images of an engine, by its id, or a tarball, by what is in it.

    Yields a function that reports to waiting builds what this one is doing.

    Raises:
        BuildError: the lock's file cannot be made.
    """
    path = _state_file(of)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise BuildError(
            f"{path}, which keeps builds from running side by side: {error.strerror}. Give a folder of your "
            "own (XDG_CACHE_HOME)."
        ) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            _LOG.info("waiting for another build to end: %s", under_way(of) or "it has only begun")
            fcntl.flock(file, fcntl.LOCK_EX)

        def report(state: str) -> None:
            # In one go, so that nobody reads half of it.
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as new:
                json.dump({"pid": os.getpid(), "state": state}, new)
            Path(new.name).replace(path.with_suffix(".json"))

        try:
            yield report
        finally:
            path.with_suffix(".json").unlink(missing_ok=True)


def under_way(of: str) -> str:
    """What this user's build of the same is doing; empty where there is none."""
    try:
        with _state_file(of).with_suffix(".json").open("rb") as file:
            found = json.loads(file.read(MAX_STATE_BYTES))
        os.kill(int(found["pid"]), 0)  # a build that was killed left its last words
        return str(found["state"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return ""


def _state_file(of: str) -> Path:
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "edgecam" / f"build-{hashlib.sha256(of.encode()).hexdigest()[:12]}.lock"
