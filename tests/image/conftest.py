"""One image for the whole session, built the way a deployment builds it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from container.image.build import ensure_image
from container.image.inputs import GCS_UPLOADER, PROJECT, image_name

VARIANT = "frame-grabber"
LOCKED_DOWN = ("--read-only", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--network=none")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="session")
def architecture(docker_engine: str) -> str:
    """Docker's word for what its server runs on."""
    return docker_engine


@pytest.fixture(scope="session")
def tarball(architecture: str) -> Path:
    """The image as it travels to a core."""
    command = [PROJECT / "container/build", "--variant", VARIANT, "--architecture", architecture]
    built = subprocess.run([sys.executable, *command], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        pytest.fail(f"The image cannot be built:\n{built.stderr}", pytrace=False)
    return Path(built.stdout.strip())


@pytest.fixture(scope="session")
def image(tarball: Path, architecture: str) -> Iterator[str]:
    """The name of the image, which Docker has."""
    tag = tarball.name.removesuffix(".tar.gz").rsplit("-", 1)[1]
    name = image_name(VARIANT, tag)
    if not _output("docker", "image", "ls", "--quiet", name):
        _output("docker", "load", "--input", str(tarball))
    assert _output("docker", "image", "inspect", "--format", "{{.Architecture}}", name) == architecture
    with _kept(name):
        yield name


@pytest.fixture(scope="session")
def uploader_image(image: str, architecture: str) -> Iterator[str]:
    """The name of the other variant's image, which Docker has; it is built on the frame grabber's."""
    assert image
    name = ensure_image(GCS_UPLOADER, architecture)
    with _kept(name):
        yield name


@contextlib.contextmanager
def _kept(image: str) -> Iterator[None]:
    """A core of another tree removes this one's images as superseded, but for those that have a container."""
    container = _output("docker", "create", image)
    try:
        yield
    finally:
        _output("docker", "rm", container)


@pytest.fixture(scope="session")
def run(image: str) -> Run:
    """Run a command in the image as the recipe does, but for `options`; its output is text."""

    def start(*command: str, options: tuple[str, ...] = LOCKED_DOWN) -> subprocess.CompletedProcess[str]:
        line = ["docker", "run", "--rm", *options, image, *command]
        return subprocess.run(line, capture_output=True, text=True, check=False)

    return start


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """A folder like the core's data folder, which the container's user owns: who runs the tests."""
    tmp_path.chmod(0o755)
    for parent in (tmp_path.parent, tmp_path.parent.parent):
        parent.chmod(parent.stat().st_mode | 0o011)  # pytest makes these for its own user alone
    return tmp_path


def _output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
