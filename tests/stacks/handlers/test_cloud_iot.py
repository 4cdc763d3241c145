"""Custom::EdgecamCloudIotRegistry and …Device, by both providers' clients: what they make and leave."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from cloud_iot_handler import DEVICES, PROJECT, STACK, Camera, DiedError, public_key_of, refused
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


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


def test_device_goes_from_stack_to_stack_of_one_owner_in_either_order(camera: Camera) -> None:
    camera.make()
    key, places = camera.text(), (f"{STACK[:-2]}-Sites-01/1", f"{STACK[:-2]}-Sites-02/1")
    first, second = ({"stack": place, "OwnerStack": "EdgecamCloudIot"} for place in places)
    for made, left in ((first, {}), (second, first), ({}, second)):
        assert camera.handler(camera.of_device(**made))["id"] == camera.device
        camera.handler(camera.of_device("Delete", **left))
        assert (camera.is_device(), camera.secret_state(), camera.text()) == (True, "kept", key)
    camera.handler(camera.of_device("Delete"))
    assert (camera.is_device(), camera.secret_state()) == (False, "deleted")
    assert camera.handler(camera.of_device(**first))["id"] == camera.device
    assert camera.public_keys() == [public_key_of(key)]


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
    # Not even asked for: who knows whether every service refuses it.
    assert f"keeping the registry {camera.registry}, which has devices" in camera.handler.said()
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
