"""A camera's packets, to what makes pictures, sound and times of them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice
from pathlib import Path

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from edgecam.codecs.decoder_configuration import configuration_record, describe
from edgecam.codecs.picture_size import TooManyUnits, sizes_in_head, sizes_in_stream
from edgecam.codecs.video import H264, H265, Codec
from edgecam.rtp.control import has_bye, receiver_report, sender_reports
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.payload_formats import sound_depacketizer
from edgecam.rtp.pictures import PARTS_LIMIT, PICTURE_BYTES, CodedPicture
from edgecam.rtp.sender_clock import SenderClock
from fuzz.mutations import TOKENS, edited, edits
from fuzz.target import Subject, Target
from sandbox.cameras.film import FILM_FOLDER, Film
from sandbox.cameras.hostile_camera import FILM, plain_film
from sandbox.cameras.rtp_packets import Coding, RtpPacket, packets_of
from sandbox.cameras.rtsp_connection import PAYLOAD_TYPE, nal_units
from sandbox.cameras.scripted_camera import sender_report

CODECS: dict[Coding, Codec] = {"H264": H264, "H265": H265}
_FILMS: dict[Coding, Film] = {"H264": FILM, "H265": replace(FILM, codec="h265")}
_PICTURES = 24
"""Two keyframes and a bit of each film."""
_SOUND = {
    "mpeg4-generic": {"mode": "AAC-hbr", "sizelength": "13", "indexlength": "3", "indexdeltalength": "3"},
    "opus": {},
    "pcmu": {},
}
_AGAIN_SSRC = 0x5EEDF00D
_BATCHES = (1, 3, 40, 1000)
_RTP_TOKENS = (
    *TOKENS,
    *(
        b"\x7c\x85",
        b"\x7c\x05",
        b"\x7c\x45",
        b"\x78\x00\x10",
        b"\x67\x42",
        b"\x06\x05\xff\xff",
        b"\x06\x06\x01\xc4",
    ),
    *(b"\x62\x01\x93", b"\x62\x01\x13", b"\x60\x01\x00\x04", b"\x42\x01\x01", b"\0\0\1", b"\0\0\0\1"),
    *(b"\x80\x60", b"\x80\xe0", b"\x90\x60", b"\xa0\x60", b"\x8f\x60", b"\x12\x34", b"\xff\xff", b"\0\0"),
    *(b"$\0\0\0", b"$\0\xff\xff", b"$\0\0\x0c"),
)


@contextmanager
def _packets(_folder: Path) -> Iterator[Subject]:
    """Nothing is raised, nothing grows, what is handed on as whole is; and good pictures are good again."""
    yield _Receiver()


class _Receiver:
    """Takes packets as `$`, channel, length and data, for pictures of both codecs, for reports and sound."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._films = {coding: plain_film(FILM_FOLDER, film) for coding, film in _FILMS.items()}

    def check(self, inputs: Sequence[bytes]) -> None:
        """See `Subject.check`."""
        for data in inputs:
            for coding, film in self._films.items():
                self._pictures(coding, film, data)
            self._reports(data)
            for name, options in _SOUND.items():
                taker = sound_depacketizer(name, 48_000, options=options)
                taker.push(data, _places(data), 0.0)
                taker.end()

    def _pictures(self, coding: Coding, film: Sequence[bytes], data: bytes) -> None:
        codec = CODECS[coding]
        places = _places(data)
        options = {"sprop-max-don-diff": "2"} if coding == "H265" and len(data) % 2 else {}
        taker = Depacketizer(codec, 90_000, payload_type=PAYLOAD_TYPE, options=options)
        batch = _BATCHES[len(data) % len(_BATCHES)]
        for at in range(0, len(places), batch):
            for picture in taker.push(data, places[at : at + batch], at / 100):
                _check(codec, picture)
            held = taker._builder.parts
            assert len(held) <= PARTS_LIMIT
            assert sum(map(len, held)) <= PICTURE_BYTES
        receiver_report(1, taker.reception, 1.0, "edgecam")
        if options:
            return  # the good film has no decoding order
        good = [
            replace(packet, ssrc=_AGAIN_SSRC)
            for packet in packets_of(film, coding=coding, pictures=_PICTURES)
        ]
        again = b"".join(packet.framed() for packet in good)
        shown = [*taker.push(again, _places(again), 1.0), *taker.end()]
        right = [_framed(unit, codec) for unit in film[: _PICTURES - 1]]
        whole = [picture.data for picture in shown if not picture.is_damaged]
        assert right[10:] == [each for each in whole if each in right][-len(right) + 10 :], "not whole again"

    def _reports(self, data: bytes) -> None:
        clock = SenderClock(90_000)
        for begin, end in _places(data):
            packet = data[begin:end]
            has_bye(packet)
            for report in sender_reports(packet):
                clock.observe(report, None)
                clock.taken_ns(report.rtp_time)


