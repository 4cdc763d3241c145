"""The index of a chunk: its size is fixed, and what it says adds up."""

from __future__ import annotations

import struct

import pytest

from edgecam.formats.mp4_index import ENTRIES, INDEX_BYTES, Index


def entries(made: bytes) -> list[tuple[int, int]]:
    """Size and duration of each entry; fails where the boxes do not fill the place."""
    assert len(made) == INDEX_BYTES
    size, kind = struct.unpack_from(">I4s", made)
    assert kind == b"sidx"
    left, count = struct.unpack_from(">I2xH", made, 24)
    assert size + left == INDEX_BYTES
    if left:
        assert made[size + 4 : size + 8] == b"free"
    rows = [struct.unpack_from(">III", made, 32 + 12 * place) for place in range(count)]
    assert {row[2] for row in rows} == {1 << 31}
    return [(row[0], row[1]) for row in rows]


def test_fragments_between_keyframes_belong_to_the_one_before() -> None:
    index = Index(1, 90_000)
    for place in range(6):
        index.add(100 + place, 90_000 * place, is_keyframe=place % 2 == 0)
    assert entries(index.to_bytes(540_000)) == [(201, 180_000), (205, 180_000), (209, 180_000)]


@pytest.mark.parametrize("count", [1, ENTRIES - 1, ENTRIES, ENTRIES + 1, 3600, 12_345])
def test_however_long_a_chunk_is_its_index_has_one_size_and_is_complete(count: int) -> None:
    index = Index(1, 90_000)
    for place in range(count):
        index.add(1000 + place, 90_000 * place, is_keyframe=True)
    rows = entries(index.to_bytes(90_000 * count))
    assert min(count, ENTRIES // 2) <= len(rows) <= ENTRIES
    assert sum(size for size, _ in rows) == sum(range(1000, 1000 + count))
    assert sum(duration for _, duration in rows) == 90_000 * count
    assert len(index._sizes) <= ENTRIES + 1


@pytest.mark.parametrize("too_large", [(1 << 31, 10), (10, 1 << 32)])
def test_what_does_not_fit_into_an_index_has_none(too_large: tuple[int, int]) -> None:
    size, duration = too_large
    index = Index(1, 90_000)
    index.add(size, 0, is_keyframe=True)
    assert index.to_bytes(duration)[4:8] == b"free"
    assert len(index.to_bytes(duration)) == INDEX_BYTES


def test_nothing_has_no_index() -> None:
    assert Index(1, 90_000).to_bytes(0)[4:8] == b"free"
