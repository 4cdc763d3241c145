"""The recipe's scripts where Greengrass pulls the image: named by digest, with no archive to load it from."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from recipe_image import docker
from recipe_scripts import is_here, run_to_end
from tiny_image import push, tiny_image

from sandbox.aws.server import EmbeddedAws
from sandbox.ports import free_port

NO_PROGRAM = 127  # what `docker run` ends with: the image is empty, and the plan comes after what is tested


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(port=free_port(), folder=tmp_path_factory.mktemp("aws")) as aws:
        yield aws


class Repository:
    """A repository of a variant's images, some of which were pulled from it."""

    def __init__(self, registry: EmbeddedAws) -> None:
        self._url = registry.url
        self._path = f"images-{uuid.uuid4().hex[:8]}"
        registry.client("ecr").create_repository(repositoryName=self._path)
        self.name = f"localhost:{registry.port}/{self._path}"

    def pulled(self, image: str) -> str:
        """The image as a core has it: by digest, and by no other name."""
        digest = push(image, self._url, f"{self._path}:{uuid.uuid4().hex}")
        docker("pull", "--quiet", f"{self.name}@{digest}")
        docker("image", "rm", "--no-prune", image)
        return f"{self.name}@{digest}"


@pytest.fixture
def repository(registry: EmbeddedAws) -> Repository:
    return Repository(registry)


@pytest.fixture
def variant() -> str:
    return f"pulled-test-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def pulled(repository: Repository, variant: str) -> Iterator[str]:
    """The image of the present version."""
    with tiny_image(edgecam_variant=variant) as image:
        yield repository.pulled(image)


@pytest.fixture
def environment(repository: Repository, variant: str, pulled: str, architecture: str) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"],
        "EDGECAM_IMAGE": pulled,
        "EDGECAM_REPOSITORY": repository.name,
        "EDGECAM_VARIANT": variant,
        "EDGECAM_CONTAINER": f"edgecam-{variant}",
        "EDGECAM_ARCHITECTURE": architecture,
        "EDGECAM_ARCHIVE": "",
    }


def test_install_takes_the_image_that_greengrass_has_pulled(
    lifecycle: dict[str, str], environment: dict[str, str], pulled: str
) -> None:
    done = run_to_end(lifecycle["install"], environment)
    assert (done.returncode, done.stderr) == (0, f"edgecam: The image {pulled} is on this core already.\n")


def test_install_refuses_an_image_of_another_architecture(
    lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_ARCHITECTURE": "s390x"})
    assert done.returncode == 1
    assert "and the image is for s390x" in done.stderr


def test_install_says_when_greengrass_has_not_pulled_it(
    lifecycle: dict[str, str], environment: dict[str, str], repository: Repository
) -> None:
    other = f"{repository.name}@sha256:{'0' * 64}"
    done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_IMAGE": other})
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam: Greengrass has not pulled the image {other}. ")


def test_run_says_when_the_image_has_gone(
    lifecycle: dict[str, str], environment: dict[str, str], repository: Repository
) -> None:
    other = f"{repository.name}@sha256:{'0' * 64}"
    done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_IMAGE": other})
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam: The image {other} has gone. Greengrass pulls images with a ")


def test_superseded_images_go_those_that_were_pulled_and_those_that_were_loaded(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    repository: Repository,
    variant: str,
    pulled: str,
) -> None:
    with (
        tiny_image(edgecam_variant=variant) as former,
        tiny_image(f"edgecam/{variant}:loaded", edgecam_variant=variant) as loaded,
        tiny_image(edgecam_variant="another") as other,
    ):
        former, other = repository.pulled(former), repository.pulled(other)
        done = run_to_end(lifecycle["run"], environment)
        assert done.returncode == NO_PROGRAM, done.stderr
        assert done.stderr.count("Removed the superseded image") == 2
        assert not is_here(former)
        assert not is_here(loaded)
        assert is_here(other)
        assert is_here(pulled)


def test_image_that_ran_before_stays_for_a_rollback_and_the_one_before_that_goes(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    repository: Repository,
    variant: str,
    pulled: str,
    tmp_path: Path,
) -> None:
    with tiny_image(edgecam_variant=variant) as second, tiny_image(edgecam_variant=variant) as third:

        def starts(image: str) -> str:
            done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_IMAGE": image}, folder=tmp_path)
            assert done.returncode == NO_PROGRAM, done.stderr
            return done.stderr

        starts(pulled)
        second = repository.pulled(second)
        # It crashes, and is started again as often as the nucleus does.
        for _ in range(3):
            starts(second)
        assert is_here(pulled)
        # The core goes back, and later to a third one.
        assert "has gone" not in starts(pulled)
        third = repository.pulled(third)
        starts(third)
        assert (is_here(second), is_here(pulled), is_here(third)) == (False, True, True)
