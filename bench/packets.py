"""What a packet costs between its bytes and its picture: the receiver's inner loops, without a socket.

    python -m bench.packets [--seconds 20] [--rounds 3]

The film of the other measurements (1080p30 H.264, 4 Mbit/s), as RTP over RTSP's connection, read ten times a
second as the node does. `ratio` is CPU against finding the places of packets alone, in the same run. The last
rows are cameras whose habits close the fast way.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from edgecam.codecs.video import H264
from edgecam.rtp.depacketizer import Depacketizer
from edgecam.rtsp.framing import Framing
from sandbox.cameras.film import FILM_FOLDER, Film, load
from sandbox.cameras.rtp_packets import RtpPacket, late, marked, packets_of
from sandbox.cameras.rtsp_connection import PAYLOAD_TYPE

FILM = Film(1920, 1080, 30)
LOOKS_PER_S = 10
_WELCOME = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\n\r\n"
Looks = Sequence[bytes]


@dataclass(frozen=True)
class Row:
    """One way to send the film, and what is done with it."""

    name: str
    habit: Callable[[Iterator[RtpPacket]], Iterable[RtpPacket]]
    is_read: bool = True


def _extended(packets: Iterator[RtpPacket]) -> Iterator[RtpPacket]:
    return (replace(packet, extension=bytes(4)) for packet in packets)


def _overtaken(packets: Iterator[RtpPacket]) -> Iterator[RtpPacket]:
    return late(packets, range(20, 1 << 20, 20))


def _as_they_are(packets: Iterator[RtpPacket]) -> Iterator[RtpPacket]:
    return packets


def _marked_everywhere(packets: Iterator[RtpPacket]) -> Iterator[RtpPacket]:
    return marked(packets, "each unit")


ROWS = (
    Row("places of packets alone", _as_they_are, is_read=False),
    Row("places and pictures", _as_they_are),
    Row("marker bit on every unit", _marked_everywhere),
    Row("each twentieth packet late by one", _overtaken),
    Row("a header extension on every packet", _extended),
)


def looks_of(row: Row, seconds: int) -> tuple[list[bytes], int]:
    """What is read at each look, and how many packets it is in all."""
    film = [picture.data for picture in load(FILM, FILM_FOLDER)]
    right = packets_of(film, fps=FILM.fps, pictures=seconds * FILM.fps)
    looks = [b""] * (seconds * LOOKS_PER_S)
    count = 0
    for packet in row.habit(right):
        looks[int(packet.at_s * LOOKS_PER_S)] += packet.framed()
        count += 1
    return looks, count


def spent_s(looks: Looks, *, is_read: bool) -> tuple[float, int]:
    """CPU seconds, and how many pictures came of it."""
    framing = Framing()
    framing.push(_WELCOME)
    framing.expect((0, 1))
    reader = Depacketizer(H264, 90_000, payload_type=PAYLOAD_TYPE)
    pictures = 0
    begun_s = time.process_time()
    for number, data in enumerate(looks):
        batch = framing.push(data)
        if is_read and (places := batch.packets.get(0)):
            pictures += len(reader.push(batch.data, places, number / LOOKS_PER_S))
    return time.process_time() - begun_s, pictures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m bench.packets")
    parser.add_argument("--seconds", type=int, default=20, help="of film")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    made = [(row, *looks_of(row, arguments.seconds)) for row in ROWS]
    found: dict[str, list[float]] = {row.name: [] for row in ROWS}
    for _ in range(arguments.rounds):
        for row, looks, count in made:
            seconds, pictures = spent_s(looks, is_read=row.is_read)
            assert not row.is_read or pictures >= arguments.seconds * FILM.fps - 1, row.name
            found[row.name].append(seconds / count * 1e9)
    floor = statistics.median(found[ROWS[0].name])
    print("| | ns a packet | CPU s a camera-minute | ratio |")
    print("| --- | --- | --- | --- |")
    for row, _, count in made:
        each = statistics.median(found[row.name])
        minute = each * count / arguments.seconds * 60 / 1e9
        print(f"| {row.name} | {each:.0f} | {minute:.3f} | {each / floor:.1f} |")


if __name__ == "__main__":
    main()
