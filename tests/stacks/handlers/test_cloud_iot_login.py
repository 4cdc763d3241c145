"""Custom::EdgecamCloudIotDevice: what must not be seen, and who the function is to ClearBlade."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from cloud_iot_handler import DEVICES, PROJECT, Camera, DiedError, Handler, refused, secret_lines

from sandbox.iot.server import EmbeddedCloudIot


def test_private_key_is_in_no_answer_and_no_log(camera: Camera) -> None:
    camera.make()
    texts = [camera.text()]
    camera.rotate("2")
    texts.append(camera.text())
    camera.cloud.fail(DEVICES[camera.handler.provider], status="PERMISSION_DENIED")
    camera.handler(camera.of_device("Update", KeyVersion="3"))
    camera.handler(camera.of_device("Delete"))
    said = camera.handler.said()
    assert camera.device in said
    assert not [line for text in texts for line in secret_lines(text) if line in said]


@pytest.fixture
def with_account(
    lambda_environment: dict[str, str], cloud_iot: EmbeddedCloudIot, secrets: Any, tmp_path: Path
) -> Iterator[Callable[[str], Camera]]:
    """Makes a camera whose handler logs in with a secret of this text."""
    without = {name: value for name, value in lambda_environment.items() if name != "CLOUD_IOT_ENDPOINT"}
    handler = Handler("clearblade", folder=tmp_path, environment=without)

    def make(text: str) -> Camera:
        camera = Camera(handler=handler, cloud=cloud_iot, secrets=secrets)
        camera.login["Secret"] = secrets.create_secret(Name=camera.name, SecretString=text)["ARN"]
        return camera

    yield make
    handler.stop()


@pytest.fixture
def account(cloud_iot: EmbeddedCloudIot) -> str:
    return json.dumps({**cloud_iot.clearblade_configuration(PROJECT), "token": "hunter2"})


def test_clearblade_gets_the_service_account_by_a_file_that_is_gone_afterwards(
    with_account: Callable[[str], Camera], account: str
) -> None:
    camera = with_account(account)
    camera.make()
    assert list(camera.handler.scratch.iterdir()) == []
    assert "hunter2" not in camera.handler.said()


def test_file_of_the_service_account_is_the_functions_alone(
    with_account: Callable[[str], Camera], account: str
) -> None:
    camera = with_account(account)
    with pytest.raises(DiedError):
        camera.handler(camera.of_registry(), die_after="make_registry")
    (folder,) = camera.handler.scratch.iterdir()
    (file,) = folder.iterdir()
    assert json.loads(file.read_text())["token"] == "hunter2"
    assert [path.stat().st_mode & 0o777 for path in (folder, file)] == [0o700, 0o600]


@pytest.mark.parametrize("text", ["hunter2", '{"token": "hunter2"}', "[]"])
def test_secret_that_is_no_service_account_is_reported_without_its_content(
    with_account: Callable[[str], Camera], text: str
) -> None:
    camera = with_account(text)
    sentence = refused(camera.handler(camera.of_device()))
    assert sentence.startswith(f"gcp.registry.secret: {camera.login['Secret']} must hold the JSON")
    assert "hunter2" not in camera.handler.said()


def test_secret_that_cannot_be_read_is_named_by_the_setting(
    with_account: Callable[[str], Camera], account: str
) -> None:
    camera = with_account(account)
    camera.login["Secret"] = camera.login["Secret"].replace("secret:", "secret:not-")
    assert "gcp.registry.secret: " in refused(camera.handler(camera.of_device()))
