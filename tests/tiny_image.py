"""An image of a few bytes, built from nothing: no base image, no network, a name that nobody else uses."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit


def docker(*arguments: str) -> str:
    """What a docker command says; a failure fails the test with Docker's words."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def tiny_image() -> Iterator[str]:
    """The name of the image while it is there."""
    name = f"edgecam-tiny-{uuid.uuid4().hex[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "content").write_text(name)
        (Path(folder) / "Dockerfile").write_text('FROM scratch\nCOPY content /content\nCMD ["/content"]\n')
        docker("build", "--quiet", "--tag", name, folder)
    try:
        yield name
    finally:
        # By the label of its content, in whichever repository it has been pulled from since.
        image = docker("image", "inspect", "--format", "{{.Id}}", name)
        docker("image", "rm", "--force", image)


def push(image: str, url: str, target: str) -> str:
    """Push to REPOSITORY:TAG of the registry at `url`; returns the digest that it has there."""
    name = f"{urlsplit(url).netloc}/{target}"
    docker("tag", image, name)
    docker("push", "--quiet", name)
    digests = docker("image", "inspect", "--format", '{{join .RepoDigests "\\n"}}', name).splitlines()
    repository = name.rpartition(":")[0]
    (digest,) = {entry.partition("@")[2] for entry in digests if entry.partition("@")[0] == repository}
    docker("image", "rm", name)
    return digest
