"""Custom::EdgecamCloudIotDevice: another key, without a gap."""

from __future__ import annotations

import pytest
from cloud_iot_handler import Camera, public_key_of, refused


def test_both_keys_are_valid_until_the_node_reports_the_new_one(camera: Camera) -> None:
    camera.make()
    camera.tell({"state": "connected", "key_version": "1"})
    former = public_key_of(camera.text())
    camera.rotate("2")
    for _ in range(2):
        assert camera.public_keys() == [former, public_key_of(camera.text())]
        camera.rotate("2")  # a check: the newest state still says 1
    camera.tell({"state": "connected", "key_version": "2"})
    camera.rotate("2")
    assert camera.public_keys() == [public_key_of(camera.text())]


@pytest.mark.parametrize("state", ["connected", "[]", '{"key_version": null}', "[" * 20_000], ids=range(4))
def test_state_that_names_no_key_drops_none(camera: Camera, state: str) -> None:
    camera.make()
    camera.rotate("2")
    camera.tell(state)
    camera.rotate("2")
    assert len(camera.public_keys()) == 2


def test_device_never_has_more_than_three_keys(camera: Camera) -> None:
    camera.make()
    made = [public_key_of(camera.text())]
    for version in ("2", "3", "4", "5"):
        camera.rotate(version)
        made.append(public_key_of(camera.text()))
        assert camera.public_keys() == made[-3:]


def test_key_that_has_ended_makes_room(camera: Camera) -> None:
    camera.make()
    ended = camera.cloud.device(camera.device)["credentials"]
    ended[0]["expirationTime"] = "2020-01-01T00:00:00Z"
    camera.cloud._call("PATCH", f"/v1/{camera.device}?updateMask=credentials", {"credentials": ended})
    camera.rotate("2")
    assert camera.public_keys() == [public_key_of(camera.text())]


def test_another_algorithm_takes_another_version(camera: Camera) -> None:
    camera.make()
    sentence = refused(camera.handler(camera.of_device("Update", Algorithm="RS256")))
    assert sentence.endswith("set another gcp.registry.key_version too")
    camera.handler(camera.of_device("Update", Algorithm="RS256", KeyVersion="2"))
    assert camera.document()["algorithm"] == "RS256"
