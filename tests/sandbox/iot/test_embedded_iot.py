"""The embedded Cloud IoT as Google's and ClearBlade's clients and paho-mqtt use it, and misuse it."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import psutil
import pytest
from iot_device import PROJECT, Device, Key

from sandbox.errors import CloudError, StartError
from sandbox.iot import environment
from sandbox.iot.server import EmbeddedCloudIot

LOCATION = f"projects/{PROJECT}/locations/europe-west1"
SKEW_S = 600
numbers = itertools.count(1)


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedCloudIot]:
    with EmbeddedCloudIot(tmp_path_factory.mktemp("cloud-iot")) as running:
        running.make_registry(f"{LOCATION}/registries/cameras")
        yield running


@pytest.fixture(scope="module")
def key() -> Key:
    return Key()


@pytest.fixture
def path(cloud: EmbeddedCloudIot, key: Key) -> str:
    """A device of its own for each test, registered with `key`."""
    return cloud.make_device(f"{LOCATION}/registries/cameras/devices/camera-{next(numbers)}", key.public)


@pytest.fixture
def connect(cloud: EmbeddedCloudIot, key: Key) -> Iterator[Callable[..., Device]]:
    """Connects as a device does: `connect(path)`, or with the keywords of `Device` and another password."""
    opened: list[Device] = []

    def make(path: str, password: str | None = "", **options: Any) -> Device:
        opened.append(Device(cloud, path, key.token() if password == "" else password, **options))
        return opened[-1]

    yield make
    for device in opened:
        device.stop()


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


def ask(cloud: EmbeddedCloudIot, method: str, path: str, document: object) -> Any:
    """What the API answers, be it an error."""
    body = json.dumps(document).encode()
    try:
        with urllib.request.urlopen(
            urllib.request.Request(f"{cloud.url}/v1/{path}", body, method=method)
        ) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)


@pytest.fixture(scope="module")
def google(cloud: EmbeddedCloudIot, key: Key, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What google-cloud-iot is told."""
    file = tmp_path_factory.mktemp("google") / "public.pem"
    file.write_text(key.public)
    # Python 3.12 and later find fault with the types that protobuf makes in C: "Type google._upb…".
    ignored = "-W ignore::FutureWarning -W ignore:Type:DeprecationWarning"
    script = f"-W error {ignored} tests/support/cloud_iot/iot_google.py"
    return dict(run(script, cloud.url, str(file)))


@pytest.fixture(scope="module")
def clearblade(cloud: EmbeddedCloudIot, key: Key, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What clearblade-cloud-iot is told."""
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


# The API


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
    assert clearblade["registry again"] is None  # that is how the library tells it
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


def test_api_fails_as_it_is_told_to(cloud: EmbeddedCloudIot, path: str) -> None:
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


# Who may connect


@dataclass(frozen=True)
class _Ahead:
    """So many seconds after the moment of the test, which may come long after it was collected."""

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
    told = {
        name: now_s + value.by_s if isinstance(value, _Ahead) else value for name, value in claims.items()
    }
    assert not connect(path, key.token(**told)).is_connected
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


# What may be published


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


def test_states_are_told_newest_first(
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


# What devices are told


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


# What goes wrong


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


# The process


def test_tls_is_1_2_or_newer(cloud: EmbeddedCloudIot) -> None:
    done = subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{cloud.mqtt_port}", "-tls1_1"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
    )
    assert done.returncode != 0


def test_port_that_is_taken_is_named_with_who_has_it(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(
            StartError, match=rf"{port}, meant for the embedded MQTT bridge, .*process {os.getpid()}"
        ):
            EmbeddedCloudIot(tmp_path, mqtt_port=port)
        with pytest.raises(StartError, match=rf"{port}, meant for the embedded Cloud IoT's API"):
            EmbeddedCloudIot(tmp_path, api_port=port)


@pytest.mark.parametrize("option", ["--api-port", "--mqtt-port"])
def test_process_says_which_port_is_taken(tmp_path: Path, free_port: int, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports = {"--api-port": free_port, "--mqtt-port": free_port} | {option: taken.getsockname()[1]}
        done = subprocess.run(
            [
                *(str(environment.interpreter()), "-m", "sandbox.iot", f"--folder={tmp_path}"),
                *(f"{name}={port}" for name, port in ports.items()),
            ],
            cwd=environment.REPOSITORY,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 1
        assert str(ports[option]) in done.stderr
        assert "Traceback" not in done.stderr


def test_process_ends_on_sigterm_and_has_nothing_to_complain_of(tmp_path: Path, key: Key) -> None:
    with EmbeddedCloudIot(tmp_path) as cloud:
        registry = cloud.make_registry(f"{LOCATION}/registries/cameras")
        path = cloud.make_device(f"{registry}/devices/lobby", key.public)
        staying, going = Device(cloud, path, key.token()), Device(cloud, f"{path}-unknown", key.token())
        assert staying.publish("state")
        assert not going.is_connected
        with socket.create_connection(("127.0.0.1", cloud.mqtt_port)) as rude:
            rude.sendall(b"GET / HTTP/1.1\r\n\r\n")
        with pytest.raises(ssl.SSLCertVerificationError):
            ssl.create_default_context().wrap_socket(
                socket.create_connection(("127.0.0.1", cloud.mqtt_port)), server_hostname="localhost"
            )
        process = psutil.Process(cloud.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert staying.is_gone()
        for device in (staying, going):
            device.stop()
        assert len(cloud.log.read_text().splitlines()) == 1


def test_lock_names_no_host() -> None:
    assert "://" not in (environment.CLOUD_IOT.source / "uv.lock").read_text()


def test_installing_what_is_installed_takes_no_package_index(monkeypatch: pytest.MonkeyPatch) -> None:
    environment.install()
    monkeypatch.setenv("PATH", "")
    assert environment.install() == environment.interpreter()
