"""The launch plan: what a core's shell reads, and what it must never contain."""

from __future__ import annotations

import json
import shutil
import subprocess
import tomllib
from pathlib import PurePosixPath
from typing import Any

import pytest

from container.image.inputs import PROJECT
from edgecam.config.node import NodeConfig
from edgecam.config.validation import validate
from edgecam.errors import ConfigurationError
from edgecam.launch.command_override import PROGRAMS, command_from_environment, is_known_to_lack
from edgecam.launch.docker_options import DockerOptions
from edgecam.launch.docker_plan import (
    PASSED_ON,
    docker_options,
    plan,
    plan_from_environment,
)

RTSPS = "rtsps://camera.example/1"


def node(*cameras: dict[str, Any], **settings: Any) -> NodeConfig:
    listed = list(cameras) or [{"id": "lobby", "uri": "test://"}]
    return NodeConfig.model_validate({"cameras": listed, **settings})


def environment(docker: object = None, **variables: str) -> dict[str, str]:
    given = {"EDGECAM_NODE": node().model_dump_json(), "EDGECAM_DATA_DIR": "/dev/shm/edgecam"}
    return given | {"EDGECAM_DOCKER": "" if docker is None else json.dumps(docker)} | variables


def volumes(lines: list[str]) -> list[str]:
    return [line.removeprefix("arg=--volume=") for line in lines if line.startswith("arg=--volume=")]


def mistakes(docker: object) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        docker_options(json.dumps(docker))
    return [str(mistake) for mistake in caught.value.mistakes]


def test_plan_of_the_default_configuration_is_complete_and_small() -> None:
    assert plan_from_environment(environment()) == [
        "dir=/dev/shm/edgecam",
        "arg=--network=host",
        "arg=--memory=576m",
        "arg=--memory-swap=576m",
        "arg=--volume=/dev/shm/edgecam:/dev/shm/edgecam",
        *(f"arg=--env={name}" for name in PASSED_ON),
    ]


@pytest.mark.parametrize("given", [{"EDGECAM_ENTRYPOINT": "gst-launch-1.0"}, {"EDGECAM_COMMAND": '["sh"]'}])
def test_plan_names_the_command_that_runs_another_program(given: dict[str, str]) -> None:
    assert plan_from_environment(environment(**given))[-1] == "program=exec"


def test_no_value_of_a_variable_stands_in_the_plan() -> None:
    secret_looking = environment() | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "token-1", "SVCUID": "uid-1"}
    lines = plan_from_environment(secret_looking)
    assert not any("token-1" in line or "uid-1" in line for line in lines)
    assert not any("=" in line.removeprefix("arg=--env=") for line in lines if "--env" in line)


def test_every_docker_setting_is_one_argument() -> None:
    docker = {
        "root": True,
        "memory": "512m",
        "cpus": 1.50,
        "network": "bridge",
        "mounts": ["/models:/models:ro", {"source": "/a b", "target": "/c", "read_only": False}],
    }
    lines = plan_from_environment(environment(docker))
    for argument in ("--user=0:0", "--memory=512m", "--memory-swap=512m", "--cpus=1.5", "--network=bridge"):
        assert f"arg={argument}" in lines
    assert volumes(lines) == ["/a b:/c", "/dev/shm/edgecam:/dev/shm/edgecam", "/models:/models:ro"]


GIB = 1024**3


