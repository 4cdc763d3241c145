"""A machine with a claim becomes a core: over MQTT with certificates, with hook and policies as deployed."""

from __future__ import annotations

import json
import queue
import socket
import ssl
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import paho.mqtt.client as mqtt
import pytest
import yaml
from deployed_stacks import DeployedStack, patiently
from paho.mqtt.enums import CallbackAPIVersion

from sandbox.aws.server import EmbeddedAws
from sandbox.ports import free_port

ANSWER_S = 20.0
CREATE = "$aws/certificates/create/json"
DEPLOYMENTS = "$aws/things/{}/shadow/name/AWSManagedGreengrassV2Deployment/update"
PROVISION = "$aws/provisioning-templates/EdgecamCores/provision/json"


class Account:
    """An embedded AWS with the foundation in it."""

    def __init__(self, aws: EmbeddedAws, iot_port: int, stack: DeployedStack, folder: Path) -> None:
        self.iot = aws.client("iot")
        self.stack = stack
        self.iot_port = iot_port
        self.folder = folder
        self.authority = folder / "ca.pem"
        with urlopen(f"{aws.url}/_ministack/iot/ca.pem") as answer:
            self.authority.write_bytes(answer.read())

    def claim(self) -> tuple[Path, Path]:
        """What the command of output CoreMakeClaim does: certificate and key in two files."""
        made = self.iot.create_keys_and_certificate(setAsActive=True)
        self.iot.attach_policy(policyName="EdgecamClaimPolicy", target=made["certificateArn"])
        return self.kept(made["certificatePem"], made["keyPair"]["PrivateKey"])

    def kept(self, certificate: str, key: str) -> tuple[Path, Path]:
        stem = uuid.uuid4().hex
        paths = self.folder / f"{stem}.crt", self.folder / f"{stem}.key"
        for path, text in zip(paths, (certificate, key), strict=True):
            path.write_text(text)
        return paths


