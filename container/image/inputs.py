"""What an image is made of, and the hash that names it.

The stacks ask for the hash at synth, `container/build` at publish time: both see the same definition, so an
image is rebuilt exactly when something that enters it has changed. Nothing here needs Docker, git, uv or the
network.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path

from container.image.source_files import is_source, source_content

PROJECT = Path(__file__).resolve().parents[2]

DEFAULT_BASE_IMAGE = "debian:trixie-slim"

FRAME_GRABBER = "frame-grabber"
GCS_UPLOADER = "gcs-uploader"
VARIANTS = (FRAME_GRABBER, GCS_UPLOADER)
"""The targets of the Dockerfile that can be deployed. Each later one is the first with a layer of its own."""

ARCHITECTURES = ("amd64", "arm64")
"""In Docker's words; a nucleus calls the second one aarch64."""

TAG_DIGITS = 12
"""A tag is the first digits of the hash: short enough to read, and 48 bits are enough to never meet twice."""

_STAGE = "image/stage"
"""Where that lies which the build stages read beside the program."""

FILES = {
    FRAME_GRABBER: (
        "Dockerfile",
        *(f"{_STAGE}/{name}.txt" for name in ("debian-packages", "requirements", "uploader-rooms")),
        *(f"{_STAGE}/{name}.py" for name in ("new_root", "pack", "prune", "smoke_test", "trial")),
        f"{_STAGE}/frame-grabber.toml",
    ),
    GCS_UPLOADER: (f"{_STAGE}/gcs-uploader.toml", f"{_STAGE}/requirements-gcs.txt"),
}
"""What each variant is made of beside the program, below `container/`, which is the build context."""


def image_hash(
    variant: str,
    architecture: str,
    base_image: str = DEFAULT_BASE_IMAGE,
    *,
    project: Path = PROJECT,
) -> str:
    """Return the SHA-256, in hex, over everything that decides what is in the image.

    Neither modes nor times nor line ends nor the order of the file system count, so it is the same on every
    machine.

    Raises:
        ValueError: `variant` or `architecture` is not one that can be built.
    """
    _expect_one_of("variant", variant, VARIANTS)
    _expect_one_of("architecture", architecture, ARCHITECTURES)
    digest = hashlib.sha256()
    for part in (variant, architecture, base_image):
        digest.update(_framed(part.encode()))
    for name, path in input_files(variant, project):
        digest.update(_framed(name.encode()))
        digest.update(_framed(source_content(path)))
    return digest.hexdigest()


def image_tag(content_hash: str) -> str:
    """Return the tag of the image with this content."""
    return content_hash[:TAG_DIGITS]


def expect_pinned(base_image: str) -> None:
    """Refuse a base image without its digest: a release built again would be built on another.

    Raises:
        ValueError: with the way to find the digest.
    """
    if not re.fullmatch(r"\S+@sha256:[0-9a-f]{64}", base_image):
        name = base_image.partition("@")[0]
        raise ValueError(
            f"base image of a release: expected it with its digest, {name}@sha256:…, found {base_image}; "
            f"`docker buildx imagetools inspect {name}` says the digest, which is that of all architectures"
        )


def image_name(variant: str, tag: str) -> str:
    """Return the name under which the image is loaded on a core."""
    return f"edgecam/{variant}:{tag}"


def tarball_path(variant: str, tag: str, architecture: str) -> str:
    """Return where a deployment makes the tarball, below the folder of cdk.json, where the CDK runs."""
    return f"build/images/{variant}-{tag}-{architecture}.tar.gz"


def input_files(variant: str, project: Path = PROJECT) -> Iterator[tuple[str, Path]]:
    """Yield the name below `container/`, which is that in the build context, and the path of each input file,
    ordered by name.

    The frame grabber's are without the uploader's rooms: what only the uploader has changes no other image.
    """
    container = project / "container"
    names = [name for part in dict.fromkeys((FRAME_GRABBER, variant)) for name in FILES[part]]
    files = {name: container / name for name in names}
    others = () if variant == GCS_UPLOADER else uploader_rooms(project)
    for path in (container / "edgecam").rglob("*"):
        relative = path.relative_to(container / "edgecam")
        if is_source(relative) and path.is_file() and relative.parts[0] not in others:
            files[f"edgecam/{relative.as_posix()}"] = path
    yield from sorted(files.items())


def uploader_rooms(project: Path = PROJECT) -> tuple[str, ...]:
    """The program's folders that only the uploader's image has."""
    return tuple((project / "container" / _STAGE / "uploader-rooms.txt").read_text(encoding="ascii").split())


def _framed(content: bytes) -> bytes:
    """Put the length before the content, so that no two lists of inputs read the same."""
    return f"{len(content)}:".encode() + content


def _expect_one_of(what: str, found: str, expected: tuple[str, ...]) -> None:
    if found not in expected:
        raise ValueError(f"{what}: expected {' or '.join(expected)}, found {found!r}")
