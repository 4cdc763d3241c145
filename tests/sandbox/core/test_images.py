"""The core's `docker:` artifacts: pulled by digest from the embedded registry, with its role's rights."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from tiny_image import docker, push, tiny_image

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.core import images

REGISTRY = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
SERVE = "echo serving $IMAGE; trap 'exit 0' TERM; exec 2>&-; while :; do sleep 0.1; done"
DEPENDENCIES = {
    f"aws.greengrass.{name}": {"VersionRequirement": ">=2.0.0", "DependencyType": "HARD"}
    for name in ("DockerApplicationManager", "TokenExchangeService")
}


@pytest.fixture(scope="module")
def image(docker_engine: str) -> Iterator[str]:
    assert docker_engine
    with tiny_image() as name:
        yield name


def pushed(core: Any, image: str, repository: str) -> str:
    """Put the image into a new repository of the embedded registry; returns its name there, by digest."""
    core.aws.client("ecr").create_repository(repositoryName=repository)
    return f"{repository}@{push(image, core.aws.url, f'{repository}:one')}"


def deployed(core: Any, component_name: str, image: str, **parts: Any) -> dict[str, Any]:
    """How the deployment of a component with this image ended."""
    core.register(
        component_name,
        "1.0.0",
        {"Script": SERVE, "Setenv": {"IMAGE": image}},
        Artifacts=[{"Uri": f"docker:{image}"}],
        **{"ComponentDependencies": DEPENDENCIES, **parts},
    )
    result: dict[str, Any] = core.finished(core.deploy({component_name: {"componentVersion": "1.0.0"}}))
    return result


def test_image_is_pulled_by_digest_under_the_name_that_scripts_get(
    core: Any, component_name: str, image: str
) -> None:
    named = pushed(core, image, component_name)
    execution = deployed(core, component_name, f"{REGISTRY}/{named}")
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED", execution
    here = f"localhost:{core.aws.port}/{named}"
    assert core.output(component_name).splitlines() == [f"serving {here}"]
    assert docker("image", "inspect", "--format", "{{.Id}}", here) == docker(
        "image", "inspect", "--format", "{{.Id}}", image
    )


def test_image_that_the_role_may_not_pull_fails_the_deployment(
    core: Any, component_name: str, image: str
) -> None:
    named = pushed(core, image, f"private-{component_name}")
    execution = deployed(core, component_name, f"{REGISTRY}/{named}")
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert "cannot be pulled with the core's role" in execution["reason"]
    assert "ecr:BatchGetImage" in execution["reason"]


def test_image_that_is_not_there_fails_the_deployment(core: Any, component_name: str) -> None:
    core.aws.client("ecr").create_repository(repositoryName=component_name)
    digest = f"sha256:{uuid.uuid4().hex * 2}"
    execution = deployed(core, component_name, f"{REGISTRY}/{component_name}@{digest}")
    assert f"{component_name}@{digest} is not in the account's registry" in execution["reason"]


def test_image_without_a_digest_is_refused(core: Any, component_name: str) -> None:
    execution = deployed(core, component_name, f"{REGISTRY}/com.example.x:latest")
    assert "this core pulls by digest only" in execution["reason"]


def test_image_of_another_registry_is_pulled_with_no_right_and_no_login(
    core: Any, component_name: str, image: str
) -> None:
    # The core's role may not pull what is called so.
    named = f"{images.open_registry(core.aws.url)}/{pushed(core, image, f'private-{component_name}')}"
    execution = deployed(core, component_name, named)
    assert execution["coreDeviceExecutionStatus"] == "SUCCEEDED", execution
    assert core.output(component_name).splitlines() == [f"serving {named}"]
    assert docker("image", "inspect", "--format", "{{.Id}}", named) == docker(
        "image", "inspect", "--format", "{{.Id}}", image
    )


def test_image_that_another_registry_does_not_have_fails_the_deployment(
    core: Any, component_name: str
) -> None:
    named = f"{images.open_registry(core.aws.url)}/{component_name}@sha256:{'0' * 64}"
    execution = deployed(core, component_name, named)
    assert execution["coreDeviceExecutionStatus"] == "FAILED"
    assert f"docker:{named} cannot be pulled: " in execution["reason"]


def test_recipe_that_does_not_depend_on_what_pulls_images_is_refused(core: Any, component_name: str) -> None:
    image = f"{REGISTRY}/{component_name}@sha256:{'0' * 64}"
    execution = deployed(core, component_name, image, ComponentDependencies={})
    assert (
        "has docker: artifacts, which take dependencies on aws.greengrass.DockerApplicationManager and "
        "aws.greengrass.TokenExchangeService" in execution["reason"]
    )


def test_names_of_a_registry_go_and_images_that_have_others_stay(core: Any, image: str) -> None:
    repository = f"com.example.{uuid.uuid4().hex[:8]}"
    named = pushed(core, image, repository)
    here = f"localhost:{core.aws.port}/{named}"
    docker("pull", "--quiet", here)
    docker("pull", "--quiet", f"{images.open_registry(core.aws.url)}/{named}")
    docker("tag", image, f"localhost:{core.aws.port}/{repository}:another")
    images.forget(core.aws.url)
    for name in ("localhost", "127.0.0.1"):
        assert docker("image", "ls", "--quiet", f"{name}:{core.aws.port}/*") == ""
    assert docker("image", "ls", "--quiet", image) != ""