@pytest.mark.parametrize(
    ("pictures", "recorded_only", "core_bytes", "limit"),
    [
        (1, 0, 64 * GIB, "576m"),
        (16, 0, 64 * GIB, "5376m"),
        (0, 1, 64 * GIB, "288m"),
        (3, 2, 64 * GIB, "1280m"),
        (16, 0, 4 * GIB, "3072m"),
        (1, 0, GIB // 2, "384m"),
    ],
)
def test_memory_is_limited_by_the_cameras_and_leaves_the_core_a_quarter(
    pictures: int, recorded_only: int, core_bytes: int, limit: str
) -> None:
    cameras = [{"id": f"a{n}", "uri": RTSPS} for n in range(pictures)]
    recorded = {"uri": RTSPS, "frames": {"enabled": False}, "recording": {"enabled": True}}
    cameras += [{"id": f"b{n}", **recorded} for n in range(recorded_only)]
    lines = plan(node(*cameras, bucket="s3://films"), DockerOptions(), core_bytes=core_bytes)
    assert [line for line in lines if "memory" in line] == [
        f"arg=--memory={limit}",
        f"arg=--memory-swap={limit}",
    ]
    mine = plan(node(*cameras, bucket="s3://films"), DockerOptions(memory="8g"), core_bytes=core_bytes)
    assert [line for line in mine if "memory" in line] == ["arg=--memory=8g", "arg=--memory-swap=8g"]


def test_group_that_may_read_pictures_is_the_containers_as_well() -> None:
    def camera(name: str, **frames: Any) -> dict[str, Any]:
        return {"id": name, "uri": RTSPS, "frames": frames}

    lines = plan(
        node(
            camera("a", mode="0640", group=44),
            camera("b", mode="0640", group=44),
            camera("c", mode="0640", group=33),
            camera("d", mode="0640"),
        ),
        DockerOptions(),
    )
    assert [line for line in lines if "group" in line] == ["arg=--group-add=33", "arg=--group-add=44"]


def test_numbers_and_nothing_may_come_as_a_nucleus_writes_them() -> None:
    options = docker_options('{"cpus": "2.0", "root": false, "memory": "", "mounts": []}')
    assert options == DockerOptions(cpus=2)
    assert docker_options("") == docker_options("  ") == docker_options("{}") == DockerOptions()


def test_files_that_the_configuration_names_are_mounted_where_they_are() -> None:
    config = node(
        {
            "id": "a",
            "uri": RTSPS,
            "tls": {"ca_file": "/opt/cameras/ca/site.pem"},
            "credentials": {"username": "u", "password_file": "/opt/cameras/pw/a"},
            "frames": {"path": "/srv/model/a.jpg"},
        },
        {"id": "b", "uri": "file:///films/my%20film.mp4"},
        {"id": "c", "uri": "images:///pictures/seq_%06d.jpg?fps=5"},
        data_dir="/srv/frames",
    )
    lines = plan(config, DockerOptions())
    assert [line for line in lines if line.startswith("dir=")] == ["dir=/srv/frames", "dir=/srv/model"]
    assert volumes(lines) == [
        "/films:/films:ro",
        "/opt/cameras/ca:/opt/cameras/ca:ro",
        "/opt/cameras/pw:/opt/cameras/pw:ro",
        "/pictures:/pictures:ro",
        "/srv/frames:/srv/frames",
        "/srv/model:/srv/model",
    ]


def recording(*cameras: dict[str, Any], **settings: Any) -> NodeConfig:
    recorded = [{**camera, "recording": {"enabled": True}} for camera in cameras]
    return node(*(recorded or [{"id": "a", "uri": RTSPS, "recording": {"enabled": True}}]), **settings)


def test_recording_node_gets_its_spool_its_key_its_pipe_and_its_folder_as_bucket() -> None:
    config = recording(
        {"id": "a", "uri": "pipe:///srv/pipes/a.flv"},
        bucket="file:///srv/recordings/shop",
        google={"credentials_file": "/opt/keys/uploader.json"},
    )
    lines = plan(config, DockerOptions())
    written = ["/dev/shm/edgecam", "/srv/pipes", "/srv/recordings/shop", "/var/lib/edgecam/spool"]
    assert [line.removeprefix("dir=") for line in lines if line.startswith("dir=")] == written
    assert volumes(lines) == sorted([*(f"{path}:{path}" for path in written), "/opt/keys:/opt/keys:ro"])


CLOUD_IOT = {
    "project": "my-project",
    "region": "europe-west1",
    "registry": "cameras",
    "host": "europe-west1-mqtt.clearblade.com",
}
SECRET = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:edgecam/devices/hq/lobby/key-AbCdEf"


def telling(key: dict[str, str], **cloud_iot: Any) -> NodeConfig:
    """A node whose camera is a device."""
    return node({"id": "lobby", "uri": RTSPS, "device": {"key": key}}, cloud_iot={**CLOUD_IOT, **cloud_iot})


def test_key_of_a_device_and_who_signed_the_bridges_certificate_are_mounted_to_be_read_only() -> None:
    config = telling({"file": "/opt/keys/lobby.pem"}, ca_file="/opt/bridge/ca.pem")
    assert volumes(plan(config, DockerOptions())) == [
        "/dev/shm/edgecam:/dev/shm/edgecam",
        "/opt/bridge:/opt/bridge:ro",
        "/opt/keys:/opt/keys:ro",
    ]


def test_key_of_a_device_that_is_a_secret_needs_no_mount_and_no_variable() -> None:
    silent = node({"id": "lobby", "uri": RTSPS})
    assert plan(telling({"secret": SECRET}), DockerOptions()) == plan(silent, DockerOptions())


def test_key_in_a_variable_is_refused_on_a_core() -> None:
    with pytest.raises(ConfigurationError) as caught:
        plan(telling({"env": "PRIVATE_KEY"}), DockerOptions())
    assert str(caught.value) == (
        "component configuration: cameras[0].device.key: expected secret or file: a core hands no variables "
        "of its own to a component, and a key in one would be shown by docker inspect, found env"
    )


def test_no_variable_that_may_hold_a_key_is_passed_on() -> None:
    assert [name for name in PASSED_ON if "KEY" in name] == []


@pytest.mark.parametrize("network", ["host", "bridge", "cameras"])
def test_a_broker_can_be_reached_from_any_network(network: str) -> None:
    lines = plan(telling({"secret": SECRET}), DockerOptions(network=network))
    assert f"arg=--network={network}" in lines


def test_a_broker_out_of_reach_is_said() -> None:
    none = DockerOptions(network="none")
    with pytest.raises(ConfigurationError) as caught:
        plan(telling({"secret": SECRET}), none)
    assert str(caught.value) == (
        "component configuration: docker.network: expected a network that leads to "
        'europe-west1-mqtt.clearblade.com, since there is cloud_iot, found "none"'
    )
    assert "arg=--network=none" in plan(node(), none)


def test_node_without_a_bucket_gets_neither_spool_nor_key() -> None:
    config = node(spool={"path": "/srv/spool"}, google={"credentials_file": "/opt/keys/uploader.json"})
    assert volumes(plan(config, DockerOptions())) == ["/dev/shm/edgecam:/dev/shm/edgecam"]


@pytest.mark.parametrize("name", ["https_proxy", "NO_PROXY", "STORAGE_EMULATOR_HOST"])
def test_the_way_to_the_cloud_is_passed_on_by_name(name: str) -> None:
    assert f"arg=--env={name}" in plan(recording(bucket="gs://recordings"), DockerOptions())


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"spool": {"path": "/dev/shm/edgecam/spool"}}, "spool.path: expected a folder on a disk, such as"),
        ({"spool": {"path": "/run/spool"}}, "spool.path: expected a folder on a disk, such as"),
        (
            {"spool": {"path": "/var/lib"}},
            "spool.path: expected a folder of edgecam's own, such as",
        ),
        ({"spool": {"path": "/srv/a:b"}}, "spool.path: expected a path without a colon"),
        ({"spool": {"path": "/srv/a"}, "data_dir": "/srv/a"}, "data_dir: expected a folder outside of the"),
        (
            {"spool": {"path": "/srv/a"}, "bucket": "file:///srv/a/bucket"},
            "bucket: expected a folder outside of the spool",
        ),
        ({"bucket": "file:///mnt"}, "bucket: expected a folder of edgecam's own, such as /srv/edgecam"),
        ({"uri": "pipe:///tmp/camera.flv"}, "cameras[0].uri: expected a folder of edgecam's own"),
        (
            {"google": {"credentials_file": "/a:b/key.json"}},
            "google.credentials_file: expected a path",
        ),
        (
            {"device": {"key": {"file": "/a:b/key.pem"}}, "cloud_iot": CLOUD_IOT},
            "cameras[0].device.key.file: expected a path without a colon",
        ),
        (
            {"device": {"key": {"file": "/k.pem"}}, "cloud_iot": {**CLOUD_IOT, "ca_file": "/a:b/ca.pem"}},
            "cloud_iot.ca_file: expected a path without a colon",
        ),
    ],
)
def test_what_would_lose_recordings_on_a_core_is_refused(settings: dict[str, Any], mistake: str) -> None:
    camera = {"id": "lobby", "uri": RTSPS} | {
        key: settings[key] for key in ("uri", "device") if key in settings
    }
    settings = {key: value for key, value in settings.items() if key not in camera}
    with pytest.raises(ConfigurationError) as caught:
        plan(recording(camera, **{"bucket": "gs://recordings", **settings}), DockerOptions())
    assert str(caught.value).startswith(f"component configuration: {mistake}")


