"""`file:///FOLDER`: a bucket that is a folder, on a disk of the core's or on one of the network's.

1. Under an object's name there is the whole object or nothing: it is written under another name beside it,
   synced, and given its name by a step that never replaces anything.
2. Beside each object `NAME` lies `NAME.json` with its metadata, content type and checksum; it is there before
   the object is.
3. What a crash leaves behind (`.NAME.part`) is written anew by the next attempt.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

from edgecam.errors import StoreConflict, StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import redact
from edgecam.store import checksum
from edgecam.store.bucket import Pace, Receipt, Session
from edgecam.store.chunk_content import damaged, opened

T = TypeVar("T")

PIECE_BYTES = 256 * 1024
SIDECAR_SUFFIX = ".json"

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
        target = self._folder / name
        described = {"content_type": content_type, "crc32c": crc32c, "metadata": dict(metadata)}
        with opened(path, name) as source, self._writing, self._mishaps(name):
            if target.exists():
                return self._compared(name, target, crc32c)
            self._make_folder(target.parent)
            _write(_sidecar(target), lambda file: file.write(json.dumps(described, indent=1).encode()))
            _part(_sidecar(target)).replace(_sidecar(target))
            copied = _write(target, lambda file: _copy(source, file, pace))
            if copied != crc32c:
                _part(target).unlink()
                _sidecar(target).unlink()
                raise damaged(path, name, crc32c, copied)
            if not self._name(target):
                return self._compared(name, target, crc32c)
            _sync_folder(target.parent)
            return _receipt(name, target, crc32c)

    def put_bytes(self, name: str, content: bytes, *, content_type: str, pace: Pace) -> None:  # noqa: ARG002
        """See `Bucket.put_bytes`. There is no sidecar: its name says what it is."""
        pace.request()
        for start in range(0, len(content), PIECE_BYTES):
            pace.send(len(content[start : start + PIECE_BYTES]))
        target = self._folder / name
        with self._writing, self._mishaps(name):
            self._make_folder(target.parent)
            _write(target, lambda file: file.write(content))
            _part(target).replace(target)
            _sync_folder(target.parent)

    def close(self) -> None:
        """Nothing is open."""

    def _make_folder(self, folder: Path) -> None:
        if not self._folder.is_dir():
            # Not the ones above: an unmounted disk must not become a folder of the core's own.
            self._folder.mkdir(exist_ok=True)
        folder.mkdir(parents=True, exist_ok=True)

    def _name(self, target: Path) -> bool:
        """Give what was written its name, unless something has it; whether it got it."""
        part = _part(target)
        try:
            os.link(part, target)
        except FileExistsError:
            part.unlink()
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            # Two nodes at the same moment could both get here; they have no chunk of the same name.
            if target.exists():
                part.unlink()
                return False
            part.rename(target)
            return True
        part.unlink()
        return True

    def _compared(self, name: str, target: Path, crc32c: str) -> Receipt:
        found = checksum.of_file(target)
        if found != crc32c:
            raise StoreConflict(
                f"{self.uri}: {name} is there with other content: expected crc32c {crc32c}, found {found}"
            )
        return _receipt(name, target, found, existed=True)

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


def _write(target: Path, fill: Callable[[FileIO], T]) -> T:
    """Write beside `target`, synced; returns what `fill` returns."""
    part = _part(target)
    try:
        with FileIO(part, "w") as file:
            outcome = fill(file)
            os.fsync(file.fileno())
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink()
        raise
    return outcome


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


def _part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


def _sidecar(target: Path) -> Path:
    return target.with_name(target.name + SIDECAR_SUFFIX)


def _receipt(name: str, target: Path, crc32c: str, *, existed: bool = False) -> Receipt:
    stat = target.stat()
    return Receipt(name, str(stat.st_mtime_ns), crc32c, stat.st_size, existed)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno != errno.EINVAL:  # some network file systems cannot, and need not
            raise
    finally:
        os.close(descriptor)
