"""An RTSP camera that is right in everything but what its test says, for what no real server does on demand.

    with ScriptedCamera(film) as camera:                                     # without a fault
    with ScriptedCamera(film, Habits(session="7;timeout=10", idle_s=20)):    # ends sessions that are not kept
    with ScriptedCamera(film, Habits(packets=lambda packets: lost(packets, {1000}))):
    with ScriptedCamera(film, Habits(reply=lambda asked, reply: reply.having("Content-Base: rtsp://other/"))):
    with ScriptedCamera(film, Habits(login=Login(challenges=(Digest("SHA-256", qop=True),)))):

Afterwards `requests` has what the client asked for, `client_packets` what it sent between. It is stricter
than most: a request for another address than the control's gets 404, one without the session 454.
"""

from __future__ import annotations

import contextlib
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace
from urllib.parse import urljoin

from sandbox.cameras.camera_listener import CameraListener
from sandbox.cameras.rtp_packets import RtpPacket, packets_of
from sandbox.cameras.rtsp_connection import HEAD_BYTES, Ended
from sandbox.cameras.rtsp_habits import Asked, Habits, Reply, description

_READ_BYTES = 64 * 1024
_NTP_TO_UNIX_S = 2_208_988_800  # RFC 5905, 6
_LOOK_EVERY_S = 0.2


class ScriptedCamera(CameraListener):
    """Listens on 127.0.0.1 from entering to leaving; each connection has two threads of its own.

    Args:
        film: Access units (Annex B) in the order of decoding.
        habits: What is not as it should be; or for each connection in turns, the last for all that follow.
        path: Of its address, with a query where it has one.
        tls: With a certificate: it speaks `rtsps`.
        port: Where it listens; 0 takes a free one.

    Attributes:
        requests: What was asked for, over all connections.
        client_packets: What the client sent between requests: channel and data.
        sent: How many packets it has sent.
    """

    def __init__(
        self,
        film: Sequence[bytes],
        habits: Habits | Sequence[Habits] = Habits(),  # noqa: B008 - it is frozen
        *,
        path: str = "/live/main",
        tls: ssl.SSLContext | None = None,
        port: int = 0,
    ) -> None:
        super().__init__(port)
        self.film = tuple(film)
        self._habits = (habits,) if isinstance(habits, Habits) else tuple(habits)
        self._path = path
        self._tls = tls
        self.requests: list[Asked] = []
        self.client_packets: list[tuple[int, bytes]] = []
        self.sent = 0

    @property
    def uri(self) -> str:
        """As a node's configuration has it."""
        return f"rtsp{'s' if self._tls else ''}://127.0.0.1:{self.port}{self._path}"

    @property
    def methods(self) -> list[str]:
        """Those that were asked for, in their order."""
        return [asked.method for asked in self.requests]

    def _serve(self, accepted: socket.socket, number: int) -> None:
        habits = self._habits[min(number, len(self._habits)) - 1]
        peer = accepted
        with contextlib.suppress(Ended, OSError):
            accepted.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None:
                peer = self._tls.wrap_socket(accepted, server_side=True)
                with self._lock:
                    self._open.discard(accepted)
                    self._open.add(peer)
            _Session(self, peer, number, habits).run()
        self._close(peer)


