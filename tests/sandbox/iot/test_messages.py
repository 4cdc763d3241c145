"""What devices and the embedded bridge exchange: states, events, configurations, commands."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest
from iot_device import PROJECT, Device, Key

from sandbox.errors import CloudError
from sandbox.iot.server import EmbeddedCloudIot

LOCATION = f"projects/{PROJECT}/locations/europe-west1"


@pytest.mark.parametrize(
    ("topic", "data", "options", "why"),
    [
        ("state", b"", {"qos": 2}, "qos"),
        ("state", b"", {"retain": True}, "retain"),
        ("state", bytes(64 * 1024 + 1), {}, "size"),
        ("events", bytes(256 * 1024 + 1), {}, "size"),
        ("state/more", b"", {}, "topic"),
        ("config", b"", {}, "topic"),
        ("/devices/other/state", b"", {}, "topic"),
        ("/edgecam/lobby", b"", {}, "topic"),
    ],
)
def test_message_that_is_not_allowed_costs_the_connection(
    cloud: EmbeddedCloudIot,
    path: str,
    connect: Callable[..., Device],
    topic: str,
    data: bytes,
    options: dict[str, Any],
    why: str,
) -> None:
    device = connect(path)
    assert device.is_connected
    assert not device.publish(topic, data, **options)
    assert device.is_gone()
    assert cloud.connections(path).refusals == cloud.connections(path).endings == [why]
    assert cloud.states(path) == []
    assert cloud.events(path) == []


def test_state_of_64_kb_is_taken(path: str, connect: Callable[..., Device]) -> None:
    assert connect(path).publish("state", bytes(64 * 1024))


def test_more_than_one_state_a_second_costs_the_connection(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path)
    assert device.is_connected
    for number in range(10):
        device.client.publish(f"/devices/{device.id}/state", b"%d" % number, qos=1)
    assert device.is_gone()
    assert cloud.connections(path).refusals == ["rate"]
    assert cloud.states(path)[-1].data == b"0"
    assert len(cloud.states(path)) < 10


def test_states_are_listed_newest_first(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], eventually: Callable[..., Any]
) -> None:
    device = connect(path)
    assert device.publish("state", b"1")
    first = cloud.states(path)[0].time
    eventually(lambda: time.time() > first.timestamp() + 1)
    assert device.publish("state", b"2")
    assert [state.data for state in cloud.states(path)] == [b"2", b"1"]


def test_events_are_kept_with_their_subfolder(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path)
    assert device.publish("events", b"1")
    assert device.publish("events/snapshot", b"2")
    assert device.publish("events/a/b", b"3")
    assert [(event.subfolder, event.data) for event in cloud.events(path)] == [
        ("", b"1"),
        ("snapshot", b"2"),
        ("a/b", b"3"),
    ]


def test_event_to_a_registry_without_a_topic_costs_the_connection(
    cloud: EmbeddedCloudIot, key: Key, connect: Callable[..., Device]
) -> None:
    registry = cloud.make_registry(f"{LOCATION}/registries/without-topic", event_topic=False)
    device = connect(path := cloud.make_device(f"{registry}/devices/lobby", key.public))
    assert device.publish("state")
    assert not device.publish("events")
    assert device.is_gone()
    assert cloud.connections(path).refusals == ["no-event-topic"]


def test_configuration_comes_on_subscribing_and_when_it_changes(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], eventually: Callable[..., Any]
) -> None:
    device = connect(path)
    assert device.subscribe("config") == 1
    topic = f"/devices/{device.id}/config"
    assert device.heard(1) == [(topic, b"")]
    version = cloud.set_config(path, b'{"max_fps": 2}')
    assert device.heard(2)[1] == (topic, b'{"max_fps": 2}')
    config = eventually(lambda: (found := cloud.device(path)["config"]).get("deviceAckTime") and found)
    assert config["version"] == str(version) == "2"
    assert connect(path).subscribe("config", qos=2) == 1


def test_configuration_subscribed_with_qos_0_is_never_acknowledged(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path)
    assert device.subscribe("config", qos=0) == 0
    assert device.heard(1)
    assert "deviceAckTime" not in cloud.device(path)["config"]


def test_commands_reach_who_is_subscribed(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    with pytest.raises(CloudError, match=r"FAILED_PRECONDITION: .* is not connected"):
        cloud.send_command(path, b"restart")
    device = connect(path)
    assert device.is_connected
    with pytest.raises(CloudError, match=r"FAILED_PRECONDITION: .* is not subscribed"):
        cloud.send_command(path, b"restart")
    assert device.subscribe("commands/#") == 1
    cloud.send_command(path, b"restart")
    cloud.send_command(path, b"", subfolder="snapshot")
    commands = f"/devices/{device.id}/commands"
    assert device.heard(2) == [(commands, b"restart"), (f"{commands}/snapshot", b"")]


@pytest.mark.parametrize("topic", ["#", "state", "commands", "commands/snapshot", "../other/config", "+"])
def test_other_topics_cannot_be_subscribed_to(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], topic: str
) -> None:
    assert connect(path).subscribe(topic) == 128
    assert cloud.connections(path).refusals == ["topic"]


def test_bridge_that_is_down_refuses_and_comes_back_with_what_it_knew(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path)
    assert device.publish("state", b"before")
    cloud.bridge_down()
    try:
        assert device.is_gone()
        with pytest.raises(ConnectionRefusedError):
            connect(path)
    finally:
        cloud.bridge_up()
    assert connect(path).is_connected
    assert [state.data for state in cloud.states(path)] == [b"before"]
    assert cloud.connections(path).endings == ["bridge-down"]


def test_bridge_that_is_silent_keeps_the_connection_and_confirms_nothing(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path, keep_alive_s=1)
    assert device.is_connected
    cloud.bridge_silent()
    try:
        sent = device.client.publish(f"/devices/{device.id}/state", b"lost", qos=1)
        device.client.subscribe(f"/devices/{device.id}/config", qos=1)
        assert device.is_gone()  # of its own accord: nobody answers its pings
    finally:
        cloud.bridge_up()
    assert not sent.is_published()
    assert device.granted == []
    assert cloud.states(path) == []
    assert cloud.connections(path).endings in ([], ["lost"])
    assert connect(path).publish("state")


def test_tls_is_1_2_or_newer(cloud: EmbeddedCloudIot) -> None:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{cloud.mqtt_port}", "-tls1_1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0
