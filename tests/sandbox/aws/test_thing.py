"""A core's connection to the embedded AWS IoT Core: it can do what its policies allow, and no more."""

from __future__ import annotations

import uuid
from collections.abc import Callable

import pytest

from sandbox.aws.server import EmbeddedAws
from sandbox.aws.thing import Device, DeviceConnection
from sandbox.aws.topics import Topics
from sandbox.core.nucleus import heard_by
from sandbox.errors import CloudError

DeviceOf = Callable[..., Device]
WIDE = """{"Version": "2012-10-17", "Statement": [
  {"Effect": "Allow", "Action": ["iot:Connect", "iot:Publish", "iot:Subscribe"], "Resource": "*"}]}"""


@pytest.fixture
def thing() -> str:
    return f"core-{uuid.uuid4().hex[:8]}"


def test_core_connects_hears_of_its_deployments_and_tells_states(
    embedded_aws: EmbeddedAws, device_of: DeviceOf, thing: str, eventually: Callable[..., object]
) -> None:
    topic = f"edgecam/{thing}/door/state"
    with (
        Topics(embedded_aws.url, topic) as topics,
        DeviceConnection(device_of(thing), heard_by(thing)) as connection,
    ):
        connection.publish(topic, b"connected", 1)
        eventually(lambda: topics.newest(topic) == b"connected")


def test_core_is_not_let_in_under_the_name_of_another(device_of: DeviceOf, thing: str) -> None:
    with pytest.raises(CloudError, match=f"does not let {thing}-2 in"):
        DeviceConnection(device_of(thing), client_id=f"{thing}-2")


def test_core_cannot_hear_of_the_deployments_of_another(device_of: DeviceOf, thing: str) -> None:
    with pytest.raises(CloudError, match=f"does not let {thing} hear .*/{thing}-2/jobs"):
        DeviceConnection(device_of(thing), heard_by(f"{thing}-2"))


@pytest.mark.parametrize("quality", [0, 1])
@pytest.mark.parametrize(
    "topic",
    [
        "$aws/things/{}-2/shadow/name/AWSManagedGreengrassV2Deployment/update",
        "$aws/things/{}-2/jobs/J/update",
        "edgecam/{}-2/door/state",
    ],
)
def test_message_for_another_core_reaches_nobody_and_the_connection_comes_back(
    embedded_aws: EmbeddedAws,
    device_of: DeviceOf,
    thing: str,
    topic: str,
    quality: int,
    eventually: Callable[..., object],
) -> None:
    wrong, right = topic.format(thing), f"edgecam/{thing}/door/state"
    with Topics(embedded_aws.url, "#") as topics, DeviceConnection(device_of(thing)) as connection:
        # By quality of service 0 nobody hears of a refusal; the next message finds the connection gone.
        for _ in range(10):
            try:
                connection.publish(wrong, b"{}", quality)
            except CloudError:
                break
        else:
            pytest.fail("no message was refused")
        connection.publish(right, b"connected", 1)
        eventually(lambda: topics.newest(right) == b"connected")
        assert topics.newest(wrong) is None


def test_it_is_the_policy_that_keeps_cores_apart(device_of: DeviceOf, thing: str) -> None:
    with DeviceConnection(device_of(thing, policy=WIDE), client_id=f"{thing}-2") as connection:
        connection.publish(f"edgecam/{thing}-2/door/state", b"connected", 1)
