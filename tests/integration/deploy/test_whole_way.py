"""The whole way, once: cameras, embedded clouds, the real app deployed, cores that run the real containers.

Each test leaves the system as it found it: the app of this tree deployed, its core running.
"""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
from consumer_component import Consumer, check_reports
from deployed_system import container_is_there, running_image, settle, until, versions, wait_for_width

from sandbox import fleet
from sandbox.checks import frame_files as pictures
from sandbox.checks import secret_leaks
from sandbox.checks.recordings import RecordingChecks
from sandbox.checks.states import StatusChecks
from sandbox.deploy import STACK
from sandbox.system import System


def test_both_cameras_deliver_pictures_of_their_size(system: System) -> None:
    for camera, width, height in (("lobby", 1920, 1080), ("yard", 1280, 720)):
        picture = wait_for_width(system, camera, width)
        assert picture.height == height
        assert (picture.described["width"], picture.described["height"]) == (width, height)
        assert pictures.decodes(system.settings.data_dir / camera / "frame.jpg")


def test_deploy_made_the_bucket_and_both_cameras_are_recorded_into_it(system: System) -> None:
    recorded = RecordingChecks(system)
    recorded.arrive()
    recorded.companions()
    assert recorded.lacks(recorded.chunks()) == []


def test_deploy_made_devices_whose_states_follow_the_cameras(system: System) -> None:
    status = StatusChecks(system)
    status.connected()
    status.follow()


def test_unchanged_tree_deploys_as_nothing(system: System, tree: Path) -> None:
    before = (system.execution()["deploymentId"], versions(system))
    container = subprocess.check_output(
        ["docker", "inspect", "--format", "{{.Id}}", system.settings.grabber.container]
    )
    system.deploy(project=tree)
    assert (system.execution()["deploymentId"], versions(system)) == before
    assert (
        subprocess.check_output(
            ["docker", "inspect", "--format", "{{.Id}}", system.settings.grabber.container]
        )
        == container
    )


def test_changed_camera_replaces_the_deployment_and_nothing_else(system: System, tree: Path) -> None:
    before = (system.execution()["deploymentId"], versions(system), running_image(system))
    system.deploy(project=tree, stacks=(STACK,), lobby_width="640")
    assert wait_for_width(system, "lobby", 640).height == 360
    assert system.execution()["deploymentId"] != before[0]
    assert (versions(system), running_image(system)) == before[1:]
    system.deploy(project=tree, stacks=(STACK,))
    wait_for_width(system, "lobby", 1920)


def test_changed_program_makes_a_new_version_and_reverting_it_conflicts_with_nothing(
    system: System, tree: Path, changed_tree: Path
) -> None:
    first, image = versions(system), running_image(system)
    with (changed_tree / "container" / "edgecam" / "__init__.py").open("a") as program:
        program.write("\n# changed\n")
    system.deploy(project=changed_tree, stacks=(STACK,))
    second = versions(system)
    assert len(second) == len(first) + 1
    settle(system)
    until(lambda: container_is_there(system) and running_image(system) != image, "the new image runs", system)
    wait_for_width(system, "lobby", 1920)
    outputs = system.deploy(project=tree, stacks=(STACK,))
    assert sorted(versions(system)) == sorted(second)
    assert first[0] in str(outputs[STACK])
    settle(system)
    until(
        lambda: container_is_there(system) and running_image(system) == image,
        "the former image runs again",
        system,
    )
    wait_for_width(system, "lobby", 1920)


def test_password_of_the_camera_stands_nowhere(system: System) -> None:
    wait_for_width(system, "yard", 1280)
    searched, leaks = secret_leaks.leaks(system)
    assert leaks == []
    names = {name.split()[0] for name, _ in secret_leaks.places(system)}
    assert {"docker", "deployment", "the"} <= names
    assert searched > 15


@pytest.mark.parametrize(
    "text", ["rtsp://guard:{password}@camera/", "PUT /upload?upload_id=0123456789abcdef", "key: {key}"]
)
def test_secret_would_be_found_where_it_stands(system: System, text: str) -> None:
    planted = system.settings.logs / "planted.log"
    keys = secret_leaks.private_keys(system)
    assert len(keys) == len(fleet.DEVICES)
    planted.write_text(text.format(password=system.password, key=next(iter(keys.values()))))
    try:
        assert secret_leaks.leaks(system)[1] == ["logs/planted.log"]
    finally:
        planted.unlink()


# Before the tests that deploy the recorder again: a node that begins does not know what is missing.
def test_sigterm_to_the_recorders_core_ends_the_recording_whole(system: System) -> None:
    recorded = RecordingChecks(system)
    recorded.arrive()
    recorded.end()
    recorded.everything_plays()
    system.start_core(system.settings.recorder)


def test_both_variants_run_from_images_that_are_copied_once_and_pulled_by_digest(
    system: System, tree: Path
) -> None:
    assert system.aws is not None
    loaded = running_image(system)
    system.deploy(project=tree, delivery="ecr")
    for core in system.settings.cores:
        settle(system, core)
    until(
        lambda: container_is_there(system) and "@sha256:" in running_image(system),
        "the pulled image runs",
        system,
    )
    wait_for_width(system, "lobby", 1920)
    builds = system.aws.client("codebuild").list_builds()["ids"]
    assert len(builds) == len(system.settings.cores)
    before = (system.execution()["deploymentId"], versions(system))
    system.deploy(project=tree, delivery="ecr")
    assert (system.execution()["deploymentId"], versions(system)) == before
    assert system.aws.client("codebuild").list_builds()["ids"] == builds
    system.deploy(project=tree)
    for core in system.settings.cores:
        settle(system, core)
    until(
        lambda: container_is_there(system) and running_image(system) == loaded,
        "the loaded image runs again",
        system,
    )
    wait_for_width(system, "lobby", 1920)


def test_sigterm_to_the_core_leaves_no_container(system: System) -> None:
    core = next(process for process in system.processes if process.name == "the core")
    until(lambda: container_is_there(system), "the container runs", system)
    os.kill(core.pid, signal.SIGTERM)
    assert core.wait(30) == 0
    assert not container_is_there(system)
    system.processes.remove(core)
    system.start_core()
    until(lambda: container_is_there(system), "the container runs again", system)
    wait_for_width(system, "lobby", 1920)


def test_consumer_of_the_examples_reports_motion_and_cameras_that_are_away(
    system: System, tree: Path, consumer: Consumer
) -> None:
    core = system.settings.grabber
    consumer.let_publish(system, core.thing)
    beside = consumer.component(frames=str(core.data_dir), every_s="5")
    system.deploy(project=tree, stacks=(STACK,), components=beside)
    try:
        settle(system)
        check_reports(system, core, consumer)
    finally:
        system.deploy(project=tree, stacks=(STACK,))
    settle(system)
    until(lambda: not consumer.is_running(), "the consumer has gone with its deployment", system)
