"""What this machine must have before anything is started; each lack is a sentence with its remedy."""

from __future__ import annotations

import functools
import importlib.util
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from sandbox.errors import PreflightError, SandboxError
from sandbox.ports import check_free
from stacks.prerequisites import SUPPORTED_NODE

FREE_DISK_BYTES = 3_000_000_000
"""The image while it is built, and its tarball in the build folder, in cdk.out and on the core."""

DOCKER_TIMEOUT_S = 20


def check(
    *, project: Path, folder: Path, ports: Mapping[str, tuple[str, int]], containers: Sequence[str]
) -> None:
    """PreflightError with every lack on a line of its own; `ports` and `containers` as
    `sandbox.settings.Settings` has them."""
    checks: list[Callable[[], None]] = [
        lambda: _check_disk(folder),
        _check_docker,
        functools.partial(check_no_container, containers),
        lambda: _check_cdk(project),
        _check_gstreamer,
        _check_ffprobe,
    ]
    checks += [
        functools.partial(check_free, port, purpose, f"stop that, or say {variable}=<another port>")
        for variable, (purpose, port) in ports.items()
    ]
    lacks = []
    for each in checks:
        try:
            each()
        except SandboxError as error:
            lacks.append(str(error))
    if lacks:
        raise PreflightError("\n".join(lacks))


def _check_disk(folder: Path) -> None:
    existing = next(place for place in (folder, *folder.parents) if place.exists())
    free_bytes = shutil.disk_usage(existing).free
    if free_bytes < FREE_DISK_BYTES:
        raise PreflightError(
            f"{folder} has {free_bytes / 1e9:.1f} GB left on its disk, {FREE_DISK_BYTES / 1e9:.0f} GB are "
            "needed: free some (docker system prune removes what Docker no longer needs)"
        )


def _check_docker() -> None:
    if shutil.which("docker") is None:
        raise PreflightError("Docker is not installed: run tools/install run, or install Docker Engine")
    try:
        answer = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],
            capture_output=True,
            text=True,
            timeout=DOCKER_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise PreflightError("Docker's daemon does not answer: restart it") from error
    if answer.returncode != 0:
        words = answer.stderr.strip()
        remedy = (
            "add yourself to the group docker and log in again"
            if "permission denied" in words
            else "start it (systemctl start docker)"
        )
        raise PreflightError(f"Docker cannot be used: {remedy}. Docker says: {words}")


def check_no_container(containers: Sequence[str]) -> None:
    """PreflightError when one runs here: a core would stop what has the name of its node's container."""
    if shutil.which("docker") is None:
        return
    found = subprocess.run(
        ["docker", "ps", "--format", "{{.Names}}", *(f"--filter=name=^/{name}$" for name in containers)],
        capture_output=True,
        text=True,
        timeout=DOCKER_TIMEOUT_S,
        check=False,
    )
    if names := " ".join(found.stdout.split()):
        raise PreflightError(
            f"A container {names} runs on this machine, so another sandbox or a core does: stop that "
            f"first, or remove what it left behind: docker rm --force {names}"
        )


def _check_cdk(project: Path) -> None:
    if shutil.which("node") is None:
        raise PreflightError(
            f"Node is not installed, which the AWS CDK runs on: install Node {SUPPORTED_NODE} or newer"
        )
    if not cdk_program(project).exists():
        raise PreflightError(f"The AWS CDK is not installed in {project / 'node_modules'}: run npm ci")


def _check_gstreamer() -> None:
    if importlib.util.find_spec("gi") is None:
        raise PreflightError(
            "The test cameras need GStreamer for Python (python3-gi), which this Python does not see: "
            "run tools/install run"
        )


def _check_ffprobe() -> None:
    if shutil.which("ffprobe") is None:
        raise PreflightError(
            "ffprobe, which checks whether recordings play, is not installed: run tools/install run, or "
            "install ffmpeg"
        )


def cdk_program(project: Path) -> Path:
    """The pinned CDK command of the project."""
    return project / "node_modules" / ".bin" / "cdk"
