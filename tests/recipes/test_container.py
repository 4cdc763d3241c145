"""The container that the recipe's `run` starts, as a core starts it: sh, and real Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import stat
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from docker_relay import DockerRelay
from recipe_image import TestImage, docker, settings_word
from recipe_scripts import SHELLS, WAIT_S, Running, run_to_end
from stranger import UID, Stranger

from edgecam.launch.start_script import start_script

ROOT = os.geteuid() == 0
USER = "65532:65532" if ROOT else f"{os.geteuid()}:{os.getegid()}"
EACH_SHELL = pytest.mark.parametrize("shell", SHELLS.values(), ids=SHELLS.keys())


def inspected(name: str) -> dict[str, Any]:
    (found,) = json.loads(docker("container", "inspect", name))
    result: dict[str, Any] = found
    return result


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


@EACH_SHELL
def test_values_reach_the_program_as_they_are(run: Any, environment: dict[str, str], tmp_path: Path) -> None:
    touched = tmp_path / "touched"
    nasty = f"""$HOME `touch {touched}` $(touch {touched}) "it's" & | ; * \\ {{x}} end="""
    changed = {"EDGECAM_SETTINGS": settings_word(f"arg=--env=NASTY={nasty}")}
    output = run({**environment, **changed}).output()
    assert f"NASTY={nasty}\n" in output
    assert not touched.exists()


@pytest.mark.parametrize("quoted", [False, True], ids=["lite-2.6.0", "lite-newest"])
@EACH_SHELL
def test_values_arrive_by_the_script_that_nucleus_lite_makes(
    lifecycle: dict[str, str],
    environment: dict[str, str],
    tmp_path: Path,
    shell: tuple[str, ...],
    quoted: bool,
) -> None:
    """The variables are lines of the script: release 2.6.0 puts no quotes around them."""
    touched = tmp_path / "touched"
    nasty = f"""x;>{touched} & {{a,b}} | $(touch {touched}) 'ä' "ü" \\ """
    settings = settings_word(f"program=exec\narg=--env=NASTY={nasty}")
    exported = {**environment, "EDGECAM_SETTINGS": settings}
    path = exported.pop("PATH")
    written = {
        name: shlex.quote(value) if quoted else re.sub(r'(["\\$`])', r"\\\1", value)
        for name, value in exported.items()
    }
    script = "".join(f"export {name}={value}\n" for name, value in written.items()) + lifecycle["run"]
    running = Running(script, {"PATH": path}, tmp_path, shell)
    try:
        output = "\n".join(running.until_ready())
    finally:
        running.end()
    assert f"NASTY={nasty}\n" in output
    assert not touched.exists()


def test_settings_of_the_bucket_are_fetched_with_the_cores_rights_and_only_read_by_the_node(
    run: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    stored = f"s3://artifacts/frame-grabber/settings/{'0' * 64}"
    token = {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "of-the-core"}
    output = run({**environment, **token, "EDGECAM_SETTINGS": stored}).output()
    assert f"fetched as {os.geteuid()} with of-the-core\n" in output
    assert f"FETCHED={stored}\n" in output
    assert "touch: cannot touch '/run/edgecam/mine': Read-only file system" in output
    assert [path.name for path in (tmp_path / "settings").iterdir()] == ["settings-1"]


@pytest.mark.parametrize("there", [False, True])
def test_folder_of_the_settings_is_readable_for_the_node_whatever_the_umask_is(
    run: Any, environment: dict[str, str], tmp_path: Path, there: bool
) -> None:
    if there:
        (tmp_path / "settings").mkdir(mode=0o700)
    stored = f"s3://artifacts/frame-grabber/settings/{'0' * 64}"
    output = run({**environment, "EDGECAM_SETTINGS": stored}, umask=0o077).output()
    assert f"FETCHED={stored}\n" in output
    assert stat.S_IMODE((tmp_path / "settings").stat().st_mode) == 0o755


def test_plan_that_is_refused_ends_with_its_exit_code_and_starts_nothing(
    lifecycle: dict[str, str], environment: dict[str, str], image: TestImage
) -> None:
    done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_SETTINGS": settings_word("wrong")})
    assert done.returncode == 2
    assert done.stderr.endswith("cameras: expected a list, found wrong\n")
    assert not docker("container", "ls", "--all", "--quiet", "--filter", f"name={image.container}")


def test_folders_of_the_plan_are_made_for_the_containers_user(
    run: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    folder = tmp_path / "a folder" / "pictures"
    run({**environment, "EDGECAM_SETTINGS": settings_word(f"dir={folder}\narg=--volume={folder}:{folder}")})
    found = folder.stat()
    assert f"{found.st_uid}:{found.st_gid}" == USER


def folder_for_root_alone(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A folder that only root can make, and a user who is not root and may use Docker."""
    identity: dict[str, Any] = {}
    if ROOT:
        group = Path("/var/run/docker.sock").stat().st_gid
        identity = {"user": 12345, "group": group, "extra_groups": [group]}
        for parent in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
            parent.chmod(parent.stat().st_mode | 0o011)  # pytest makes these for its own user alone
    (tmp_path / "lib").mkdir(mode=0o555)
    return tmp_path / "lib" / "edgecam" / "spool", identity


