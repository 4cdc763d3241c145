"""Films of NAL units that nobody can decode, of few bytes: they show what a receiver does."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence

from edgecam.codecs.video import H264, H265, Codec
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtp.payload_formats import depacketizer
from edgecam.rtp.pictures import CodedPicture
from sandbox.cameras.rtp_packets import Coding, RtpPacket
from sandbox.cameras.rtsp_connection import PAYLOAD_TYPE, nal_units

START = b"\0\0\0\1"
SETS: dict[Coding, tuple[bytes, ...]] = {
    "H264": (bytes.fromhex("6742c00dda0507e84000000300400000030103c50aa8"), bytes.fromhex("68ce3c80")),
    "H265": (
        bytes.fromhex("40010c01ffff01600000030090000003000003003cba0240"),
        bytes.fromhex(
            "42010101600000030090000003000003003ca00a080c1f3e5ba4a4c2fff000100016a0c0c0c080000003008000000784"
        ),
        bytes.fromhex("4401c0718312"),
    ),
}
"""Of a small picture each."""
CODECS: dict[Coding, Codec] = {"H264": H264, "H265": H265}
_SLICE = {
    ("H264", True): b"\x65",
    ("H264", False): b"\x41",
    ("H265", True): b"\x26\1",
    ("H265", False): b"\x02\1",
}


def picture(
    coding: Coding,
    seed: int,
    *,
    key: bool = False,
    size: int = 300,
    slices: int = 1,
    before: Sequence[bytes] = (),
) -> bytes:
    """An access unit (Annex B), another for each seed: a keyframe with its parameter sets, or none."""
    chance = random.Random(seed)
    units = [*(SETS[coding] if key else ()), *before]
    for number in range(slices):
        # The first slice of a picture has its first bit set; a P slice in H.264, `first_mb_in_slice` 0 or 6.
        first = (b"\xe0" if number == 0 else b"\x3c") if not key else (b"\x88" if number == 0 else b"\x1c")
        body = bytes(chance.choices(range(4, 250), k=size))
        units.append(_SLICE[coding, key] + first + body + b"\x80")
    return b"".join(START + unit for unit in units)


def film(
    coding: Coding = "H264", pictures: int = 12, every: int = 4, size: int = 300, slices: int = 1
) -> list[bytes]:
    """Access units with a keyframe in every so many; keyframes are three times as large."""
    keys = [number % every == 0 for number in range(pictures)]
    return [
        picture(coding, number, key=key, size=size * (3 if key else 1), slices=slices)
        for number, key in enumerate(keys)
    ]


def framed(access_unit: bytes, coding: Coding = "H264", *, with_sets: bool = False) -> bytes:
    """`access_unit` as a receiver is to hand it on: lengths, and parameter sets apart."""
    sets = () if with_sets else SETS[coding]
    return b"".join(len(unit).to_bytes(4) + unit for unit in nal_units(access_unit) if unit not in sets)


def received(
    packets: Iterable[RtpPacket | bytes],
    coding: Coding = "H264",
    *,
    batch: int = 7,
    into: Depacketizer | None = None,
    ends: bool = True,
) -> tuple[list[CodedPicture], Depacketizer]:
    """What becomes of `packets`, pushed so many at a time, and what took them."""
    taker = into or depacketizer(CODECS[coding], 90_000, SETS[coding], payload_type=PAYLOAD_TYPE)
    pictures: list[CodedPicture] = []
    waiting = [packet if isinstance(packet, bytes) else packet.to_bytes() for packet in packets]
    for at in range(0, len(waiting), batch):
        data, places = b"", []
        for packet in waiting[at : at + batch]:
            data += b"$\0\0\0"
            places.append((len(data), len(data) + len(packet)))
            data += packet
        pictures += taker.push(data, places, at / 100)
    if ends:
        pictures += taker.end()
    return pictures, taker