def _check(codec: Codec, picture: CodedPicture) -> None:
    assert picture.data
    assert not (picture.is_keyframe and picture.is_damaged)
    assert not (picture.has_hole and not picture.is_damaged)
    at = 0
    while at < len(picture.data):
        size = int.from_bytes(picture.data[at : at + 4])
        at += 4 + size
        assert size > 0
    assert at == len(picture.data), "units and their lengths differ"
    record = configuration_record(codec, picture.parameter_sets)
    described = describe(codec, picture.parameter_sets)
    assert described is None or record
    list(sizes_in_head(codec, record))
    with contextlib.suppress(TooManyUnits):
        list(sizes_in_stream(codec, picture.data, has_lengths=True))


def _framed(unit: bytes, codec: Codec) -> bytes:
    kinds, shift, mask = ((7, 8, 9), 0, 0x1F) if codec is H264 else ((32, 33, 34, 35), 1, 0x3F)
    units = (each for each in nal_units(unit) if each[0] >> shift & mask not in kinds)
    return b"".join(len(each).to_bytes(4) + each for each in units)


def _places(data: bytes) -> list[tuple[int, int]]:
    """Where packets are, as far as lengths say so; the last may be cut short."""
    places = []
    at = 0
    while at + 4 <= len(data):
        end = min(len(data), at + 4 + int.from_bytes(data[at + 2 : at + 4]))
        places.append((at + 4, end))
        at = end
    return places


def _streams() -> SearchStrategy[bytes]:
    films = {coding: plain_film(FILM_FOLDER, film) for coding, film in _FILMS.items()}
    packets: list[RtpPacket] = []
    for coding, film in films.items():
        for habits in ({}, {"aggregated": True}, {"packet_bytes": 60}):
            packets += islice(packets_of(film, coding=coding, pictures=14, **habits), 200)
    reports = [sender_report(packets[0], unix_s=1e9, has_bye=True)]
    whole = [packet.framed() for packet in packets]
    runs = st.builds(
        lambda at, count: whole[at : at + count], st.integers(0, len(whole)), st.integers(1, 120)
    )
    one = st.sampled_from([*whole, *reports])
    changed = st.builds(edited, one, edits(_RTP_TOKENS, most=3))
    other = st.builds(
        lambda packet, number, time, ssrc, marked: replace(
            packet,
            number=packet.number + number,
            time=packet.time + time,
            ssrc=ssrc,
            is_marked=packet.is_marked != marked,
        ).framed(),
        st.sampled_from(packets),
        st.sampled_from((0, 0, 1, -1, 5, 200, 4000, 40_000)),
        st.sampled_from((0, 0, 1, 3000, 9000, 2**31, -9000)),
        st.sampled_from((packets[0].ssrc, packets[0].ssrc, 7, 8)),
        st.booleans(),
    )
    pieces = st.lists(
        st.one_of(runs, st.lists(st.one_of(changed, other), max_size=8)), min_size=1, max_size=6
    )
    joined = pieces.map(lambda lists: b"".join(piece for each in lists for piece in each))
    return st.one_of(joined, st.builds(edited, joined, edits(_RTP_TOKENS)), st.binary(max_size=3000))


PACKETS = Target("packets", _streams, _packets)
