"""A named pipe on the disk: opened, made where there is none, refused where another user could feed it."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from edgecam.errors import SourceError, SourceNotFound, SourceUnsupported
from edgecam.folder import ForeignFolder, opened, trusted_users

PIPE_MODE = 0o660
"""The group may write; what cameras see is not for everybody."""
_MOST_LINKS = 40  # as many as the kernel follows itself (path_resolution(7))
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC


class NamedPipe:
    """Where a pipe is, or is to be.

    Args:
        name: The source's, for messages.
        path: Of the pipe.
    """

    def __init__(self, name: str, path: Path) -> None:
        self._name = name
        self.path = path

    def open(self) -> int:
        """A descriptor to read from, not blocking; nobody need write to the pipe yet.

        Raises:
            SourceError: there is something else, or it may not be read; the message says what to do.
        """
        path = self.path
        try:
            for _ in range(_MOST_LINKS):
                with opened(path.parent, is_shared=True) as folder:
                    target = _link_in(folder, path.name)
                    if target is None:
                        return self._opened_in(folder, path.name)
                    path = path.parent / target
        except FileNotFoundError:
            raise SourceNotFound(
                f"{self._name}: expected the folder {path.parent} for a named pipe, found none"
            ) from None
        except OSError as error:
            raise SourceError(
                f"{self._name}: expected a named pipe that can be read, found: {error.strerror}"
            ) from error
        raise self._something_else("links without end")

    def _opened_in(self, folder: int, name: str) -> int:
        is_new = True
        try:
            os.mkfifo(name, PIPE_MODE, dir_fd=folder)
        except FileExistsError:
            is_new = False
        # Looked at through the open file: what stands under the name could be another by then.
        file = os.open(name, _READ, dir_fd=folder)
        try:
            facts = os.fstat(file)
            self._refuse(facts, os.fstat(folder))
            if is_new and facts.st_uid == os.geteuid():
                os.fchmod(file, PIPE_MODE)  # which the umask has made less
        except BaseException:
            os.close(file)
            raise
        return file

    def _refuse(self, pipe: os.stat_result, above: os.stat_result) -> None:
        """Refuse a pipe that another user could feed: its writer decides what the camera shows."""
        if stat.S_ISREG(pipe.st_mode):
            raise SourceUnsupported(
                f"{self._name}: expected a named pipe (or nothing, and one is made), found a file, not a "
                f"pipe, at {self.path}, as a program makes it that writes there first: remove it, then "
                "start edgecam, and that program after it"
            )
        if not stat.S_ISFIFO(pipe.st_mode):
            raise self._something_else("something else")
        if above.st_mode & stat.S_IWOTH and pipe.st_uid not in trusted_users():
            raise SourceError(
                f"{self._name}: expected a named pipe of user {os.geteuid()} or root in a folder that every "
                f"user may write, found one of user {pipe.st_uid}: put it into a folder of its own"
            )

    def _something_else(self, found: str) -> SourceUnsupported:
        return SourceUnsupported(
            f"{self._name}: expected a named pipe (or nothing, and one is made), found {found} at {self.path}"
        )


def _link_in(folder: int, name: str) -> str | None:
    """Where the link `name` leads; None where it is none."""
    try:
        facts = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if not stat.S_ISLNK(facts.st_mode):
            return None
        target = os.readlink(name, dir_fd=folder)
    except FileNotFoundError:
        return None
    if facts.st_uid not in trusted_users():
        raise ForeignFolder(f"{name} is a link of user {facts.st_uid}, which could lead anywhere")
    return target
