"""A whole system for one module: cameras, embedded clouds, the real app deployed, cores that run it.

Each module has a system of its own, whichever runs first or alone: its tests replace what those of the other
expect. There are two, equally long, since a third would start a third system (`lanes`).
"""

from __future__ import annotations

import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import consumer_component
import pytest
from consumer_component import Consumer
from deployed_system import container_is_there, copy_tree, settle, until
from typed_commands import typed

from container.image.inputs import FRAME_GRABBER, image_hash, image_name, image_tag, tarball_path
from sandbox.aws.environment import REPOSITORY
from sandbox.ports import free_port
from sandbox.settings import Settings
from sandbox.system import System


@pytest.fixture
def changed_tree(tree: Path, tmp_path: Path) -> Iterator[Path]:
    """A copy to be changed, whose own image goes afterwards."""
    copy = copy_tree(tree, tmp_path / "changed")
    with (copy / "container" / "edgecam" / "__init__.py").open("a") as program:
        program.write(f"\n# {uuid.uuid4()}: another run's would be the same image, and go with that run\n")
    yield copy
    server = subprocess.check_output(["docker", "version", "--format", "{{.Server.Arch}}"], text=True).strip()
    tag = image_tag(image_hash(FRAME_GRABBER, server, project=copy))
    name = image_name(FRAME_GRABBER, tag)
    subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)
    (REPOSITORY / tarball_path(FRAME_GRABBER, tag, server)).unlink(missing_ok=True)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of this tree that nobody edits while the tests run."""
    return copy_tree(REPOSITORY, tmp_path_factory.mktemp("project") / "tree")


@pytest.fixture(scope="module")
def system(docker_engine: str, tmp_path_factory: pytest.TempPathFactory, tree: Path) -> Iterator[System]:
    """The deployed app of this tree, on ports of its own."""
    assert docker_engine
    settings = Settings(
        folder=tmp_path_factory.mktemp("sandbox"),
        component_prefix=f"com.edgecam-test-{uuid.uuid4().hex[:12]}",
        **{name.lower(): free_port() for name in Settings().ports},
    )
    running = System(settings)
    try:
        running.start_cameras()
        running.start_gcs()
        running.start_iot()
        running.start_aws()
        running.bootstrap()
        running.deploy(project=tree)
        running.await_cameras()
        for core in settings.cores:
            running.start_core(core)
        for core in settings.cores:
            settle(running, core)
        until(lambda: container_is_there(running), "the container runs", running)
        yield running
    finally:
        left = running.stop()
    assert left == []


@pytest.fixture(scope="module")
def consumer(system: System, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Consumer]:
    """The examples' consumer, registered as a component."""
    build = typed("docs/consumer.md", "docker build --tag com.example.motion:1.0.0")
    save = typed("docs/consumer.md", "docker save com.example.motion:1.0.0")
    with consumer_component.built(tmp_path_factory.mktemp("consumer"), build, save) as component:
        component.register(system)
        yield component
