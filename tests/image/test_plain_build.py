"""A plain `docker build container/`, as Compose and Cloud Build do it, makes the image that is deployed."""

from __future__ import annotations

import hashlib
import io
import json
import os
import shlex
import shutil
import subprocess
import tarfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typed_commands import typed

from container.image.context import write_network_settings
from container.image.inputs import DEFAULT_BASE_IMAGE, FRAME_GRABBER, GCS_UPLOADER, PROJECT

LEFT_BEHIND = (
    "edgecam/__pycache__/errors.cpython-311.pyc",
    "edgecam/.errors.py.swp",
    "edgecam/config/node.py~",
    "edgecam/errors.py.orig",
)
"""What Python and editors leave in a checkout."""

Build = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`container/` of a checkout in use, with what pip needs on this machine in `network/`."""
    checkout = tmp_path_factory.mktemp("checkout")
    listed = ["git", "ls-files", "-z", "container"]
    names = subprocess.run(listed, cwd=PROJECT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, names.split("\0")):
        (checkout / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(PROJECT / name, checkout / name)
    for name in LEFT_BEHIND:
        path = checkout / "container" / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"left behind")
    write_network_settings(checkout / "container/network", os.environ)
    return checkout / "container"


@pytest.fixture
def build(docker_engine: str, folder: Path) -> Iterator[Build]:
    """Types a command in the checkout, with a name of its own for the image, which goes with the test."""
    assert docker_engine
    names: list[str] = []

    def run(command: str, **others: str) -> str:
        names.append(f"edgecam-test-{uuid.uuid4().hex[:12]}")
        words = {**others, "edgecam": names[-1], "edgecam-gcs": names[-1]}
        line = [words.get(word, word) for word in shlex.split(command)]
        done = subprocess.run(line, cwd=folder.parent, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (done.stdout + done.stderr)[-3000:]
        return names[-1]

    yield run
    for name in names:
        subprocess.run(["docker", "image", "rm", "--no-prune", name], capture_output=True, check=False)


@pytest.fixture
def base() -> Iterator[str]:
    """The base image by another name, as a company's registry has it."""
    name = f"edgecam-test-{uuid.uuid4().hex[:12]}/debian:trixie"
    _docker("image", "tag", DEFAULT_BASE_IMAGE, name)
    yield name
    _docker("image", "rm", "--no-prune", name)


def test_without_options_it_makes_the_frame_grabber_as_deployed(build: Build, image: str) -> None:
    made = build(typed("docs/container.md", "docker build -t edgecam container/"))
    assert _settings(made) == _settings(image)
    assert _files(made) == _files(image)
    assert _settings(made)["variant"] == FRAME_GRABBER


def test_the_uploader_is_a_target_and_the_base_an_argument(
    build: Build, uploader_image: str, base: str
) -> None:
    command = typed("docs/container.md", "docker build -t edgecam-gcs --target gcs-uploader")
    made = build(command, **{f"BASE_IMAGE={DEFAULT_BASE_IMAGE}": f"BASE_IMAGE={base}"})
    assert _settings(made) == _settings(uploader_image)
    assert _files(made) == _files(uploader_image)
    assert _settings(made)["variant"] == GCS_UPLOADER


def test_a_base_that_is_not_there_ends_the_build(docker_engine: str, folder: Path) -> None:
    assert docker_engine
    line = ["docker", "build", "--build-arg", "BASE_IMAGE=registry.invalid/base:1", str(folder)]
    done = subprocess.run(line, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "registry.invalid" in done.stderr


def _settings(image: str) -> dict[str, Any]:
    """How an image runs, and its variant."""
    config = json.loads(_docker("image", "inspect", image))[0]["Config"]
    names = ("User", "Env", "Entrypoint", "Cmd")
    return {**{name: config[name] for name in names}, "variant": config["Labels"]["edgecam.variant"]}


def _files(image: str) -> dict[str, tuple[Any, ...]]:
    """Each file of an image: its kind, its mode, its owner, where it leads to, and its SHA-256."""
    container = _docker("create", image)
    try:
        exported = subprocess.run(["docker", "export", container], capture_output=True, check=True).stdout
    finally:
        _docker("rm", container)
    with tarfile.open(fileobj=io.BytesIO(exported)) as tar:
        return {member.name: _described(tar, member) for member in tar}


def _described(tar: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[Any, ...]:
    content = tar.extractfile(member) if member.isfile() else None
    digest = hashlib.sha256(content.read()).hexdigest() if content else ""
    return member.type, oct(member.mode), member.uid, member.gid, member.linkname, digest


def _docker(*arguments: str) -> str:
    return subprocess.run(["docker", *arguments], capture_output=True, text=True, check=True).stdout.strip()
