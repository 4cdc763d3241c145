"""The `docker` command, with its failures put into plain words."""

from __future__ import annotations

import collections
import getpass
import os
import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

_TAIL_LINES = 25  # of a failed build; enough to hold the command's own complaint


class BuildError(Exception):
    """The image cannot be built or saved; the message says what to do."""


def docker(*arguments: str) -> str:
    """Run a short docker command and return its output, stripped.

    Raises:
        BuildError: Docker is missing, out of reach, or refuses.
    """
    try:
        done = subprocess.run(["docker", *arguments], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        raise BuildError(NOT_INSTALLED) from None
    if done.returncode != 0:
        raise BuildError(explain(done.stderr or done.stdout))
    return done.stdout.strip()


def docker_build(
    *arguments: str, environment: Mapping[str, str], read: Callable[[str], None] | None = None
) -> None:
    """Run `docker build`, hand each line of its output to `read`, and keep the last for its failure.

    Raises:
        BuildError: with its last words.
    """
    command = ["docker", "build", *arguments]
    tail: collections.deque[str] = collections.deque(maxlen=_TAIL_LINES)
    with subprocess.Popen(
        command,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as build:
        assert build.stdout is not None  # noqa: S101 - a pipe was asked for
        for line in build.stdout:
            tail.append(line.rstrip())
            if read:
                read(line)
    if build.returncode != 0:
        raise BuildError(explain("\n".join(tail)))


def emulation_advice(architecture: str | None = None) -> str:
    """Say what building for another architecture takes."""
    wanted = architecture or "another architecture"
    return (
        f"An image for {wanted} can be built only where Docker can run its programs: on a machine of that "
        "kind, or with emulation: apt-get install qemu-user-static binfmt-support arch-test (or: docker run "
        f"--privileged --rm tonistiigi/binfmt --install {architecture or 'all'}). With buildx another "
        "machine can build: docker buildx create --name other ssh://USER@MACHINE, and BUILDX_BUILDER=other."
    )


NOT_INSTALLED = (
    "Docker is not installed: there is no `docker` command on the PATH. Install Docker Engine "
    "(Debian and Ubuntu: apt-get install docker.io) and start again."
)


def explain(output: str) -> str:
    """Turn what docker wrote into a message that says what is wrong and what to do."""
    text = output.lower()
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    if "permission denied" in text and ("socket" in text or "docker api" in text or "docker.sock" in text):
        return (
            f"This user ({getpass.getuser()}) may not use Docker. Add the user to the docker group "
            "(sudo usermod -aG docker USER), log in again, and start again."
        )
    if re.search(
        r"cannot connect to the docker daemon|failed to connect to the docker api|error during connect", text
    ):
        return (
            f"Docker is installed but does not answer at {host}. Start it (sudo systemctl start docker), "
            "or correct DOCKER_HOST."
        )
    if "no space left on device" in text:
        return disk_full("where Docker keeps its images (docker info -f '{{.DockerRootDir}}')")
    if "exec format error" in text:
        return emulation_advice()
    if re.search(r"unable to find image|no such image|reference does not exist", text):
        return f"Docker has no such image: {output.strip()}"
    return f"Docker failed. Its last words:\n{output.strip()}"


def disk_full(where: str | Path) -> str:
    """Say that a disk is full, and how much an image needs."""
    return (
        f"The disk is full {where}. The first build needs about 3 GB, later ones far less; "
        "`docker system prune` frees what unused images hold."
    )
