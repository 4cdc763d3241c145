"""The socket that a core offers, with the client that edgecam has."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from edgecam.greengrass_ipc import Nucleus, problem
from sandbox.core.ipc_socket import NucleusSocket
from sandbox.errors import CloudError

ACCESS = {
    "accessControl": {
        "aws.greengrass.ipc.mqttproxy": {
            "c:1": {"operations": ["aws.greengrass#PublishToIoTCore"], "resources": ["edgecam/+/+/state"]}
        }
    }
}
TOPIC = "edgecam/core/lobby/state"

Sent = list[tuple[str, bytes, int]]


@pytest.fixture
def sent() -> Sent:
    return []


@pytest.fixture
def nucleus(tmp_path: Path, sent: Sent) -> Iterator[NucleusSocket]:
    def publish(topic: str, payload: bytes, qos: int) -> None:
        if payload == b"offline":
            raise CloudError("no cloud today")
        sent.append((topic, payload, qos))

    socket = NucleusSocket(tmp_path, publish)
    socket.admit("token-1", "com.example.c", ACCESS)
    yield socket
    socket.close()


def test_what_is_allowed_goes_on_to_the_cloud(nucleus: NucleusSocket, sent: Sent) -> None:
    with Nucleus(str(nucleus.path), "token-1") as connection:
        connection.update_state("RUNNING")
        connection.publish(TOPIC, b"connected")
    assert sent == [(TOPIC, b"connected", 1)]


def refusal(nucleus: NucleusSocket, ask: Callable[[Nucleus], object], token: str = "token-1") -> str:
    """The error that the client raises, with its message: the SDK's `str` has none."""
    try:
        with Nucleus(str(nucleus.path), token) as connection:
            ask(connection)
    except Exception as error:  # the SDK's errors share no root below Exception
        return problem(error)
    return "no refusal"


def test_other_topics_and_strangers_are_refused(nucleus: NucleusSocket, sent: Sent) -> None:
    found = refusal(nucleus, lambda client: client.publish("edgecam/core/lobby/config", b"x"))
    assert found == "UnauthorizedError: IPC Operation not authorized."
    assert refusal(nucleus, lambda _: None, token="token-2").startswith("AccessDeniedError")
    assert sent == []


def test_component_that_has_ended_publishes_no_more(nucleus: NucleusSocket, sent: Sent) -> None:
    def publish_too_late(client: Nucleus) -> None:
        nucleus.dismiss("token-1")
        client.publish(TOPIC, b"connected")

    assert refusal(nucleus, publish_too_late) == "UnauthorizedError: The component has ended."
    assert sent == []


def test_cloud_that_is_away_is_an_error_of_the_service(nucleus: NucleusSocket) -> None:
    found = refusal(nucleus, lambda client: client.publish(TOPIC, b"offline"))
    assert found == "ServiceError: Failed to publish the message: no cloud today"


def test_secrets_are_not_served_as_on_nucleus_lite(nucleus: NucleusSocket) -> None:
    arn = "arn:aws:secretsmanager:r:123456789012:secret:x"
    found = refusal(nucleus, lambda client: client.secret(arn, refresh=None))
    assert found == "ServiceError: GetSecretValue is not served here."


def test_core_in_a_deep_folder_has_a_socket_all_the_same(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100)
    socket = NucleusSocket(deep, lambda *_: None)
    socket.admit("token-1", "com.example.c", ACCESS)
    with Nucleus(str(socket.path), "token-1") as connection:
        connection.publish(TOPIC, b"connected")
    folder = socket.path.parent
    socket.close()
    assert not folder.exists()