def test_spool_within_a_data_folder_on_a_disk_is_taken() -> None:
    config = recording(bucket="gs://recordings", data_dir="/srv/a", spool={"path": "/srv/a/spool"})
    assert volumes(plan(config, DockerOptions())) == ["/srv/a:/srv/a", "/srv/a/spool:/srv/a/spool"]


def test_file_in_a_folder_of_the_system_is_mounted_alone() -> None:
    camera = {"id": "a", "uri": RTSPS, "credentials": {"username": "u", "password_file": "/etc/camera.pw"}}
    assert "/etc/camera.pw:/etc/camera.pw:ro" in volumes(plan(node(camera), DockerOptions()))


def test_folder_that_is_written_to_is_not_mounted_read_only_as_well() -> None:
    config = node({"id": "a", "uri": "file:///data/film.mp4"}, data_dir="/data")
    assert volumes(plan(config, DockerOptions())) == ["/data:/data"]


def test_folder_that_a_site_mounts_is_made_as_the_data_folder_is() -> None:
    mounts = [
        "/srv/frames:/data",
        "/dev/video0:/dev/video0",
        "/etc/own:/own:ro",
        "/srv/a.pem:/a.pem",
        "/tmp:/t",
    ]
    lines = plan_from_environment(environment({"mounts": mounts}))
    assert [line for line in lines if line.startswith("dir=")] == ["dir=/dev/shm/edgecam", "dir=/srv/frames"]


