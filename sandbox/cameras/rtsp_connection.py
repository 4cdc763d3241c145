"""The camera's end of one RTSP connection, made by hand: so that it can be right, and wrong on purpose."""

from __future__ import annotations

import re
import select
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

CLOCK_HZ = 90_000
"""Of RTP's time stamps for video (RFC 6184, 8.2.1)."""
PAYLOAD_TYPE = 96
PACKET_BYTES = 1400
"""Larger units travel in fragments, as over Ethernet."""
HEAD_BYTES = 64 * 1024
"""No client sends a longer request."""
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=camera\r\nt=0 0\r\na=control:*\r\n"
    f"m=video 0 RTP/AVP {PAYLOAD_TYPE}\r\nc=IN IP4 0.0.0.0\r\na=rtpmap:{PAYLOAD_TYPE} H264/{CLOCK_HZ}\r\n"
    f"a=fmtp:{PAYLOAD_TYPE} packetization-mode=1\r\na=control:track1\r\n"
).encode()
_FU_A = 28  # RFC 6184, 5.8
_SESSION = "Session: 12345678;timeout=60"
_ANSWERS: Mapping[str, Sequence[str]] = {
    "OPTIONS": ("Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER",),
    "DESCRIBE": ("Content-Type: application/sdp",),
    "SETUP": (_SESSION, "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"),
    "PLAY": (_SESSION,),
}
_READ_BYTES = 64 * 1024
_NTP_TO_UNIX_S = 2_208_988_800  # RFC 5905, 6
_SENDER_REPORT = 200
REPORTS_EVERY_S = 2.0
SSRC = 0x1234


class Ended(Exception):  # noqa: N818 - no error: the usual end of a connection
    """The other end has hung up, or the camera is to stop."""


@dataclass(frozen=True)
class Request:
    """What the client asks.

    Attributes:
        method: As `DESCRIBE`.
        head: The whole head.
        sequence: The value of `CSeq`.
    """

    method: str
    head: str
    sequence: str


@dataclass(frozen=True)
class Clocks:
    """What a camera says and does about time, picture by picture, counted from 0.

    Attributes:
        stamped_s: Seconds that the picture is stamped with, after the seconds at which it should be.
        sent_s: Seconds after the beginning at which it is sent.
        reports: Whether the camera sends reports.
        ssrc: Of the source that it belongs to.
    """

    stamped_s: Callable[[int, float], float] = lambda _, at_s: at_s
    sent_s: Callable[[int, float], float] = lambda _, at_s: at_s
    reports: bool = False
    ssrc: Callable[[int], int] = lambda _: SSRC


