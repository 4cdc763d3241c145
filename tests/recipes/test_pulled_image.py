"""The recipe's scripts where Greengrass pulls the image: named by digest, with no archive to load it from."""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from recipe_image import TestImage, docker
from recipe_scripts import has_image, id_of, is_here, run_to_end
from tiny_image import push

from sandbox.aws.server import EmbeddedAws
from sandbox.ports import free_port


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(port=free_port(), folder=tmp_path_factory.mktemp("aws")) as aws:
        yield aws


class Repository:
    """A repository of a variant's images, some of which were pulled from it."""

    def __init__(self, registry: EmbeddedAws, image: TestImage) -> None:
        self._url = registry.url
        self._image = image
        self._path = f"images-{uuid.uuid4().hex[:8]}"
        registry.client("ecr").create_repository(repositoryName=self._path)
        self.name = f"localhost:{registry.port}/{self._path}"
        self._pulled: list[str] = []

    def pulled(self) -> str:
        """Another image as a core has it: by digest, and by no other name."""
        made = self._image.another(f"pushed-{uuid.uuid4().hex[:8]}", uuid.uuid4().hex)
        digest = push(made, self._url, f"{self._path}:{uuid.uuid4().hex}")
        docker("pull", "--quiet", f"{self.name}@{digest}")
        docker("image", "rm", "--no-prune", made)
        self._pulled.append(id_of(f"{self.name}@{digest}"))
        return f"{self.name}@{digest}"

    def forget(self) -> None:
        """Nothing of it stays on the engine."""
        for image in self._pulled:
            subprocess.run(["docker", "image", "rm", "--force", image], capture_output=True, check=False)


@pytest.fixture
def repository(registry: EmbeddedAws, image: TestImage) -> Iterator[Repository]:
    found = Repository(registry, image)
    yield found
    found.forget()


@pytest.fixture
def pulled(repository: Repository) -> str:
    """The image of the present version."""
    return repository.pulled()


@pytest.fixture
def environment(environment: dict[str, str], pulled: str) -> dict[str, str]:
    return {**environment, "EDGECAM_IMAGE": pulled, "EDGECAM_ARCHIVE": ""}


def test_install_takes_the_image_that_greengrass_has_pulled(
    lifecycle: dict[str, str], environment: dict[str, str], pulled: str
) -> None:
    done = run_to_end(lifecycle["install"], environment)
    assert (done.returncode, done.stderr) == (0, f"edgecam: The image {pulled} is on this core.\n")


def test_install_says_when_greengrass_has_not_pulled_it(
    lifecycle: dict[str, str], environment: dict[str, str], repository: Repository
) -> None:
    other = f"{repository.name}@sha256:{'0' * 64}"
    done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_IMAGE": other})
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam: Greengrass has not pulled the image {other}; ")


def test_run_says_when_the_image_has_gone(
    lifecycle: dict[str, str], environment: dict[str, str], repository: Repository
) -> None:
    other = f"{repository.name}@sha256:{'0' * 64}"
    done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_IMAGE": other})
    assert done.returncode == 1
    assert done.stderr.startswith(f"edgecam: The image {other} has gone. Greengrass pulls with a ")


def started(run: Any, environment: dict[str, str], image: str) -> None:
    run({**environment, "EDGECAM_IMAGE": image}).end()


def test_image_that_ran_before_stays_for_a_rollback_and_the_one_before_that_goes(
    run: Any, environment: dict[str, str], repository: Repository, pulled: str
) -> None:
    started(run, environment, pulled)
    second = repository.pulled()
    # It crashes, and is started again as often as the nucleus does.
    for _ in range(3):
        started(run, environment, second)
    assert is_here(pulled)
    # The core goes back, and later to a third one.
    started(run, environment, pulled)
    third = repository.pulled()
    started(run, environment, third)
    assert (is_here(second), is_here(pulled), is_here(third)) == (False, True, True)


def test_image_that_ran_before_stays_where_nucleus_lite_removes_it_as_superseded(
    run: Any, environment: dict[str, str], repository: Repository, pulled: str
) -> None:
    """Going back pulls a manifest then, and not all the layers."""
    before = id_of(pulled)
    started(run, environment, pulled)
    started(run, environment, repository.pulled())
    docker("rmi", pulled)  # as nucleus lite does once the new deployment has succeeded
    assert not is_here(pulled)
    assert has_image(before)


def test_image_that_nucleus_lite_has_removed_as_superseded_goes_when_it_ran_before_the_one_before(
    run: Any, environment: dict[str, str], repository: Repository, pulled: str
) -> None:
    """Its last name is this component's, so that it has none when that moves on."""
    names, ids = [pulled], [id_of(pulled)]
    started(run, environment, pulled)
    for _ in range(3):
        names.append(repository.pulled())
        ids.append(id_of(names[-1]))
        started(run, environment, names[-1])
        docker("rmi", names[-2])
    assert [has_image(each) for each in ids] == [False, False, True, True]
