"""What a camera says in RTSP that others do not: the habits of a `ScriptedCamera`."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, Self

from sandbox.cameras.rtp_packets import Coding, RtpPacket
from sandbox.cameras.rtsp_connection import CLOCK_HZ, PAYLOAD_TYPE, nal_units

SESSION = "12345678"
PUBLIC = "OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER"
Algorithm = Literal["MD5", "SHA-256"]
Wire = RtpPacket | bytes
"""What goes over the wire: a packet at its time, or any bytes, at once."""


@dataclass(frozen=True)
class Asked:
    """What a client asked for.

    Attributes:
        method: As `DESCRIBE`; empty for an answer to what the camera asked.
        uri: Of the request.
        headers: By their names in lower case.
        body: Behind the head.
        at_s: When, by the clock that never steps.
        connection: The how manieth of the camera, from 1.
    """

    method: str
    uri: str
    headers: dict[str, str]
    body: bytes
    at_s: float
    connection: int


@dataclass(frozen=True)
class Reply:
    """What a camera answers.

    Attributes:
        status: As `200 OK`.
        headers: As they are sent, without CSeq and Content-Length.
        body: Behind the head.
        before: Bytes that are sent before it: packets, garbage.
        line_end: Between the lines of the head.
    """

    status: str = "200 OK"
    headers: tuple[str, ...] = ()
    body: bytes = b""
    before: bytes = b""
    line_end: str = "\r\n"

    def without(self, name: str) -> Self:
        """Without the headers of this name."""
        kept = (each for each in self.headers if not each.lower().startswith(f"{name.lower()}:"))
        return replace(self, headers=tuple(kept))

    def having(self, *headers: str) -> Self:
        """With these headers in place of those of the same names."""
        names = {header.partition(":")[0] for header in headers}
        reply = self
        for name in names:
            reply = reply.without(name)
        return replace(reply, headers=(*reply.headers, *headers))

    def to_bytes(self, sequence: str) -> bytes:
        """As it is sent."""
        length = (f"Content-Length: {len(self.body)}",) if self.body else ()
        lines = (f"RTSP/1.0 {self.status}", f"CSeq: {sequence}", *self.headers, *length, "", "")
        return self.before + self.line_end.join(lines).encode("utf-8", "surrogateescape") + self.body


@dataclass(frozen=True)
class Digest:
    """One challenge by Digest (RFC 2617, 7616).

    Attributes:
        algorithm: Of its hashes; None says none, which is MD5.
        qop: Whether it offers `qop="auth"`.
        is_quoted: Whether the algorithm's name is in quotes, as many write it.
        stale: What it says about that where the nonce is not the present one; None says nothing.
    """

    algorithm: Algorithm | None = None
    qop: bool = False
    is_quoted: bool = False
    stale: str | None = "true"

    def challenge(self, realm: str, nonce: str, *, is_stale: bool) -> str:
        """The value of WWW-Authenticate."""
        quote = '"' if self.is_quoted else ""
        return ", ".join(
            (
                f'Digest realm="{realm}"',
                f'nonce="{nonce}"',
                *([f"algorithm={quote}{self.algorithm}{quote}"] if self.algorithm else []),
                *(['qop="auth"'] if self.qop else []),
                *([f"stale={self.stale}"] if self.stale and is_stale else []),
            )
        )

    def accepts(self, fields: dict[str, str], method: str, login: Login) -> bool:
        """Whether these fields of an Authorization prove the password."""
        if fields.get("algorithm", "MD5").upper() != (self.algorithm or "MD5"):
            return False
        if self.qop != ("qop" in fields):
            return False

        def hashed(text: str) -> str:
            digest = hashlib.sha256 if self.algorithm == "SHA-256" else hashlib.md5
            return digest(text.encode()).hexdigest()

        secret = hashed(f"{login.username}:{fields.get('realm', '')}:{login.password}")
        asked = hashed(f"{method}:{fields.get('uri', '')}")
        middle = fields.get("nonce", "")
        if self.qop:
            middle += f":{fields.get('nc', '')}:{fields.get('cnonce', '')}:{fields['qop']}"
        return hashed(f"{secret}:{middle}:{asked}") == fields.get("response")


@dataclass(frozen=True)
class Basic:
    """A challenge by Basic (RFC 7617)."""

    def challenge(self, realm: str, nonce: str, *, is_stale: bool) -> str:
        """The value of WWW-Authenticate."""
        del nonce, is_stale
        return f'Basic realm="{realm}"'


@dataclass
class Login:
    """What a camera asks for before it shows anything.

    Attributes:
        username: The right one.
        password: Likewise.
        challenges: In their order.
        nonce_requests: After so many requests it takes another nonce; None: never.
        realms: The realm of each nonce in turns.
        refused: How many requests with a login were refused so far.
    """

    username: str = "viewer"
    password: str = "correct horse"
    challenges: tuple[Digest | Basic, ...] = (Digest(),)
    nonce_requests: int | None = None
    realms: tuple[str, ...] = ("camera",)
    refused: int = 0
    _nonces: list[str] = field(default_factory=lambda: [secrets.token_hex(16)])
    _uses: int = 0

    def refusal(self, asked: Asked) -> Reply | None:
        """The answer to a request without the right login; None where it has it."""
        given = asked.headers.get("authorization", "")
        realm = self.realms[(len(self._nonces) - 1) % len(self.realms)]
        is_stale = False
        if given.startswith("Basic ") and any(isinstance(each, Basic) for each in self.challenges):
            expected = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
            if given.removeprefix("Basic ").strip() == expected:
                return None
        elif given.startswith("Digest "):
            pairs = re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]*))', given)
            fields = {name.lower(): quoted or plain for name, quoted, plain in pairs}
            is_right = fields.get("uri") == asked.uri and any(
                isinstance(each, Digest) and each.accepts(fields, asked.method, self)
                for each in self.challenges
            )
            if is_right and fields.get("nonce") == self._nonces[-1] and fields.get("realm") == realm:
                self._uses += 1
                if self.nonce_requests is not None and self._uses >= self.nonce_requests:
                    self._nonces.append(secrets.token_hex(16))
                    self._uses = 0
                return None
            is_stale = is_right and fields.get("nonce") in self._nonces[:-1]
        if given and not is_stale:
            self.refused += 1
        return Reply(
            "401 Unauthorized",
            tuple(
                f"WWW-Authenticate: {each.challenge(realm, self._nonces[-1], is_stale=is_stale)}"
                for each in self.challenges
            ),
        )


def _as_asked(transport: str) -> str:
    return transport.split(",")[0].strip()


def _as_they_come(packets: Iterator[RtpPacket]) -> Iterable[Wire]:
    return packets


def _unchanged(_asked: Asked, reply: Reply) -> Reply:
    return reply


@dataclass(frozen=True)
class Habits:
    """What a camera does, by default all as the RFCs say.

    Attributes:
        coding: How its film is coded.
        fps: Pictures a second, by their time stamps.
        speed: So many times faster they are sent.
        sdp: Its whole description; None: one of a single video track.
        has_sets: Whether the description has the parameter sets.
        control: Of the video track, relative or absolute.
        public: The methods that it says it has; others get 501.
        session: The value of the Session header.
        idle_s: It hangs up when no request has come for so long, seconds; None: never.
        transport: Its Transport header, made of the client's.
        login: What it asks for; None: nothing.
        reply: Changes what it answers: the request, and what it would answer; bytes are sent as they are,
            None is no answer at all.
        packets: Changes what it sends: packets as they are right in, packets or any bytes out. Where it ends,
            the camera sends no more, and stays connected.
        reports_every_s: Between its sender reports; 0 for none.
        hangs_up: Whether it closes the connection where `packets` ends.
    """

    coding: Coding = "H264"
    fps: float = 10
    speed: float = 1.0
    sdp: bytes | None = None
    has_sets: bool = True
    control: str = "track1"
    public: str = PUBLIC
    session: str = f"{SESSION};timeout=60"
    idle_s: float | None = None
    transport: Callable[[str], str] = _as_asked
    login: Login | None = None
    reply: Callable[[Asked, Reply], Reply | bytes | None] = _unchanged
    packets: Callable[[Iterator[RtpPacket]], Iterable[Wire]] = _as_they_come
    reports_every_s: float = 2.0
    hangs_up: bool = False


def description(
    film: Sequence[bytes],
    *,
    coding: Coding = "H264",
    has_sets: bool = True,
    control: str = "track1",
    options: Sequence[str] = (),
    more: str = "",
    line_end: str = "\r\n",
) -> bytes:
    """A camera's description (SDP) of one video track.

    Args:
        film: Whose first access unit has the parameter sets.
        coding: How it is coded.
        has_sets: Whether the description has them, too.
        control: Of the track.
        options: Further format parameters, as `sprop-max-don-diff=1`.
        more: Further lines, each with its end: other tracks.
        line_end: Between the lines.
    """
    parameters = ["packetization-mode=1"] if coding == "H264" else []
    if has_sets:
        parameters += sprop(film, coding)
    lines = (
        *("v=0", "o=- 1 1 IN IP4 127.0.0.1", "s=camera", "c=IN IP4 0.0.0.0", "t=0 0", "a=control:*"),
        *(f"m=video 0 RTP/AVP {PAYLOAD_TYPE}", f"a=rtpmap:{PAYLOAD_TYPE} {coding}/{CLOCK_HZ}"),
        f"a=fmtp:{PAYLOAD_TYPE} " + ";".join((*parameters, *options)),
        f"a=control:{control}",
        "",
    )
    return (line_end.join(lines) + more).encode()


def sprop(film: Sequence[bytes], coding: Coding) -> list[str]:
    """The parameter sets of the first access unit as format parameters (RFC 6184, 8.1; RFC 7798, 7.1)."""
    units = list(nal_units(film[0])) if film else []

    def coded(*kinds: int) -> str:
        shift, mask = (0, 0x1F) if coding == "H264" else (1, 0x3F)
        sets = (unit for kind in kinds for unit in units if unit[0] >> shift & mask == kind)
        return ",".join(base64.b64encode(unit).decode() for unit in sets)

    if coding == "H264":
        return [f"sprop-parameter-sets={coded(7, 8)}"]
    return [f"sprop-{name}={coded(kind)}" for name, kind in (("vps", 32), ("sps", 33), ("pps", 34))]
