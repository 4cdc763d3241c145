"""A camera's whole side of a connection, to the receiver: answers, descriptions, packets, in any pieces.

The same sessions as a whole node gets (`node_targets.py`), and more of them, since here is neither a socket
nor a thread; and each request that is made, and each picture, is looked at.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from edgecam.codecs.video import Codec
from edgecam.config.camera import Camera
from edgecam.config.validation import validate
from edgecam.credentials.login import Login
from edgecam.errors import SourceError
from edgecam.receiver.rtsp_receiver import Received, RtspReceiver
from edgecam.rtsp.authentication import Authentication, challenges_in
from edgecam.rtsp.bounds import BODY_BYTES, HEAD_BYTES, MEDIA, OUTGOING_BYTES, SETS
from edgecam.rtsp.client import Client
from edgecam.rtsp.faults import RtspFault
from edgecam.rtsp.framing import Framing
from edgecam.rtsp.sdp import parse_description
from edgecam.rtsp.session import Session
from edgecam.rtsp.urls import base_of, controlled, location_of
from fuzz.mutations import repeated
from fuzz.node_targets import NEXT, SEQUENCE, good_session, sessions
from fuzz.target import Subject, Target

PASSWORD = "no-camera-repeats-this"
_URI = "rtsp://127.0.0.1:554/live?channel=1"
_ODD_PIECE = 1013
"""Prime: pieces end anywhere in a packet."""
_PIECES = (1 << 20, 65_536, _ODD_PIECE)
_MOST_LINES = 20
_PACKET_BYTES = 65_540
_REQUEST = re.compile(rb"[A-Z_]+ [\x21-\x7e]+ RTSP/1\.0|RTSP/1\.0 \d{3} [ -~]*")
_FIELD = re.compile(rb"[A-Za-z-]+: [\x20-\x7e\x80-\xff]*")
_LONG = (
    *(
        "RTSP/1.0 200 OK\r\n",
        "RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n",
        "\r\n",
        "a: b\r\n",
        "A",
        " ",
        "\0",
        "$\0\0\0",
    ),
    *("$\0\0\x0c\x80", "$", "OPTIONS * RTSP/1.0\r\n\r\n", 'WWW-Authenticate: Digest realm="', 'a="\\', "a=,"),
    *("m=video 0 RTP/AVP 96\r\n", "a=fmtp:96 a=b;", "sprop-parameter-sets=AAAA,", "Content-Length: 9\r\n"),
)
"""What is read in time that grows with its square, where it is read badly."""


class _Taken:
    """What the receiver hands on."""

    def __init__(self) -> None:
        self.pictures = 0

    def take(self, _codec: Codec, received: list[Received], _now_s: float) -> None:
        """See `Taker`."""
        self.pictures += len(received)

    def ended(self, _error: SourceError) -> None:
        """See `Taker`."""


class _Camera:
    """Answers each request with the next part of an input."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        settings = {"id": "cam", "uri": _URI, "frames": {"enabled": False}, "recording": {"enabled": True}}
        self._camera = validate(Camera, settings, name="camera")
        self._good = good_session().split(NEXT)

    def check(self, inputs: Sequence[bytes]) -> None:
        """See `Subject.check`."""
        for data in inputs:
            for size in _PIECES if len(data) < 100_000 else _PIECES[:2]:
                with contextlib.suppress(SourceError, RtspFault):
                    self._converse(data.split(NEXT), size)
            _read_parts(data)
        assert self._converse(self._good, _ODD_PIECE) > 0, "shows no good film"

    def _converse(self, parts: Sequence[bytes], size: int) -> int:
        """A whole connection; returns how many pictures came of it."""
        taken = _Taken()
        receiver = RtspReceiver(self._camera)
        receiver._taker = taken
        session = Session(
            "cam", location_of(_URI), Authentication(Login("viewer", PASSWORD)), receiver.choose
        )
        client = Client(location_of(_URI), session, receiver, "cam")
        client.opened("127.0.0.1", 0.0)
        now_s = 0.0
        for part in parts:
            asked = client.take_outgoing()
            _check_requests(asked)
            sequence = re.search(rb"CSeq: (\d+)", asked)
            data = part.replace(SEQUENCE, sequence[1] if sequence else b"0")
            for at in range(0, len(data), size):
                now_s += 0.1
                client.received(data[at : at + size], now_s)
                assert len(client.framing._rest) <= HEAD_BYTES + BODY_BYTES + _PACKET_BYTES + size
        client.tick(now_s + 3600.0)
        _check_requests(client.take_outgoing())
        receiver.ended(RtspFault("over"))
        return taken.pictures


def _check_requests(data: bytes) -> None:
    """Whatever a camera says, what it is asked is right, and has no secret in it."""
    assert len(data) <= OUTGOING_BYTES + _PACKET_BYTES
    assert PASSWORD.encode() not in data
    while data:
        if data[:1] == b"$":
            data = data[4 + int.from_bytes(data[2:4]) :]
            continue
        head, end, data = data.partition(b"\r\n\r\n")
        assert end, "a request without an end"
        first, *fields = head.split(b"\r\n")
        assert _REQUEST.fullmatch(first), first[:200]
        assert len(fields) <= _MOST_LINES
        assert all(_FIELD.fullmatch(field) for field in fields), fields


def _read_parts(data: bytes) -> None:
    """As if each were where the others are."""
    for part in data.split(NEXT):
        body = part.partition(b"\r\n\r\n")[2]
        for text in (part, body):
            described = parse_description(text)
            assert len(described.media) <= MEDIA
            for medium in described.media:
                controlled(base_of(_URI, medium.control, described.control), medium.control)
                assert all(len(each.parameter_sets) <= SETS for each in medium.formats)
        line = part[:4000].decode("latin-1")
        challenges_in([line])
        authentication = Authentication(Login("viewer", PASSWORD))
        if authentication.challenged([line], was_sent=False, tries=0):
            assert PASSWORD not in str(authentication.header("DESCRIBE", _URI))
        with contextlib.suppress(ValueError):
            location_of(line)
        with contextlib.suppress(RtspFault):
            Framing().push(part)


@contextmanager
def _conversations(_folder: Path) -> Iterator[Subject]:
    """Nothing but what ends one connection with a sentence is raised."""
    yield _Camera()


def _inputs() -> SearchStrategy[bytes]:
    begun = good_session().split(NEXT)
    long = repeated(_LONG, 60_000)
    behind = st.builds(lambda count, last: NEXT.join([*begun[:count], last]), st.integers(0, 4), long)
    return st.one_of(sessions(), sessions(), behind)


RECEIVER = Target("receiver", _inputs, _conversations)
