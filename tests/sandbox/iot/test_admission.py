"""Which connections the embedded bridge accepts, and which it ends: tokens, clocks, keep-alives."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from iot_device import PROJECT, Device, Key
from iot_requests import ask

from sandbox.errors import CloudError
from sandbox.iot.server import EmbeddedCloudIot

LOCATION = f"projects/{PROJECT}/locations/europe-west1"


SKEW_S = 600


@dataclass(frozen=True)
class _Ahead:
    """Seconds after the moment of the test, which may come long after it was collected."""

    by_s: float


@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
def test_device_with_its_key_connects_and_tells_its_state(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], algorithm: str
) -> None:
    own = Key(algorithm)
    cloud.set_keys(path, own.public, format=own.format)
    device = connect(path, own.token())
    assert device.is_connected
    assert device.publish("state", b"connected")
    assert [state.data for state in cloud.states(path)] == [b"connected"]
    assert cloud.device(path)["state"]["updateTime"] == cloud.device(path)["lastStateTime"]
    assert cloud.connections(path).accepted == 1


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"aud": "other-project"}, "audience"),
        ({"aud": [PROJECT]}, "audience"),
        ({"exp": _Ahead(-SKEW_S - 60), "iat": _Ahead(-SKEW_S - 120)}, "token-expired"),
        ({"iat": _Ahead(SKEW_S + 60)}, "token-early"),
        ({"life_s": 24 * 3600 + SKEW_S + 60}, "token-life"),
        ({"exp": "tomorrow"}, "malformed-token"),
        ({"algorithm": "HS256"}, "algorithm"),
        ({"algorithm": "none"}, "algorithm"),
        ({"algorithm": "RS256"}, "signature"),
    ],
)
def test_token_that_is_not_as_it_must_be_is_refused(
    cloud: EmbeddedCloudIot,
    path: str,
    key: Key,
    connect: Callable[..., Device],
    claims: dict[str, Any],
    why: str,
) -> None:
    now_s = time.time()
    claims = {
        name: now_s + value.by_s if isinstance(value, _Ahead) else value for name, value in claims.items()
    }
    assert not connect(path, key.token(**claims)).is_connected
    assert cloud.connections(path).refusals == [why]
    assert cloud.device(path)["lastErrorStatus"]["code"] == 16


@pytest.mark.parametrize(
    ("password", "why"), [(None, "no-token"), ("secret", "malformed-token"), ("a.b.c", "malformed-token")]
)
def test_password_that_is_no_token_is_refused(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], password: str | None, why: str
) -> None:
    device = connect(path, password)
    assert not device.is_connected
    assert device.connack == "Bad user name or password"
    assert cloud.connections(path).refusals == [why]


def test_key_of_another_device_is_refused_and_the_device_itself_is_left_alone(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path)
    assert device.subscribe("config") == 1
    stranger = connect(path, Key().token())
    assert not stranger.is_connected
    assert stranger.connack == "Not authorized"
    assert cloud.connections(path).refusals == ["signature"]
    cloud.set_config(path, b"still here")
    assert device.heard(2)[1][1] == b"still here"
    assert not device.gone.is_set()


@pytest.mark.parametrize(
    ("client_id", "why"),
    [("lobby", "client-id"), (f"{LOCATION}/registries/cameras/devices/nobody", "unknown-device")],
)
def test_client_id_must_be_the_path_of_a_device(
    cloud: EmbeddedCloudIot, connect: Callable[..., Device], client_id: str, why: str
) -> None:
    assert not connect(client_id).is_connected
    assert cloud.connections(client_id).refusals == [why]


def test_credential_that_is_over_counts_no_longer(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    old, new = Key(), Key()
    cloud.set_keys(path, old.public, new.public)
    assert connect(path, old.token()).is_connected
    assert connect(path, new.token()).is_connected
    cloud.set_keys(path, new.public)
    assert not connect(path, old.token()).is_connected
    cloud.set_keys(path, new.public, expires_s=time.time() - 1)
    assert not connect(path, new.token()).is_connected
    assert cloud.connections(path).refusals == ["signature", "signature"]


def test_device_that_is_blocked_or_deleted_is_let_go(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    device = connect(path)
    assert device.is_connected
    cloud.block(path)
    assert device.is_gone()
    assert not connect(path).is_connected
    cloud.block(path, blocked=False)
    device = connect(path)
    assert device.is_connected
    cloud.delete_device(path)
    assert device.is_gone()
    assert cloud.connections(path).refusals == ["blocked"]
    assert cloud.connections(path).endings == ["blocked", "deleted"]


def test_registry_without_mqtt_lets_no_device_in(
    cloud: EmbeddedCloudIot, key: Key, connect: Callable[..., Device]
) -> None:
    registry = cloud.make_registry(f"{LOCATION}/registries/without-mqtt")
    path = cloud.make_device(f"{registry}/devices/lobby", key.public)
    disabled = {"mqttConfig": {"mqttEnabledState": "MQTT_DISABLED"}}
    assert ask(cloud, "PATCH", f"{registry}?updateMask=mqttConfig", disabled)["id"] == "without-mqtt"
    assert not connect(path).is_connected
    assert cloud.connections(path).refusals == ["mqtt-disabled"]


def test_last_will_is_refused(cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]) -> None:
    def with_will(client: mqtt.Client) -> None:
        client.will_set(f"/devices/{path.rpartition('/')[2]}/state", b"gone", qos=1)

    assert not connect(path, before=with_will).is_connected
    assert cloud.connections(path).refusals == ["last-will"]


def test_connection_ends_with_its_token(
    cloud: EmbeddedCloudIot, path: str, key: Key, connect: Callable[..., Device]
) -> None:
    device = connect(path, key.token(life_s=2))
    assert device.is_connected
    assert device.is_gone()
    assert cloud.connections(path).endings == ["token-expired"]
    assert (
        cloud.device(path)["lastErrorStatus"]["message"] == "mqtt: SERVER: The authorization token expired."
    )


@pytest.mark.parametrize(
    ("ahead_s", "taken"), [(SKEW_S - 60, True), (SKEW_S + 60, False), (60 - SKEW_S, True)]
)
def test_clock_may_be_ten_minutes_off(
    cloud: EmbeddedCloudIot,
    path: str,
    key: Key,
    connect: Callable[..., Device],
    ahead_s: float,
    taken: bool,
) -> None:
    cloud.set_clock(ahead_s=ahead_s)
    try:
        device = connect(path, key.token(life_s=30))
        assert device.is_connected is taken
        assert not taken or device.publish("state")
    finally:
        cloud.set_clock(ahead_s=0)


def test_newer_connection_of_a_device_ends_the_older_one(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    older = connect(path)
    assert older.subscribe("config") == 1
    newer = connect(path)
    assert newer.is_connected
    assert older.is_gone()
    assert newer.subscribe("config") == 1
    cloud.set_config(path, b"for the newer")
    assert [data for _, data in newer.heard(2)] == [b"", b"for the newer"]
    connections = cloud.connections(path)
    assert (connections.accepted, connections.is_open, connections.endings) == (2, True, ["taken-over"])
    assert "another active connection" in cloud.device(path)["lastErrorStatus"]["message"]


def test_newer_connection_has_no_part_in_what_the_older_one_subscribed_to(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device]
) -> None:
    assert connect(path).subscribe("commands/#") == 1
    assert connect(path).is_connected
    with pytest.raises(CloudError, match="is not subscribed"):
        cloud.send_command(path, b"restart")


def test_silent_client_is_let_go_after_one_and_a_half_keep_alives(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], eventually: Callable[..., Any]
) -> None:
    device = connect(path, keep_alive_s=1)
    assert device.is_connected
    device.client.loop_stop()
    assert eventually(lambda: cloud.connections(path).endings) == ["idle"]


def test_goodbye_is_no_error(
    cloud: EmbeddedCloudIot, path: str, connect: Callable[..., Device], eventually: Callable[..., Any]
) -> None:
    device = connect(path)
    assert device.is_connected
    device.stop()
    assert eventually(lambda: cloud.connections(path).endings) == ["by-client"]
    assert "lastErrorStatus" not in cloud.device(path)


def test_twenty_devices_are_connected_at_once(
    cloud: EmbeddedCloudIot, key: Key, connect: Callable[..., Device]
) -> None:
    registry = cloud.make_registry(f"{LOCATION}/registries/many")
    paths = [cloud.make_device(f"{registry}/devices/camera-{number:02}", key.public) for number in range(20)]
    devices = [connect(path) for path in paths]
    assert all(device.is_connected for device in devices)
    assert all(device.subscribe("commands/#") == 1 for device in devices)
    assert all(device.publish("state", device.id.encode()) for device in devices)
    assert [cloud.states(path)[0].data.decode() for path in paths] == [device.id for device in devices]
    for path in paths:
        cloud.send_command(path, b"restart")
    assert all(device.heard(1) for device in devices)
    assert not any(device.gone.is_set() for device in devices)
