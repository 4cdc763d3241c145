"""Custom::EdgecamCloudIotRegistry and …Device: what fails, and what is somebody else's."""

from __future__ import annotations

import pytest
from cloud_iot_handler import DEVICES, OTHER_STACK, Camera, DiedError, public_key_of, refused


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
