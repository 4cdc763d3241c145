"""Secrets, from a nucleus' socket (the real protocol) and from an embedded AWS' Secrets Manager."""

from __future__ import annotations

import json
import socket
import struct
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from nucleus_socket import NucleusSocket

from edgecam.credentials.secrets import SecretSource
from edgecam.errors import CredentialsError
from edgecam.greengrass_ipc import SOCKET_VARIABLE, TOKEN_VARIABLE
from sandbox.aws.clients import Credentials
from sandbox.aws.server import EmbeddedAws
from sandbox.core.token_exchange import TokenExchange
from sandbox.ports import free_port

ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:cameras/lobby-AbCdEf"
VALUE = '{"username": "guard", "password": "from-the-nucleus"}'

pytestmark = pytest.mark.usefixtures("no_cloud")

Nuclei = Callable[..., tuple[NucleusSocket, dict[str, str]]]


@pytest.fixture
def nucleus(tmp_path: Path) -> Iterator[Nuclei]:
    """Starts a nucleus' socket; also gives the variables that point a component at it."""
    started: list[NucleusSocket] = []

    def start(**options: Any) -> tuple[NucleusSocket, dict[str, str]]:
        path = tmp_path / f"ipc-{len(started)}.socket"
        started.append(NucleusSocket(path, "token-1", {ARN: VALUE}, **options))
        return started[-1], {SOCKET_VARIABLE: str(path), TOKEN_VARIABLE: "token-1"}

    yield start
    for each in started:
        each.close()


@pytest.fixture
def no_cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Leaves the AWS SDK without credentials and without a network that it could ask for them."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))


def test_nucleus_that_keeps_secrets_is_asked_and_no_cloud_is_needed(nucleus: Nuclei) -> None:
    server, environment = nucleus()
    assert SecretSource(environment).fetch(ARN) == VALUE
    assert server.asked == [{"secretId": ARN}]


def test_latest_value_is_asked_for_past_the_cache_of_the_nucleus(nucleus: Nuclei) -> None:
    server, environment = nucleus()
    assert SecretSource(environment).fetch(ARN, latest=True) == VALUE
    assert server.asked == [{"secretId": ARN, "refresh": True}]


def test_nucleus_without_network_gives_its_copy_when_the_latest_is_asked_for(nucleus: Nuclei) -> None:
    server, environment = nucleus(is_offline=True)
    assert SecretSource(environment).fetch(ARN, latest=True) == VALUE
    assert [request.get("refresh") for request in server.asked] == [True, None]


@pytest.mark.parametrize(
    "error", ["UnauthorizedError", "ResourceNotFoundError", "ServiceError", "NeverHeardOf"]
)
def test_refusal_of_the_nucleus_is_named_among_the_ways_tried(nucleus: Nuclei, error: str) -> None:
    _, environment = nucleus(error=error)
    with pytest.raises(CredentialsError) as caught:
        SecretSource(environment).fetch(ARN)
    message = str(caught.value)
    assert error in message or "UnmappedDataError" in message
    assert "AWS Secrets Manager: NoCredentialsError" in message
    assert "kms:Decrypt, where a key of yours encrypts it: aws.secret_keys in fleet.yaml" in message
    assert ARN in message


def test_wrong_token_of_the_component_is_a_way_that_failed(nucleus: Nuclei) -> None:
    _, environment = nucleus()
    with pytest.raises(CredentialsError, match="AccessDeniedError"):
        SecretSource(environment | {TOKEN_VARIABLE: "another"}).fetch(ARN)


def test_socket_that_is_not_there_is_a_way_that_failed(tmp_path: Path) -> None:
    environment = {SOCKET_VARIABLE: str(tmp_path / "none"), TOKEN_VARIABLE: "token-1"}
    with pytest.raises(CredentialsError, match=r"nucleus' secret manager: \w*Error"):
        SecretSource(environment).fetch(ARN)


def test_nucleus_that_never_answers_is_given_up(nucleus: Nuclei, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edgecam.greengrass_ipc.TIMEOUT_S", 0.3)
    _, environment = nucleus(never_answers=True)
    with pytest.raises(CredentialsError, match="nucleus' secret manager: TimeoutError"):
        SecretSource(environment).fetch(ARN)


def test_machine_without_a_nucleus_says_which_variables_are_missing() -> None:
    with pytest.raises(CredentialsError, match=f"{SOCKET_VARIABLE} and {TOKEN_VARIABLE} are not both set"):
        SecretSource({}).fetch(ARN)


@pytest.fixture(scope="module")
def embedded_aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedAws]:
    with EmbeddedAws(port=free_port(), folder=tmp_path_factory.mktemp("embedded-aws")) as aws:
        yield aws


