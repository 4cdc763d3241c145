"""Images of a few bytes, built from nothing: no base image, no network, names that nobody else uses."""

from __future__ import annotations

import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


def docker(*arguments: str) -> str:
    """What a docker command says; a failure fails the test with Docker's words."""
    done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@contextmanager
def tiny_image(name: str = "", architecture: str = "", **labels: str) -> Iterator[str]:
    """The name of a new image while it is there; it goes under whichever names it has by then.

    It is for this machine's architecture, or for another one, whose programs it has none of.
    """
    content = uuid.uuid4().hex
    name = name or f"edgecam-tiny-{content[:8]}"
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "content").write_text(content)
        (Path(folder) / "Dockerfile").write_text('FROM scratch\nCOPY content /content\nCMD ["/content"]\n')
        labelled = [f"--label={key.replace('_', '.')}={value}" for key, value in labels.items()]
        platform = [f"--platform=linux/{architecture}"] if architecture else []
        docker("build", "--quiet", "--tag", name, *platform, *labelled, folder)
    image = docker("image", "inspect", "--format", "{{.Id}}", name)
    try:
        yield name
    finally:
        subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)


def new_repository(ecr: Any, path: str) -> str:
    """Make the repository; returns its name with the registry's."""
    ecr.create_repository(repositoryName=path)
    return f"{urlsplit(ecr.meta.endpoint_url).netloc}/{path}"


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