class _Session:
    """One connection: answers on its own thread, sends on another from PLAY on."""

    def __init__(self, camera: ScriptedCamera, peer: socket.socket, number: int, habits: Habits) -> None:
        self._camera = camera
        self._peer = peer
        self._number = number
        self._habits = habits
        self._received = b""
        self._sending = threading.Lock()
        self._ended = threading.Event()
        self._channel = 0
        self._base = ""
        self._sender: threading.Thread | None = None
        self._asked_s = time.monotonic()

    def run(self) -> None:
        """Until one of the two hangs up."""
        try:
            while True:
                asked = self._next()
                self._camera.requests.append(asked)
                if asked.method:
                    self._answer(asked)
                if asked.method == "TEARDOWN":
                    return
        finally:
            self._ended.set()
            with contextlib.suppress(OSError):
                self._peer.shutdown(socket.SHUT_RDWR)

    def _answer(self, asked: Asked) -> None:
        login = self._habits.login
        refused = login.refusal(asked) if login is not None and asked.method != "OPTIONS" else None
        reply = self._habits.reply(asked, refused or self._right(asked))
        if reply is not None:
            sequence = asked.headers.get("cseq", "0")
            self._send(reply if isinstance(reply, bytes) else reply.to_bytes(sequence))
        is_refused = isinstance(reply, Reply) and not reply.status.startswith("200")
        if asked.method == "PLAY" and self._sender is None and not is_refused:
            self._sender = threading.Thread(target=self._stream, daemon=True)
            self._sender.start()

    def _right(self, asked: Asked) -> Reply:
        """What a camera without faults answers."""
        habits = self._habits
        session = habits.session.partition(";")[0].strip()
        if asked.method not in habits.public.replace(" ", "").split(","):
            return Reply("501 Not Implemented")
        if asked.method == "OPTIONS":
            return Reply(headers=(f"Public: {habits.public}",))
        if asked.method == "DESCRIBE":
            self._base = asked.uri.rstrip("/") + "/"
            sdp = habits.sdp
            if sdp is None:
                sdp = description(
                    self._camera.film,
                    coding=habits.coding,
                    has_sets=habits.has_sets,
                    control=habits.control,
                )
            return Reply(headers=("Content-Type: application/sdp", f"Content-Base: {self._base}"), body=sdp)
        if asked.method == "SETUP":
            control = habits.control
            if asked.uri not in {urljoin(self._base, control), self._base + control}:
                return Reply("404 Stream Not Found")
            transport = habits.transport(asked.headers.get("transport", ""))
            _, _, channels = transport.partition("interleaved=")
            digits = channels.strip().partition("-")[0].partition(";")[0]
            self._channel = int(digits) if digits.isdecimal() else 0
            return Reply(headers=(f"Transport: {transport}", f"Session: {habits.session}"))
        if asked.headers.get("session", "").partition(";")[0] != session:
            return Reply("454 Session Not Found")
        return Reply(headers=(f"Session: {session}",))

    def _stream(self) -> None:
        habits = self._habits
        right = packets_of(self._camera.film, coding=habits.coding, fps=habits.fps)
        with contextlib.suppress(Ended, OSError):
            self._send_all(habits.packets(right))
            if habits.hangs_up:
                self._peer.shutdown(socket.SHUT_RDWR)

    def _send_all(self, items: Iterable[RtpPacket | bytes]) -> None:
        habits, begun_s, reported_s = self._habits, time.monotonic(), -1e9
        for item in items:
            if isinstance(item, bytes):
                self._send(item)
                continue
            wait_s = begun_s + item.at_s / habits.speed - time.monotonic()
            if wait_s > 0:
                self._ended.wait(wait_s)
            if habits.reports_every_s and item.at_s - reported_s >= habits.reports_every_s:
                reported_s = item.at_s
                self._send(sender_report(item, channel=self._channel + 1))
            packet = item if item.channel else replace(item, channel=self._channel)
            self._send(packet.framed())
            self._camera.sent += 1

    def _send(self, data: bytes) -> None:
        if self._camera.stopping.is_set() or self._ended.is_set():
            raise Ended
        with self._sending:
            self._peer.sendall(data)

    def _next(self) -> Asked:
        """What the client sends next; waits for it."""
        while (found := self._taken()) is None:
            self._receive()
        self._asked_s = time.monotonic()
        return found

    def _receive(self) -> None:
        while not self._is_readable():
            idle_s = self._habits.idle_s
            if idle_s is not None and time.monotonic() - self._asked_s > idle_s:
                raise Ended
        if isinstance(self._peer, ssl.SSLSocket):
            with self._sending:  # one thread at a time reads or writes
                received = self._peer.recv(_READ_BYTES)
        else:
            received = self._peer.recv(_READ_BYTES)
        if not received or len(self._received) > HEAD_BYTES:
            raise Ended
        self._received += received

    def _is_readable(self) -> bool:
        if isinstance(self._peer, ssl.SSLSocket) and self._peer.pending():
            return True
        return bool(select.select([self._peer], [], [], _LOOK_EVERY_S)[0])

    def _taken(self) -> Asked | None:
        """The next whole message of what was received."""
        while self._received[:1] == b"$":
            size = 4 + int.from_bytes(self._received[2:4])
            if len(self._received) < max(4, size):
                return None
            self._camera.client_packets.append((self._received[1], self._received[4:size]))
            self._received = self._received[size:]
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        first, *lines = head.decode(errors="replace").split("\r\n")
        pairs = (line.partition(":") for line in lines)
        headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
        length = int(headers.get("content-length", "0"))
        if len(rest) < length:
            return None
        self._received = rest[length:]
        method, _, after = first.partition(" ")
        method = "" if method.startswith("RTSP/") else method
        uri = after.rpartition(" ")[0] if method else first
        return Asked(method, uri, headers, rest[:length], time.monotonic(), self._number)


def sender_report(
    packet: RtpPacket, *, channel: int = 1, unix_s: float | None = None, has_bye: bool = False
) -> bytes:
    """A framed sender report with a name (RFC 3550, 6.4.1 and 6.5), by which `packet` is sent at `unix_s`, or
    now."""
    ntp_s = (time.time() if unix_s is None else unix_s) + _NTP_TO_UNIX_S
    seconds = int(ntp_s)
    words = (
        seconds & 0xFFFFFFFF,
        int((ntp_s - seconds) * 2**32),
        packet.time & 0xFFFFFFFF,
        packet.number & 0xFFFFFFFF,
        0,
    )
    data = struct.pack(">BBHI5I", 0x80, 200, 6, packet.ssrc, *words)
    data += struct.pack(">BBHIBB", 0x81, 202, 2, packet.ssrc, 1, 1) + b"x\0"
    if has_bye:
        data += struct.pack(">BBHI", 0x81, 203, 1, packet.ssrc)
    return struct.pack(">BBH", 0x24, channel, len(data)) + data
