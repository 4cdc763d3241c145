"""`file:///FOLDER`: a bucket that is a folder, on the core's disk or on a network disk.

1. Under an object's name there is the whole object or nothing: it is written under a temporary name, synced,
   and given its name by a step that never replaces anything.
2. Beside each object `NAME` is `NAME.json` with its metadata, content type and checksum; it is there before
   the object is.
3. A temporary file that a crash has left (`.NAME.part`) is written again by the next attempt.
4. Other users may write there, it is a place for sharing: no link of theirs is followed, and nothing of
   theirs is written to.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
import threading
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path, PurePosixPath
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from edgecam.bucket import crc32c as checksum
from edgecam.bucket.chunk_source import damaged, opened
from edgecam.bucket.interface import ChunkUpload, RateLimit, Receipt, Session
from edgecam.durable import remove
from edgecam.errors import StoreConflict, StoreError, StoreRefused, StoreUnavailable
from edgecam.folder import opened as folder_opened
from edgecam.redaction import redact

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
SIDECAR_SUFFIX = ".json"

_FILE_MODE, _FOLDER_MODE = 0o666, 0o777  # less the umask, which the admin of the shared folder sets
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
"""What a person has to put right, and how; every other error of a disk may pass."""
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
        upload: ChunkUpload,
        *,
        rate_limit: RateLimit,
        session: Session,  # noqa: ARG002 - a copy on a disk begins again
    ) -> Receipt:
        """See `Bucket.put_file`."""
        rate_limit.request()
        described = {
            "content_type": upload.content_type,
            "crc32c": upload.crc32c,
            "metadata": dict(upload.metadata),
        }
        with (
            opened(upload) as source,
            self._writing,
            self._disk_errors(upload.name),
            self._folder_of(upload.name) as folder,
        ):
            leaf = PurePosixPath(upload.name).name
            if _exists(folder, leaf):
                return self._compare_existing(upload, folder, leaf)
            sidecar = leaf + SIDECAR_SUFFIX
            _write(folder, sidecar, lambda file: file.write(json.dumps(described, indent=1).encode()))
            _replace(folder, sidecar)
            copied = _write(folder, leaf, lambda file: _copy(source, file, rate_limit))
            if copied != upload.crc32c:
                remove(_part(leaf), folder=folder)
                remove(Path(sidecar), folder=folder)
                raise damaged(upload, copied)
            if not _link(folder, leaf):
                return self._compare_existing(upload, folder, leaf)
            _sync_folder(folder)
            return _receipt(upload, _stat(folder, leaf))

    def put_bytes(
        self,
        name: str,
        content: bytes,
        *,
        content_type: str,  # noqa: ARG002 - its name has an extension
        rate_limit: RateLimit,
    ) -> None:
        """See `Bucket.put_bytes`. There is no sidecar: its name has an extension."""
        rate_limit.request()
        for start in range(0, len(content), PIECE_BYTES):
            rate_limit.send(len(content[start : start + PIECE_BYTES]))
        with self._writing, self._disk_errors(name), self._folder_of(name) as folder:
            leaf = PurePosixPath(name).name
            _write(folder, leaf, lambda file: file.write(content))
            _replace(folder, leaf)
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

    def _compare_existing(self, upload: ChunkUpload, folder: int, leaf: str) -> Receipt:
        is_file = stat.S_ISREG(_stat(folder, leaf).st_mode)
        if not is_file:
            raise StoreConflict(f"{self.uri}: {upload.name} is there, and is no regular file")
        with FileIO(os.open(leaf, _READ, dir_fd=folder)) as content:
            found, facts = checksum.of_open_file(content), os.fstat(content.fileno())
        if found != upload.crc32c:
            raise StoreConflict(
                f"{self.uri}: {upload.name} is there with other content: "
                f"expected crc32c {upload.crc32c}, found {found}"
            )
        return _receipt(upload, facts, existed=True)

    @contextlib.contextmanager
    def _disk_errors(self, name: str) -> Iterator[None]:
        try:
            yield
        except StoreError:
            raise
        except OSError as error:
            raise self._explained(name, error) from error

    def _explained(self, name: str, error: OSError) -> StoreError:
        message = error.strerror or type(error).__name__
        if error.errno in _LASTING:
            return StoreRefused(f"{self.uri}: {name} cannot be stored: {message}; {_LASTING[error.errno]}")
        if error.errno == errno.ENOENT and not self._folder.parent.is_dir():
            return StoreUnavailable(
                f"{self.uri}: expected the folder {self._folder.parent}, found none: is the disk mounted?"
            )
        return StoreUnavailable(f"{self.uri}: {name} cannot be stored now: {message}")


def _write(folder: int, leaf: str, fill: Callable[[FileIO], T]) -> T:
    """Write the temporary file of `leaf`, synced; returns what `fill` returns.

    Its name is always the same, so that a crash leaves one at most, and it is created exclusively: a file
    that another user has put there is not written to.
    """
    remove(_part(leaf), folder=folder)
    descriptor = os.open(_part(leaf), _NEW, _FILE_MODE, dir_fd=folder)
    try:
        with FileIO(descriptor, "w") as file:
            outcome = fill(file)
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            remove(_part(leaf), folder=folder)
        raise
    return outcome


def _replace(folder: int, leaf: str) -> None:
    """Give the temporary file of `leaf` its name, in place of what has it."""
    os.rename(_part(leaf), leaf, src_dir_fd=folder, dst_dir_fd=folder)


def _link(folder: int, leaf: str) -> bool:
    """Give the temporary file of `leaf` its name, unless something has it; whether it got it."""
    part = _part(leaf)
    try:
        os.link(part, leaf, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        remove(part, folder=folder)
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # Two nodes at the same moment could both get here; they have no chunk of the same name.
        if _exists(folder, leaf):
            remove(part, folder=folder)
            return False
        _replace(folder, leaf)
        return True
    remove(part, folder=folder)
    return True


def _exists(folder: int, leaf: str) -> bool:
    try:
        _stat(folder, leaf)
    except FileNotFoundError:
        return False
    return True


def _stat(folder: int, leaf: str) -> os.stat_result:
    """Of `leaf` itself, not of the target of a link."""
    return os.stat(leaf, dir_fd=folder, follow_symlinks=False)


def _copy(source: FileIO, file: FileIO, rate_limit: RateLimit) -> str:
    """Copy in pieces; the checksum of what was copied."""
    running = checksum.Running()
    while piece := source.read(min(PIECE_BYTES, rate_limit.piece_bytes)):
        rate_limit.send(len(piece))
        running.update(piece)
        rest = memoryview(piece)
        while rest:
            rest = rest[file.write(rest) :]
    return running.digest()


def _part(leaf: str) -> Path:
    return Path(f".{leaf}.part")


def _receipt(upload: ChunkUpload, facts: os.stat_result, *, existed: bool = False) -> Receipt:
    return Receipt(upload.name, str(facts.st_mtime_ns), upload.crc32c, facts.st_size, existed)


def _sync_folder(folder: int) -> None:
    try:
        os.fsync(folder)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
            raise