def test_folder_that_only_root_can_make_is_made_by_docker_for_who_may_use_it(
    run: Any, environment: dict[str, str], tmp_path: Path
) -> None:
    folder, identity = folder_for_root_alone(tmp_path)
    running = run(
        {**environment, "EDGECAM_SETTINGS": settings_word(f"dir={folder}\narg=--volume={folder}:{folder}")},
        **identity,
    )
    found = folder.stat()
    assert f"user={found.st_uid}:{found.st_gid}" in running.output()
    assert found.st_uid == (identity["user"] if ROOT else os.geteuid())


@EACH_SHELL
def test_docker_that_goes_while_a_folder_is_made_is_waited_for_and_the_folder_is_given(
    starts: Any, environment: dict[str, str], engine: DockerRelay, image: TestImage, tmp_path: Path
) -> None:
    folder, identity = folder_for_root_alone(tmp_path)
    settings = settings_word(f"dir={folder}\narg=--volume={folder}:{folder}")
    engine.return_()
    given = {**environment, "EDGECAM_SETTINGS": settings, "DOCKER_HOST": engine.address}
    running = starts(given, **identity)
    deadline_s = time.monotonic() + WAIT_S
    while not folder.exists():  # Docker makes it before the container that gives it away
        assert running.process.poll() is None, running.output()
        assert time.monotonic() < deadline_s
        time.sleep(0.005)
    engine.leave()
    try:
        running.until_said("edgecam: Waiting for Docker: ")
        engine.return_()
        running.until_ready()
        assert folder.stat().st_uid == identity.get("user", os.geteuid())
    finally:
        for left in docker("ps", "--all", "--quiet", "--filter", f"ancestor={image.name}").split():
            subprocess.run(["docker", "rm", "--force", left], capture_output=True, check=False)


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
        done = run_to_end(lifecycle["run"], {**environment, "EDGECAM_SETTINGS": settings_word(node)})
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
    run({**environment, "EDGECAM_SETTINGS": settings_word(f"dir={folder}\narg=--volume={folder}:{folder}")})
    assert (tmp_path / "disk" / "frames").is_dir()


def test_folder_that_was_there_keeps_its_owner(run: Any, environment: dict[str, str], tmp_path: Path) -> None:
    before = tmp_path.stat()
    run({**environment, "EDGECAM_SETTINGS": settings_word(f"dir={tmp_path}")})
    assert (tmp_path.stat().st_uid, tmp_path.stat().st_gid) == (before.st_uid, before.st_gid)


def test_root_is_given_when_the_plan_asks_for_it_with_the_right_to_write(
    run: Any, environment: dict[str, str], image: TestImage
) -> None:
    running = run({**environment, "EDGECAM_SETTINGS": settings_word("arg=--user=0:0")})
    host = inspected(image.container)["HostConfig"]
    assert "user=0:0" in running.output()
    assert [capability.removeprefix("CAP_") for capability in host["CapAdd"]] == ["DAC_OVERRIDE"]
    assert host["CapDrop"] == ["ALL"]


@pytest.mark.parametrize(("plan", "program"), [("", "run"), ("program=exec", "exec")])
def test_plan_may_replace_the_node(run: Any, environment: dict[str, str], plan: str, program: str) -> None:
    running = run({**environment, "EDGECAM_SETTINGS": settings_word(plan)})
    assert f"program={program}" in running.output().splitlines()


def test_text_that_is_evaluated_is_the_same_whatever_is_configured(image: TestImage) -> None:
    def printed(**configured: str) -> str:
        variables = [f"--env={name}={value}" for name, value in configured.items()]
        return docker("run", "--rm", *variables, image.name, "edgecam", "start-script")

    assert printed() == printed(EDGECAM_SETTINGS="$(reboot);reboot")


def test_start_never_asks_the_internet_for_an_image() -> None:
    started = [line for line in start_script().splitlines() if "docker run" in line and "#" not in line]
    assert started
    assert [line for line in started if "--pull never" not in line and "docker run $short" not in line] == []
    assert '\nshort="--rm --pull never ' in start_script()


def test_socket_of_the_nucleus_is_handed_on(
    run: Any, environment: dict[str, str], image: TestImage, tmp_path: Path
) -> None:
    path = tmp_path / "ipc.socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        run({**environment, "AWS_GG_NUCLEUS_DOMAIN_SOCKET_FILEPATH_FOR_COMPONENT": str(path)})
        mounts = inspected(image.container)["Mounts"]
    assert [(mount["Source"], mount["Destination"]) for mount in mounts] == [(str(path), str(path))]
