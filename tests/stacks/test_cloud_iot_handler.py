"""Custom::EdgecamCloudIotRegistry and …Device: both providers' own clients, and what stops in the middle."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cloud_iot_rig import PROJECT, STACK, Camera, DiedError, Handler, secret_lines
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from sandbox.iot.server import EmbeddedCloudIot

PROVIDERS = ("google", "clearblade")
DEVICES = {"google": r"/devices", "clearblade": "/cloudiot_devices$"}
"""Where each API's devices are."""
OTHER_STACK = STACK.replace("EdgecamCloudIot", "Another")


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloudIot]:
    with EmbeddedCloudIot(tmp_path_factory.mktemp("cloud-iot")) as running:
        yield running


@pytest.fixture(scope="module")
def secrets(aws: Callable[[str], Any]) -> Any:
    return aws("secretsmanager")


@pytest.fixture(scope="module")
def environment(secrets: Any, cloud: EmbeddedCloudIot) -> dict[str, str]:
    """What a function finds around it."""
    return {
        "AWS_ENDPOINT_URL": secrets.meta.endpoint_url,
        "AWS_ACCESS_KEY_ID": "123456789012",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "CLOUD_IOT_ENDPOINT": cloud.url,
    }


@pytest.fixture(scope="module")
def handlers(
    environment: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Handler]]:
    with contextlib.ExitStack() as stack:
        running = {}
        for provider in PROVIDERS:
            folder = tmp_path_factory.mktemp(provider)
            running[provider] = Handler(provider, folder=folder, environment=environment)
            stack.callback(running[provider].stop)
        yield running


@pytest.fixture(params=PROVIDERS)
def camera(
    request: pytest.FixtureRequest, handlers: dict[str, Handler], cloud: EmbeddedCloudIot, secrets: Any
) -> Iterator[Camera]:
    yield Camera(handler=handlers[request.param], cloud=cloud, secrets=secrets)
    cloud.heal()


def refused(answer: dict[str, Any]) -> str:
    assert list(answer) == ["refused"], answer
    sentence: str = answer["refused"]
    return sentence


