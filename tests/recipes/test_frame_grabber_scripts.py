"""The recipe's scripts as a core runs them: sh, and real Docker."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from recipe_image import TestImage, docker
from recipe_scripts import WAIT_S, is_here, run_to_end
from stranger import UID, Stranger

ROOT = os.geteuid() == 0
USER = "65532:65532" if ROOT else f"{os.geteuid()}:{os.getegid()}"


@pytest.fixture
def environment(image: TestImage, architecture: str) -> dict[str, str]:
    """What Setenv gives the scripts; the plan asks for nothing."""
    return {
        "PATH": os.environ["PATH"],
        "EDGECAM_IMAGE": image.name,
        "EDGECAM_REPOSITORY": image.name.rpartition(":")[0],
        "EDGECAM_VARIANT": image.variant,
        "EDGECAM_CONTAINER": image.container,
        "EDGECAM_ARCHITECTURE": architecture,
        "EDGECAM_ARCHIVE": str(image.archive),
        "EDGECAM_NODE": "arg=--env=EDGECAM_NODE",
        "EDGECAM_DATA_DIR": "/dev/shm/edgecam",
        "EDGECAM_DOCKER": '{"root":false}',
        "EDGECAM_ENTRYPOINT": "",
        "EDGECAM_COMMAND": "[]",
    }


class Running:
    """The run script, with what it says in a file."""

    def __init__(self, script: str, environment: dict[str, str], folder: Path, **identity: Any) -> None:
        self._log = folder / f"{uuid.uuid4().hex}.log"
        with self._log.open("wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", script],
                env=environment,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                **identity,
            )

    def output(self) -> str:
        return self._log.read_text()

    def until_ready(self) -> list[str]:
        """The lines that the program wrote, once it runs."""
        deadline_s = time.monotonic() + WAIT_S
        while "\nready\n" not in self.output():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline_s, self.output()
            time.sleep(0.05)
        return self.output().splitlines()


@pytest.fixture
def run(image: TestImage, lifecycle: dict[str, str], tmp_path: Path) -> Iterator[Any]:
    """A function that starts the run script and waits until the container runs."""
    started: list[Running] = []

    def start(environment: dict[str, str], **identity: Any) -> Running:
        started.append(Running(lifecycle["run"], environment, tmp_path, **identity))
        started[-1].until_ready()
        return started[-1]

    yield start
    for running in started:
        running.process.terminate()
        running.process.wait(WAIT_S)
    subprocess.run(["docker", "rm", "--force", image.container], capture_output=True, check=False)


def inspected(name: str) -> dict[str, Any]:
    (found,) = json.loads(docker("container", "inspect", name))
    result: dict[str, Any] = found
    return result


def test_install_says_when_docker_is_absent(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    for program in ("printf", "id", "sed", "tail"):
        found = shutil.which(program)
        assert found
        (tmp_path / program).symlink_to(found)
    sh = shutil.which("sh")
    assert sh
    done = subprocess.run(
        [sh, "-c", lifecycle["install"]],
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


def test_install_says_when_the_daemon_does_not_answer(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    done = run_to_end(
        lifecycle["install"], {**environment, "DOCKER_HOST": f"unix://{tmp_path}/nobody-listens.sock"}
    )
    assert done.returncode == 1
    assert done.stderr.startswith(
        "edgecam: Docker is installed on this core, but its daemon does not answer. Start it with "
        "'systemctl enable --now docker', then deploy again. Docker says: "
    )


def test_install_says_when_the_user_may_not_use_docker(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    # Root may use any socket, so it becomes nobody; anybody else gets a socket that is not for him.
    closed = tmp_path / "closed.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(closed))
        closed.chmod(0o000)
        changed = {} if ROOT else {"DOCKER_HOST": f"unix://{closed}"}
        done = run_to_end(lifecycle["install"], {**environment, **changed}, user=65534 if ROOT else None)
    assert done.returncode == 1
    assert "may not use Docker. Run 'usermod -aG docker " in done.stderr


def test_install_says_when_the_architecture_is_wrong(
    lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_ARCHITECTURE": "s390x"})
    assert done.returncode == 1
    assert f"runs {environment['EDGECAM_ARCHITECTURE']} containers, and the image is for s390x" in done.stderr


SERVER = """\
Client:
 OS/Arch:           linux/{client}

Server: Docker Engine - Community
 Engine:
  Version:          28.2.2
  OS/Arch:          linux/{server}
