"""Folders on a machine that others share: walked to, looked at and held open while something is done in them.

`/dev/shm` and `/tmp` belong to everybody: who makes `/dev/shm/edgecam` first owns what everybody takes for
the node's. So each step of a path is opened without following a link, looked at through what was opened,
and the next one is opened within it (openat(2)): what another user swaps after the look changes nothing.

1. A link counts only if it is of somebody who is trusted. 2. In a folder that everybody may write (sticky, as
`/tmp` is) a name belongs to who took it first: what is not of somebody trusted is refused. 3. A folder of the
node's own has owners all the way who are trusted, and nobody else may write there; folders above it that
everybody may write have to be sticky, so that nobody can take away what is another's.

Trusted are root, the user the node runs as, who owns `/` (that is root in another user namespace), and the
user that the core's script gives folders to, where the node itself runs as root.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import deque
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

OWNER_VARIABLE = "EDGECAM_FOLDER_OWNER"
"""Set by the recipe's script, UID:GID: whom it gives the folders that it makes."""

SHOWN_FOLDER = 0o755
"""Of folders that others look into."""

_ROOT = 0
_STEP = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
_PIECE_BYTES = 1 << 20
_MOST_LINKS = 40  # as many as the kernel follows itself (path_resolution(7))


class ForeignFolder(PermissionError):  # noqa: N818 - as its parents are called
    """Another user owns or may write what should be the node's; the message has the user and the remedy."""

    def __init__(self, problem: str) -> None:
        super().__init__(errno.EPERM, problem)


@contextlib.contextmanager
def opened(path: Path, *, make_mode: int | None = None, is_shared: bool = False) -> Iterator[int]:
    """The folder at `path`, open for as long as the block lasts; its descriptor is for `dir_fd`.

    Args:
        path: Absolute.
        make_mode: Make it and those above it where they are missing, with this mode.
        is_shared: Others put their files there too: rule 3 does not hold.

    Raises:
        ForeignFolder: it is not safe to use; its `strerror` has the reason, for a person.
        OSError: it cannot be had; `filename` is the step that failed.
    """
    folder = _reached(path, make_mode, is_shared)
    try:
        yield folder
    finally:
        os.close(folder)


def read_file(path: Path, *, limit_bytes: int, folder: int | None = None) -> tuple[bytes, os.stat_result]:
    """The content of a regular file and its fstat(2), of one moment.

    No link is followed, nothing that could block or never end is read, and no file of a user who is not
    trusted.

    Args:
        path: The file, in a folder of the node's own; its name where `folder` is given.
        limit_bytes: The most it may hold.
        folder: Descriptor of the folder that holds it.

    Raises:
        OSError: there is none, it is something else, it is longer, or its folder is not safe to use.
    """
    if folder is None:
        with opened(path.parent) as descriptor:
            return read_file(Path(path.name), limit_bytes=limit_bytes, folder=descriptor)
    file = os.open(path, _READ, dir_fd=folder)
    try:
        facts = os.fstat(file)
        if not stat.S_ISREG(facts.st_mode):
            raise OSError(errno.EINVAL, f"expected a regular file, found another kind of thing at {path}")
        if facts.st_uid not in trusted_users():
            raise ForeignFolder(f"{path} belongs to user {facts.st_uid}")
        content = bytearray()
        # Bounded, since the file may grow meanwhile.
        while piece := os.read(file, min(_PIECE_BYTES, limit_bytes + 1 - len(content))):
            content += piece
    finally:
        os.close(file)
    if len(content) > limit_bytes:
        raise OSError(errno.EFBIG, f"expected at most {limit_bytes} bytes, found more in {path}")
    return bytes(content), facts


def trusted_users() -> frozenset[int]:
    """The users whose folders, files and links are trusted as the node's own."""
    given = os.environ.get(OWNER_VARIABLE, "").partition(":")[0]
    users = {_ROOT, os.geteuid(), os.stat("/").st_uid}  # noqa: PTH116 - by its one letter
    return frozenset(users | {int(given)} if given.isdecimal() else users)


def refuse_foreign(where: str, facts: os.stat_result, *, is_sticky_enough: bool = False) -> None:
    """Nothing where `where` belongs to somebody trusted and nobody else may write it.

    Args:
        where: Its path, for the message.
        facts: Its fstat(2).
        is_sticky_enough: Others may write where they cannot take away what is another's.

    Raises:
        ForeignFolder: it is another user's, or others may write it.
    """
    if facts.st_uid not in trusted_users():
        raise ForeignFolder(
            f"{where} belongs to user {facts.st_uid}, who could put other files there: "
            f"remove it, or give it to user {os.geteuid()} (chown {os.geteuid()} {where})"
        )
    if is_sticky_enough and facts.st_mode & stat.S_ISVTX:
        return
    # The group that the node itself runs as is as trusted as its user; many systems give each user one.
    by_group = facts.st_mode & stat.S_IWGRP and facts.st_gid not in (_ROOT, os.getegid())
    if facts.st_mode & stat.S_IWOTH or by_group:
        who = "every user" if facts.st_mode & stat.S_IWOTH else f"group {facts.st_gid}"
        raise ForeignFolder(
            f"{where} may be written by {who}, who could put other files there: "
            f"take that right away (chmod go-w {where})"
        )


