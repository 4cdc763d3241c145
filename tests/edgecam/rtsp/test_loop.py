"""The thread of all connections, with sockets of this machine at the other end."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

from edgecam.config.camera import Tls
from edgecam.errors import (
    SourceEnded,
    SourceError,
    SourceRefused,
    SourceTls,
    SourceUnreachable,
    SourceUntrusted,
)
from edgecam.rtsp import link as link_module
from edgecam.rtsp.link import Link, Target
from edgecam.rtsp.loop import Loop
from edgecam.rtsp.participant import Participant
from edgecam.rtsp.tls import context_for
from sandbox.cameras.hostile_camera import UNANSWERED, HostileCamera
from sandbox.ports import free_port

Eventually = Callable[..., Any]


class Listener(Participant):
    """Keeps what comes."""

    def __init__(self, *, look_period_s: float = 0.0, says: bytes = b"hello") -> None:
        self.look_period_s = look_period_s
        self.due_s: float | None = None
        self.data = b""
        self.reads: list[int] = []
        self.error: Exception | None = None
        self.threads: set[int] = set()
        self.ticks = 0
        self.peer = ""
        self.fault: Exception | None = None
        self._outgoing = says

    def opened(self, peer: str, now_s: float) -> None:
        del now_s
        self.peer = peer
        self.threads.add(threading.get_ident())

    def received(self, data: bytes, now_s: float) -> None:
        del now_s
        self.threads.add(threading.get_ident())
        self.data += data
        self.reads.append(len(data))
        if self.fault is not None:
            raise self.fault

    def tick(self, now_s: float) -> None:
        self.ticks += 1
        self.due_s = now_s + 0.05
        self._outgoing = b"tick"

    def take_outgoing(self) -> bytes:
        taken, self._outgoing = self._outgoing, b""
        return taken

    def ended(self, error: Exception) -> None:
        assert self.error is None, "called once"
        self.error = error

    def says(self, data: bytes) -> None:
        self._outgoing += data


LOOP = Loop()


@contextmanager
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(10)
        yield listening


def target(*ports: int, **settings: Any) -> Target:
    addresses = [(socket.AF_INET, ("127.0.0.1", port)) for port in ports]
    values: dict[str, Any] = {"name": "cam", "host": "127.0.0.1", "timeout_s": 10.0} | settings
    return Target(port=ports[-1], addresses=addresses, **values)


@contextmanager
def linked(participant: Participant, to: Target) -> Iterator[Link]:
    link = Link(to, participant)
    LOOP.add(link)
    try:
        yield link
    finally:
        LOOP.remove(link)


@pytest.mark.parametrize("look_period_s", [0.0, 0.02])
def test_what_is_said_comes_and_what_is_answered_goes(look_period_s: float, eventually: Eventually) -> None:
    listener = Listener(look_period_s=look_period_s)
    with server() as listening, linked(listener, target(listening.getsockname()[1])) as link:
        accepted, _ = listening.accept()
        with accepted:
            assert accepted.recv(5) == b"hello"
            accepted.sendall(b"x" * 600_000)
            eventually(lambda: len(listener.data) == 600_000)
            assert (link.received_bytes, listener.peer) == (600_000, "127.0.0.1")
            accepted.shutdown(socket.SHUT_WR)
            assert isinstance(eventually(lambda: listener.error), SourceEnded)
    assert len(listener.threads) == 1


def test_all_connections_share_one_thread_and_one_look(eventually: Eventually) -> None:
    listeners = [Listener(look_period_s=0.05) for _ in range(20)]
    with ExitStack() as stack:
        listening = stack.enter_context(server())
        for each in listeners:
            stack.enter_context(linked(each, target(listening.getsockname()[1])))
        accepted = [stack.enter_context(listening.accept()[0]) for _ in listeners]
        for each in accepted:
            each.sendall(b"one")
        eventually(lambda: all(each.data == b"one" for each in listeners))
        assert len({thread for each in listeners for thread in each.threads}) == 1
        for number in range(3):
            for each in accepted:
                each.sendall(bytes([number]))
        eventually(lambda: all(len(each.data) == 6 for each in listeners))
        assert sum(len(each.reads) for each in listeners) < 20 * 4, "a look takes all that has come"


def test_a_connection_ticks_when_it_is_due(eventually: Eventually) -> None:
    listener = Listener(look_period_s=0.02)
    listener.due_s = 0.0
    with server() as listening, linked(listener, target(listening.getsockname()[1])):
        accepted, _ = listening.accept()
        with accepted:
            eventually(lambda: listener.ticks >= 3)
            assert accepted.recv(100).startswith(b"hellotick")


def test_the_next_address_is_tried(eventually: Eventually) -> None:
    listener = Listener()
    with server() as listening, linked(listener, target(free_port(), listening.getsockname()[1])):
        accepted, _ = listening.accept()
        with accepted:
            accepted.sendall(b"there")
            eventually(lambda: listener.data == b"there")


def test_the_next_address_is_tried_where_one_does_not_answer() -> None:
    listener = Listener()
    with HostileCamera(UNANSWERED) as silent, server() as listening:
        to = target(silent.port, listening.getsockname()[1], timeout_s=2)
        with linked(listener, to):
            accepted, _ = listening.accept()
            with accepted:
                assert accepted.recv(5) == b"hello"


def test_a_port_where_nobody_listens_is_refused(eventually: Eventually) -> None:
    listener = Listener()
    with linked(listener, target(free_port())):
        assert isinstance(eventually(lambda: listener.error), SourceRefused)


def test_a_host_that_does_not_answer_is_given_up(eventually: Eventually) -> None:
    listener = Listener()
    with HostileCamera(UNANSWERED) as silent, linked(listener, target(silent.port, timeout_s=1)):
        assert isinstance(eventually(lambda: listener.error), SourceUnreachable)


def test_who_sends_faster_than_is_taken_is_held_back_and_the_others_are_not(
    eventually: Eventually, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(link_module, "LOOK_BYTES_LIMIT", 50_000)
    monkeypatch.setattr(link_module, "RECEIVE_BYTES", 10_000)
    flooded, calm = Listener(), Listener(look_period_s=0.02)
    with ExitStack() as stack:
        listening = stack.enter_context(server())
        port = listening.getsockname()[1]
        stack.enter_context(linked(flooded, target(port)))
        flood = stack.enter_context(listening.accept()[0])
        stack.enter_context(linked(calm, target(port)))
        other = stack.enter_context(listening.accept()[0])
        flood.setblocking(False)
        other.sendall(b"calm")
        sent = 0
        for _ in range(200):
            try:
                sent += flood.send(bytes(1_000_000))
            except BlockingIOError:
                break
        eventually(lambda: calm.data == b"calm")
        assert sent > len(flooded.data), "what is not read waits with the sender"
        before = len(flooded.data)
        eventually(lambda: len(flooded.data) > before)


def test_who_does_not_read_is_left(eventually: Eventually, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module, "OUTGOING_BYTES", 1_000)
    listener = Listener(says=bytes(20_000_000))
    with server() as listening, linked(listener, target(listening.getsockname()[1])):
        accepted, _ = listening.accept()
        with accepted:
            error = eventually(lambda: listener.error)
    assert isinstance(error, SourceEnded)
    assert "to read what it is sent" in str(error)


def test_what_nobody_foresaw_ends_one_connection_alone(eventually: Eventually) -> None:
    broken, other = Listener(), Listener()
    broken.fault = ZeroDivisionError("rtsp://me:geheim@cam")
    with ExitStack() as stack:
        listening = stack.enter_context(server())
        for each in (broken, other):
            stack.enter_context(linked(each, target(listening.getsockname()[1])))
        for _ in range(2):
            stack.enter_context(listening.accept()[0]).sendall(b"data")
        error = eventually(lambda: broken.error)
        assert isinstance(error, SourceError)
        assert "geheim" not in str(error)
        eventually(lambda: other.data == b"data")
        assert other.error is None


class Troubled(Listener):
    """Raises where nothing may be raised any more, or takes its own descriptor away."""

    def __init__(self, *, closes: bool) -> None:
        super().__init__()
        self.link: Link | None = None
        self._closes = closes
        self.has_ended = False

    def received(self, data: bytes, now_s: float) -> None:
        super().received(data, now_s)
        if not self._closes or self.link is None:
            raise ZeroDivisionError("in received")
        self.link.close()

    def take_outgoing(self) -> bytes:
        if self.data:
            raise ZeroDivisionError("in take_outgoing")
        return super().take_outgoing()

    def ended(self, error: Exception) -> None:
        super().ended(error)
        self.has_ended = True
        raise ZeroDivisionError("in ended")


@pytest.mark.parametrize("closes", [False, True])
def test_whatever_one_connection_raises_the_thread_goes_on_with_the_others(
    closes: bool, eventually: Eventually
) -> None:
    broken, other = Troubled(closes=closes), Listener()
    with server() as listening, linked(other, target(listening.getsockname()[1])):
        first, _ = listening.accept()
        with first, linked(broken, target(listening.getsockname()[1])) as link:
            broken.link = link
            second, _ = listening.accept()
            with second:
                second.sendall(b"data")
                eventually(lambda: broken.has_ended)
            first.sendall(b"data")
            eventually(lambda: other.data == b"data")


class Held(Listener):
    """Keeps the thread busy until it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.may_go = threading.Event()

    def received(self, data: bytes, now_s: float) -> None:
        super().received(data, now_s)
        self.may_go.wait(20)