class Device:
    """An MQTT client with a certificate; remembers what comes."""

    def __init__(self, account: Account, files: tuple[Path, Path], client_id: str) -> None:
        self.connected: queue.Queue[bool] = queue.Queue()
        self.subscribed: queue.Queue[bool] = queue.Queue()
        self.messages: queue.Queue[tuple[str, dict[str, Any]]] = queue.Queue()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=client_id)
        self.client.connect_timeout = ANSWER_S
        context = ssl.create_default_context(cafile=str(account.authority))
        context.load_cert_chain(*map(str, files))
        self.client.tls_set_context(context)
        self.client.on_connect = lambda *args: self.connected.put(not args[3].is_failure)
        self.client.on_disconnect = lambda *_: self.connected.put(False)
        self.client.on_subscribe = lambda *args: self.subscribed.put(not args[3][0].is_failure)
        self.client.on_message = lambda _, __, message: self.messages.put(
            (message.topic, json.loads(message.payload))
        )
        self.client.connect("localhost", account.iot_port)
        self.client.loop_start()

    def is_let_in(self) -> bool:
        return self.connected.get(timeout=ANSWER_S)

    def ask(self, topic: str, request: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        for end in ("accepted", "rejected"):
            self.client.subscribe(f"{topic}/{end}", qos=1)
            assert self.subscribed.get(timeout=ANSWER_S)
        self.client.publish(topic, json.dumps(request), qos=1)
        answered, document = self.messages.get(timeout=ANSWER_S)
        return answered.removeprefix(f"{topic}/"), document


@contextmanager
def connected(account: Account, files: tuple[Path, Path], client_id: str) -> Iterator[Device]:
    device = Device(account, files, client_id)
    try:
        yield device
    finally:
        device.client.disconnect()
        device.client.loop_stop()


@pytest.fixture(scope="module")
def account(assembly: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Account]:
    folder = tmp_path_factory.mktemp("provisioning")
    iot_port = free_port()
    with EmbeddedAws(port=free_port(), folder=folder, iot_port=iot_port) as aws:
        stack = DeployedStack(aws.client, assembly, "EdgecamFoundation")
        yield Account(aws, iot_port, stack, folder)


def registered(account: Account, thing: str, **parameters: str) -> tuple[str, dict[str, Any], dict[str, Any]]:
    """What a machine that says it is `thing` gets: the answer's kind, the answer, and its certificate."""
    with connected(account, account.claim(), str(uuid.uuid4())) as device:
        assert device.is_let_in()
        kind, certificate = device.ask(CREATE, {})
        assert kind == "accepted"
        token = certificate["certificateOwnershipToken"]
        request = {"certificateOwnershipToken": token, "parameters": {"ThingName": thing, **parameters}}
        return *device.ask(PROVISION, request), certificate


def groups_of(account: Account, thing: str) -> list[str]:
    listed = account.iot.list_thing_groups_for_thing(thingName=thing)["thingGroups"]
    return [group["groupName"] for group in listed]


def test_known_core_becomes_a_thing_with_certificate_and_policy_in_its_group(account: Account) -> None:
    kind, answer, certificate = registered(account, "lobby-core-7")
    assert (kind, answer["thingName"]) == ("accepted", "lobby-core-7")
    assert groups_of(account, "lobby-core-7") == ["lobby-cores"]
    (principal,) = account.iot.list_thing_principals(thingName="lobby-core-7")["principals"]
    (policy,) = account.iot.list_attached_policies(target=principal)["policies"]
    document = account.iot.get_policy(policyName=policy["policyName"])["policyDocument"]
    printed = account.stack.output("CorePolicy").replace("NAME-OF-THE-CORE", "lobby-core-7")
    assert json.loads(document) == json.loads(printed)
    files = account.kept(certificate["certificatePem"], certificate["privateKey"])
    with connected(account, files, "lobby-core-7") as core:
        assert core.is_let_in()


def test_thing_of_a_site_is_known_without_further_settings(account: Account) -> None:
    kind, _, _ = registered(account, "dock-core")
    assert kind == "accepted"
    assert groups_of(account, "dock-core") == ["edgecam-cores"]


def test_thing_that_was_there_before_its_core_stays_in_its_groups(account: Account) -> None:
    account.iot.create_thing(thingName="yard-core")
    account.iot.add_thing_to_thing_group(thingName="yard-core", thingGroupName="lobby-cores")
    kind, _, _ = registered(account, "yard-core")
    assert kind == "accepted"
    assert sorted(groups_of(account, "yard-core")) == ["edgecam-core-yard-core", "lobby-cores"]


def test_core_with_nucleus_lite_is_in_its_own_group_before_it_registers_and_after_its_thing_was_deleted(
    account: Account,
) -> None:
    (member,) = account.iot.list_things_in_thing_group(thingGroupName="edgecam-core-roof-core")["things"]
    assert member == "roof-core"
    account.iot.delete_thing(thingName="roof-core")
    assert registered(account, "roof-core")[0] == "accepted"
    assert groups_of(account, "roof-core") == ["edgecam-core-roof-core"]


def test_core_cannot_choose_its_group(account: Account) -> None:
    kind, _, _ = registered(account, "lobby-door", ThingGroupName="edgecam-cores")
    assert kind == "accepted"
    assert groups_of(account, "lobby-door") == ["lobby-cores"]


def test_core_that_nobody_knows_is_refused_and_leaves_nothing_behind(account: Account) -> None:
    kind, answer, _ = registered(account, "stranger")
    assert (kind, answer["errorCode"]) == ("rejected", "AccessDenied")
    assert "stranger" not in [thing["thingName"] for thing in account.iot.list_things()["things"]]


def test_core_that_has_a_certificate_gets_no_second_one_until_that_is_detached(account: Account) -> None:
    assert registered(account, "lobby-core-8")[0] == "accepted"
    assert registered(account, "lobby-core-8")[0] == "rejected"
    (principal,) = account.iot.list_thing_principals(thingName="lobby-core-8")["principals"]
    account.iot.detach_thing_principal(thingName="lobby-core-8", principal=principal)
    assert registered(account, "lobby-core-8")[0] == "accepted"


@pytest.fixture(scope="module")
def core(account: Account) -> tuple[Path, Path]:
    """Certificate and key of a core that has registered, beside others whose names begin like its own."""
    for other in ("lobby-core-1", "lobby-core-12"):
        assert registered(account, other)[0] == "accepted"
    _, _, certificate = registered(account, "lobby-core-11")
    return account.kept(certificate["certificatePem"], certificate["privateKey"])


@pytest.mark.parametrize("client_id", ["lobby-core-11", "lobby-core-11#2"])
def test_registered_core_connects_under_its_name_as_often_as_a_nucleus_does(
    account: Account, core: tuple[Path, Path], client_id: str
) -> None:
    with connected(account, core, client_id) as device:
        assert device.is_let_in()


@pytest.mark.parametrize("client_id", ["lobby-core-1", "lobby-core-12", "lobby-core-11-2", "anybody"])
def test_registered_core_cannot_take_another_client_id(
    account: Account, core: tuple[Path, Path], client_id: str
) -> None:
    with connected(account, core, client_id) as device:
        assert not device.is_let_in()


@pytest.mark.parametrize("topic", ["$aws/things/{}/jobs/J/update", DEPLOYMENTS, "edgecam/{}/door/state"])
@pytest.mark.parametrize(
    ("thing", "allowed"), [("lobby-core-11", True), ("lobby-core-1", False), ("lobby-core-12", False)]
)
def test_registered_core_publishes_for_its_own_thing_only(
    account: Account, core: tuple[Path, Path], topic: str, thing: str, allowed: bool
) -> None:
    with connected(account, core, "lobby-core-11") as device:
        assert device.is_let_in()
        published = device.client.publish(topic.format(thing), "{}", qos=1)
        # What is acknowledged was allowed; else AWS IoT ends the connection.
        assert patiently(lambda: published.is_published() or not device.connected.empty())
        assert device.connected.empty() is allowed


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        ("$aws/things/lobby-core-11/jobs/notify-next", True),
        (f"{DEPLOYMENTS.format('lobby-core-11')}/accepted", True),
        ("$aws/things/lobby-core-12/jobs/notify-next", False),
        (f"{DEPLOYMENTS.format('lobby-core-1')}/accepted", False),
        ("$aws/things/+/jobs/#", False),
        ("edgecam/#", False),
    ],
)
def test_registered_core_hears_of_its_own_thing_only(
    account: Account, core: tuple[Path, Path], topic: str, allowed: bool
) -> None:
    with connected(account, core, "lobby-core-11") as device:
        assert device.is_let_in()
        device.client.subscribe(topic, qos=1)
        assert _first_of(device.subscribed, device.connected) is allowed


