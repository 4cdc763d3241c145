"""The camera by script is right in all but its habits, and wrong in just what they say."""

from __future__ import annotations

import base64
import hashlib
import re
import socket
from collections.abc import Iterator
from dataclasses import replace
from itertools import islice, takewhile

import pytest
from nal_films import film, received

from sandbox.cameras.rtp_packets import RtpPacket, lost
from sandbox.cameras.rtsp_habits import Basic, Digest, Habits, Login, Reply, description
from sandbox.cameras.scripted_camera import ScriptedCamera

FILM = film("H264", 8)
TRANSPORT = "Transport: RTP/AVP/TCP;unicast;interleaved=0-1"
SESSION = "Session: 12345678"


class Client:
    """As much of RTSP as a camera needs to be asked."""

    def __init__(self, camera: ScriptedCamera) -> None:
        self.uri = camera.uri
        self._socket = socket.create_connection(("127.0.0.1", camera.port), timeout=20)
        self._data = b""
        self._sequence = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def ask(self, method: str, *headers: str, uri: str | None = None) -> str:
        """What is answered: the head and, behind an empty line, the body."""
        self._sequence += 1
        lines = (f"{method} {uri or self.uri} RTSP/1.0", f"CSeq: {self._sequence}", *headers, "", "")
        self._socket.sendall("\r\n".join(lines).encode())
        while b"\r\n\r\n" not in self._data:
            self._read()
        head, _, rest = self._data.partition(b"\r\n\r\n")
        found = re.search(rb"Content-Length: (\d+)", head)
        length = int(found[1]) if found else 0
        while len(rest) < length:
            self._read()
            rest = self._data.partition(b"\r\n\r\n")[2]
        self._data = rest[length:]
        return f"{head.decode()}\n\n{rest[:length].decode()}"

    def shake_hands(self) -> None:
        for method, uri, *headers in (
            ("OPTIONS", self.uri),
            ("DESCRIBE", self.uri),
            ("SETUP", f"{self.uri}/track1", TRANSPORT),
            ("PLAY", self.uri, SESSION),
        ):
            assert " 200 " in self.ask(method, *headers, uri=uri)

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def packets(self, count: int, channel: int = 0) -> list[bytes]:
        """The next packets of this channel; others are passed over."""
        return list(islice((data for number, data in self.frames() if number == channel), count))

    def frames(self) -> Iterator[tuple[int, bytes]]:
        while True:
            while len(self._data) < 4 or len(self._data) < 4 + int.from_bytes(self._data[2:4]):
                self._read()
            assert self._data[:1] == b"$", self._data[:20]
            end = 4 + int.from_bytes(self._data[2:4])
            channel, data, self._data = self._data[1], self._data[4:end], self._data[end:]
            yield channel, data

    def rest(self) -> bytes:
        """All that comes until the camera hangs up."""
        while True:
            try:
                self._read()
            except (EOFError, ConnectionResetError):
                return self._data

    def _read(self) -> None:
        more = self._socket.recv(65536)
        if not more:
            raise EOFError
        self._data += more


def eight_pictures(packets: Iterator[RtpPacket]) -> Iterator[RtpPacket]:
    return takewhile(lambda packet: packet.picture < 8, packets)


def test_it_shows_its_film_to_whom_asks_as_the_rfc_says() -> None:
    habits = Habits(fps=200, packets=eight_pictures)
    with ScriptedCamera(FILM, habits) as camera, Client(camera) as client:
        client.shake_hands()
        packets = client.packets(12)
        reports = [asked.method for asked in camera.requests]
        client.send(b"$\1\0\x04abcd")
        client.ask("TEARDOWN", SESSION)
    pictures, taker = received(packets)
    assert taker.counts.lost == 0
    assert len(pictures) == 8
    assert reports == camera.methods[:-1] == ["OPTIONS", "DESCRIBE", "SETUP", "PLAY"]
    assert camera.client_packets == [(1, b"abcd")]
    assert camera.connections == 1


@pytest.mark.parametrize(
    ("method", "headers", "uri", "status"),
    [
        ("SETUP", (TRANSPORT,), "/other", "404"),
        ("PLAY", (), "", "454"),
        ("PLAY", ("Session: 1",), "", "454"),
        ("GET_PARAMETER", (SESSION,), "", "200"),
        ("RECORD", (SESSION,), "", "501"),
    ],
)
def test_it_is_strict(method: str, headers: tuple[str, ...], uri: str, status: str) -> None:
    with ScriptedCamera(FILM) as camera, Client(camera) as client:
        client.ask("DESCRIBE")
        client.ask("SETUP", TRANSPORT, uri=f"{camera.uri}/track1")
        assert client.ask(method, *headers, uri=camera.uri + uri).startswith(f"RTSP/1.0 {status} ")