def test_what_happened_to_a_connection_that_is_removed_happens_to_no_other(eventually: Eventually) -> None:
    loop, held, left, next_one = Loop(), Held(), Listener(), Listener()
    with HostileCamera(UNANSWERED) as silent, ExitStack() as stack:
        listening = stack.enter_context(server())
        links = [Link(target(listening.getsockname()[1]), each) for each in (held, left)]
        accepted = []
        for link in links:
            loop.add(link)
            accepted.append(stack.enter_context(listening.accept()[0]))
        eventually(lambda: held.peer and left.peer)
        accepted[0].sendall(b"data")
        eventually(lambda: held.data)
        removing = threading.Thread(target=loop.remove, args=(links[1],))
        removing.start()
        eventually(lambda: loop._commands)
        follower = Link(target(silent.port, timeout_s=1), next_one)
        loop.add(follower)
        accepted[1].sendall(b"data")
        held.may_go.set()
        removing.join()
        assert isinstance(eventually(lambda: next_one.error), SourceUnreachable)
        assert not next_one.peer
        loop.remove(links[0])


def test_nothing_is_called_after_a_connection_was_removed(eventually: Eventually) -> None:
    listener = Listener()
    with server() as listening:
        with linked(listener, target(listening.getsockname()[1])) as link:
            accepted, _ = listening.accept()
            eventually(lambda: listener.peer)
        with accepted:
            assert accepted.recv(100) == b"hello"
            assert accepted.recv(100) == b"", "closed"
    assert link.is_closed
    assert (listener.data, listener.error) == (b"", None)


