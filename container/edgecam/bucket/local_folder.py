"""`file:///FOLDER`: a bucket that is a folder, on a disk of the core's or on one of the network's.

1. Under an object's name there is the whole object or nothing: it is written under another name beside it,
   synced, and given its name by a step that never replaces anything.
2. Beside each object `NAME` lies `NAME.json` with its metadata, content type and checksum; it is there before
   the object is.
3. What a crash leaves behind (`.NAME.part`) is written anew by the next attempt.
4. Others may write there, it is a place for sharing: no link of theirs is followed, and nothing of theirs is
   written to.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import damaged, opened
from edgecam.bucket.interface import Pace, Receipt, Session
from edgecam.errors import StoreConflict, StoreError, StoreRefused, StoreUnavailable
from edgecam.folder import opened as folder_opened
from edgecam.redaction import redact
from edgecam.replaced_file import remove

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
SIDECAR_SUFFIX = ".json"

_FILE_MODE, _FOLDER_MODE = 0o666, 0o777  # less what the umask takes: whoever shares the folder sets that
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC

_LASTING = {
    errno.EACCES: "let the node's user write there",
    errno.EPERM: "let the node's user write there",
    errno.EROFS: "mount it for writing",
    errno.ENOTDIR: "name a folder",
    errno.EISDIR: "something is in the way",
    errno.ENAMETOOLONG: "choose a shorter folder",
    errno.ELOOP: "its symbolic links lead in a circle",
    errno.EINVAL: "its file system does not allow such names",
}
"""What a person has to mend, and how; every other trouble of a disk may pass."""
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EMLINK, errno.ENOSYS, errno.EINVAL}
"""What file systems without hard links answer (exFAT, most of SMB)."""


class FileBucket:
    """See `Bucket`; `uri` is `file:///FOLDER`, which is made if the folder above it is there."""

    def __init__(self, uri: str) -> None:
        self.uri = redact(uri)
        self._folder = Path(unquote(urlsplit(uri).path) or "/")
        # One disk is not faster by being written to in several places; and a name has one temporary file.
        self._writing = threading.Lock()

    def put_file(
        self,
        name: str,
        path: Path,
        *,
        content_type: str,
        metadata: Mapping[str, str],
        crc32c: str,
        pace: Pace,
        session: Session,  # noqa: ARG002 - a copy on a disk is begun anew
    ) -> Receipt:
        """See `Bucket.put_file`."""
        pace.request()
        described = {"content_type": content_type, "crc32c": crc32c, "metadata": dict(metadata)}
        with (
            opened(path, name) as source,
            self._writing,
            self._mishaps(name),
            self._folder_of(name) as folder,
        ):
            leaf = PurePosixPath(name).name
            if _exists(folder, leaf):
                return self._compared(name, folder, leaf, crc32c)
            sidecar = leaf + SIDECAR_SUFFIX
            _write(folder, sidecar, lambda file: file.write(json.dumps(described, indent=1).encode()))
            _put(folder, sidecar)
            copied = _write(folder, leaf, lambda file: _copy(source, file, pace))
            if copied != crc32c:
                remove(folder, _part(leaf))
                remove(folder, sidecar)
                raise damaged(path, name, crc32c, copied)
            if not _name(folder, leaf):
                return self._compared(name, folder, leaf, crc32c)
            _sync_folder(folder)
            return _receipt(name, _look(folder, leaf), crc32c)

    def put_bytes(self, name: str, content: bytes, *, content_type: str, pace: Pace) -> None:  # noqa: ARG002
        """See `Bucket.put_bytes`. There is no sidecar: its name says what it is."""
        pace.request()
        for start in range(0, len(content), PIECE_BYTES):
            pace.send(len(content[start : start + PIECE_BYTES]))
        with self._writing, self._mishaps(name), self._folder_of(name) as folder:
            leaf = PurePosixPath(name).name
            _write(folder, leaf, lambda file: file.write(content))
            _put(folder, leaf)
            _sync_folder(folder)

    def close(self) -> None:
        """Nothing is open."""

    @contextlib.contextmanager
    def _folder_of(self, name: str) -> Iterator[int]:
        """The folder of the object `name`, made where it is missing; its descriptor."""
        if not self._folder.is_dir():
            # Not the ones above: an unmounted disk must not become a folder of the core's own.
            above = folder_opened(self._folder.parent, is_shared=True)
            with above as parent, contextlib.suppress(FileExistsError):
                os.mkdir(self._folder.name, dir_fd=parent)
        with folder_opened((self._folder / name).parent, make_mode=_FOLDER_MODE, is_shared=True) as folder:
            yield folder

    def _compared(self, name: str, folder: int, leaf: str, crc32c: str) -> Receipt:
        file = os.open(leaf, _READ, dir_fd=folder) if stat.S_ISREG(_look(folder, leaf).st_mode) else None
        if file is None:
            raise StoreConflict(f"{self.uri}: {name} is there, and is no regular file")
        with FileIO(file) as content:
            found, facts = checksum.of_open_file(content), os.fstat(file)
        if found != crc32c:
            raise StoreConflict(
                f"{self.uri}: {name} is there with other content: expected crc32c {crc32c}, found {found}"
            )
        return _receipt(name, facts, found, existed=True)

    @contextlib.contextmanager
    def _mishaps(self, name: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            raise self._explained(name, error) from error

    def _explained(self, name: str, error: OSError) -> StoreError:
        said = error.strerror or type(error).__name__
        if error.errno in _LASTING:
            return StoreRefused(f"{self.uri}: {name} cannot be stored: {said}; {_LASTING[error.errno]}")
        if error.errno == errno.ENOENT and not self._folder.parent.is_dir():
            return StoreUnavailable(
                f"{self.uri}: expected the folder {self._folder.parent}, found none: is the disk mounted?"
            )
        return StoreUnavailable(f"{self.uri}: {name} cannot be stored now: {said}")


def _write(folder: int, leaf: str, fill: Callable[[FileIO], T]) -> T:
    """Write beside `leaf`, synced; returns what `fill` returns.

    The name beside it is always the same, so that what a crash left is found again, and it is made anew or
    not at all: nothing that somebody else has put there is written to.
    """
    remove(folder, _part(leaf))
    descriptor = os.open(_part(leaf), _NEW, _FILE_MODE, dir_fd=folder)
    try:
        with FileIO(descriptor, "w") as file:
            outcome = fill(file)
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            remove(folder, _part(leaf))
        raise
    return outcome


def _put(folder: int, leaf: str) -> None:
    """Give what was written its name, in place of what has it."""
    os.rename(_part(leaf), leaf, src_dir_fd=folder, dst_dir_fd=folder)


def _name(folder: int, leaf: str) -> bool:
    """Give what was written its name, unless something has it; whether it got it."""
    part = _part(leaf)
    try:
        os.link(part, leaf, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        remove(folder, part)
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Two nodes at the same moment could both get here; they have no chunk of the same name.
        if _exists(folder, leaf):
            remove(folder, part)
            return False
        _put(folder, leaf)
        return True
    remove(folder, part)
    return True


def _exists(folder: int, leaf: str) -> bool:
    try:
        _look(folder, leaf)
    except FileNotFoundError:
        return False
    return True


def _look(folder: int, leaf: str) -> os.stat_result:
    """What there is of that name itself, not of what a link leads to."""
    return os.stat(leaf, dir_fd=folder, follow_symlinks=False)


def _copy(source: FileIO, file: FileIO, pace: Pace) -> str:
    """Copy in pieces; the checksum of what was copied."""
    running = checksum.Running()
    while piece := source.read(min(PIECE_BYTES, pace.piece_bytes)):
        pace.send(len(piece))
        running.update(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[file.write(rest) :]
    return running.digest()


def _part(leaf: str) -> str:
    return f".{leaf}.part"


def _receipt(name: str, facts: os.stat_result, crc32c: str, *, existed: bool = False) -> Receipt:
    return Receipt(name, str(facts.st_mtime_ns), crc32c, facts.st_size, existed)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
            raise