def test_variables_of_a_site_reach_the_container_and_win_over_the_nucleus() -> None:
    env = {
        "HTTPS_PROXY": "http://proxy.example:3128",
        "SSL_CERT_FILE": "/etc/company/ca.pem",
        "TZ": "Asia/Tokyo",
    }
    lines = plan_from_environment(environment({"env": env}, HTTPS_PROXY="http://other:1"))
    for name, value in env.items():
        assert lines.index(f"arg=--env={name}={value}") > max(
            (at for at, line in enumerate(lines) if line == f"arg=--env={name}"), default=-1
        )


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("CAMERA_PASSWORD", "hunter2", "expected no secret"),
        ("API_KEY", "hunter2", "expected no secret"),
        ("HTTPS_PROXY", "http://viewer:hunter2@proxy.example:3128", "expected no secret"),
        ("MORE", "-----BEGIN PRIVATE KEY-----hunter2", "expected no secret"),
        ("EDGECAM_NODE", "hunter2", "expected no variable that begins with"),
        ("AWS_REGION", "hunter2", "expected no variable that begins with"),
        ("a=b", "hunter2", "expected the name of an environment variable"),
    ],
)
def test_secret_among_the_variables_of_a_site_is_refused_and_not_repeated(
    name: str, value: str, expected: str
) -> None:
    (mistake,) = mistakes({"env": {name: value}})
    assert expected in mistake
    assert "hunter2" not in mistake


def test_file_with_a_secret_may_be_named_in_a_variable() -> None:
    env = {"GOOGLE_APPLICATION_CREDENTIALS": "/etc/google/key.json"}
    assert f"arg=--env=GOOGLE_APPLICATION_CREDENTIALS={env['GOOGLE_APPLICATION_CREDENTIALS']}" in (
        plan_from_environment(environment({"env": env}))
    )


