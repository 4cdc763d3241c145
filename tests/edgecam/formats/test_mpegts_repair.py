"""MPEG transport streams of mpegtsmux, killed between any two writes."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from half_written import FILM, PICTURES, Write, after, complaints_of, writes_of

from edgecam.config.recording import ChunkFormat
from edgecam.formats.mpegts_repair import PACKET_BYTES
from edgecam.formats.repair import repair


@pytest.fixture(scope="module")
def writes(tmp_path_factory: pytest.TempPathFactory) -> list[Write]:
    return writes_of(ChunkFormat.MPEGTS, tmp_path_factory.mktemp("ts") / "whole.ts")


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[bytes], int]:
    """How many pictures are saved of a file of that content."""

    def save(content: bytes) -> int:
        path = tmp_path / "chunk.ts"
        path.write_bytes(content)
        recovered = repair(path, ChunkFormat.MPEGTS)
        assert path.stat().st_size % PACKET_BYTES == 0 or recovered is None
        return recovered.pictures if recovered else 0

    return save


def test_pictures_grow_with_the_file_and_none_of_the_whole_is_lost(
    writes: list[Write], saved: Callable[[bytes], int]
) -> None:
    counts = [saved(after(writes[:upto])) for upto in range(0, len(writes) + 1, 7)]
    assert counts == sorted(counts)
    assert saved(after(writes)) == PICTURES
    assert max(later - earlier for earlier, later in pairwise(counts)) <= 2


def test_zeros_after_the_last_packet_cost_the_picture_that_they_may_have_hit(
    writes: list[Write], saved: Callable[[bytes], int], tmp_path: Path
) -> None:
    content = after(writes)
    assert saved(content + bytes(5000)) == PICTURES - 1
    assert complaints_of(tmp_path / "chunk.ts") == ""


def test_time_that_begins_again_within_a_chunk_is_no_leap(writes: list[Write], tmp_path: Path) -> None:
    """Time stamps have 33 bits: they wrap every 26 hours, here in the third second."""
    content = bytearray(after(writes))
    shift = (1 << 33) - _first_stamp(bytes(content)) - 3 * 90_000
    for at in range(0, len(content), PACKET_BYTES):
        for place in _stamps(bytes(content[at : at + PACKET_BYTES])):
            _add(content, at + place, shift)
    path = tmp_path / "chunk.ts"
    path.write_bytes(content)
    recovered = repair(path, ChunkFormat.MPEGTS)
    assert recovered is not None
    assert recovered.duration_ms == pytest.approx(PICTURES * 1000 / FILM.fps, abs=1)


def _stamps(packet: bytes) -> list[int]:
    """Where the packet has time stamps: of showing, and of decoding after it."""
    begin = packet.find(b"\0\0\x01\xe0")
    if not packet[1] & 0x40 or begin < 0:
        return []
    return [begin + 9 + 5 * n for n in range({0: 0, 2: 1, 3: 2}[packet[begin + 7] >> 6])]


def _first_stamp(content: bytes) -> int:
    packets = (content[at : at + PACKET_BYTES] for at in range(0, len(content), PACKET_BYTES))
    return next(_read(packet[place:]) for packet in packets for place in _stamps(packet)[:1])


def _read(stamp: bytes) -> int:
    return (stamp[0] >> 1 & 7) << 30 | stamp[1] << 22 | (stamp[2] >> 1) << 15 | stamp[3] << 7 | stamp[4] >> 1


def _add(content: bytearray, at: int, ticks: int) -> None:
    time = (_read(content[at : at + 5]) + ticks) % (1 << 33)
    content[at] = content[at] & 0xF1 | (time >> 30 & 7) << 1
    content[at + 1 : at + 3] = ((time >> 15 & 0x7FFF) << 1 | 1).to_bytes(2, "big")
    content[at + 3 : at + 5] = ((time & 0x7FFF) << 1 | 1).to_bytes(2, "big")
