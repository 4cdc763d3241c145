"""Half-written chunks, cut and damaged in every way that a power cut knows, and what is saved of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
from half_written import (
    FILM,
    FILM_WITH_B_FRAMES,
    PAGE_BYTES,
    Write,
    after,
    complaints_of,
    probed,
    writes_of,
)

from edgecam.config.recording import ChunkFormat
from edgecam.errors import SpoolError
from edgecam.formats.repair import RepairedFile, repair
from sandbox.cameras.film import Film

SECTOR_BYTES = 512
CASES = int(os.environ.get("EDGECAM_MEDIA_CASES", "60"))
"""Of each damage and film; every twelfth that is saved is shown to ffprobe, which takes its time."""
SHOWN = 12
H265 = Film(320, 180, 15, codec="h265", keyframe_s=1.0)
JPEG = Film(320, 180, 15, codec="mjpeg")


@dataclass(frozen=True)
class Muxed:
    """What was written, and in which form."""

    form: ChunkFormat
    writes: Sequence[Write]


@pytest.fixture(
    scope="module",
    params=["mp4", "mp4 with B-frames", "mp4 with H.265", "mp4 with JPEG", "mpegts", "mpegts with B-frames"],
)
def muxed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Muxed:
    """Every write of a chunk, for each form of chunk."""
    name: str = request.param
    form = ChunkFormat(name.split()[0])
    path = tmp_path_factory.mktemp("muxed") / f"whole{form.suffix}"
    films = {"B-frames": FILM_WITH_B_FRAMES, "H.265": H265, "JPEG": JPEG}
    film = next((film for kind, film in films.items() if name.endswith(kind)), FILM)
    # Three writes a second: the moments between them are what is damaged.
    return Muxed(form, writes_of(form, path, film, poll=5))


def killed(writes: Sequence[Write], random: Random) -> bytes:
    """Between two writes, or in the middle of one."""
    last = random.randrange(len(writes))
    part = random.choice((0, random.randrange(len(writes[last].data))))
    return after([*writes[:last], Write(writes[last].offset, writes[last].data[:part])])


def cut(writes: Sequence[Write], random: Random) -> bytes:
    whole = after(writes)
    return whole[: random.randrange(len(whole))]


def zeroed_to_the_end(writes: Sequence[Write], random: Random) -> bytes:
    content = after(writes[: random.randrange(1, len(writes))])
    begin = random.randrange(len(content)) // SECTOR_BYTES * SECTOR_BYTES
    return content[:begin] + bytes(len(content) - begin)


def with_holes(writes: Sequence[Write], random: Random) -> bytes:
    content = bytearray(after(writes[: random.randrange(1, len(writes))]))
    for _ in range(random.randrange(1, 4)):
        begin = random.randrange(len(content)) // PAGE_BYTES * PAGE_BYTES
        end = min(begin + PAGE_BYTES, len(content))
        content[begin:end] = bytes(end - begin)
    return bytes(content)


def with_pages_of_several_moments(writes: Sequence[Write], random: Random) -> bytes:
    last = random.randrange(1, len(writes))
    moments = [after(writes[: random.randrange(last + 1)]) for _ in range(4)]
    content = bytearray(after(writes[:last]))
    for begin in range(0, len(content), PAGE_BYTES):
        page = random.choice(moments)[begin : begin + PAGE_BYTES]
        end = min(begin + PAGE_BYTES, len(content))
        content[begin:end] = page[: end - begin].ljust(end - begin, b"\0")
    return bytes(content)


@pytest.mark.parametrize(
    "damage",
    [killed, cut, zeroed_to_the_end, with_holes, with_pages_of_several_moments],
    ids=lambda d: d.__name__,
)
def test_what_is_saved_plays_alone_and_is_saved_once_and_for_all(
    muxed: Muxed, damage: Callable[[Sequence[Write], Random], bytes], tmp_path: Path
) -> None:
    random = Random(f"{muxed.form} {damage.__name__}")
    saved = 0
    for number in range(CASES):
        path = tmp_path / f"{number}{muxed.form.suffix}"
        damaged = damage(muxed.writes, random)
        path.write_bytes(damaged)
        recovered = repair(path, muxed.form)
        if recovered is None:
            assert path.read_bytes() == damaged
            continue
        saved += 1
        content = path.read_bytes()
        assert recovered.size_bytes == len(content)
        assert repair(path, muxed.form) == recovered
        assert path.read_bytes() == content
        if saved % SHOWN == 1:
            plays(path, recovered)
    assert saved >= CASES / 4


def plays(path: Path, recovered: RepairedFile) -> None:
    assert complaints_of(path) == ""
    pictures, seconds = probed(path)
    assert pictures == recovered.pictures
    assert pictures == 1 or seconds * 1000 == pytest.approx(recovered.duration_ms, abs=3)


def test_whole_file_is_left_as_it_is(muxed: Muxed, tmp_path: Path) -> None:
    path = tmp_path / "whole"
    path.write_bytes(after(muxed.writes))
    before = path.stat().st_mtime_ns
    recovered = repair(path, muxed.form)
    assert recovered is not None
    assert recovered.pictures >= 89  # the last of MPEG-TS may not say where it ends
    assert path.stat().st_mtime_ns == before


@pytest.mark.parametrize("form", ChunkFormat)
@pytest.mark.parametrize("content", [b"", b"\0", b"x" * 5000, bytes(100_000), b"\x47" * 18_800])
def test_nothing_comes_of_what_is_no_film(form: ChunkFormat, content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "chunk"
    path.write_bytes(content)
    assert repair(path, form) is None
    assert path.read_bytes() == content


@pytest.mark.parametrize("form", ChunkFormat)
def test_noise_in_place_of_a_film_is_survived(form: ChunkFormat, muxed: Muxed, tmp_path: Path) -> None:
    random = Random(1)
    path = tmp_path / "chunk"
    for _ in range(100):
        content = bytearray(after(muxed.writes))
        for _ in range(random.choice((1, 10, 1000))):
            content[random.randrange(len(content))] = random.randrange(256)
        # Most of them hit the index, where a wrong number must not make a wrong file, or take for ever.
        for _ in range(20):
            content[random.randrange(min(20_000, len(content)))] = random.randrange(256)
        path.write_bytes(content)
        repair(path, form)


@pytest.mark.parametrize("form", ChunkFormat)
def test_file_that_is_not_there_is_said(form: ChunkFormat, tmp_path: Path) -> None:
    with pytest.raises(SpoolError, match=r"none\.mp4: expected to save .*, found: No such file"):
        repair(tmp_path / "none.mp4", form)
    with pytest.raises(SpoolError, match="Is a directory"):
        repair(tmp_path, form)