def test_mount_of_the_user_wins_over_the_one_that_would_be_made() -> None:
    config = node({"id": "a", "uri": "file:///films/a.mp4"})
    docker = docker_options('{"mounts": ["/mnt/nas/films:/films:ro"]}')
    assert "/mnt/nas/films:/films:ro" in volumes(plan(config, docker))
    assert "/films:/films:ro" not in volumes(plan(config, docker))


@pytest.mark.parametrize(
    ("docker", "mistake"),
    [
        ({"root": "maybe"}, 'docker.root: expected true or false, found "maybe"'),
        ({"memory": 512}, 'docker.memory: expected a text such as "512m" or "1g", found 512'),
        ({"memory": "lots"}, 'docker.memory: expected a text such as "512m" or "1g", found "lots"'),
        ({"memory": "32m"}, 'docker.memory: expected at least 64m, found "32m"'),
        ({"cpus": 0}, "docker.cpus: expected a number greater than 0, found 0"),
        ({"network": "--privileged"}, "docker.network: expected"),
        ({"network": "a b"}, "docker.network: expected"),
        (
            {"privileged": True},
            "docker.privileged: expected one of the keys cpus, env, memory, mounts, network, root",
        ),
        ({"mounts": ["/a"]}, "docker.mounts[0]: expected SOURCE:TARGET or SOURCE:TARGET:ro"),
        ({"mounts": ["/a:/b:rx"]}, "docker.mounts[0]: expected SOURCE:TARGET or SOURCE:TARGET:ro"),
        ({"mounts": ["a:/b"]}, "docker.mounts[0].source: expected an absolute path without .."),
        ({"mounts": ["/a/../etc:/b"]}, "docker.mounts[0].source: expected an absolute path without .."),
        ({"mounts": ["/a:/"]}, "docker.mounts[0].target: expected a path below /"),
        (
            {"mounts": [{"source": "/a:b", "target": "/c"}]},
            "docker.mounts[0].source: expected a path without a",
        ),
        ({"mounts": ["/a:/c", "/b:/c"]}, "docker.mounts: expected a different target for every mount"),
        ([], "docker: expected a mapping"),
    ],
)
def test_mistake_in_the_docker_settings_names_path_expected_and_found(docker: object, mistake: str) -> None:
    (found,) = mistakes(docker)
    assert found.startswith(mistake)


@pytest.mark.parametrize(
    ("settings", "mistake"),
    [
        ({"data_dir": "/dev/shm"}, "data_dir: expected a folder of edgecam's own"),
        ({"data_dir": "/etc"}, "data_dir: expected a folder of edgecam's own"),
        ({"data_dir": "/tmp/"}, "data_dir: expected a folder of edgecam's own"),
        ({"data_dir": "/a:b"}, "data_dir: expected a path without a colon"),
        ({"frames": {"path": "/frame.jpg"}}, "cameras[0].frames.path: expected a folder of edgecam's own"),
        ({"uri": "file:///a:b/c.mp4"}, "cameras[0].uri: expected a path without a colon"),
        ({"uri": "images:///seq_%d.jpg"}, "cameras[0].uri: expected pictures in a folder of their own"),
        (
            {"uri": RTSPS, "credentials": {"username": "u", "password_env": "PW"}},
            "cameras[0].credentials: expected secret, or username with password_file",
        ),
    ],
)
def test_what_cannot_work_on_a_core_is_refused(settings: dict[str, Any], mistake: str) -> None:
    of_node = {key: settings[key] for key in settings if key == "data_dir"}
    camera = {"id": "a", "uri": "test://"} | {key: settings[key] for key in settings if key != "data_dir"}
    with pytest.raises(ConfigurationError) as caught:
        plan(node(camera, **of_node), DockerOptions())
    assert str(caught.value).startswith(f"component configuration: {mistake}")


def test_mistakes_of_all_variables_are_reported_together() -> None:
    wrong = environment({"root": "x"}, EDGECAM_NODE='{"cameras": []}', EDGECAM_COMMAND="[1, null]")
    with pytest.raises(ConfigurationError) as caught:
        plan_from_environment(wrong)
    paths = [mistake.path for mistake in caught.value.mistakes]
    assert paths == ["cameras", "docker.root", "command[1]"]