class Connection:
    """One connection, on the thread of its own that runs the script.

    Args:
        peer: Accepted.
        number: The how manieth of its camera, from 1.
        film: Access units (H.264, Annex B).
        fps: How many of them a second.
        stopping: Set when the camera stops.
    """

    def __init__(
        self,
        peer: socket.socket,
        number: int,
        *,
        film: Sequence[bytes],
        fps: float,
        stopping: threading.Event,
    ) -> None:
        self.number = number
        self._peer = peer
        self._film = film
        self._fps = fps
        self._stopping = stopping
        self._received = b""
        self._packets = 0
        self._datagrams: tuple[socket.socket, tuple[str, int]] | None = None
        self._ssrc = SSRC

    def request(self) -> Request:
        """The next one; waits for it.

        Raises:
            Ended: there is none.
        """
        while (found := self._taken()) is None:
            self._receive()
        return found

    def answer(
        self, request: Request, status: str = "200 OK", headers: Sequence[str] = (), body: bytes = b""
    ) -> None:
        """Answer it, with the headers given."""
        length = [f"Content-Length: {len(body)}"] if body else []
        lines = (f"RTSP/1.0 {status}", f"CSeq: {request.sequence}", *headers, *length, "", "")
        self.send("\r\n".join(lines).encode() + body)

    def send(self, data: bytes) -> None:
        """Any bytes at all."""
        if self._stopping.is_set():
            raise Ended
        self._peer.sendall(data)

    def shake_hands(self, sdp: bytes = SDP) -> None:
        """Answer as a camera does, until the client wants to see something."""
        while True:
            request = self.request()
            self.answer_well(request, sdp)
            if request.method == "PLAY":
                return

    def answer_well(self, request: Request, sdp: bytes = SDP) -> None:
        """Answer as a camera does."""
        body = sdp if request.method == "DESCRIBE" else b""
        headers = _ANSWERS.get(request.method, ())
        port = re.search(r"client_port=(\d+)", request.head)
        if request.method == "SETUP" and port is not None:
            headers = self._over_udp(int(port[1]))
        self.answer(request, headers=headers, body=body)

    def _over_udp(self, port: int) -> Sequence[str]:
        """Send to that port from now on; returns the answer's headers."""
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sender.bind(("127.0.0.1", 0))
        self._datagrams = sender, ("127.0.0.1", port)
        own = sender.getsockname()[1]
        ports = f"client_port={port}-{port + 1};server_port={own}-{own + 1}"
        return (_SESSION, f"Transport: RTP/AVP;unicast;{ports}")

    def play(self, duration_s: float = float("inf"), *, clocks: Clocks | None = None, first: int = 0) -> None:
        """Show the film, over and over, for `duration_s`.

        Args:
            duration_s: How long.
            clocks: What is wrong about its times.
            first: The picture to begin with.
        """
        clocks = clocks or Clocks()
        begun_s, shown, reported_s = time.monotonic(), 0, -REPORTS_EVERY_S
        while shown / self._fps < duration_s:
            at_s = shown / self._fps
            self._ssrc = clocks.ssrc(shown)
            time_stamp = round(clocks.stamped_s(shown, at_s) * CLOCK_HZ)
            if clocks.reports and at_s - reported_s >= REPORTS_EVERY_S:
                reported_s = at_s
                self.report(time_stamp)
            units = list(nal_units(self._film[(first + shown) % len(self._film)]))
            for place, unit in enumerate(units):
                self.unit(unit, time_stamp, is_last=place == len(units) - 1)
            shown += 1
            self.attend(begun_s + clocks.sent_s(shown, shown / self._fps) - time.monotonic())

    def report(self, time_stamp: int) -> None:
        """A sender report (RFC 3550, 6.4.1): now is the picture of this time stamp."""
        now_s = time.time() + _NTP_TO_UNIX_S
        seconds = int(now_s)
        words = (seconds, int((now_s - seconds) * 2**32), time_stamp & 0xFFFFFFFF, self._packets, 0)
        report = struct.pack(">BBHI5I", 0x80, _SENDER_REPORT, 6, self._ssrc, *words)
        name = struct.pack(">BBHIBB", 0x81, 202, 2, self._ssrc, 1, 1) + b"x\0"
        if self._datagrams is not None:
            sender, (host, port) = self._datagrams
            sender.sendto(report + name, (host, port + 1))
            return
        self.send(struct.pack(">BBH", 0x24, 1, len(report) + len(name)) + report + name)

    def unit(self, unit: bytes, time_stamp: int, *, is_last: bool) -> None:
        """A NAL unit, in fragments where it is large."""
        if len(unit) <= PACKET_BYTES:
            self.packet(unit, time_stamp, is_last=is_last)
            return
        indicator, kind = unit[0] & 0xE0 | _FU_A, unit[0] & 0x1F
        parts = [unit[at : at + PACKET_BYTES] for at in range(1, len(unit), PACKET_BYTES)]
        for place, part in enumerate(parts):
            ends = place == len(parts) - 1
            header = bytes([indicator, kind | 0x80 * (place == 0) | 0x40 * ends])
            self.packet(header + part, time_stamp, is_last=is_last and ends)

    def packet(
        self,
        payload: bytes,
        time_stamp: int,
        *,
        is_last: bool,
        kind: int = PAYLOAD_TYPE,
        extension: bytes = b"",
    ) -> None:
        """One RTP packet with this payload and extension (RFC 3550, 5.3.1), between RTSP's own bytes
        (RFC 2326, 10.12)."""
        self._packets += 1
        first = 0x80 | 0x10 * bool(extension)
        marked = kind | 0x80 * is_last
        sequence = self._packets & 0xFFFF
        head = struct.pack(">BBHII", first, marked, sequence, time_stamp & 0xFFFFFFFF, self._ssrc)
        content = head + extension + payload
        if self._datagrams is not None:
            sender, address = self._datagrams
            sender.sendto(content, address)
            return
        self.send(struct.pack(">BBH", 0x24, 0, len(content)) + content)

    def attend(self, duration_s: float) -> None:
        """Wait for `duration_s`; what the client asks meanwhile is answered with 200."""
        end_s = time.monotonic() + duration_s
        while (left_s := end_s - time.monotonic()) > 0:
            if select.select([self._peer], [], [], min(left_s, 1.0))[0]:
                self._receive()
                while (asked := self._taken()) is not None:
                    self.answer(asked)
            if self._stopping.is_set():
                raise Ended

    def close(self) -> None:
        """The script is over."""
        if self._datagrams is not None:
            self._datagrams[0].close()

    def _receive(self) -> None:
        received = self._peer.recv(_READ_BYTES)
        if not received or len(self._received) > HEAD_BYTES:
            raise Ended
        self._received += received

    def _taken(self) -> Request | None:
        """The next whole request of what was received; the client's own packets are passed over."""
        while self._received[:1] == b"$":
            size = 4 + int.from_bytes(self._received[2:4])
            if len(self._received) < max(4, size):
                return None
            self._received = self._received[size:]
        head, end, rest = self._received.partition(b"\r\n\r\n")
        if not end:
            return None
        self._received = rest
        text = head.decode(errors="replace")
        sequence = re.search(r"^cseq:\s*(\S+)", text, re.IGNORECASE | re.MULTILINE)
        return Request(text.partition(" ")[0], text, sequence.group(1) if sequence else "0")


def nal_units(access_unit: bytes) -> Iterator[bytes]:
    """The NAL units of an access unit in Annex B's form, without start codes."""
    for piece in access_unit.split(b"\0\0\1"):
        if unit := piece.rstrip(b"\0"):
            yield unit