@pytest.fixture
def token_exchange(
    embedded_aws: EmbeddedAws,
    no_cloud: None,  # noqa: ARG001 - what it sets comes first
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[TokenExchange]:
    """A core's credentials endpoint, and the variables by which a component finds it."""
    credentials = Credentials("123456789012", "test", "session", "2099-01-01T00:00:00Z")
    with TokenExchange(lambda: credentials) as exchange:
        monkeypatch.setenv("AWS_ENDPOINT_URL", embedded_aws.url)
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", exchange.url)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", exchange.issue())
        yield exchange


@pytest.mark.usefixtures("token_exchange")
def test_nucleus_without_a_secret_manager_leads_to_the_token_exchange_credentials(
    nucleus: Nuclei, embedded_aws: EmbeddedAws
) -> None:
    value = json.dumps({"username": "guard", "password": "from-the-cloud"})
    arn = embedded_aws.client("secretsmanager").create_secret(Name="cameras/a", SecretString=value)["ARN"]
    _, environment = nucleus(error="ServiceError")
    source = SecretSource(environment)
    assert source.fetch(arn) == value
    rotated = value.replace("from-the-cloud", "rotated-since")
    embedded_aws.client("secretsmanager").put_secret_value(SecretId=arn, SecretString=rotated)
    assert source.fetch(arn, latest=True) == rotated


@pytest.mark.usefixtures("token_exchange")
@pytest.mark.parametrize("region", ["eu-west-1", "us-east-1"])
def test_secret_named_by_its_name_is_that_of_the_cores_own_region(
    embedded_aws: EmbeddedAws, region: str
) -> None:
    for each in ("eu-west-1", "us-east-1"):
        with suppress(ClientError):  # of the other case
            client = boto3.client(
                "secretsmanager",
                endpoint_url=embedded_aws.url,
                region_name=each,
                aws_access_key_id="123456789012",
                aws_secret_access_key="test",
            )
            client.create_secret(Name="edgecam/devices/core/a/key", SecretString=each)
    assert SecretSource({"AWS_REGION": region}).fetch("edgecam/devices/core/a/key") == region


@pytest.mark.usefixtures("token_exchange")
def test_token_that_the_core_refuses_is_named_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "stale-token-of-an-earlier-start")
    with pytest.raises(CredentialsError, match="CredentialRetrievalError") as caught:
        SecretSource({}).fetch(ARN)
    assert "stale-token" not in str(caught.value)


@pytest.mark.usefixtures("token_exchange")
def test_secret_that_does_not_exist_is_said_in_the_words_of_aws() -> None:
    with pytest.raises(CredentialsError, match="ResourceNotFoundException"):
        SecretSource({}).fetch(ARN)


@pytest.mark.usefixtures("token_exchange")
def test_binary_secret_is_refused(embedded_aws: EmbeddedAws) -> None:
    client = embedded_aws.client("secretsmanager")
    arn = client.create_secret(Name="cameras/binary", SecretBinary=b"\0\1")["ARN"]
    with pytest.raises(CredentialsError, match="binary data, expected text"):
        SecretSource({}).fetch(arn)


def test_secret_that_is_longer_than_any_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ipc.socket"
    server = NucleusSocket(path, "token-1", {ARN: "x" * 1_000_000})
    try:
        with pytest.raises(CredentialsError, match="expected at most 65536 characters, found 1000000"):
            SecretSource({SOCKET_VARIABLE: str(path), TOKEN_VARIABLE: "token-1"}).fetch(ARN)
    finally:
        server.close()


def test_message_of_a_nucleus_that_announces_its_giant_size_is_refused_unread(tmp_path: Path) -> None:
    """The framing of event streams: total length, length of headers, checksum of both, four bytes each."""
    path = tmp_path / "ipc.socket"
    lengths = struct.pack(">II", 250_000_000, 0)
    prelude = lengths + struct.pack(">I", zlib.crc32(lengths))
    sent = []

    def be_hostile() -> None:
        connection, _ = listening.accept()
        with connection, suppress(OSError):
            connection.recv(65_536)
            connection.sendall(prelude)
            for _ in range(250):
                connection.sendall(bytes(1_000_000))
                sent.append(1_000_000)

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        hostile = threading.Thread(target=be_hostile, daemon=True)
        hostile.start()
        with pytest.raises(CredentialsError, match="the nucleus' secret manager: "):
            SecretSource({SOCKET_VARIABLE: str(path), TOKEN_VARIABLE: "token-1"}).fetch(ARN)
        hostile.join(10)
    assert sum(sent) < 20_000_000