@pytest.mark.parametrize(
    ("entrypoint", "command", "arguments"),
    [
        ("", "", []),
        ("", "[]", []),
        ("null", "null", []),
        ('""', "[]", []),
        ("gst-inspect-1.0", "[]", ["gst-inspect-1.0"]),
        ("gst-launch-1.0", '["-v", "fakesrc"]', ["gst-launch-1.0", "-v", "fakesrc"]),
        ('["gst-launch-1.0", "-q"]', '["fakesrc"]', ["gst-launch-1.0", "-q", "fakesrc"]),
        ("", '["sleep", 5.0]', ["sleep", "5"]),
        ("", '["echo", 1.5]', ["echo", "1.5"]),
        ("/opt/my tool", "[]", ["/opt/my tool"]),
        ("gst-launch-1.0", "-v fakesrc name='a b'", ["gst-launch-1.0", "-v", "fakesrc", "name=a b"]),
        ("", '"gst-launch-1.0 fakesrc name=$HOME"', ["gst-launch-1.0", "fakesrc", "name=$HOME"]),
        ("", '["a b", "$HOME", "`id`"]', ["a b", "$HOME", "`id`"]),
        ("", '["c\\"d", "e\'f", "", "*", "é\\n"]', ['c"d', "e'f", "", "*", "é\n"]),
    ],
)
def test_command_arrives_as_it_was_typed(entrypoint: str, command: str, arguments: list[str]) -> None:
    given = {"EDGECAM_ENTRYPOINT": entrypoint, "EDGECAM_COMMAND": command}
    assert command_from_environment(given) == arguments


@pytest.mark.parametrize("command", ["fakesrc name='a", "{}", "5", "[[]]", "[true]", '["a\\u0000b"]'])
def test_command_that_is_no_list_of_texts_is_refused(command: str) -> None:
    with pytest.raises(ConfigurationError, match="command"):
        command_from_environment({"EDGECAM_COMMAND": command})


def test_plan_survives_a_posix_shell_unharmed() -> None:
    script = """
        while IFS= read -r line; do
          case $line in
            dir=*) printf 'D<%s>\\n' "${line#dir=}" ;;
            arg=*) set -- "$@" "${line#arg=}" ;;
          esac
        done
        for argument in "$@"; do printf 'A<%s>\\n' "$argument"; done
    """
    docker = {"mounts": [{"source": "/a $(id) `id` *", "target": "/c'\"\\n\\"}]}
    lines = plan_from_environment(environment(docker))
    shell = shutil.which("dash") or "sh"
    done = subprocess.run(
        [shell, "-c", script], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True
    )
    expected = [f"D<{line[4:]}>" for line in lines if line.startswith("dir=")]
    expected += [f"A<{line[4:]}>" for line in lines if line.startswith("arg=")]
    assert done.stdout.splitlines() == expected


def test_options_are_validated_where_fleet_yaml_is_read() -> None:
    assert validate(DockerOptions, {"cpus": 1}, at=("sites", "shop", "docker")).cpus == 1


def test_programs_that_messages_name_are_those_that_the_image_is_made_of() -> None:
    contents = tomllib.loads((PROJECT / "container/image/stage/frame-grabber.toml").read_text())
    made_of = {PurePosixPath(path).name for path in contents["programs"]} - {"tini"}
    assert set(PROGRAMS) == {"edgecam", *made_of}


@pytest.mark.parametrize(
    ("program", "mounted", "lacks"),
    [
        ("echo", [], True),
        ("/bin/bash", [], True),
        ("gst-launch-1.0", [], False),
        ("/usr/bin/python3", [], False),
        ("/opt/tool", [], False),
        ("sh", ["/usr/bin/sh"], False),
        ("ffmpeg", ["/usr/bin"], False),
        ("ffmpeg", ["/usr/lib"], True),
    ],
)
def test_program_that_no_mount_can_bring_is_known_to_be_missing(
    program: str, mounted: list[str], lacks: bool
) -> None:
    assert is_known_to_lack(program, mounted) is lacks
