"""TLS out of memory: many records a system call, and nothing is lost at the ends."""

from __future__ import annotations

import contextlib
import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import pytest

from edgecam.rtsp.encrypted_socket import EncryptedSocket

T = TypeVar("T")
BUFFER = memoryview(bytearray(256 * 1024))


class Counting(socket.socket):
    """Counts how often it was read."""

    reads = 0

    def recv(self, bufsize: int, flags: int = 0, /) -> bytes:
        self.reads += 1
        return super().recv(bufsize, flags)


class Pair:
    """A camera's end, which waits, and ours, which does not; both have shaken hands."""

    def __init__(self, certificate: Path) -> None:
        server = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        server.load_cert_chain(certificate)
        client = ssl.create_default_context(cafile=str(certificate))
        client.check_hostname = False
        with socket.create_server(("127.0.0.1", 0)) as listening:
            near = socket.create_connection(listening.getsockname())
            far, _ = listening.accept()
        self.counting = Counting(fileno=near.detach())
        self.counting.setblocking(False)
        self.ours = EncryptedSocket(self.counting, client, "camera")
        made: list[ssl.SSLSocket] = []
        thread = threading.Thread(target=lambda: made.append(server.wrap_socket(far, server_side=True)))
        thread.start()
        patiently(self.ours.do_handshake)
        thread.join()
        (self.camera,) = made
        self.camera.settimeout(10)

    def close(self) -> None:
        self.ours.close()
        self.camera.close()


def patiently(call: Callable[[], T]) -> T:
    """Again while nothing is there; the other end is a thread of this process, or has sent already."""
    for _ in range(10_000):
        try:
            return call()
        except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
            time.sleep(0.001)
    raise AssertionError("expected the other end to go on, found that nothing comes")


@pytest.fixture
def pair(certificate: Path) -> Iterator[Pair]:
    made = Pair(certificate)
    yield made
    made.close()


def arrived(connection: socket.socket, size: int) -> None:
    """Wait until more than `size` bytes lie there."""
    for _ in range(10_000):
        with contextlib.suppress(BlockingIOError):
            if connection.recv_into(BUFFER, 0, socket.MSG_PEEK) > size:
                return
        time.sleep(0.001)
    raise AssertionError("expected the packets to arrive")


def everything(ours: EncryptedSocket, size: int) -> bytes:
    """So many bytes."""
    read = bytearray()
    while len(read) < size:
        got = patiently(lambda: ours.recv_into(BUFFER))
        assert got, f"ended after {len(read)} of {size} bytes"
        read += BUFFER[:got]
    return bytes(read)


def test_many_records_are_read_by_few_system_calls(pair: Pair) -> None:
    packets = [bytes([number]) * 1_400 for number in range(20)]
    patiently(lambda: pair.ours.send(b"PLAY"))
    assert pair.camera.recv(16) == b"PLAY"
    for packet in packets:
        pair.camera.sendall(packet)
    arrived(pair.counting, 20 * 1_400)
    pair.counting.reads = 0
    assert pair.ours.recv_into(BUFFER) == 20 * 1_400
    assert bytes(BUFFER[: 20 * 1_400]) == b"".join(packets)
    assert pair.counting.reads <= 3
    with pytest.raises(ssl.SSLWantReadError):
        pair.ours.recv_into(BUFFER)


def test_what_is_larger_than_the_buffer_comes_in_parts(pair: Pair) -> None:
    content = os.urandom(1_000_000)
    sending = threading.Thread(target=pair.camera.sendall, args=(content,))
    sending.start()
    assert everything(pair.ours, len(content)) == content
    sending.join()


def test_an_end_that_is_reading_nothing_is_not_waited_for_and_gets_everything_later(pair: Pair) -> None:
    parts = 0
    while not pair.ours.is_behind:
        pair.ours.send(parts.to_bytes(4, "big") * 4_096)
        parts += 1
    with pytest.raises(ssl.SSLWantWriteError):
        pair.ours.send(b"more")
    received = bytearray()
    while len(received) < parts * 16_384:
        received += pair.camera.recv(65_536)
        pair.ours.flush()
    assert not pair.ours.is_behind
    assert received == b"".join(number.to_bytes(4, "big") * 4_096 for number in range(parts))


def announced(camera: ssl.SSLSocket) -> None:
    camera.setblocking(False)
    with pytest.raises(ssl.SSLWantReadError):
        camera.unwrap()  # it waits for our answer


def unannounced(camera: ssl.SSLSocket) -> None:
    camera.shutdown(socket.SHUT_WR)


def garbled(camera: ssl.SSLSocket) -> None:
    os.write(camera.fileno(), bytes((23, 3, 3, 0, 32)) + bytes(32))


@pytest.mark.parametrize(("end", "fault"), [(announced, None), (unannounced, None), (garbled, ssl.SSLError)])
def test_what_came_before_the_end_is_read_first(
    end: Callable[[ssl.SSLSocket], None], fault: type[Exception] | None, pair: Pair
) -> None:
    pair.camera.sendall(b"the last picture")
    end(pair.camera)
    assert everything(pair.ours, 16) == b"the last picture"
    for _ in range(2):
        if fault is None:
            assert patiently(lambda: pair.ours.recv_into(BUFFER)) == 0
        else:
            with pytest.raises(fault):
                patiently(lambda: pair.ours.recv_into(BUFFER))
