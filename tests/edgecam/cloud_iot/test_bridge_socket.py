"""A bridge that means harm: a real TLS server on this machine, and packets that no bridge sends."""

from __future__ import annotations

import resource
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from edgecam.clock import SystemClock
from edgecam.cloud_iot.bridge_socket import MOST_PACKET_BYTES, PacketLengths, PacketTooLong
from edgecam.cloud_iot.connection import BridgeConnection, Limits
from edgecam.cloud_iot.faults import ConnectionErrors
from edgecam.cloud_iot.tls import TrustStore
from edgecam.config.brokers import CloudIot
from edgecam.config.runtime import MOST_BYTES
from edgecam.errors import BrokerError
from sandbox.gcs.certificate import Certificate

PUBLISH = 0x30
CONFIG = b"/devices/lobby/config"


def head(length: int) -> bytes:
    """The fixed header of a PUBLISH with a remaining length (MQTT 3.1.1, 2.2.3)."""
    digits = []
    while True:
        length, digit = divmod(length, 128)
        digits.append(digit | (0x80 if length else 0))
        if not length:
            return bytes([PUBLISH, *digits])


def published(payload: bytes, topic: bytes = CONFIG) -> bytes:
    """A whole PUBLISH of quality of service 0."""
    body = len(topic).to_bytes(2, "big") + topic + payload
    return head(len(body)) + body


Follow = Callable[[PacketLengths, bytes], None]


def at_once(lengths: PacketLengths, stream: bytes) -> None:
    lengths.follow(stream)


def by_single_bytes(lengths: PacketLengths, stream: bytes) -> None:
    for at in range(len(stream)):
        lengths.follow(stream[at : at + 1])


@pytest.mark.parametrize("follow", [at_once, by_single_bytes])
def test_packets_up_to_the_limit_pass_in_any_pieces(follow: Follow) -> None:
    lengths = PacketLengths()
    for size in (0, 1, 127, 128, 16_383, 16_384, MOST_PACKET_BYTES):
        follow(lengths, head(size) + b"\xff" * size)


@pytest.mark.parametrize("follow", [at_once, by_single_bytes])
@pytest.mark.parametrize(
    ("stream", "found"),
    [
        (head(MOST_PACKET_BYTES + 1), f"one of {MOST_PACKET_BYTES + 1}"),
        (published(b"{}") + head(250_000_000), "one of 250000000"),
        (bytes([PUBLISH, 0xFF, 0xFF, 0xFF, 0xFF, 0x01]), "a length of more than four bytes"),
    ],
)
def test_longer_one_is_refused_by_its_head_alone(follow: Follow, stream: bytes, found: str) -> None:
    with pytest.raises(PacketTooLong) as caught:
        follow(PacketLengths(), stream)
    assert caught.value.found == found


class HostileBridge:
    """Takes any token, then sends what a test sets, and counts how much of it was taken."""

    def __init__(self, certificate: Certificate) -> None:
        self._context = certificate.server_context()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self.taken_bytes = 0

    def send(self, *pieces: bytes, repeat: int = 1) -> None:
        """To the next that connects; the last piece `repeat` times."""
        sent = (*pieces[:-1], *[pieces[-1]] * repeat)
        threading.Thread(target=self._serve, args=(sent,), daemon=True).start()

    def _serve(self, pieces: tuple[bytes, ...]) -> None:
        accepted, _ = self._listening.accept()
        with suppress(OSError), self._context.wrap_socket(accepted, server_side=True) as connection:
            connection.recv(65_536)
            connection.sendall(b"\x20\x02\0\0")
            connection.recv(65_536)
            for piece in pieces:
                connection.sendall(piece)
                self.taken_bytes += len(piece)
            connection.recv(65_536)

    def close(self) -> None:
        self._listening.close()


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[HostileBridge]:
    hostile = HostileBridge(Certificate.make(tmp_path))
    yield hostile
    hostile.close()


@pytest.fixture
def connection(bridge: HostileBridge, tmp_path: Path) -> Iterator[BridgeConnection]:
    config = CloudIot(
        project="our-project",
        region="europe-west1",
        registry="cameras",
        host="localhost",
        port=bridge.port,
        ca_file=str(tmp_path / "certificate.pem"),
    )
    clock, device = SystemClock(), config.device_name("lobby")
    faults = ConnectionErrors(config, device, clock)
    made = BridgeConnection(
        config, device, trust=TrustStore(config.ca_file), errors=faults, clock=clock, limits=Limits()
    )
    yield made
    made.close()


def turn_until_refused(connection: BridgeConnection) -> BrokerError:
    for _ in range(1000):
        try:
            connection.poll(1.0)
        except BrokerError as refused:
            return refused
    raise AssertionError("the connection goes on")


def peak_kb() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_giant_packet_is_refused_before_it_is_read(
    bridge: HostileBridge, connection: BridgeConnection
) -> None:
    bridge.send(head(250_000_000), b"[" * 1_000_000, repeat=250)
    connection.open("token", "key", 10)
    before_kb = peak_kb()
    refused = turn_until_refused(connection)
    assert refused.reason == "nonsense"
    assert f"expected a packet of at most {MOST_PACKET_BYTES} bytes, found one of 250000000" in str(refused)
    assert bridge.taken_bytes < 20_000_000  # what the systems' buffers hold
    assert peak_kb() - before_kb < 50_000


@pytest.mark.parametrize(
    "packet", [published(b"{}", topic=b"\xff\xfe"), b"\x30\x01\x00", b"\x30\x04\xff\xff\x00\x00", b"\x90\x00"]
)
def test_packets_that_cannot_be_read_end_the_connection_in_words(
    bridge: HostileBridge, connection: BridgeConnection, packet: bytes
) -> None:
    bridge.send(packet, published(b"{}"))
    connection.open("token", "key", 10)
    refused = turn_until_refused(connection)
    assert refused.reason in ("nonsense", "closed")


def test_flood_leaves_the_device_its_turns_and_little_memory(
    bridge: HostileBridge, connection: BridgeConnection
) -> None:
    bridge.send(published(b"y" * 100_000), repeat=400)
    connection.open("token", "key", 10)
    before_kb, came = peak_kb(), 0
    for _ in range(2000):
        connection.poll(1.0)
        messages = connection.messages()
        assert len(messages) <= 101
        assert all(len(message.payload) == MOST_BYTES + 1 for message in messages)
        came += len(messages)
        if came == 400:
            break
    assert came == 400
    assert peak_kb() - before_kb < 20_000


def test_context_makes_sockets_that_look_at_lengths(bridge: HostileBridge, tmp_path: Path) -> None:
    del bridge
    context = TrustStore(str(tmp_path / "certificate.pem")).context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.sslsocket_class.__name__ == "BridgeSocket"
