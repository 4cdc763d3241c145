"""What runs is replaced: by a release's images, the former program, Nucleus Lite, the nodes of other sites.

Each test leaves the system as it found it: the app of this tree deployed, its core running. Those of Lite are
last: its cores run until the module ends.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import lite_sites
import pytest
from consumer_component import Consumer, check_reports
from deployed_system import container_is_there, running_image, settle, until, versions, wait_for_width
from docker_relay import DockerRelay
from tiny_image import push

from container.image.inputs import (
    FRAME_GRABBER,
    VARIANTS,
    image_hash,
    image_name,
    image_tag,
    tarball_path,
)
from container.image.released import ReleasedImage
from sandbox.aws.environment import REPOSITORY
from sandbox.checks.recordings import RecordingChecks
from sandbox.checks.states import StatusChecks
from sandbox.core import images
from sandbox.core.characters import LITE_NEWEST, LITE_RELEASE, SHELLS, Character, character
from sandbox.deploy import STACK
from sandbox.errors import DeployError
from sandbox.ports import free_port
from sandbox.settings import CoreSpec
from sandbox.system import System


@pytest.fixture
def release(system: System, tree: Path) -> Iterator[dict[str, ReleasedImage]]:
    """The images of this tree as a release has them: in a registry that asks for no login, by variant."""
    assert system.aws is not None
    server = subprocess.check_output(["docker", "version", "--format", "{{.Server.Arch}}"], text=True).strip()
    released = {}
    for variant in VARIANTS:
        repository = f"acme/{variant}"
        system.aws.client("ecr").create_repository(repositoryName=repository)
        built = image_name(variant, image_tag(image_hash(variant, server, project=tree)))
        digest = push(built, system.aws.url, f"{repository}:0.2.0")
        name = f"{images.open_registry(system.aws.url)}/{repository}"
        released[variant] = ReleasedImage(name=name, digest=digest)
    yield released
    for variant, image in released.items():
        system.aws.client("ecr").delete_repository(repositoryName=f"acme/{variant}", force=True)
        tag = image_tag(image.content_hash(variant, server))
        (REPOSITORY / tarball_path(variant, tag, server)).unlink(missing_ok=True)
        for name in (image_name(variant, tag), str(image)):
            subprocess.run(["docker", "image", "rm", "--force", name], capture_output=True, check=False)


def test_images_of_a_release_run_in_place_of_built_ones_from_the_registry_and_from_the_bucket(
    system: System, tree: Path, release: dict[str, ReleasedImage]
) -> None:
    built, before = running_image(system), versions(system)
    names = {variant: str(image) for variant, image in release.items()}
    server = subprocess.check_output(["docker", "version", "--format", "{{.Server.Arch}}"], text=True).strip()
    tag = image_tag(release[FRAME_GRABBER].content_hash(FRAME_GRABBER, server))
    for delivery, expected in (
        ("registry", names[FRAME_GRABBER]),
        ("s3", image_name(FRAME_GRABBER, tag)),
    ):
        system.deploy(project=tree, delivery=delivery, released=names)
        for core in system.settings.cores:
            settle(system, core)
        until(
            lambda expected=expected: container_is_there(system) and running_image(system) == expected,
            f"the released image runs, by {delivery}",
            system,
        )
        wait_for_width(system, "lobby", 1920)
    assert len(versions(system)) == len(before) + 2
    system.deploy(project=tree)
    for core in system.settings.cores:
        settle(system, core)
    until(
        lambda: container_is_there(system) and running_image(system) == built, "the built image runs", system
    )
    wait_for_width(system, "lobby", 1920)


def test_program_that_crashes_gives_way_to_the_former_one_and_the_deployment_says_why(
    system: System, tree: Path, changed_tree: Path
) -> None:
    image = running_image(system)
    program = changed_tree / "container" / "edgecam" / "cli" / "main.py"
    # The build looks whether the program can be imported, and the recipe whether it takes its configuration:
    # what they cannot find out shows when it runs.
    runs, crashes = (
        "run.set_defaults(command=_run)",
        'run.set_defaults(command=lambda _: sys.exit("cannot go on"))',
    )
    text = program.read_text()
    assert runs in text
    program.write_text(text.replace(runs, crashes))
    system.stop_core(system.settings.grabber)
    system.start_core(settle_s=120.0)  # longer than a busy machine takes from `docker run` to the crash
    until(lambda: container_is_there(system), "the container runs again", system)
    # The site says nucleus: lite, so that the stack takes the version back; this core does so itself, too.
    with pytest.raises(DeployError, match="frame-grabber is BROKEN"):
        system.deploy(project=changed_tree, stacks=(STACK,))
    newest = system.execution()["deploymentName"]
    assert newest.startswith(f"edgecam sandbox as before: {system.settings.grabber.thing} FAILED: ")
    assert "frame-grabber is BROKEN" in newest
    until(
        lambda: container_is_there(system) and running_image(system) == image,
        "the former image runs again",
        system,
    )
    wait_for_width(system, "lobby", 1920)
    system.stop_core(system.settings.grabber)
    system.start_core()
    system.deploy(project=tree, stacks=(STACK,))
    settle(system)
    wait_for_width(system, "lobby", 1920)


# With Nucleus Lite in the classic one's place: the same things, the same app, newer deployments.

LITE = character(LITE_RELEASE)


@dataclass(frozen=True, kw_only=True)
class Lite:
    """Both cores with Nucleus Lite, and the sites that are deployed beside theirs."""

    grabber: CoreSpec
    recorder: CoreSpec
    sites: str


@pytest.fixture(scope="module")
def lite(system: System, tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lite]:
    """Cores with a disk of their own; afterwards the classic ones run again."""
    grabber, recorder = (
        replace(core, root=core.root.with_name(f"{core.root.name}-lite")) for core in system.settings.cores
    )
    sites = lite_sites.as_yaml(free_port(), tmp_path_factory.mktemp("frames"))
    replace_cores(system, (grabber, recorder), LITE)
    # Other deployments, since a core is asked for what it has not done yet. The stacks wait for cores.
    system.deploy(project=tree, lobby_width="640", chunk_s=5, more_sites=sites)
    for core in (grabber, recorder):
        settle(system, core)
    yield Lite(grabber=grabber, recorder=recorder, sites=sites)
    replace_cores(system, system.settings.cores, Character())
    system.deploy(project=tree)
    for core in system.settings.cores:
        settle(system, core)


def replace_cores(system: System, cores: Iterable[CoreSpec], played: Character) -> None:
    """Let other cores run in the place of those that do, with the same things."""
    for core in cores:
        system.stop_core(core)
        system.start_core(core, played)


def test_lite_runs_both_variants(system: System, lite: Lite) -> None:
    assert lite
    wait_for_width(system, "lobby", 640)
    wait_for_width(system, "yard", 1280)
    RecordingChecks(system).arrive()
    StatusChecks(system).aws()


def test_lite_runs_the_consumer_of_the_examples(
    system: System, lite: Lite, tree: Path, consumer: Consumer
) -> None:
    consumer.let_publish(system, lite.grabber.thing)
    beside = consumer.component(frames=str(lite.grabber.data_dir), every_s="5")
    system.deploy(project=tree, stacks=(STACK,), components=beside, more_sites=lite.sites)
    settle(system, lite.grabber)
    check_reports(system, lite.grabber, consumer)
    system.deploy(project=tree, stacks=(STACK,), more_sites=lite.sites)
    settle(system, lite.grabber)
    until(lambda: not consumer.is_running(), "the consumer has gone with its deployment", system)


def test_lite_takes_another_configuration(system: System, lite: Lite, tree: Path) -> None:
    system.deploy(project=tree, stacks=(STACK,), lobby_width="320", more_sites=lite.sites)
    settle(system, lite.grabber)
    wait_for_width(system, "lobby", 320)


def test_lite_runs_what_is_deployed_after_a_reboot_for_which_docker_is_late(
    system: System, lite: Lite
) -> None:
    before = system.execution(lite.grabber)
    (journal,) = (lite.grabber.root / "logs").glob("*.frame-grabber.log")
    assert system.stop_core(lite.grabber)
    assert not container_is_there(system)
    written = journal.stat().st_size
    with DockerRelay() as relay:
        relay.leave()
        core = system.start_core(lite.grabber, LITE, docker=relay.address)
        until(lambda: "Waiting for Docker" in journal.read_text()[written:], "Docker is missed", system)
        # Three ends take Lite four seconds, and then it starts nothing for an hour.
        time.sleep(8)
        relay.return_()
        until(lambda: container_is_there(system), "the container runs", system)
        wait_for_width(system, "yard", 1280)
        assert "ended with" not in core.log.read_text()
        assert system.execution(lite.grabber) == before
        system.stop_core(lite.grabber)
    system.start_core(lite.grabber, LITE)


@pytest.mark.parametrize(
    ("site", "nucleus", "shell"),
    [
        *((site, LITE_RELEASE, shell) for site in lite_sites.SITES for shell in sorted(SHELLS)),
        ("texts", LITE_NEWEST, "dash"),
    ],
)
def test_site_arrives_byte_for_byte_and_nothing_of_it_is_run(
    system: System, lite: Lite, site: str, nucleus: str, shell: str
) -> None:
    core = lite_sites.new_core(system, site)
    system.stop_core(lite.grabber)
    system.start_core(core, character(nucleus, shell))
    try:
        settle(system, core)
        found = until(lambda: lite_sites.cameras_within(core.container), "the site's node runs", system)
        assert lite_sites.uris(found) == lite_sites.uris(lite_sites.SITES[site])
        assert [path for path in core.root.rglob(f"*{lite_sites.RAN}*") if path.is_file()] == []
    finally:
        system.stop_core(core)
        system.start_core(lite.grabber, LITE)