def digest(client: Client, challenge: str, password: str = "correct horse", **fields: str) -> str:
    """An Authorization for DESCRIBE."""
    given = {
        name: quoted or plain
        for name, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]*))', challenge)
    }
    given |= fields

    def hashed(text: str) -> str:
        return (hashlib.sha256 if given.get("algorithm") == "SHA-256" else hashlib.md5)(
            text.encode()
        ).hexdigest()

    secret = hashed(f"viewer:{given['realm']}:{password}")
    middle = given["nonce"] + (":00000001:abc:auth" if "qop" in given else "")
    response = hashed(f"{secret}:{middle}:{hashed(f'DESCRIBE:{client.uri}')}")
    named = {"username": "viewer", "realm": given["realm"], "nonce": given["nonce"]}
    named |= {"uri": client.uri, "response": response}
    text = "Authorization: Digest " + ", ".join(f'{name}="{value}"' for name, value in named.items())
    if "algorithm" in given:
        text += f", algorithm={given['algorithm']}"
    return text + (', qop=auth, nc=00000001, cnonce="abc"' if "qop" in given else "")


@pytest.mark.parametrize("algorithm", [None, "MD5", "SHA-256"])
@pytest.mark.parametrize("qop", [False, True])
def test_it_asks_for_a_login_and_counts_wrong_ones(algorithm: str | None, qop: bool) -> None:
    login = Login(challenges=(Digest(algorithm, qop=qop),))  # type: ignore[arg-type]
    with ScriptedCamera(FILM, Habits(login=login)) as camera, Client(camera) as client:
        asked = client.ask("DESCRIBE")
        assert " 401 " in asked
        assert login.refused == 0
        assert " 401 " in client.ask("DESCRIBE", digest(client, asked, password="wrong"))
        assert " 200 " in client.ask("DESCRIBE", digest(client, asked))
        assert " 401 " in client.ask("DESCRIBE", digest(client, asked, realm="other"))
    assert login.refused == 2


def test_its_nonces_get_stale_and_its_realm_changes() -> None:
    login = Login(challenges=(Digest(), Basic()), nonce_requests=1, realms=("one", "two"))
    with ScriptedCamera(FILM, Habits(login=login)) as camera, Client(camera) as client:
        first = client.ask("DESCRIBE")
        assert 'realm="one"' in first
        assert "stale" not in first
        assert first.count("WWW-Authenticate") == 2
        assert " 200 " in client.ask(
            "DESCRIBE", digest(client, first.partition("WWW-Authenticate: Basic")[0])
        )
        stale = client.ask("DESCRIBE", digest(client, first.partition("WWW-Authenticate: Basic")[0]))
        assert "stale=true" in stale
        assert 'realm="two"' in stale
        known = base64.b64encode(b"viewer:correct horse").decode()
        assert " 200 " in client.ask("DESCRIBE", f"Authorization: Basic {known}")
    assert login.refused == 0


def test_it_changes_answers_and_packets_by_what_its_habits_say() -> None:
    habits = (
        Habits(
            transport=lambda _asked: "RTP/AVP/TCP;unicast;interleaved=4-5",
            fps=200,
            packets=lambda packets: (*lost(islice(packets, 6), {3}), b"garbage"),
            hangs_up=True,
            reports_every_s=0,
        ),
        Habits(reply=lambda _asked, reply: reply.having("Content-Base: rtsp://elsewhere/").without("CSeq")),
        Habits(reply=lambda _asked, reply: replace(reply, before=b"$\0\0\1x", line_end="\n")),
        Habits(reply=lambda _asked, _reply: Reply("302 Found", ("Location: rtsp://elsewhere/",))),
        Habits(sdp=description(FILM, options=("a=b",), more="m=audio 0 RTP/AVP 8\r\n", line_end="\n")),
    )
    with ScriptedCamera(FILM, habits) as camera:
        with Client(camera) as client:
            client.shake_hands()
            frames = client.rest()
        assert frames.startswith(b"$\4")
        assert frames.endswith(b"garbage")
        assert camera.sent == 5
        for text in ("Content-Base: rtsp://elsewhere/\r\n", None, "302 Found", "m=audio"):
            with Client(camera) as client:
                if text is not None:
                    assert text in client.ask("DESCRIBE")
                else:
                    client.send(b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\n\r\n")
                    client.send(b"TEARDOWN * RTSP/1.0\r\nCSeq: 2\r\n\r\n")
                    assert client.rest().startswith(b"$\0\0\1xRTSP/1.0 200 OK\nCSeq: 1\n")
        assert camera.connections == len(habits)


def test_it_ends_a_session_that_is_not_kept() -> None:
    with ScriptedCamera(FILM, Habits(idle_s=0.3)) as camera, Client(camera) as client:
        client.shake_hands()
        assert client.rest()


def test_packets_are_as_they_are_said_to_be() -> None:
    packet = RtpPacket(
        b"x", 65_537, 2**32 + 5, contributors=(7,), extension=bytes(4), padding=b"\0\2", is_marked=True
    )
    assert packet.to_bytes() == (
        b"\xb1\xe0\0\1\0\0\0\5\0\0\x12\x34\0\0\0\7\xbe\xde\0\1" + bytes(4) + b"x\0\2"
    )
    assert replace(packet, channel=3).framed()[:4] == b"$\3\0\x1b"