@contextmanager
def encrypted_server(certificate: Path, *, asks: bool = False) -> Iterator[int]:
    """Answers each connection with what it says; returns the port."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)
    if asks:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(certificate)
    stopping = threading.Event()

    def serve(listening: socket.socket) -> None:
        while not stopping.is_set():
            try:
                accepted, _ = listening.accept()
                with context.wrap_socket(accepted, server_side=True) as peer:
                    peer.settimeout(10)
                    while data := peer.recv(65_536):
                        peer.sendall(data * 20)
            except OSError:
                continue

    with server() as listening:
        threading.Thread(target=serve, args=(listening,), daemon=True).start()
        yield listening.getsockname()[1]
        stopping.set()
        listening.shutdown(socket.SHUT_RDWR)


def outcome(port: int, tls: Tls, eventually: Eventually, **settings: Any) -> bytes | Exception:
    listener = Listener(says=b"x" * 50_000)
    to = target(port, context=context_for("cam", tls), certificate_file=tls.certificate_file, **settings)
    with linked(listener, to):
        return eventually(lambda: listener.error or (len(listener.data) == 1_000_000 and listener.data))


def test_an_encrypted_connection_carries_everything(certificate: Path, eventually: Eventually) -> None:
    with encrypted_server(certificate) as port:
        assert outcome(port, Tls(ca_file=str(certificate)), eventually) == b"x" * 1_000_000
        assert outcome(port, Tls(verify=False), eventually) == b"x" * 1_000_000


@pytest.mark.parametrize(
    ("tls", "host", "text"),
    [
        ({}, "127.0.0.1", "it is signed by nobody we trust"),
        ({"ca_file": ""}, "localhost", "it belongs to another host name"),
    ],
)
def test_a_certificate_that_nobody_vouches_for_is_named(
    tls: dict[str, str], host: str, text: str, certificate: Path, eventually: Eventually
) -> None:
    settings = Tls(**{name: str(certificate) for name in tls})
    with encrypted_server(certificate) as port:
        error = outcome(port, settings, eventually, host=host)
    assert isinstance(error, SourceUntrusted)
    assert text in str(error)


def test_a_camera_that_asks_who_we_are_is_shown_our_certificate(
    certificate: Path, eventually: Eventually
) -> None:
    with encrypted_server(certificate, asks=True) as port:
        error = outcome(port, Tls(verify=False), eventually)
        assert isinstance(error, SourceTls)
        assert "certificate_file" in str(error)
        own = Tls(verify=False, certificate_file=str(certificate))
        assert outcome(port, own, eventually) == b"x" * 1_000_000


def test_a_port_that_speaks_without_tls_is_named(eventually: Eventually) -> None:
    def speaks_plainly(listening: socket.socket) -> None:
        accepted, _ = listening.accept()
        with accepted:
            accepted.recv(100)
            accepted.sendall(b"RTSP/1.0 400 Bad Request\r\n\r\n")

    with server() as listening:
        threading.Thread(target=speaks_plainly, args=(listening,), daemon=True).start()
        error = outcome(listening.getsockname()[1], Tls(verify=False), eventually)
    assert isinstance(error, SourceTls)
    assert "rtsp://" in str(error)


@pytest.mark.parametrize(("name", "kind"), [("ca_file", SourceUntrusted), ("certificate_file", SourceTls)])
def test_a_file_that_is_no_certificate_is_named(name: str, kind: type[SourceError], tmp_path: Path) -> None:
    path = tmp_path / "no.pem"
    for content in (None, "no certificate"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(kind, match=f"expected tls.{name} .*no.pem to be a PEM file"):
            context_for("cam", Tls(**{name: str(path)}))


def test_the_thread_ends_with_the_last_connection_and_begins_with_the_next(eventually: Eventually) -> None:
    loop = Loop()
    for _ in range(2):
        listener = Listener()
        link = Link(target(free_port()), listener)
        loop.add(link)
        assert isinstance(eventually(lambda listener=listener: listener.error), SourceRefused)
        thread = loop._thread
        assert thread is not None
        eventually(lambda thread=thread: not thread.is_alive())
        assert loop._thread is None
