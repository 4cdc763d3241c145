"""The API of the embedded Cloud IoT, as Google's and ClearBlade's clients use it."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from typing import Any

import pytest
from iot_device import PROJECT, Device, Key
from iot_requests import ask

from sandbox.errors import CloudError
from sandbox.iot import environment
from sandbox.iot.server import EmbeddedCloudIot

LOCATION = f"projects/{PROJECT}/locations/europe-west1"


def run(script: str, *arguments: str, **env: str) -> Any:
    """What a program in the environment of the Cloud IoT libraries prints as JSON."""
    done = subprocess.run(
        [str(environment.interpreter()), *script.split(), *arguments],
        cwd=environment.REPOSITORY,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": ".", "PYTHONDONTWRITEBYTECODE": "1", **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def google(cloud: EmbeddedCloudIot, key: Key, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What google-cloud-iot receives."""
    file = tmp_path_factory.mktemp("google") / "public.pem"
    file.write_text(key.public)
    # Python 3.12 and later find fault with the types that protobuf makes in C: "Type google._upb…".
    ignored = "-W ignore::FutureWarning -W ignore:Type:DeprecationWarning"
    script = f"-W error {ignored} tests/support/cloud_iot/iot_google.py"
    return dict(run(script, cloud.url, str(file)))


@pytest.fixture(scope="module")
def clearblade(cloud: EmbeddedCloudIot, key: Key, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What clearblade-cloud-iot receives."""
    folder = tmp_path_factory.mktemp("clearblade")
    (folder / "public.pem").write_text(key.public)
    (folder / "clearblade.json").write_text(json.dumps(cloud.clearblade_configuration(PROJECT)))
    return dict(
        run(
            "tests/support/cloud_iot/iot_clearblade.py",
            str(folder / "public.pem"),
            CLEARBLADE_CONFIGURATION=str(folder / "clearblade.json"),
        )
    )


def test_google_s_client_makes_changes_lists_and_deletes_registries(google: dict[str, Any]) -> None:
    assert google["registry"] == f"{LOCATION}/registries/from-google"
    assert google["registry's log level"] == "DEBUG"
    assert google["registry's topic"] == "projects/my-project/topics/events"
    assert "from-google" in google["registries"]
    assert "from-google" not in google["registries at the end"]


def test_google_s_client_makes_changes_lists_and_deletes_devices(google: dict[str, Any], key: Key) -> None:
    assert google["device"] == {
        "name": f"{LOCATION}/registries/from-google/devices/lobby",
        "key": key.public,
        "site": "hq",
    }
    assert google["credentials' ends"] == [None, "2040-01-01T00:00:00+00:00"]
    assert google["site after another change"] == "hq"
    assert google["fields asked for"] == ["id", "metadata", "name", "num_id"]
    assert google["devices"] == google["devices by page"] == ["lobby", "yard"]
    assert google["devices by id"] == ["yard"]
    assert google["states"] == 0


def test_google_s_client_gives_configurations(google: dict[str, Any]) -> None:
    assert google["configuration"] == 2
    assert google["configurations"] == ['{"max_fps": 2}', ""]


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("registry again", "409 already exists"),
        ("registry missing", "404 was not found"),
        ("registry's mask missing", "400 expected at least one field"),
        ("registry with devices", "400 it has devices"),
        ("device again", "409 already exists"),
        ("device of no registry", "404 was not found"),
        ("device's id bad", "400 device.id: expected 3 to 255"),
        ("device's key bad", "400 public_key.key: expected a key for RSA_PEM"),
        ("four credentials", "400 expected 3 at most, found 4"),
        ("device gone", "404 was not found"),
        ("configuration of an old version", "400 version_to_update: expected 2, found 1"),
        ("command", "400 is not connected"),
    ],
)
def test_google_s_client_is_refused_what_the_service_refuses(
    google: dict[str, Any], what: str, expected: str
) -> None:
    code, _, sentence = expected.partition(" ")
    assert google[what].startswith(code)
    assert sentence in google[what]


def test_clearblade_s_client_makes_changes_lists_and_deletes_the_same(
    clearblade: dict[str, Any], key: Key
) -> None:
    assert clearblade["registry"] == f"{LOCATION}/registries/from-clearblade"
    assert clearblade["registry got"] == "from-clearblade"
    assert "from-clearblade" in clearblade["registries"]
    assert clearblade["device"] == {
        "name": f"{LOCATION}/registries/from-clearblade/devices/lobby",
        "key": key.public,
        "site": "hq",
    }
    assert clearblade["credentials"] == 2
    assert clearblade["device got"] == ["lobby", 2, "hq", False]
    assert clearblade["devices"] == ["lobby"]
    assert clearblade["configuration"] == ["2", "e30="]
    assert clearblade["configurations"] == ["e30="]
    assert clearblade["states"] == 0
    assert clearblade["deleted"] == clearblade["registry deleted"] == 200


def test_clearblade_s_client_learns_of_refusals(clearblade: dict[str, Any]) -> None:
    assert clearblade["registry again"] is None  # that is how the library reports it
    assert clearblade["device again"]["error"]["status"] == "ALREADY_EXISTS"
    assert clearblade["device missing"] == clearblade["deleted again"] == 404
    assert clearblade["registry with devices"] == 400


def test_request_that_google_s_messages_do_not_know_is_refused(cloud: EmbeddedCloudIot) -> None:
    device = {"id": "lobby", "credential": []}
    error = ask(cloud, "POST", f"{LOCATION}/registries/cameras/devices", device)["error"]
    assert error["status"] == "INVALID_ARGUMENT"
    assert '"credential"' in error["message"]


def test_states_are_read_through_google_s_client(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    assert connect(path).publish("state", b'{"state": "connected"}')
    other = cloud.make_device(f"{path}-other", Key().public)
    found = run("-m sandbox.iot.read_states", cloud.url, path, other)
    assert [state["data"] for state in found[path]] == [{"state": "connected"}]
    assert found[other] == []


def test_api_fails_as_injected(cloud: EmbeddedCloudIot, path: str) -> None:
    cloud.fail(path.rpartition("/")[2], method="GET", status="PERMISSION_DENIED")
    with pytest.raises(CloudError, match="PERMISSION_DENIED: This fault was asked for"):
        cloud.device(path)
    assert cloud.device(path)["name"] == path
    assert [seen for _, target, seen in cloud.requests() if target == f"/v1/{path}"] == [403, 200]


def test_answer_that_is_lost_was_work_that_is_done(cloud: EmbeddedCloudIot, path: str) -> None:
    cloud.fail(method="DELETE", answer_lost=True)
    with pytest.raises(CloudError, match="does not answer"):
        cloud.delete_device(path)
    assert path.rpartition("/")[2] not in cloud.devices(f"{LOCATION}/registries/cameras")
