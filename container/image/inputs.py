"""What an image is made of, and the hash that names it.

The stacks ask for the hash at synth, `container/build` at publish time: both see the same definition, so an
image is rebuilt exactly when something that enters it has changed. Nothing here needs Docker, git, uv or the
network.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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

UPLOADER_EXTRA = "gcs"
"""The extra in pyproject.toml whose packages are in the uploader's own layer."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """What one variant adds to the image.

    Attributes:
        files: What a build stage reads beside the program, below `container/`; there by its last name.
        rooms: The program's folders, below `container/edgecam/`, that this variant's layer holds; none: all
            that no other variant claims.
        folder: Where the program's files are in the build context.
        extra: The extra in pyproject.toml whose packages the layer holds.
    """

    files: tuple[str, ...]
    rooms: tuple[str, ...] = ()
    folder: str = "edgecam"
    extra: str = ""


PARTS = {
    FRAME_GRABBER: Part(
        files=(
            "Dockerfile",
            *(f"image/stage/{name}" for name in ("debian-packages.txt", "frame-grabber.toml", "new_root.py")),
            *(f"image/stage/{name}" for name in ("pack.py", "prune.py", "smoke_test.py", "trial.py")),
        ),
    ),
    GCS_UPLOADER: Part(
        files=("image/stage/gcs-uploader.toml",),
        rooms=("bucket", "spool", "upload"),
        folder="uploader",
        extra=UPLOADER_EXTRA,
    ),
}
"""What the image is made of, by variant: read by hash, build context, requirements and smoke test alike."""

OPTIONAL_ROOMS_FILE = "optional-rooms.txt"
"""In the build context: the rooms of the program that not every image holds, for the smoke test."""


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
    for part in (variant, architecture, base_image, *generated_files(variant, project).values()):
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
    """Yield the name within the build context and the path of each input file, ordered by name.

    What only the uploader has stands beside `edgecam` in its context, so that the layers below are the frame
    grabber's own to the last byte, and a core that has both keeps them once.
    """
    container = project / "container"
    parts = _parts(variant)
    files = {Path(name).name: container / name for part in parts for name in part.files}
    folders = dict.fromkeys(_optional_rooms(), "")
    folders |= {room: part.folder for part in parts for room in part.rooms}
    for path in (container / "edgecam").rglob("*"):
        relative = path.relative_to(container / "edgecam")
        if not is_source(relative) or not path.is_file():
            continue
        folder = folders.get(relative.parts[0], PARTS[FRAME_GRABBER].folder)
        if folder:
            files[f"{folder}/{relative.as_posix()}"] = path
    yield from sorted(files.items())


def generated_files(variant: str, project: Path = PROJECT) -> dict[str, str]:
    """Return the texts that are made for the build, by name within its context: what pip and smoke test read.

    Raises:
        ValueError: the lock has a package twice, which pip could not choose between.
    """
    files = {"requirements.txt": requirements(project=project)}
    for part in _parts(variant):
        if part.extra:
            files[f"requirements-{part.extra}.txt"] = requirements(part.extra, project=project)
    return {**files, OPTIONAL_ROOMS_FILE: "".join(f"{room}\n" for room in _optional_rooms())}


def _parts(variant: str) -> tuple[Part, ...]:
    """What the image of a variant is made of: the first variant's part is in each."""
    return tuple(PARTS[name] for name in dict.fromkeys((FRAME_GRABBER, variant)))


def _optional_rooms() -> list[str]:
    return [room for part in PARTS.values() for room in part.rooms]


def requirements(extra: str = "", *, project: Path = PROJECT) -> str:
    """Return the program's locked requirements in pip's form, each with the hashes it may have.

    Only what the program needs is listed: what the stacks and the tests need must not change the image.

    Args:
        extra: Those that this extra adds, in place of those that the program always needs.
        project: Where the lock is.

    Raises:
        ValueError: the lock has a package twice, which pip could not choose between.
    """
    packages = _locked(project)
    markers = _closure(packages, ("edgecam", ""))
    if extra:
        always = markers
        added = _closure(packages, ("edgecam", extra))
        markers = {name: added[name] for name in added if name not in always}
    return "".join(_requirement(_only(packages[name]), markers[name]) for name in sorted(markers))


def requirements_of(*names: str, project: Path = PROJECT) -> str:
    """Return the packages of these names and all that they need, as locked, in pip's form.

    Raises:
        ValueError: the lock has a package twice, which pip could not choose between.
    """
    packages = _locked(project)
    needed = [_closure(packages, (name, "")) for name in names]
    # Where two of them need a package under different markers, it is needed under either.
    markers: dict[str, set[str]] = {name: set() for name in names}
    for name, found in ((name, found) for closure in needed for name, found in closure.items()):
        known = markers.setdefault(name, found)
        markers[name] = known | found if known and found else set()
    return "".join(_requirement(_only(packages[name]), markers[name]) for name in sorted(markers))


def _locked(project: Path) -> dict[str, list[dict[str, Any]]]:
    """Every package of the lock, by name."""
    packages: dict[str, list[dict[str, Any]]] = {}
    for package in tomllib.loads((project / "uv.lock").read_text(encoding="utf-8"))["package"]:
        packages.setdefault(package["name"], []).append(package)
    return packages


def _closure(packages: dict[str, list[dict[str, Any]]], root: tuple[str, str]) -> dict[str, set[str]]:
    """Map every package that `root`, a package and its extra, needs to the markers under which it is asked
    for (empty: always)."""
    found: dict[str, set[str]] = {}
    seen, waiting = {root}, [root]
    while waiting:
        name, extra = waiting.pop()
        for dependency in _dependencies(_only(packages[name]), extra):
            found.setdefault(dependency["name"], set()).add(dependency.get("marker", ""))
            wanted = {(dependency["name"], each) for each in ("", *dependency.get("extra", ()))}
            waiting += wanted - seen
            seen |= wanted
    return {name: set() if "" in markers else markers for name, markers in found.items()}


def _dependencies(package: dict[str, Any], extra: str) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (
        package["optional-dependencies"][extra] if extra else package.get("dependencies", [])
    )
    return listed


def _only(versions: list[dict[str, Any]]) -> dict[str, Any]:
    if len(versions) != 1:
        raise ValueError(
            f"uv.lock: expected one version of {versions[0]['name']}, found {len(versions)}; "
            "narrow its bounds in pyproject.toml until one version serves every Python"
        )
    return versions[0]


def _requirement(package: dict[str, Any], markers: set[str]) -> str:
    condition = " or ".join(f"({marker})" for marker in sorted(markers))
    files = [*package.get("wheels", []), *([package["sdist"]] if "sdist" in package else [])]
    hashes = sorted({file["hash"] for file in files})
    line = f"{package['name']}=={package['version']}" + (f" ; {condition}" if condition else "")
    return " \\\n    ".join([line, *(f"--hash={value}" for value in hashes)]) + "\n"


def _framed(content: bytes) -> bytes:
    """Put the length before the content, so that no two lists of inputs read the same."""
    return f"{len(content)}:".encode() + content


def _expect_one_of(what: str, found: str, expected: tuple[str, ...]) -> None:
    if found not in expected:
        raise ValueError(f"{what}: expected {' or '.join(expected)}, found {found!r}")
