"""Build the edgecam image and save it as the tarball that a core loads.

    container/build --variant frame-grabber --architecture amd64 [--tag TAG] [--output FILE.tar.gz | --image]

Prints the path of the tarball on stdout (with --image: the name of the image, and makes no tarball), and
nothing else there; what it is doing goes to stderr. What is there already is not made again.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gzip
import json
import logging
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from container.base_image import ensure_base_image
from container.build_context import write_context
from container.docker_cli import BuildError, disk_full, docker, docker_build, explain
from container.image_inputs import (
    ARCHITECTURES,
    DEFAULT_BASE_IMAGE,
    PROJECT,
    VARIANTS,
    image_hash,
    image_name,
    image_tag,
)

_LOG = logging.getLogger(__name__)

CONTENT_LABEL = "edgecam.content"
"""Holds the whole hash, of which the tag shows the beginning."""

GZIP_LEVEL = 6
"""3 s longer than level 1 once, for 9 % less on the way to every core; level 9 takes 10 s for another 1 %."""

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
_CHUNK_BYTES = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit code."""
    logging.basicConfig(level=logging.INFO, format="edgecam image: %(message)s", stream=sys.stderr)
    options = _parse(arguments)
    chosen = (options.variant, options.architecture, options.base_image)
    try:
        if options.image:
            _check_tag(image_hash(*chosen), options.tag)
            made = ensure_image(*chosen)
        else:
            made = str(build(*chosen, options.tag, options.output))
    except BuildError as error:
        _LOG.error("%s", error)
        return 1
    except KeyboardInterrupt:
        _LOG.error("interrupted")
        return 130
    sys.stdout.write(f"{made}\n")
    return 0


def build(
    variant: str,
    architecture: str,
    base_image: str = DEFAULT_BASE_IMAGE,
    tag: str | None = None,
    output: Path | None = None,
) -> Path:
    """Make the tarball, unless it is there, and return its absolute path.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    expected_tag = _check_tag(image_hash(variant, architecture, base_image), tag)
    name = image_name(variant, expected_tag)
    output = (
        output or PROJECT / "build" / f"edgecam-{variant}-{architecture}-{expected_tag}.tar.gz"
    ).absolute()
    if tarball_holds(output, name):
        _LOG.info("%s is already in %s", name, output)
        return output
    ensure_image(variant, architecture, base_image)
    save(name, output)
    return output


def _check_tag(content: str, tag: str | None) -> str:
    expected = image_tag(content)
    if tag not in (None, expected):
        raise BuildError(
            f"expected tag {expected}, which is what the present files make, found {tag}: they have "
            "changed since the stacks were synthesized. Synthesize again."
        )
    return expected


def ensure_image(variant: str, architecture: str, base_image: str = DEFAULT_BASE_IMAGE) -> str:
    """Build the image, unless Docker has it, and return its name.

    Raises:
        BuildError: what is in the way, and what to do about it.
    """
    content = image_hash(variant, architecture, base_image)
    name = image_name(variant, image_tag(content))
    server = docker("version", "--format", "{{.Server.Arch}}")
    if _content_of(name) == content:
        _LOG.info("%s is already built", name)
        return name
    ensure_base_image(base_image, architecture, server)
    _LOG.info("building %s for %s: a first build takes minutes, later ones seconds", name, architecture)
    started_s = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="edgecam-image-") as folder:
        write_context(Path(folder), variant)
        if image_hash(variant, architecture, base_image) != content:
            raise BuildError("files of the image changed while they were being read. Start again.")
        docker_build(
            *_build_arguments(variant, architecture if architecture != server else None, base_image),
            *("--tag", name, "--label", f"{CONTENT_LABEL}={content}", folder),
            environment={**os.environ, "BUILDX_NO_DEFAULT_ATTESTATIONS": "1"},
        )
    if _content_of(name) != content:
        raise BuildError(
            f"{name} was built, but Docker does not have it: the chosen builder keeps its images to itself. "
            "`docker buildx use default` chooses Docker's own."
        )
    _LOG.info("built %s in %.0f s", name, time.monotonic() - started_s)
    return name


def save(name: str, output: Path) -> None:
    """Write the image as a compressed tarball that `docker load` reads; whole, or not at all.

    Raises:
        BuildError: the disk is full, or Docker cannot save.
    """
    _LOG.info("saving %s", name)
    output.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            _replacing(output) as partial,
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
    """Tell whether `path` is a whole tarball of the image called `name`."""
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


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    here = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}.get(platform.machine(), "amd64")
    parser = argparse.ArgumentParser(
        prog="container/build", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--variant", choices=VARIANTS, default=VARIANTS[0])
    parser.add_argument("--architecture", choices=ARCHITECTURES, default=here)
    parser.add_argument("--base-image", default=DEFAULT_BASE_IMAGE, help="default: %(default)s")
    parser.add_argument(
        "--tag", help="refuse to build unless the image gets this tag, which its content decides"
    )
    made = parser.add_mutually_exclusive_group()
    made.add_argument("--output", type=Path, help="default: build/edgecam-VARIANT-ARCHITECTURE-TAG.tar.gz")
    made.add_argument("--image", action="store_true", help="make no tarball, and print the image's name")
    return parser.parse_args(arguments)


def _build_arguments(variant: str, platform_needed: str | None, base_image: str) -> list[str]:
    arguments = ["--target", variant, "--build-arg", f"BASE_IMAGE={base_image}"]
    if platform_needed:
        arguments += ["--platform", f"linux/{platform_needed}"]
    for name in PROXY_VARIABLES:
        for spelling in (name, name.lower()):
            if os.environ.get(spelling):
                # By name only: docker reads the value, which may hold a password, from the environment.
                arguments += ["--build-arg", spelling]
    return arguments


def _content_of(name: str) -> str | None:
    """Return the content hash of an image that Docker has, None where it has none of that name."""
    if not docker("image", "ls", "--quiet", name):
        return None
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", name)) or {}
    found: str | None = labels.get(CONTENT_LABEL)
    return found


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
def _replacing(path: Path) -> Iterator[Path]:
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
