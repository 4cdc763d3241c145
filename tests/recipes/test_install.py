"""The recipe's `install` as a core runs it: sh, and real Docker."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from docker_relay import DockerRelay
from recipe_image import TestImage, docker
from recipe_scripts import SHELLS, Running, run_to_end

ROOT = os.geteuid() == 0
EACH_SHELL = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())


def sooner(script: str, **seconds: int) -> str:
    """`script` with shorter limits: `at_120=1` gives up after a second where it would after 120."""
    for name, less in seconds.items():
        limit = name.removeprefix("at_")
        assert script.count(limit) == 1
        script = script.replace(limit, str(less))
    return script


def test_install_says_when_docker_is_absent(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    for program in ("printf", "id", "sleep"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    for shell in SHELLS.values():
        program = shutil.which(shell[0])
        assert program
        done = subprocess.run(
            [program, *shell[1:], "-c", lifecycle["install"]],
            env={**environment, "PATH": str(tmp_path)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert done.stderr == (
            "edgecam: Docker is not installed on this core. Install Docker Engine 20.10 or later, "
            "then deploy again.\n"
        )


def test_install_says_when_the_daemon_never_answers(
    lifecycle: dict[str, str], environment: dict[str, str], engine: DockerRelay
) -> None:
    done = run_to_end(sooner(lifecycle["install"], at_120=1), {**environment, "DOCKER_HOST": engine.address})
    assert done.returncode == 1
    waiting, given_up = done.stderr.splitlines()
    assert waiting.startswith("edgecam: Waiting for Docker: ")
    assert engine.address in waiting
    assert given_up == (
        "edgecam: Docker's daemon does not answer. Start it with 'systemctl enable --now docker', "
        "then deploy again."
    )


@EACH_SHELL
def test_install_waits_for_a_daemon_that_is_away_for_a_while(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    image: TestImage,
    engine: DockerRelay,
    tmp_path: Path,
    shell: Sequence[str],
) -> None:
    running = Running(lifecycle["install"], {**environment, "DOCKER_HOST": engine.address}, tmp_path, shell)
    running.until_said("Waiting for Docker: ")
    engine.return_()
    assert running.process.wait(60) == 0
    assert running.output().endswith(f"edgecam: The image {image.name} is on this core.\n")


def test_install_says_when_the_user_may_not_use_docker(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    # Root may use any socket, so it becomes nobody; anybody else gets a socket that is not for him.
    closed = tmp_path / "closed.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(closed))
        closed.chmod(0o000)
        changed = {} if ROOT else {"DOCKER_HOST": f"unix://{closed}"}
        for step in ("install", "run"):
            done = run_to_end(lifecycle[step], {**environment, **changed}, user=65534 if ROOT else None)
            assert done.returncode == 1
            assert "may not use Docker. Run 'usermod -aG docker " in done.stderr


def test_install_refuses_an_image_that_does_not_run_here(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    """As one of another architecture: a 32-bit system on a 64-bit processor, for example."""
    name = "edgecam/none:another-architecture"
    (tmp_path / "edgecam").write_bytes(b"\x7fELF of another machine")
    (tmp_path / "edgecam").chmod(0o755)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY edgecam /bin/edgecam\nENV PATH=/bin\n")
    docker("build", "--quiet", "--tag", name, str(tmp_path))
    try:
        done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_IMAGE": name})
    finally:
        docker("image", "rm", name)
    assert done.returncode == 1
    assert "exec format error" in done.stderr
    assert done.stderr.endswith(
        f"edgecam: The image {name} does not run here; Docker says why above. See image.architectures, "
        "then deploy again.\n"
    )


@EACH_SHELL
def test_install_loads_the_image_once(
    lifecycle: dict[str, str], environment: dict[str, str], image: TestImage, shell: Sequence[str]
) -> None:
    docker("image", "rm", "--force", image.name)
    for archive in (str(image.archive), "/nowhere"):
        changed = {**environment, "EDGECAM_ARCHIVE": archive}
        done = run_to_end(lifecycle["install"], changed, shell=shell)
        assert (done.returncode, done.stderr) == (0, f"edgecam: The image {image.name} is on this core.\n")


def test_install_says_when_the_archive_cannot_be_loaded(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "cut.tar").write_bytes(b"half an image")
    changed = {"EDGECAM_IMAGE": "edgecam/none:none", "EDGECAM_ARCHIVE": str(tmp_path / "cut.tar")}
    done = run_to_end(lifecycle["install"], {**environment, **changed})
    assert done.returncode == 1
    assert f"Docker could not load {tmp_path}/cut.tar and says why above." in done.stderr


def test_install_says_when_the_archive_holds_another_image(
    lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_IMAGE": "edgecam/none:none"})
    assert done.returncode == 1
    assert "No such image: edgecam/none:none" in done.stderr
    assert "The image edgecam/none:none does not run here" in done.stderr


@EACH_SHELL
def test_load_that_takes_longer_than_a_deployment_waits_is_left_to_run(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    image: TestImage,
    run: Any,
    tmp_path: Path,
    shell: Sequence[str],
) -> None:
    docker("image", "rm", "--force", image.name)
    slow = tmp_path / "slow.tar"
    os.mkfifo(slow)
    half = image.archive.read_bytes()[: image.archive.stat().st_size // 2]
    ended = threading.Event()

    def feed() -> None:
        try:
            with slow.open("wb") as archive:
                archive.write(half)
                archive.flush()
                ended.wait()
        except BrokenPipeError:
            pass  # the load was ended before it had read so much

    feeder = threading.Thread(target=feed)
    feeder.start()
    try:
        done = run_to_end(
            sooner(lifecycle["install"], at_240=3),
            {**environment, "EDGECAM_ARCHIVE": str(slow)},
            shell=shell,
        )
    finally:
        ended.set()
        feeder.join()
    assert done.returncode == 0
    assert "edgecam: Loading takes longer than a deployment waits; run goes on with it." in done.stderr
    assert f"Loading the image {image.name}." in run(environment).output()
