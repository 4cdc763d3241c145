"""What is on the disk even when the power fails right afterwards, and in which order it got there.

A new or replaced file needs three steps: its content is synced, it gets its name, and the folder that holds
the name is synced (`man 2 fsync`: syncing a file does not make its name durable). All of the spool's writing
goes through this module, so that a test can cut the power between any two steps.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

PRIVATE_FILE = 0o600  # recordings, and sessions that are as good as a password
PRIVATE_FOLDER = 0o700
_OURS = os.O_NOFOLLOW | os.O_CLOEXEC  # nothing that is the spool's is a link


def create(path: Path) -> None:
    """Make a new, empty file; not yet durable.

    Raises:
        FileExistsError: there is something of that name.
        OSError: the disk does not let us.
    """
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _OURS, PRIVATE_FILE))


def sync_file(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | _OURS)
    try:
        os.fdatasync(descriptor)  # content and size; nobody needs its time stamps after a power cut
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder `path` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_folder(path: Path) -> None:
    """Make the folder `path`, and those above it, durably; nothing happens when it is there."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        sync_folder(folder.parent)


def move(path: Path, to: Path) -> None:
    """Give the file `path` another name on the same disk; durable once the folder of `to` is synced."""
    os.rename(path, to)  # noqa: PTH104 - the power cut test records this very call


def remove(path: Path) -> None:
    """Remove the file `path` if it is there; a power cut may bring it back."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path)  # noqa: PTH108


def replace(path: Path, content: bytes) -> None:
    """Put `content` at `path`, durably and in one step; on failure `path` is as it was."""
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | _OURS
        descriptor = os.open(temporary, flags, PRIVATE_FILE)
        try:
            written = os.write(descriptor, content)
            while written < len(content):
                written += os.write(descriptor, content[written:])
        finally:
            os.close(descriptor)
        sync_file(temporary)
        move(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            remove(temporary)
        raise
    sync_folder(path.parent)
