"""RTSP's messages (RFC 2326, 4 to 7): their heads taken apart, requests and answers written.

Texts are Latin-1, so that each byte of a camera's comes back to it as it was.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edgecam.rtsp.bounds import HEAD_LINES, LINE_BYTES
from edgecam.rtsp.faults import NoRtsp, TooMuch

USER_AGENT = "edgecam"
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
"""Some end their lines without the carriage return."""
_LINE_END = re.compile(rb"\r\n|\n|\r")
_STATUS_LINE = re.compile(r"RTSP/\d{1,2}\.\d{1,2} +(\d{3})(?: +(.*))?")
_REQUEST_LINE = re.compile(r"([A-Z_]{3,20}) +(\S{1,8192}) +RTSP/\d{1,2}\.\d{1,2}")
_MOST = 10**9
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


@dataclass(frozen=True)
class Headers:
    """The fields of a head: names in lower case, in their order; a name may come more than once."""

    fields: tuple[tuple[str, str], ...] = ()

    def get(self, name: str) -> str | None:
        """The first of this name, in lower case; None where there is none."""
        return next((value for each, value in self.fields if each == name), None)

    def all(self, name: str) -> list[str]:
        """Each of this name."""
        return [value for each, value in self.fields if each == name]

    def number(self, name: str) -> int | None:
        """The first of this name, where it is a number; what is beyond nine digits is as much as any."""
        value = (self.get(name) or "").strip()
        if not (value.isascii() and value.isdecimal()):
            return None
        return int(value) if len(value) < 10 else _MOST


@dataclass(frozen=True)
class Response:
    """An answer of the camera."""

    status: int
    reason: str
    headers: Headers = Headers()
    body: bytes = b""


@dataclass(frozen=True)
class CameraRequest:
    """A request of the camera (RFC 2326, 10: some go from server to client)."""

    method: str
    headers: Headers = Headers()
    body: bytes = b""


Message = Response | CameraRequest


def parse_head(head: bytes) -> Message:
    """What `head` says, from the first line to before the empty one; the body is still to come.

    Raises:
        NoRtsp: its first line is none of RTSP's.
        TooMuch: it has more or longer lines than a camera sends.
    """
    lines = _LINE_END.split(head)
    if len(lines) > HEAD_LINES:
        raise TooMuch(f"expected at most {HEAD_LINES} lines in a message's head, found more")
    if any(len(line) > LINE_BYTES for line in lines):
        raise TooMuch(f"expected lines of at most {LINE_BYTES} bytes in a message's head, found a longer one")
    first, *rest = (line.decode("latin-1") for line in lines)
    headers = Headers(tuple(_fields(rest)))
    if status := _STATUS_LINE.fullmatch(first.strip()):
        return Response(int(status[1]), (status[2] or "").strip(), headers)
    if request := _REQUEST_LINE.fullmatch(first.strip()):
        return CameraRequest(request[1], headers)
    raise NoRtsp("expected a message of RTSP, found another", head)


def _fields(lines: Iterable[str]) -> list[tuple[str, str]]:
    fields: list[tuple[str, str]] = []
    for line in lines:
        if line[:1] in (" ", "\t") and fields:
            # Folded (RFC 2326, 4.2 by RFC 2068): it goes on.
            name, value = fields[-1]
            fields[-1] = (name, f"{value} {_plain(line)}")
            continue
        name, colon, value = line.partition(":")
        if colon:
            fields.append((name.strip().lower(), _plain(value)))
    return fields


def _plain(value: str) -> str:
    """What a camera says comes back in our requests: nothing in it may end a line there."""
    return _CONTROLS.sub(" ", value).strip()


def request(method: str, url: str, sequence: int, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """A request without a body. `url` is to be in its wire form: no spaces, no line ends."""
    lines = [f"{method} {url} RTSP/1.0", f"CSeq: {sequence}", f"User-Agent: {USER_AGENT}"]
    lines += [f"{name}: {_plain(value)}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def answer(to: CameraRequest, status: str, headers: Iterable[tuple[str, str]] = ()) -> bytes:
    """The answer to a request of the camera."""
    sequence = to.headers.get("cseq")
    lines = [f"RTSP/1.0 {status}", *([] if sequence is None else [f"CSeq: {sequence[:32]}"])]
    lines += [f"{name}: {value}" for name, value in headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