"""
"""What `docker version` says, where the client may be another than the server: DOCKER_HOST, or emulation."""


@pytest.mark.parametrize(
    ("image_is_for", "server", "taken"),
    [
        ("amd64", "arm64", False),
        ("arm64", "amd64", False),
        ("arm64", "arm", False),  # a 32-bit system on a 64-bit processor
        ("arm64", "arm64", True),
        ("arm64", "arm64/v8", True),
    ],
)
def test_image_for_another_architecture_is_refused_before_it_is_loaded(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    tmp_path: Path,
    image_is_for: str,
    server: str,
    taken: bool,
) -> None:
    (tmp_path / "version").write_text(SERVER.format(client=image_is_for, server=server))
    stand_in = tmp_path / "docker"
    stand_in.write_text(
        f'#!/bin/sh\necho "$*" >>{tmp_path}/asked\ncase $1 in version) cat {tmp_path}/version ;; esac\n'
    )
    stand_in.chmod(0o755)
    path = f"{tmp_path}:{environment.get('PATH', os.environ['PATH'])}"
    done = run_to_end(
        lifecycle["install"], {**environment, "PATH": path, "EDGECAM_ARCHITECTURE": image_is_for}
    )
    asked = (tmp_path / "asked").read_text().splitlines()
    if taken:
        assert done.returncode == 0
        assert len(asked) > 1
    else:
        assert done.returncode == 1
        assert asked == ["version"]
        assert (
            f"runs {server} containers, and the image is for {image_is_for}. Add the right one" in done.stderr
        )


def test_install_loads_the_image_once(
    lifecycle: dict[str, str], environment: dict[str, str], image: TestImage
) -> None:
    docker("image", "rm", "--force", image.name)
    first = run_to_end(lifecycle["install"], environment)
    assert (first.returncode, first.stderr) == (0, f"edgecam: Loaded the image {image.name}.\n")
    second = run_to_end(lifecycle["install"], environment)
    assert (second.returncode, second.stderr) == (
        0,
        f"edgecam: The image {image.name} is on this core already.\n",
    )


def test_install_says_when_the_archive_cannot_be_loaded(
    lifecycle: dict[str, str], environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "cut.tar").write_bytes(b"half an image")
    changed = {"EDGECAM_IMAGE": "edgecam/none:none", "EDGECAM_ARCHIVE": str(tmp_path / "cut.tar")}
    done = run_to_end(lifecycle["install"], {**environment, **changed})
    assert done.returncode == 1
    assert f"The image could not be loaded from {tmp_path}/cut.tar" in done.stderr


def test_install_says_when_the_archive_holds_another_image(
    lifecycle: dict[str, str], environment: dict[str, str]
) -> None:
    done = run_to_end(lifecycle["install"], {**environment, "EDGECAM_IMAGE": "edgecam/none:none"})
    assert done.returncode == 1
    assert "holds another image than edgecam/none:none" in done.stderr


def test_container_is_unprivileged_read_only_and_bounded(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    running = run(environment)
    host = inspected(image.container)["HostConfig"]
    assert f"user={USER}" in running.output()
    assert host["ReadonlyRootfs"] is True
    assert host["CapDrop"] == ["ALL"]
    assert host["CapAdd"] is None
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["PidsLimit"] == 4096
    limits = {limit["Name"]: (limit["Soft"], limit["Hard"]) for limit in host["Ulimits"]}
    assert limits == {"nofile": (8192, 8192), "core": (0, 0)}
    assert f"EDGECAM_FOLDER_OWNER={USER}" in running.output()
    assert host["AutoRemove"] is True
    assert host["LogConfig"] == {"Type": "local", "Config": {"max-size": "1m", "max-file": "2"}}


def test_values_reach_the_program_as_they_are(run: Any, environment: dict[str, str], tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    nasty = f"""$HOME `touch {touched}` $(touch {touched}) "it's" & | ; * \\ {{x}} end="""
    changed = {"EDGECAM_NODE": f"arg=--env=EDGECAM_NODE\narg=--env=NASTY={nasty}"}
    output = run({**environment, **changed}).output()
    assert f"NASTY={nasty}\n" in output
    assert not touched.exists()


def test_plan_that_is_refused_ends_with_its_exit_code_and_starts_nothing(
    lifecycle: dict[str, str], environment: dict[str, str], image: TestImage
) -> None:
    done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_NODE": "wrong"})
    assert done.returncode == 2
    assert done.stderr.endswith("cameras: expected a list, found wrong\n")
    assert not docker("container", "ls", "--all", "--quiet", "--filter", f"name={image.container}")


def test_folders_of_the_plan_are_made_for_the_containers_user(
    run: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "a folder" / "pictures"
    run({**environment, "EDGECAM_NODE": f"dir={folder}\narg=--volume={folder}:{folder}"})
    found = folder.stat()
    assert f"{found.st_uid}:{found.st_gid}" == USER


def test_folder_that_only_root_can_make_is_made_by_docker_for_who_may_use_it(
    run: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    identity = {}
    if ROOT:
        group = Path("/var/run/docker.sock").stat().st_gid
        identity = {"user": 12345, "group": group, "extra_groups": [group]}
        for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            parent.chmod(parent.stat().st_mode | 0o011)  # pytest makes these for its own user alone
    (tmp_path / "lib").mkdir(mode=0o555)
    folder = tmp_path / "lib" / "edgecam" / "spool"
    running = run(
        {**environment, "EDGECAM_NODE": f"dir={folder}\narg=--volume={folder}:{folder}"}, **identity
    )
    found = folder.stat()
    assert f"user={found.st_uid}:{found.st_gid}" in running.output()
    assert found.st_uid == (identity["user"] if ROOT else os.geteuid())


@pytest.mark.parametrize("below", ["", "/lobby"])
def test_link_of_another_user_is_refused_and_what_it_leads_to_stays_as_it_was(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    image: TestImage,
    tmp_path: Path,
    stranger: Stranger,
    below: str,
) -> None:
    """Docker follows it: the container of the folder that only root can make would give away any folder."""
    victim = tmp_path / "etc"
    victim.mkdir(mode=0o711)
    before = (victim.stat().st_uid, victim.stat().st_gid)
    stranger.does(f"ln -s {victim} $1")
    folder = f"{stranger.folder}{below}"
    node = f"dir={folder}\narg=--volume={folder}:{folder}"
    try:
        done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_NODE": node})
    finally:
        subprocess.run(["docker", "rm", "--force", image.container], capture_output=True, check=False)
    assert done.returncode == 1
    assert f"edgecam: {stranger.folder} is a link of user {UID}, which could lead anywhere" in done.stderr
    assert (victim.stat().st_uid, victim.stat().st_gid) == before
    assert list(victim.iterdir()) == []


def test_link_of_the_administrators_own_is_followed(
    run: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "disk")
    folder = tmp_path / "link" / "frames"
    run({**environment, "EDGECAM_NODE": f"dir={folder}\narg=--volume={folder}:{folder}"})
    assert (tmp_path / "disk" / "frames").is_dir()


def test_folder_that_was_there_keeps_its_owner(run: Any, environment: dict[str, str], tmp_path: Path) -> None:
    before = tmp_path.stat()
    run({**environment, "EDGECAM_NODE": f"dir={tmp_path}"})
    assert (tmp_path.stat().st_uid, tmp_path.stat().st_gid) == (before.st_uid, before.st_gid)


def test_root_is_given_when_the_plan_asks_for_it_with_the_right_to_write(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    running = run({**environment, "EDGECAM_NODE": "arg=--user=0:0"})
    host = inspected(image.container)["HostConfig"]
    assert "user=0:0" in running.output()
    assert [capability.removeprefix("CAP_") for capability in host["CapAdd"]] == ["DAC_OVERRIDE"]
    assert host["CapDrop"] == ["ALL"]


@pytest.mark.parametrize(
    ("entrypoint", "command", "program"),
    [("", "[]", "run"), ("gst-launch-1.0", "[]", "exec"), ("", '["a"]', "exec")],
)
def test_entrypoint_or_command_replace_the_node(
    run: Any, environment: dict[str, str], entrypoint: str, command: str, program: str
) -> None:
    running = run({**environment, "EDGECAM_ENTRYPOINT": entrypoint, "EDGECAM_COMMAND": command})
    assert f"program={program}" in running.output().splitlines()


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
    running = run(environment)
    assert run_to_end(lifecycle["shutdown"], environment).returncode == 0
    assert running.process.wait(WAIT_S) == 0
    assert run_to_end(lifecycle["shutdown"], environment).returncode == 0


def test_leftover_container_is_replaced(run: Any, environment: dict[str, str], image: TestImage) -> None:
    docker("run", "--detach", "--name", image.container, image.name, "sleep", "600")
    leftover = inspected(image.container)["Id"]
    run(environment)
    assert inspected(image.container)["Id"] != leftover


def test_image_that_has_gone_is_loaded_again(run: Any, environment: dict[str, str], image: TestImage) -> None:
    docker("image", "rm", "--force", image.name)
    assert f"The image {image.name} has gone; loading it again." in run(environment).output()


def test_superseded_image_is_removed(run: Any, environment: dict[str, str], image: TestImage) -> None:
    superseded = image.another("superseded", uuid.uuid4().hex)
    assert "Removed the superseded image" in run(environment).output()
    assert not is_here(superseded)
    assert is_here(image.name)


def test_superseded_image_in_use_is_kept(run: Any, environment: dict[str, str], image: TestImage) -> None:
    used = image.another("used", uuid.uuid4().hex)
    container = docker("run", "--detach", used, "sleep", "600")
    try:
        run(environment)
        assert is_here(used)
    finally:
        docker("rm", "--force", container)


def test_images_of_others_are_kept(run: Any, environment: dict[str, str], image: TestImage) -> None:
    theirs = f"example/{image.variant}:theirs"
    docker(
        "build", "--quiet", "--tag", theirs, "--label", f"n={uuid.uuid4()}", "-", text=f"FROM {image.name}\n"
    )
    run(environment)
    assert is_here(theirs)
    docker("image", "rm", "--force", theirs)


def test_socket_of_the_nucleus_is_handed_on(
    run: Any, environment: dict[str, str], image: TestImage, tmp_path: Path
) -> None:
    path = tmp_path / "ipc.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        run({**environment, "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(path)})
        mounts = inspected(image.container)["Mounts"]
    assert [(mount["Source"], mount["Destination"]) for mount in mounts] == [(str(path), str(path))]
