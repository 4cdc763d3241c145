"""A released image in place of a built one, pulled from a registry on this machine."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from tiny_image import docker, new_repository, push, tiny_image

from container.image.docker import BuildError
from container.image.inputs import PROJECT, image_name, image_tag
from container.image.pull import pull_released, released_tarball
from container.image.released import ReleasedImage
from container.image.tarball import tarball_holds

VARIANT = "frame-grabber"
OTHER = {"amd64": "arm64", "arm64": "amd64"}


@pytest.fixture
def repository(aws: Callable[[str], Any], docker_engine: str) -> str:
    """The name of a new repository with its registry."""
    assert docker_engine
    return new_repository(aws("ecr"), f"released-{uuid.uuid4().hex[:8]}")


@pytest.fixture
def pushed(repository: str) -> Callable[..., ReleasedImage]:
    """A function that puts an image into that repository, and forgets it here."""

    def pushed(variant: str = VARIANT, architecture: str = "") -> ReleasedImage:
        registry, _, path = repository.partition("/")
        with tiny_image(architecture=architecture, edgecam_variant=variant) as image:
            digest = push(image, f"http://{registry}", f"{path}:{uuid.uuid4().hex}")
        return ReleasedImage(name=repository, digest=digest)

    return pushed


@pytest.fixture
def named() -> Iterator[Callable[[ReleasedImage, str], str]]:
    """A function that says under which name an image is here; the name goes afterwards."""
    with ExitStack() as stack:

        def named(image: ReleasedImage, architecture: str) -> str:
            name = image_name(VARIANT, image_tag(image.content_hash(VARIANT, architecture)))
            command = ["docker", "image", "rm", "--force", name]
            stack.callback(subprocess.run, command, capture_output=True, check=False)
            return name

        yield named


Pushed = Callable[..., ReleasedImage]
Named = Callable[[ReleasedImage, str], str]


def test_released_image_is_here_under_the_name_of_a_built_one_and_no_other(
    pushed: Pushed, named: Named, docker_engine: str
) -> None:
    image = pushed()
    name = named(image, docker_engine)
    assert pull_released(VARIANT, docker_engine, image) == name
    labels = docker("image", "inspect", "--format", '{{index .Config.Labels "edgecam.variant"}}', name)
    assert labels == VARIANT
    assert docker("image", "ls", "--quiet", str(image)) == ""


def test_image_that_somebody_has_pulled_keeps_that_name(
    pushed: Pushed, named: Named, docker_engine: str
) -> None:
    image = pushed()
    named(image, docker_engine)
    docker("pull", "--quiet", str(image))
    pull_released(VARIANT, docker_engine, image)
    assert docker("image", "ls", "--quiet", str(image))
    docker("image", "rm", "--no-prune", str(image))


def test_tarball_is_what_a_core_loads_and_made_once(
    pushed: Pushed, named: Named, docker_engine: str, tmp_path: Path
) -> None:
    image = pushed()
    name = named(image, docker_engine)
    output = tmp_path / "image.tar.gz"
    assert released_tarball(VARIANT, docker_engine, image, None, output) == output
    assert tarball_holds(output, name)
    before = output.stat()
    released_tarball(VARIANT, docker_engine, image, None, output)
    assert output.stat() == before


def test_each_architecture_of_an_index_is_pulled_for_itself(
    pushed: Pushed, named: Named, repository: str
) -> None:
    parts = [pushed(architecture=architecture) for architecture in sorted(OTHER)]
    docker("manifest", "create", "--insecure", f"{repository}:all", *map(str, parts))
    digest = docker("manifest", "push", "--purge", "--insecure", f"{repository}:all").splitlines()[-1]
    image = ReleasedImage(name=repository, digest=digest)
    for architecture in sorted(OTHER):
        name = named(image, architecture)
        assert pull_released(VARIANT, architecture, image) == name
        assert docker("image", "inspect", "--format", "{{.Architecture}}", name) == architecture


def test_image_of_another_variant_is_refused(pushed: Pushed, named: Named, docker_engine: str) -> None:
    image = pushed(variant="gcs-uploader")
    name = named(image, docker_engine)
    with pytest.raises(
        BuildError, match="of the variant frame-grabber, found one of the variant gcs-uploader"
    ):
        pull_released(VARIANT, docker_engine, image)
    assert docker("image", "ls", "--quiet", name) == docker("image", "ls", "--quiet", str(image)) == ""


def test_image_of_somebody_else_is_refused(pushed: Pushed, named: Named, docker_engine: str) -> None:
    image = pushed(variant="")
    named(image, docker_engine)
    with pytest.raises(
        BuildError, match=r"expected one of the variant frame-grabber, found one of .* \(none\)"
    ):
        pull_released(VARIANT, docker_engine, image)


def test_image_for_another_architecture_is_refused(pushed: Pushed, named: Named, docker_engine: str) -> None:
    other = OTHER[docker_engine]
    image = pushed(architecture=other)
    named(image, docker_engine)
    with pytest.raises(BuildError, match=rf"for {docker_engine}, found one for {other}|no matching manifest"):
        pull_released(VARIANT, docker_engine, image)


def build(*arguments: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, str(PROJECT / "container/build"), *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False)


def test_command_says_what_to_do_where_the_registry_is_out_of_reach(
    docker_engine: str, tmp_path: Path
) -> None:
    assert docker_engine
    name = f"registry.invalid/acme/frame-grabber@sha256:{'0' * 64}"
    done = build("--released", name, "--output", str(tmp_path / "image.tar.gz"))
    assert (done.returncode, done.stdout) == (1, "")
    assert f"The released image {name} cannot be pulled: " in done.stderr
    assert "without image.released it is built here" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_command_refuses_a_tag_that_is_not_of_the_released_image() -> None:
    name = f"registry.invalid/acme/frame-grabber@sha256:{'0' * 64}"
    done = build("--released", name, "--tag", "000000000000", "--image")
    assert done.returncode == 1
    assert f"which is that of {name}, found 000000000000" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--released", "registry.invalid/a:0.2.0"), "expected an image by its digest"),
        (
            ("--released", f"registry.invalid/a@sha256:{'0' * 64}", "--base-image", "debian:13"),
            "expected it without --base-image",
        ),
    ],
)
def test_command_refuses_what_has_no_meaning(arguments: tuple[str, ...], complaint: str) -> None:
    done = build(*arguments)
    assert done.returncode == 2
    assert complaint in done.stderr