def remedy(error: OSError, folder: Path) -> str:
    """What helps where the node's user may not write `folder`, as in one that Docker has made for root.

    Begins with a space; empty for every other `error`.
    """
    if error.errno != errno.EACCES or isinstance(error, ForeignFolder):
        return ""
    uid, gid = os.geteuid(), os.getegid()
    return (
        f" for user {uid}: sudo install -d -o {uid} -g {gid} {folder} "
        "(in a container: the machine's folder that is mounted there), "
        f"or run the container with --user=UID:GID of who may write {folder.parent}"
    )


def give(path: Path, user: int, group: int) -> None:
    """Let the folder `path` belong to `user` and `group`: one that has just been made, or is theirs already.

    Raises:
        OSError: it is somebody else's, it holds something, or it cannot be given away.
    """
    folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        facts = os.fstat(folder)
        if facts.st_uid == user:
            return
        # Docker makes what it mounts, as root and empty. Anything else was there before.
        if facts.st_uid not in trusted_users() or os.listdir(folder):  # noqa: PTH208 - of a descriptor
            problem = f"a folder that was there before: it is of user {facts.st_uid}, and not of user {user}"
            raise ForeignFolder(problem)
        os.fchown(folder, user, group)
    finally:
        os.close(folder)


def _reached(path: Path, make_mode: int | None, is_shared: bool) -> int:
    """A descriptor of the folder at `path`, which can be listed and synced."""
    if not path.is_absolute():
        raise ValueError(f"expected an absolute path, found {path}")
    names, links = deque(path.parts[1:]), 0
    here, walked = os.open("/", _STEP), "/"
    try:
        while names:
            name = names.popleft()
            where = str(PurePosixPath(walked, name))
            step = _step(here, name, where, make_mode)
            try:
                facts = os.fstat(step)
                _look(where, facts, above=os.fstat(here), is_shared=is_shared, is_last=not names)
            except BaseException:
                os.close(step)
                raise
            if not stat.S_ISLNK(facts.st_mode):
                os.close(here)
                here, walked = step, where
                continue
            try:
                target = PurePosixPath(os.readlink("", dir_fd=step))
            finally:
                os.close(step)
            links += 1
            if links > _MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
            if target.is_absolute():
                os.close(here)
                here, walked = os.open("/", _STEP), "/"
            names.extendleft(reversed([part for part in target.parts if part != "/"]))
        try:
            return os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=here)
        except OSError as error:
            raise _named(error, walked) from None
    finally:
        os.close(here)


def _step(here: int, name: str, where: str, make_mode: int | None) -> int:
    """What is called `name` in the folder `here`, opened as a place only; made where it is missing."""
    try:
        try:
            return os.open(name, _STEP, dir_fd=here)
        except FileNotFoundError:
            if make_mode is None:
                raise
            # Somebody else may be quicker: then theirs is looked at like any other.
            with contextlib.suppress(FileExistsError):
                os.mkdir(name, make_mode, dir_fd=here)
            return os.open(name, _STEP, dir_fd=here)
    except OSError as error:
        raise _named(error, where) from None


def _look(
    where: str, facts: os.stat_result, *, above: os.stat_result, is_shared: bool, is_last: bool
) -> None:
    """Refuse `where`, which is in the folder `above`, by the rules of this module."""
    if stat.S_ISLNK(facts.st_mode):
        if facts.st_uid not in trusted_users():
            raise ForeignFolder(
                f"{where} is a link of user {facts.st_uid}, which could lead anywhere: remove it"
            )
        return
    if not is_shared:
        refuse_foreign(where, facts, is_sticky_enough=not is_last)
        return
    is_everybodys = above.st_mode & stat.S_IWOTH and above.st_mode & stat.S_ISVTX
    if is_everybodys and facts.st_uid not in trusted_users():
        raise ForeignFolder(
            f"{where} belongs to user {facts.st_uid}, who took that name in a folder that every user may "
            f"write: remove it, or choose a folder that is not below {PurePosixPath(where).parent}"
        )


def _named(error: OSError, where: str) -> OSError:
    """The same with the whole path in place of one name."""
    return type(error)(error.errno, error.strerror, where)