def public_key_of(text: str) -> str:
    private = serialization.load_pem_private_key(json.loads(text)["private_key"].encode(), None)
    form = (serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    return private.public_key().public_bytes(*form).decode()


# What is made


def test_device_has_the_public_half_of_the_key_in_its_secret_and_an_end(camera: Camera) -> None:
    camera.make()
    (credential,) = camera.cloud.device(camera.device)["credentials"]
    assert credential["publicKey"] == {"format": "ES256_PEM", "key": public_key_of(camera.text())}
    ends = datetime.fromisoformat(credential["expirationTime"])
    assert abs(ends - datetime.now(UTC) - timedelta(days=365)) < timedelta(minutes=5)


def test_secret_holds_what_the_node_needs_and_belongs_to_the_stack(camera: Camera) -> None:
    camera.make()
    document = camera.document()
    assert document.pop("private_key").startswith("-----BEGIN PRIVATE KEY-----\n")
    assert document == {"device": camera.device, "key_version": "1", "algorithm": "ES256"}
    tags = camera.secrets.describe_secret(SecretId=camera.secret)["Tags"]
    assert [tag["Key"] for tag in tags] == ["edgecam-stack"]


def test_rsa_key_is_made_where_it_is_asked_for(camera: Camera) -> None:
    camera.make(Algorithm="RS256")
    private = serialization.load_pem_private_key(camera.document()["private_key"].encode(), None)
    assert isinstance(private, rsa.RSAPrivateKey)
    assert private.key_size == 2048
    assert camera.cloud.device(camera.device)["credentials"][0]["publicKey"]["format"] == "RSA_PEM"


def test_node_connects_with_the_key_and_tells_its_state(camera: Camera) -> None:
    camera.make()
    camera.tell({"state": "connected", "key_version": "1"})


def test_registry_takes_mqtt_and_sends_events_where_they_belong(camera: Camera) -> None:
    topics = [f"projects/{PROJECT}/topics/one", f"projects/{PROJECT}/topics/two"]
    camera.handler(camera.of_registry(EventTopics=topics[:1]))
    camera.handler(camera.of_registry("Update", EventTopics=topics[1:]))
    found = camera.cloud._call("GET", f"/v1/{camera.registry}")
    assert [each["pubsubTopicName"] for each in found["eventNotificationConfigs"]] == topics[1:]
    assert found["mqttConfig"] == {"mqttEnabledState": "MQTT_ENABLED"}
    assert found["httpConfig"] == {"httpEnabledState": "HTTP_DISABLED"}


# Requests that are repeated, and those that stop in the middle


def test_repeated_request_makes_no_second_device_key_or_version(camera: Camera) -> None:
    camera.make()
    before = (camera.public_keys(), camera.text(), camera.versions())
    for event in (camera.of_device(), camera.of_device("Update")):
        assert camera.handler(event)["id"] == camera.device
    assert (camera.public_keys(), camera.text(), camera.versions()) == before
    assert camera.cloud.devices(camera.registry) == [camera.name]


@pytest.mark.parametrize("step", ["create_secret", "make_device"])
def test_creation_goes_on_where_it_stopped(camera: Camera, step: str) -> None:
    camera.handler(camera.of_registry())
    with pytest.raises(DiedError):
        camera.handler(camera.of_device(), die_after=step)
    made = camera.text()
    assert camera.handler(camera.of_device())["id"] == camera.device
    assert camera.text() == made
    assert camera.versions() == [["AWSCURRENT"]]
    assert camera.public_keys() == [public_key_of(made)]


@pytest.mark.parametrize("step", ["put_secret_value", "change_device", "update_secret_version_stage"])
def test_rotation_goes_on_where_it_stopped(camera: Camera, step: str) -> None:
    camera.make()
    with pytest.raises(DiedError):
        camera.handler(camera.of_device("Update", KeyVersion="2"), die_after=step)
    camera.handler(camera.of_device("Update", KeyVersion="2"))
    assert camera.versions() == [["AWSCURRENT"], ["AWSPREVIOUS"]]
    assert camera.document()["key_version"] == "2"
    assert camera.public_keys() == [
        public_key_of(camera.text(label)) for label in ("AWSPREVIOUS", "AWSCURRENT")
    ]


@pytest.mark.parametrize("step", ["delete_device", "delete_secret"])
def test_deletion_goes_on_where_it_stopped(camera: Camera, step: str) -> None:
    camera.make()
    with pytest.raises(DiedError):
        camera.handler(camera.of_device("Delete"), die_after=step)
    assert camera.handler(camera.of_device("Delete"))["id"] == camera.device
    assert (camera.is_device(), camera.secret_state()) == (False, "deleted")


def test_answer_that_is_lost_is_asked_for_again(camera: Camera) -> None:
    camera.cloud.fail("registries|/cloudiot$", method="POST", answer_lost=True)
    assert camera.handler(camera.of_registry())["id"] == camera.registry
    camera.cloud.fail(DEVICES[camera.handler.provider], method="POST", answer_lost=True)
    assert camera.handler(camera.of_device())["id"] == camera.device
    assert camera.public_keys() == [public_key_of(camera.text())]


def test_quota_is_waited_for(camera: Camera) -> None:
    camera.cloud.fail(status="RESOURCE_EXHAUSTED")
    camera.make()


# Failures


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_failed_creation_leaves_nothing(camera: Camera, method: str) -> None:
    camera.handler(camera.of_registry())
    camera.cloud.fail(DEVICES[camera.handler.provider], method=method, status="PERMISSION_DENIED")
    sentence = refused(camera.handler(camera.of_device()))
    assert sentence.startswith(f"the device {camera.device} is refused (403 ")
    assert sentence.endswith("the login needs the rights of design/google-side.md")
    assert (camera.is_device(), camera.secret_state()) == (False, "none")


@pytest.mark.parametrize("step", ["describe_secret", "create_secret"])
def test_creation_that_aws_refuses_leaves_nothing(camera: Camera, step: str) -> None:
    camera.handler(camera.of_registry())
    sentence = refused(camera.handler(camera.of_device(), fail_at=step))
    assert sentence.startswith(f"AWS Secrets Manager refuses the secret {camera.secret}: ")
    assert (camera.is_device(), camera.secret_state()) == (False, "none")


def test_creation_that_fails_at_its_last_step_removes_the_device_too(camera: Camera) -> None:
    camera.make()
    camera.handler(camera.of_device("Delete"))
    # The restored secret has a key of another version, so that a new one has to become the current one.
    event = camera.of_device(KeyVersion="2")
    refused(camera.handler(event, fail_at="update_secret_version_stage"))
    assert (camera.is_device(), camera.secret_state()) == (False, "deleted")
    assert camera.handler(event)["id"] == camera.device
    assert camera.public_keys() == [public_key_of(camera.text())]


def test_failed_creation_leaves_another_devices_secret(camera: Camera) -> None:
    camera.make()
    before = camera.text()
    renamed = camera.of_device(Device="another-name", resource="Renamed")
    camera.cloud.fail(DEVICES[camera.handler.provider], method="POST", status="PERMISSION_DENIED")
    refused(camera.handler(renamed))
    camera.handler({**renamed, "RequestType": "Delete", "PhysicalResourceId": "not made"})
    assert (camera.secret_state(), camera.text()) == ("kept", before)
    assert camera.cloud.devices(camera.registry) == [camera.name]


def test_deletion_after_a_failed_creation_removes_what_it_left_without_recovery(camera: Camera) -> None:
    camera.handler(camera.of_registry())
    with pytest.raises(DiedError):
        camera.handler(camera.of_device(), die_after="make_device")
    camera.handler(camera.of_device("Delete", physical_id=f"{camera.device} (not made)"))
    assert (camera.is_device(), camera.secret_state()) == (False, "none")


def test_deletion_after_a_failed_creation_never_fails(camera: Camera) -> None:
    camera.cloud.fail(status="PERMISSION_DENIED", times=9)
    answer = camera.handler(camera.of_device("Delete", physical_id="not made"))
    assert answer == {"id": "not made", "attributes": {}}


def test_failed_rotation_keeps_the_key_that_the_node_reads(camera: Camera) -> None:
    camera.make()
    before = camera.text()
    camera.cloud.fail(DEVICES[camera.handler.provider], method="PATCH", status="PERMISSION_DENIED")
    refused(camera.handler(camera.of_device("Update", KeyVersion="2")))
    assert camera.text() == before
    # CloudFormation's rollback.
    camera.handler(camera.of_device("Update"))
    assert camera.text() == before
    assert camera.public_keys() == [public_key_of(before)]
    assert ["AWSPENDING"] not in camera.versions()


def test_rotation_that_is_rolled_back_returns_to_the_former_key(camera: Camera) -> None:
    camera.make()
    before = camera.text()
    camera.handler(camera.of_device("Update", KeyVersion="2"))
    camera.handler(camera.of_device("Update"))
    assert camera.text() == before
    assert public_key_of(before) in camera.public_keys()


def test_device_that_cannot_be_deleted_fails_the_deletion_and_keeps_its_secret(camera: Camera) -> None:
    camera.make()
    camera.cloud.fail(DEVICES[camera.handler.provider], method="DELETE", status="PERMISSION_DENIED")
    refused(camera.handler(camera.of_device("Delete")))
    assert (camera.is_device(), camera.secret_state()) == (True, "kept")


def test_registry_that_is_not_there_is_named(camera: Camera) -> None:
    sentence = refused(camera.handler(camera.of_device()))
    assert f"the device {camera.device} is refused (404 " in sentence
    assert "see gcp.project and gcp.registry in fleet.yaml" in sentence
    assert camera.secret_state() == "none"


# Whose they are


def test_device_of_another_stack_is_refused_and_not_touched(camera: Camera) -> None:
    camera.make()
    before = (camera.public_keys(), camera.versions())
    sentence = refused(camera.handler(camera.of_device(stack=OTHER_STACK)))
    assert "exists, and this stack did not make it: name another one (device_ids of the site)" in sentence
    camera.handler(camera.of_device("Delete", stack=OTHER_STACK))
    assert (camera.public_keys(), camera.versions()) == before
    assert camera.secret_state() == "kept"


def test_secret_of_another_stack_is_refused_and_not_touched(camera: Camera) -> None:
    camera.make()
    camera.cloud.delete_device(camera.device)
    sentence = refused(camera.handler(camera.of_device(stack=OTHER_STACK)))
    assert sentence.startswith(f"the secret {camera.secret} exists, and this stack did not make it")
    camera.handler(camera.of_device("Delete", stack=OTHER_STACK))
    assert (camera.is_device(), camera.secret_state()) == (False, "kept")


def test_others_metadata_of_a_device_stays(camera: Camera) -> None:
    camera.make()
    labels = camera.cloud.device(camera.device)["metadata"]
    camera.cloud._call(
        "PATCH", f"/v1/{camera.device}?updateMask=metadata", {"metadata": {**labels, "floor": "2"}}
    )
    camera.handler(camera.of_device("Update", KeyVersion="2"))
    assert camera.cloud.device(camera.device)["metadata"] == {**labels, "floor": "2"}


def test_site_with_another_name_keeps_its_device(camera: Camera) -> None:
    # CloudFormation makes the new resource first, then deletes the former one.
    camera.make()
    before = (camera.public_keys(), camera.text())
    camera.handler(camera.of_device(resource="Renamed"))
    camera.handler(camera.of_device("Delete"))
    assert (camera.public_keys(), camera.text()) == before


def test_camera_that_becomes_another_device_keeps_its_secret(camera: Camera) -> None:
    camera.make()
    renamed = camera.handler(camera.of_device("Update", Device="another-name"))
    assert renamed["id"] == f"{camera.registry}/devices/another-name"
    camera.handler(camera.of_device("Delete"))
    assert camera.cloud.devices(camera.registry) == ["another-name"]
    assert camera.secret_state() == "kept"
    assert camera.document()["device"] == renamed["id"]


def test_camera_on_another_core_has_its_key_there(camera: Camera) -> None:
    camera.make()
    moved = camera.secret.replace("core-1", "core-2")
    former = {"Secret": camera.secret}
    camera.handler(camera.of_device("Update", Secret=moved, old=former))
    assert camera.secret_state() == "deleted"
    text = camera.secrets.get_secret_value(SecretId=moved)["SecretString"]
    assert public_key_of(text) in camera.public_keys()


# Rotation


def rotated(camera: Camera, version: str) -> None:
    camera.handler(camera.of_device("Update", KeyVersion=version))


def test_both_keys_are_valid_until_the_node_reports_the_new_one(camera: Camera) -> None:
    camera.make()
    camera.tell({"state": "connected", "key_version": "1"})
    former = public_key_of(camera.text())
    rotated(camera, "2")
    for _ in range(2):
        assert camera.public_keys() == [former, public_key_of(camera.text())]
        rotated(camera, "2")  # a check: the newest state still says 1
    camera.tell({"state": "connected", "key_version": "2"})
    rotated(camera, "2")
    assert camera.public_keys() == [public_key_of(camera.text())]


@pytest.mark.parametrize("state", ["connected", "[]", '{"key_version": null}'])
def test_state_that_names_no_key_drops_none(camera: Camera, state: str) -> None:
    camera.make()
    rotated(camera, "2")
    camera.tell(state)
    rotated(camera, "2")
    assert len(camera.public_keys()) == 2


def test_device_never_has_more_than_three_keys(camera: Camera) -> None:
    camera.make()
    made = [public_key_of(camera.text())]
    for version in ("2", "3", "4", "5"):
        rotated(camera, version)
        made.append(public_key_of(camera.text()))
        assert camera.public_keys() == made[-3:]


def test_key_that_has_ended_makes_room(camera: Camera) -> None:
    camera.make()
    ended = camera.cloud.device(camera.device)["credentials"]
    ended[0]["expirationTime"] = "2020-01-01T00:00:00Z"
    camera.cloud._call("PATCH", f"/v1/{camera.device}?updateMask=credentials", {"credentials": ended})
    rotated(camera, "2")
    assert camera.public_keys() == [public_key_of(camera.text())]


def test_another_algorithm_takes_another_version(camera: Camera) -> None:
    camera.make()
    sentence = refused(camera.handler(camera.of_device("Update", Algorithm="RS256")))
    assert sentence.endswith("set another gcp.registry.key_version too")
    camera.handler(camera.of_device("Update", Algorithm="RS256", KeyVersion="2"))
    assert camera.document()["algorithm"] == "RS256"


# The end


def test_deleted_device_leaves_a_secret_that_can_be_restored_for_some_days(camera: Camera) -> None:
    camera.make()
    before = camera.text()
    camera.handler(camera.of_device("Delete"))
    assert (camera.is_device(), camera.secret_state()) == (False, "deleted")
    ends = camera.secrets.describe_secret(SecretId=camera.secret)["DeletedDate"]
    assert abs(ends - datetime.now(UTC) - timedelta(days=7)) < timedelta(minutes=5)
    assert camera.handler(camera.of_device())["id"] == camera.device
    assert camera.text() == before
    assert camera.public_keys() == [public_key_of(before)]


def test_restored_secret_waits_for_its_end_again_when_the_creation_fails(camera: Camera) -> None:
    camera.make()
    camera.handler(camera.of_device("Delete"))
    camera.cloud.fail(DEVICES[camera.handler.provider], method="POST", status="PERMISSION_DENIED")
    refused(camera.handler(camera.of_device()))
    assert (camera.is_device(), camera.secret_state()) == (False, "deleted")


def test_empty_registry_goes_and_one_with_devices_stays(camera: Camera) -> None:
    camera.make()
    camera.handler(camera.of_registry("Delete"))
    assert camera.is_device()
    camera.handler(camera.of_device("Delete"))
    camera.handler(camera.of_registry("Delete"))
    assert camera.handler(camera.of_registry())["id"] == camera.registry


def test_registry_that_was_there_before_stays(camera: Camera) -> None:
    camera.cloud.make_registry(camera.registry)
    found = camera.handler(camera.of_registry())["id"]
    assert found == f"{camera.registry} (found)"
    camera.handler(camera.of_registry("Delete", physical_id=found))
    assert camera.cloud.devices(camera.registry) == []


def test_registry_that_cannot_be_removed_keeps_no_stack_from_going(camera: Camera) -> None:
    camera.handler(camera.of_registry())
    camera.cloud.fail(status="PERMISSION_DENIED", times=9)
    assert camera.handler(camera.of_registry("Delete"))["id"] == camera.registry


# Secrecy


def test_private_key_is_in_no_answer_and_no_log(camera: Camera) -> None:
    camera.make()
    texts = [camera.text()]
    rotated(camera, "2")
    texts.append(camera.text())
    camera.cloud.fail(DEVICES[camera.handler.provider], status="PERMISSION_DENIED")
    camera.handler(camera.of_device("Update", KeyVersion="3"))
    camera.handler(camera.of_device("Delete"))
    said = camera.handler.said()
    assert camera.device in said
    assert not [line for text in texts for line in secret_lines(text) if line in said]


# ClearBlade's login


@pytest.fixture
def with_account(
    environment: dict[str, str], cloud: EmbeddedCloudIot, secrets: Any, tmp_path: Path
) -> Iterator[Callable[[str], Camera]]:
    """Makes a camera whose handler logs in with a secret of this text."""
    without = {name: value for name, value in environment.items() if name != "CLOUD_IOT_ENDPOINT"}
    handler = Handler("clearblade", folder=tmp_path, environment=without)

    def make(text: str) -> Camera:
        camera = Camera(handler=handler, cloud=cloud, secrets=secrets)
        camera.login["Secret"] = secrets.create_secret(Name=camera.name, SecretString=text)["ARN"]
        return camera

    yield make
    handler.stop()


@pytest.fixture
def account(cloud: EmbeddedCloudIot) -> str:
    return json.dumps({**cloud.clearblade_configuration(PROJECT), "token": "hunter2"})


def test_clearblade_is_told_the_service_account_by_a_file_that_is_gone_afterwards(
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
def test_secret_that_is_no_service_account_is_told_without_its_content(
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
