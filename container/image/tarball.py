"""The tarball that a core loads: what `docker save` gives, compressed; whole, or not there."""

from __future__ import annotations

import contextlib
import errno
import gzip
import json
import logging
import os
import subprocess
import tarfile
import tempfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from container.image.docker import BuildError, disk_full, explain

_LOG = logging.getLogger(__name__)

GZIP_LEVEL = 6
"""3 s longer than level 1 once, for 9 % less on the way to every core; level 9 takes 10 s for another 1 %."""

_CHUNK_BYTES = 1 << 20


def save(name: str, output: Path) -> None:
    """Write the image as a compressed tarball that `docker load` reads; whole, or not at all.

    Raises:
        BuildError: the disk is full, or Docker cannot save.
    """
    _LOG.info("saving %s", name)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            replacing(output) as partial,
            partial.open("wb") as raw,
            # Neither name nor time in the header: the same image makes the same bytes.
            gzip.GzipFile("", "wb", GZIP_LEVEL, raw, mtime=0) as packed,
        ):
            _stream_image(name, packed)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise BuildError(disk_full(output.parent)) from error
        raise BuildError(f"cannot write {output}: {error.strerror}") from error
    _LOG.info("saved %s (%.1f MB)", output, output.stat().st_size / 1e6)


def tarball_holds(path: Path, name: str) -> bool:
    """Return whether `path` is a whole tarball of the image called `name`."""
    tags: list[str] = []
    try:
        with tarfile.open(path, "r|gz") as tarball:
            for member in tarball:
                content = tarball.extractfile(member) if member.name == "manifest.json" else None
                if content:
                    tags = [tag for image in json.load(content) for tag in image["RepoTags"] or []]
    except (OSError, EOFError, zlib.error, tarfile.TarError, ValueError):
        return False
    return name in tags


def _stream_image(name: str, target: gzip.GzipFile) -> None:
    with (
        tempfile.TemporaryFile("w+") as complaints,
        subprocess.Popen(["docker", "save", name], stdout=subprocess.PIPE, stderr=complaints) as saving,
    ):
        assert saving.stdout is not None  # noqa: S101 - a pipe was asked for
        while chunk := saving.stdout.read(_CHUNK_BYTES):
            target.write(chunk)
        if saving.wait() != 0:
            complaints.seek(0)
            raise BuildError(explain(complaints.read()))


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Offer a file in the same folder that becomes `path` at the end, or disappears on an error."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    os.close(handle)
    partial = Path(name)
    try:
        yield partial
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
