"""The builder that BUILDX_BUILDER names: what it can build for, and plain words where there is none.

buildx is not on every machine, and a second machine on none of ours: `docker` is a script here that says what
buildx 0.29 says.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from container.image.builder import Builder, chosen_builder
from container.image.docker import BuildError
from container.image.inputs import PROJECT

REMOTE = """
Name:          arm
Driver:        docker-container
Last Activity: 2026-11-20 08:12:01 +0000 UTC

Nodes:
Name:                  arm0
Endpoint:              ssh://build@arm-machine
Status:                running
BuildKit version:      v0.24.0
Platforms:             linux/arm64*, linux/arm/v7, linux/arm/v6
"""
OWN = "Name: default\nDriver: docker\n\nNodes:\nName: default\nPlatforms: linux/amd64, linux/386\n"

CHOICE = {"BUILDX_BUILDER": "arm"}
Says = Callable[..., None]


@pytest.fixture
def docker_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Says:
    """A function that puts a `docker` first that says this."""

    def say(text: str, *, code: int = 0) -> None:
        said = tmp_path / "said"
        said.write_text(text)
        script = tmp_path / "docker"
        stream = "2" if code else "1"
        script.write_text(f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\ncat {said} >&{stream}\nexit {code}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    return say


def test_docker_itself_builds_where_nothing_is_chosen() -> None:
    assert chosen_builder({}) is None


def test_chosen_builder_is_started_and_says_what_it_can_build_for(docker_says: Says, tmp_path: Path) -> None:
    docker_says(REMOTE)
    found = chosen_builder(CHOICE)
    assert found == Builder(
        "arm", "docker-container", frozenset({"linux/arm64", "linux/arm/v7", "linux/arm/v6"})
    )
    assert (tmp_path / "asked").read_text() == "buildx inspect --bootstrap arm\n"


def test_dockers_own_builder_may_be_named_too(docker_says: Says) -> None:
    docker_says(OWN)
    assert chosen_builder(CHOICE) is None


def test_builder_for_another_architecture_is_refused_before_the_build(docker_says: Says) -> None:
    docker_says(REMOTE)
    found = chosen_builder(CHOICE)
    assert found is not None
    found.expect("arm64")
    with pytest.raises(
        BuildError, match="expected one for linux/amd64, found one for linux/arm/v6"
    ) as refused:
        found.expect("amd64")
    assert "qemu-user-static" in str(refused.value)


@pytest.mark.parametrize(
    ("said", "advice"),
    [
        (
            "docker: unknown command: docker buildx\n\nRun 'docker --help' for more information",
            "has no buildx",
        ),
        ("docker: 'buildx' is not a docker command.\nSee 'docker --help'", "has no buildx"),
        ('ERROR: no builder "arm" found', "docker buildx create --name arm ssh://USER@MACHINE"),
        ("ERROR: ssh: connect to host arm-machine port 22: No route to host", "does not start"),
    ],
)
def test_what_is_missing_is_said(docker_says: Says, said: str, advice: str) -> None:
    docker_says(said, code=1)
    with pytest.raises(BuildError, match="arm") as refused:
        chosen_builder(CHOICE)
    assert advice in str(refused.value)


@pytest.mark.usefixtures("docker_engine")
def test_the_docker_of_this_machine_is_refused_a_builder_that_is_not_there(tmp_path: Path) -> None:
    build = [sys.executable, str(PROJECT / "container/build"), "--base-image", "registry.invalid/base:1"]
    done = subprocess.run(
        [*build, "--output", str(tmp_path / "image.tar.gz")],
        env={**os.environ, "BUILDX_BUILDER": "edgecam-nowhere"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "BUILDX_BUILDER names the builder edgecam-nowhere, and" in done.stderr
