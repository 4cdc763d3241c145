"""Files that are replaced whole, in a folder that `folder.opened` holds: no name is followed, none is known.

A temporary file has a random name and is made anew or not at all, so that nothing which another user has put
under that name is ever written to; it gets its final name by a rename within the same open folder.
"""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import stat
from pathlib import Path

from edgecam import folder as folders

PRIVATE_FILE = 0o600

_ENDING = ".tmp"
_RANDOM_BYTES = 8  # nobody guesses 64 bits within the milliseconds that such a name lives
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE_BYTES = 1 << 20


def replace(
    folder: int,
    name: str,
    content: bytes,
    *,
    mode: int = PRIVATE_FILE,
    group: int | None = None,
    modified_ns: int | None = None,
    is_durable: bool = False,
) -> None:
    """Put `content` at `name` in one step; on failure `name` is as it was.

    Args:
        folder: Descriptor of the folder.
        name: In that folder.
        content: The whole file.
        mode: Its permissions, whatever the umask is.
        group: Its group; default the process' own.
        modified_ns: Its modification time, nanoseconds since 1970; default now.
        is_durable: Wait until content and name are on the disk.

    Raises:
        OSError: the disk does not let us.
    """
    temporary = f".{name}.{secrets.token_hex(_RANDOM_BYTES)}{_ENDING}"
    file = os.open(temporary, _NEW, PRIVATE_FILE, dir_fd=folder)
    try:
        try:
            _give(file, group)
            os.fchmod(file, mode)
            written = os.write(file, content)
            while written < len(content):
                written += os.write(file, content[written:])
            if modified_ns is not None:
                os.utime(file, ns=(modified_ns, modified_ns))
            if is_durable:
                os.fsync(file)
        finally:
            os.close(file)
        os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary, dir_fd=folder)
        raise
    if is_durable:
        os.fsync(folder)


def is_leftover(found: str, name: str) -> bool:
    """Whether the file `found` is what a killed `replace` of `name` leaves behind."""
    return found.startswith(f".{name}.") and found.endswith(_ENDING)


def remove_leftovers(folder: int, name: str) -> None:
    """Remove what a killed `replace` of `name` has left; what cannot be removed stays."""
    for found in os.listdir(folder):
        if is_leftover(found, name):
            with contextlib.suppress(OSError):
                os.unlink(found, dir_fd=folder)


def remove(folder: int, name: str) -> None:
    """Remove the file `name` if it is there."""
    with contextlib.suppress(FileNotFoundError):
        os.unlink(name, dir_fd=folder)


def read(folder: int, name: str, *, limit_bytes: int) -> tuple[bytes, os.stat_result]:
    """The content of the regular file `name` and what fstat(2) says of it, of one moment.

    No link is followed, nothing that could block or never end is read, and nothing of a user who is not
    trusted (`folder.trusted_users`).

    Raises:
        OSError: there is none, it is something else, or it is longer than `limit_bytes`.
    """
    file = os.open(name, _READ, dir_fd=folder)
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, f"expected a regular file, found another kind of thing at {name}")
        if facts.st_uid not in folders.trusted_users():
            raise folders.ForeignFolder(f"{name} belongs to user {facts.st_uid}")
        content = bytearray()
        # Not more than that, even of a file that grows meanwhile.
        while piece := os.read(file, min(_PIECE_BYTES, limit_bytes + 1 - len(content))):
            content += piece
    finally:
        os.close(file)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"expected at most {limit_bytes} bytes, found more in {name}")
    return bytes(content), facts


def read_at(path: Path, *, limit_bytes: int) -> tuple[bytes, os.stat_result]:
    """The same of the file at `path`, whose folder is the node's own.

    Raises:
        OSError: as `read` says, or the folder cannot be had or trusted.
    """
    with folders.opened(path.parent) as folder:
        return read(folder, path.name, limit_bytes=limit_bytes)


def _give(file: int, group: int | None) -> None:
    if group is None:
        return
    try:
        os.fchown(file, -1, group)
    except PermissionError:
        raise PermissionError(
            errno.EPERM, f"user {os.geteuid()} is not in group {group}: add it to that group"
        ) from None
