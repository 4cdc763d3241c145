"""Files that survive a power cut, and files that are replaced in one step.

A new file is durable after three steps: its content is synced, it gets its name, and the folder that holds
the name is synced (`man 2 fsync`: syncing a file does not make its name durable). A file is replaced by
renaming a temporary one, so a reader finds the old content or the new, never a part. All of the spool's
writing goes through this module, so that a test can cut the power between any two steps.

No link is followed. The temporary file has a random name and is created exclusively, so a file that another
user has put under that name is never written to. Where others may write, `folder` is a descriptor from
`folder.opened`, and each path is a name within it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
from pathlib import Path

PRIVATE_FILE = 0o600  # recordings, and sessions that are as good as a password
PRIVATE_FOLDER = 0o700

_TEMPORARY = ".tmp"
_RANDOM_BYTES = 8  # nobody guesses 64 bits within the milliseconds that such a name lives
_NO_LINK = os.O_NOFOLLOW | os.O_CLOEXEC
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_LINK


def replace(
    path: Path,
    content: bytes,
    *,
    folder: int | None = None,
    sync: bool = True,
    mode: int = PRIVATE_FILE,
    group: int | None = None,
    modified_ns: int | None = None,
) -> None:
    """Put `content` at `path` in one step; on failure `path` is as it was.

    Args:
        path: The file; its name where `folder` is given.
        content: The whole file.
        folder: Descriptor of the folder that holds it.
        sync: Wait until content and name are on the disk.
        mode: Its permissions, whatever the umask is.
        group: Its group; default the process' own.
        modified_ns: Its modification time, nanoseconds since 1970; default now.

    Raises:
        OSError: from the disk.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(_RANDOM_BYTES)}{_TEMPORARY}")
    file = os.open(temporary, _CREATE, PRIVATE_FILE, dir_fd=folder)
    try:
        try:
            _set_group(file, group)
            os.fchmod(file, mode)
            _write(file, content)
            if modified_ns is not None:
                os.utime(file, ns=(modified_ns, modified_ns))
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, path, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            remove(temporary, folder=folder)
        raise
    if sync and folder is not None:
        os.fsync(folder)
    elif sync:
        sync_folder(path.parent)


def replaced_name(found: str) -> str | None:
    """The file whose `replace`, killed, has left the file `found`; None where `found` is no leftover."""
    if not found.startswith(".") or not found.endswith(_TEMPORARY):
        return None
    return found[1:].removesuffix(_TEMPORARY).rpartition(".")[0] or None


def remove_leftovers(path: Path, *, folder: int | None = None) -> None:
    """Remove what a killed `replace` of `path` has left; what cannot be removed stays."""
    for found in os.listdir(path.parent if folder is None else folder):  # noqa: PTH208 - of a descriptor
        if replaced_name(found) == path.name:
            with contextlib.suppress(OSError):
                os.unlink(path.with_name(found), dir_fd=folder)


def create(path: Path) -> None:
    """Make a new, empty file; not yet durable.

    Raises:
        FileExistsError: there is something of that name.
        OSError: from the disk.
    """
    os.close(os.open(path, _CREATE, PRIVATE_FILE))


def move(path: Path, to: Path) -> None:
    """Give the file `path` another name on the same disk; durable once the folder of `to` is synced."""
    os.rename(path, to)  # noqa: PTH104 - the power cut test records this very call


def remove(path: Path, *, folder: int | None = None) -> None:
    """Remove the file `path` if it is there; a power cut may bring it back."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(path, dir_fd=folder)


def make_folder(path: Path) -> None:
    """Make the folder `path`, and those above it, durably; nothing happens when it is there."""
    missing = []
    while not path.is_dir():
        missing.append(path)
        path = path.parent
    for folder in reversed(missing):
        folder.mkdir(mode=PRIVATE_FOLDER, exist_ok=True)
        sync_folder(folder.parent)


def sync_file(path: Path) -> None:
    """Wait until the content of `path` is on the disk."""
    descriptor = os.open(path, os.O_RDONLY | _NO_LINK)
    try:
        os.fdatasync(descriptor)  # content and size; no reader needs its times after a power cut
    finally:
        os.close(descriptor)


def sync_folder(path: Path) -> None:
    """Wait until the names in the folder `path` are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(file: int, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[os.write(file, rest) :]


def _set_group(file: int, group: int | None) -> None:
    if group is None:
        return
    try:
        os.fchown(file, -1, group)
    except PermissionError:
        raise PermissionError(
            errno.EPERM, f"user {os.geteuid()} is not in group {group}: add it to that group"
        ) from None
