"""What the recipes' tests share: the recipe, filled in, and one container image for its scripts."""

from __future__ import annotations

import json
import os
import subprocess
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from docker_relay import DockerRelay
from recipe_image import PROGRAM, TestImage, docker, settings_word
from recipe_scripts import WAIT_S, Running

from container.image.base import ensure_base_image
from container.image.inputs import DEFAULT_BASE_IMAGE, FRAME_GRABBER, VARIANTS
from edgecam.launch.start_script import start_script
from stacks.greengrass.recipe import Artifact, Recipe

PULLED = f"{'0' * 12}.dkr.ecr.{'r' * 14}.amazonaws.com/{'i' * 90}@sha256:{'0' * 64}"
"""An image in a repository, with a name as long as they get."""


def rendered(variant: str, *architectures: str, delivery: str = "s3") -> dict[str, Any]:
    """A variant's recipe for these architectures, with the longest names that there can be."""
    from_bucket = delivery == "s3"
    recipe: dict[str, Any] = json.loads(
        Recipe(
            variant=variant,
            name=f"com.edgecam.{variant}",
            artifacts=[
                Artifact(
                    architecture=architecture,
                    image=f"edgecam/{variant}:0123456789ab"
                    if from_bucket
                    else f"{PULLED[:-5]}{architecture}",
                    key=f"{variant}/0123456789ab-{architecture}.tar.gz" if from_bucket else "",
                    content_hash="",
                )
                for architecture in architectures
            ],
        ).render(version="1.999999.999999", bucket="b" * 63)
    )
    return recipe


@pytest.fixture(scope="session", params=VARIANTS)
def variant(request: pytest.FixtureRequest) -> str:
    """Each variant in turn."""
    found: str = request.param
    return found


@pytest.fixture(scope="session", params=["s3", "ecr"])
def recipe(variant: str, request: pytest.FixtureRequest) -> dict[str, Any]:
    """The variant's recipe for both architectures, for each way of delivery in turn."""
    return rendered(variant, "amd64", "arm64", delivery=request.param)


@pytest.fixture(scope="session")
def lifecycle() -> dict[str, str]:
    """Step → script, of the frame grabber: the uploader's are the same."""
    steps = rendered(FRAME_GRABBER, "amd64")["Manifests"][0]["Lifecycle"]
    return {step: steps[step]["Script"] for step in ("install", "run", "shutdown")}


@pytest.fixture(scope="session")
def architecture(docker_engine: str) -> str:
    """Docker's word for what its server runs on."""
    return docker_engine


@pytest.fixture(scope="session")
def image(architecture: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestImage]:
    """The image with the stand-in program, also as an archive."""
    folder = tmp_path_factory.mktemp("image")
    variant = f"recipe-test-{uuid.uuid4().hex[:8]}"
    name = f"edgecam/{variant}:one"
    (folder / "edgecam").write_text(PROGRAM)
    (folder / "edgecam").chmod(0o755)
    (folder / "start.sh").write_text(start_script())
    (folder / "Dockerfile").write_text(
        f"FROM {DEFAULT_BASE_IMAGE}\nCOPY edgecam /usr/bin/edgecam\nCOPY start.sh /\n"
        f"LABEL edgecam.variant={variant}\nUSER 65532:65532\n"
    )
    ensure_base_image(DEFAULT_BASE_IMAGE, architecture, architecture)
    docker("build", "--quiet", "--tag", name, str(folder))
    archive = folder / "image.tar"
    docker("save", "--output", str(archive), name)
    yield TestImage(variant, name, archive)
    subprocess.run(["docker", "rm", "--force", f"edgecam-{variant}"], capture_output=True, check=False)
    for left in docker("image", "ls", "--quiet", "--filter", f"label=edgecam.variant={variant}").split():
        subprocess.run(["docker", "image", "rm", "--force", left], capture_output=True, check=False)


@pytest.fixture
def environment(image: TestImage) -> dict[str, str]:
    """What Setenv gives the scripts; the plan asks for nothing."""
    return {
        "PATH": os.environ["PATH"],
        "EDGECAM_IMAGE": image.name,
        "EDGECAM_VARIANT": image.variant,
        "EDGECAM_CONTAINER": image.container,
        "EDGECAM_ARCHIVE": str(image.archive),
        "EDGECAM_SETTINGS": settings_word(""),
    }


@pytest.fixture
def shell() -> Sequence[str]:
    """The command of `/bin/sh`; tests where it matters ask for each of `SHELLS`."""
    return ("sh",)


@pytest.fixture
def starts(
    image: TestImage, lifecycle: dict[str, str], tmp_path: Path, shell: Sequence[str]
) -> Iterator[Any]:
    """A function that starts the run script, in one and the same work folder."""
    started: list[Running] = []

    def start(environment: dict[str, str], **identity: Any) -> Running:
        started.append(Running(lifecycle["run"], environment, tmp_path, shell, **identity))
        return started[-1]

    yield start
    for running in started:
        running.process.terminate()
        running.process.wait(WAIT_S)
    subprocess.run(["docker", "rm", "--force", image.container], capture_output=True, check=False)
    image.forget_kept()


@pytest.fixture
def run(starts: Any) -> Any:
    """A function that starts the run script and waits until the container runs."""

    def start(environment: dict[str, str], **identity: Any) -> Running:
        running: Running = starts(environment, **identity)
        running.until_ready()
        return running

    return start


@pytest.fixture
def engine() -> Iterator[DockerRelay]:
    """A way to the engine, which is away at first."""
    with DockerRelay() as relay:
        relay.leave()
        yield relay