def test_claim_cannot_take_the_client_id_of_a_core(account: Account) -> None:
    with connected(account, account.claim(), "lobby-core-7") as device:
        assert not device.is_let_in()


def test_claim_may_do_nothing_but_register(account: Account) -> None:
    with connected(account, account.claim(), str(uuid.uuid4())) as device:
        assert device.is_let_in()
        device.client.subscribe("edgecam/#", qos=1)
        # AWS IoT refuses by closing the connection or by its answer.
        assert not _first_of(device.subscribed, device.connected)


def test_devices_connect_from_this_machine_only(account: Account) -> None:
    # Who listens on every interface answers on every loopback address.
    with socket.create_connection(("127.0.0.1", account.iot_port)), pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", account.iot_port))


def test_install_commands_are_outputs_that_write_what_each_nucleus_reads(
    account: Account, tmp_path: Path
) -> None:
    aws = tmp_path / "bin" / "aws"
    aws.parent.mkdir()
    aws.write_text('#!/bin/sh\ncase "$*" in *Data-ATS*) echo data.example;; *) echo creds.example;; esac\n')
    aws.chmod(0o755)
    for output, section, endpoint in (
        ("CoreConfigClassic", "aws.greengrass.FleetProvisioningByClaim", "iotCredentialEndpoint"),
        ("CoreConfigLite", "aws.greengrass.fleet_provisioning", "iotCredEndpoint"),
    ):
        command = account.stack.output(output).replace("NAME-OF-THE-CORE", "lobby-core-9")
        subprocess.run(
            ["sh", "-c", command],
            cwd=tmp_path,
            env={"PATH": f"{aws.parent}:/usr/bin:/bin"},
            check=True,
        )
        written = yaml.safe_load((tmp_path / "config.yaml").read_text())
        configuration = written["services"][section]["configuration"]
        assert configuration["iotDataEndpoint"] == "data.example"
        assert configuration[endpoint] == "creds.example"
        assert "lobby-core-9" in str(configuration)
        assert "EdgecamCores" in configuration.values()


def _first_of(*queues: queue.Queue[bool]) -> bool:
    def looked() -> list[bool]:
        return [one.get_nowait() for one in queues if not one.empty()]

    found: list[bool] = patiently(looked)
    return found[0]
