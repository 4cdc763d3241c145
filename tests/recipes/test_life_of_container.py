"""How the container of `run` ends, and what starts it again: sh, real Docker, and a daemon that goes away."""

from __future__ import annotations

import signal
import subprocess
from typing import Any

import pytest
from docker_relay import DockerRelay
from recipe_image import TestImage, docker, settings_word
from recipe_scripts import SHELLS, WAIT_S, run_to_end

EACH_SHELL = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())


def container_id(image: TestImage) -> str:
    return docker("container", "ls", "--quiet", "--no-trunc", "--filter", f"name={image.container}")


@EACH_SHELL
def test_sigterm_reaches_the_program_and_the_container_goes(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    running = run(environment)
    running.process.send_signal(signal.SIGTERM)
    assert running.process.wait(WAIT_S) == 0
    assert "got SIGTERM" in running.output()
    assert not docker("container", "ls", "--all", "--quiet", "--filter", f"name={image.container}")


def test_shutdown_stops_the_container_and_is_content_without_one(
    run: Any, lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    """As the classic nucleus ends a component: shutdown first, then SIGTERM for what still runs."""
    running = run(environment)
    assert run_to_end(lifecycle["shutdown"], environment).returncode == 0
    running.process.terminate()
    running.process.wait(WAIT_S)
    assert running.output().count("\nready\n") == 1
    assert run_to_end(lifecycle["shutdown"], environment).returncode == 0


def test_leftover_container_is_replaced(run: Any, environment: dict[str, str], image: TestImage) -> None:
    docker("run", "--detach", "--name", image.container, image.name, "sleep", "600")
    leftover = container_id(image)
    run(environment)
    assert container_id(image) != leftover


@EACH_SHELL
def test_container_that_docker_has_stopped_is_started_again(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    """As an upgraded daemon does. The node ends with 0, after which nucleus lite starts nothing again."""
    running = run(environment)
    docker("stop", image.container)
    running.until_ready(times=2)
    assert running.end() == 0


def test_container_that_has_failed_ends_the_script_with_its_code(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    running = run(environment)
    docker("kill", image.container)
    assert running.process.wait(WAIT_S) == 128 + signal.SIGKILL


def test_program_in_the_nodes_place_may_end(run: Any, environment: dict[str, str], image: TestImage) -> None:
    running = run({**environment, "EDGECAM_SETTINGS": settings_word("program=exec")})
    docker("stop", image.container)
    assert running.process.wait(WAIT_S) == 0


def test_script_that_a_killed_nucleus_has_left_gives_way_to_the_next(
    run: Any, environment: dict[str, str]
) -> None:
    left = run(environment)
    later = run(environment)
    assert left.process.wait(WAIT_S) == 75
    assert later.output().count("\nready\n") == 1
    assert later.process.poll() is None


@EACH_SHELL
@pytest.mark.parametrize("delivery", ["s3", "ecr"])
def test_docker_that_is_away_at_the_start_is_waited_for_and_named(
    starts: Any, environment: dict[str, str], engine: DockerRelay, delivery: str
) -> None:
    archive = {} if delivery == "s3" else {"EDGECAM_ARCHIVE": ""}
    running = starts({**environment, **archive, "DOCKER_HOST": engine.address})
    running.until_said("edgecam: Waiting for Docker: ")
    engine.return_()
    running.until_ready()
    assert "has gone" not in running.output()
    assert "Loading" not in running.output()


@EACH_SHELL
def test_docker_that_goes_while_the_container_runs_is_waited_for(
    run: Any, environment: dict[str, str], engine: DockerRelay, image: TestImage
) -> None:
    engine.return_()
    running = run({**environment, "DOCKER_HOST": engine.address})
    before = container_id(image)
    engine.leave()
    running.until_said("edgecam: Waiting for Docker: ")
    engine.return_()
    running.until_ready(times=2)
    assert container_id(image) != before


def test_container_that_docker_cannot_start_ends_the_script(
    lifecycle: dict[str, str], environment: dict[str, str], image: TestImage
) -> None:
    done = run_to_end(
        lifecycle["run"], {**environment, "EDGECAM_SETTINGS": settings_word("arg=--network=no-such-network")}
    )
    assert done.returncode == 125
    assert "no-such-network" in done.stderr
    subprocess.run(["docker", "rm", "--force", image.container], capture_output=True, check=False)


def test_image_that_has_gone_is_named_once_docker_has_answered(
    lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    changed = {"EDGECAM_IMAGE": "edgecam/none:none", "EDGECAM_ARCHIVE": ""}
    done = run_to_end(lifecycle["run"], {**environment, **changed})
    assert done.returncode == 1
    assert done.stderr.startswith("edgecam: The image edgecam/none:none has gone. Greengrass pulls with a ")


def test_archive_of_another_image_ends_the_script(
    lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_IMAGE": "edgecam/none:none"})
    assert done.returncode == 1
    assert "No such image: edgecam/none:none" in done.stderr
