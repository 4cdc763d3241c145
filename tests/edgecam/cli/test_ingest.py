"""From the forerunner's arguments and variables to a node configuration, and what is said against them."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
from own_process import measured_alone
from stranger import Stranger, become_stranger

from edgecam.cli.arguments import NOT_REPEATED
from edgecam.cli.ingest import Ingest, add_arguments, is_asked_for, spool_folder
from edgecam.config.node import NodeConfig
from edgecam.credentials.login import Login
from edgecam.credentials.logins import Logins
from edgecam.errors import ConfigurationError
from edgecam.redaction import SECRETS

BUCKET = {"BUCKET": "my-films"}
PASSWORD = "hush-9/ä@:x"


def ingest(*arguments: str, **environment: str) -> Ingest:
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    return Ingest.from_options(parser.parse_args(arguments), environment)


def config(*arguments: str, **environment: str) -> NodeConfig:
    return ingest(*arguments, **(BUCKET | environment)).config


def mistakes(*arguments: str, **environment: str) -> list[str]:
    with pytest.raises(ConfigurationError) as caught:
        ingest(*arguments, **environment)
    return [str(mistake) for mistake in caught.value.mistakes]


@pytest.mark.parametrize(
    ("arguments", "environment"),
    [
        (["--video-path", "/run/p", "door"], {}),
        (["--video_path=/run/p", "door"], {}),
        (["/run/p", "door"], {}),
        (["door"], {"PIPE_NAME": "/run/p"}),
        (["--video-path", "/run/p"], {"DEVICE_ID": "door"}),
        ([], {"PIPE_NAME": "/run/p", "DEVICE_ID": "door"}),
        # Everything set in one shell: the pipe is there to be read, RTSP_SOURCE is gst-launch's.
        (["door"], {"PIPE_NAME": "/run/p", "RTSP_SOURCE": "rtsp://10.0.0.1/x"}),
    ],
)
def test_pipe_and_camera_may_be_given_in_each_of_the_forerunners_ways(
    arguments: list[str], environment: dict[str, str]
) -> None:
    found = config(*arguments, **environment)
    assert (found.cameras[0].id, found.cameras[0].uri) == ("door", "pipe:///run/p")
    assert found.cameras[0].recording.enabled
    assert found.cameras[0].frames.enabled
    assert found.bucket == "gs://my-films"


def test_pipe_may_be_named_from_the_folder_one_is_in(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert config("a pipe", "door").cameras[0].uri == f"pipe://{tmp_path}/a%20pipe"


def test_settings_reach_the_configuration() -> None:
    found = ingest(
        *("/run/p", "door", "--bucket", "file:///films", "--spool", "/s", "--chunk-s", "4", "--no-frames"),
        *("--data-dir", "/d", "--port", "8642", "--timeout", "90"),
        BUCKET="other",
        TIMEOUT="5",
    )
    camera = found.config.cameras[0]
    assert (found.config.bucket, found.config.spool.path, camera.recording.chunk_s) == (
        "file:///films",
        "/s",
        4,
    )
    assert (camera.frames.enabled, found.config.data_dir, found.timeout_s) == (False, "/d", 90)
    assert (found.config.http.enabled, found.config.http.port) == (True, 8642)


def test_several_on_one_machine_do_not_get_in_each_others_way() -> None:
    first, second = config("/run/a", "door"), config("/run/b", "gate")
    assert first.spool.path != second.spool.path
    assert not first.http.enabled


@pytest.mark.parametrize(
    ("arguments", "environment", "camera"),
    [
        (["/run/p", "Front_Door"], {}, "front-door"),
        (["--video-path", "/run/p"], {"DEVICE_ID": "Door+1"}, "door-1"),
        (["--video-path", "/run/p", "--device-id", "Door"], {}, "door"),
        (["/run/p", "gate", "--device_id", "Door"], {}, "gate"),
        (["--video-path", "/run/p", "--device-id", "Door"], {"DEVICE_ID": "gate"}, "gate"),
    ],
)
def test_device_may_have_capitals_that_the_cameras_id_has_not(
    arguments: list[str], environment: dict[str, str], camera: str
) -> None:
    found = config(*arguments, **environment)
    assert found.cameras[0].id == camera
    assert Path(found.spool.path).name == camera


def test_spool_of_an_ordinary_user_is_with_that_users_state(stranger: Stranger) -> None:
    stranger.takes_the_folder("state")
    found = measured_alone(spools_of_a_stranger, stranger.folder)
    assert found == [
        f"{stranger.folder}/state/edgecam/ingest",
        f"{stranger.folder}/.local/state/edgecam/ingest",
        f"{stranger.folder}/.local/state/edgecam/ingest",
        "/var/lib/edgecam/ingest",
        "/var/lib/edgecam/ingest",
    ]


def spools_of_a_stranger(folder: Path) -> list[str]:
    """In a process of its own."""
    become_stranger()
    home = {"HOME": str(folder)}
    return [
        str(spool_folder(environment))
        for environment in (
            home | {"XDG_STATE_HOME": f"{folder}/state"},
            home,
            home | {"XDG_STATE_HOME": "relative"},
            {"HOME": "/nowhere"},
            {},
        )
    ]


@pytest.mark.parametrize("name", ["EDGECAM_BUCKET", "DESTINATION_BUCKET", "BUCKET"])
def test_bucket_may_be_given_by_name_or_uri(name: str) -> None:
    assert ingest("/run/p", "door", **{name: "films"}).config.bucket == "gs://films"
    assert ingest("/run/p", "door", **{name: "gs://films/site"}).config.bucket == "gs://films/site"


def test_timeout_of_the_environment_is_heeded() -> None:
    assert ingest("/run/p", "door", TIMEOUT="3600", **BUCKET).timeout_s == 3600
    assert ingest("/run/p", "door", **BUCKET).timeout_s is None


def test_password_of_the_camera_is_in_no_configuration_and_reaches_the_camera() -> None:
    environment = {"RTSP_SOURCE": f"rtsp://guard:{PASSWORD}@10.0.0.1/x", "DEVICE_ID": "door", **BUCKET}
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    found = Ingest.from_options(parser.parse_args([]), environment).config
    assert found.cameras[0].uri == "rtsp://10.0.0.1/x"
    assert "hush" not in found.model_dump_json()
    assert "hush" not in environment["RTSP_SOURCE"]
    login = Logins(found.cameras, environment=environment).login(found.cameras[0])
    assert login == Login("guard", PASSWORD)
    assert "hush" not in SECRETS.hide(f"the log says {PASSWORD}")


@pytest.mark.parametrize(
    ("uri", "kept", "username"),
    [
        (
            "rtsp://10.0.0.1/h264?username=admin&password=hush-7x",
            "rtsp://10.0.0.1/h264?username={username}&password={password}",
            "admin",
        ),
        (
            "rtsp://10.0.0.1/user=ad%20m&password=hush-7x&channel=1",
            "rtsp://10.0.0.1/user={username}&password={password}&channel=1",
            "ad m",
        ),
        ("rtsp://10.0.0.1/x?pwd=hush-7x", "rtsp://10.0.0.1/x?pwd={password}", "-"),
    ],
)
def test_login_in_the_query_of_a_camera_is_taken_out_and_reaches_it(
    uri: str, kept: str, username: str
) -> None:
    environment = {"RTSP_SOURCE": uri, "DEVICE_ID": "door", **BUCKET}
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    found = Ingest.from_options(parser.parse_args([]), environment).config
    assert found.cameras[0].uri == environment["RTSP_SOURCE"] == kept
    assert "hush" not in found.model_dump_json()
    login = Logins(found.cameras, environment=environment).login(found.cameras[0])
    assert login == Login(username, "hush-7x")


def test_camera_without_a_login_needs_none() -> None:
    assert config("door", RTSP_SOURCE="rtsp://10.0.0.1/x").cameras[0].credentials is None


def test_every_mistake_is_reported_by_the_name_of_its_option(tmp_path: Path) -> None:
    assert mistakes() == [
        "DEVICE_ID: expected the camera's id (or CAMERA_ID as an argument), found nothing",
        "PIPE_NAME: expected a named pipe (or --video-path), or a camera in RTSP_SOURCE, found neither",
        "--bucket: expected gs://BUCKET (or its name in EDGECAM_BUCKET or DESTINATION_BUCKET or BUCKET), "
        "found nothing",
    ]
    none = str(tmp_path / "none.json")
    assert mistakes(
        *("my door", "--chunk-s", "1", "--port", "x", "--spool", "here"),
        RTSP_SOURCE="http://10.0.0.1/x",
        TIMEOUT="soon",
        GOOGLE_APPLICATION_CREDENTIALS=none,
        BUCKET="My_Bucket!",
    ) == [
        'RTSP_SOURCE: expected rtsp://HOST/PATH or rtsps://HOST/PATH, found "http://10.0.0.1/x"',
        'TIMEOUT: expected seconds, more than 0, found "soon"',
        "GOOGLE_APPLICATION_CREDENTIALS: expected a key file that this user can read, "
        f"found {none}: No such file or directory",
        "CAMERA_ID: expected 1 to 63 lower case letters, digits and hyphens, a hyphen not first, "
        f"found {NOT_REPEATED}",
        f"--chunk-s: expected a number greater than or equal to 2, found {NOT_REPEATED}",
        "BUCKET: expected gs://BUCKET, s3://BUCKET or file:///FOLDER, with or without /PREFIX, "
        'found "gs://My_Bucket!"',
        f"--spool: expected an absolute path without .., found {NOT_REPEATED}",
        f"--port: expected a number in plain decimals, found {NOT_REPEATED}",
    ]


def test_password_is_not_said_even_where_it_makes_the_mistake() -> None:
    for uri in (f"http://guard:{PASSWORD}@h/x", "rtsp://h/user=g&password=hush-9zz&token=hush-8yy"):
        said = "\n".join(mistakes("door", RTSP_SOURCE=uri, **BUCKET))
        assert "RTSP_SOURCE: expected" in said
        assert "hush" not in SECRETS.hide(said)


def test_one_argument_too_many_is_said() -> None:
    assert "command line: expected [PIPE] CAMERA_ID" in mistakes("/p", "door", "gate", **BUCKET)[0]
    assert "found 2 names" in mistakes("--video-path", "/x", "/p", "door", **BUCKET)[0]


def test_variables_of_the_forerunner_are_recognised() -> None:
    assert is_asked_for({"PIPE_NAME": "/p"})
    assert is_asked_for({"RTSP_SOURCE": "rtsp://h/x"})
    assert not is_asked_for({"DEVICE_ID": "door", "PIPE_NAME": ""})


def test_run_without_a_configuration_does_what_the_variables_say() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EDGECAM_")}
    done = subprocess.run(
        [sys.executable, "-m", "edgecam", "run"],
        env=environment | {"RTSP_SOURCE": f"rtsp://guard:{PASSWORD}@h/x", "DEVICE_ID": "my door", **BUCKET},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("edgecam: DEVICE_ID: expected 1 to 63 lower case letters")
    assert "hush" not in done.stderr
