"""Chunks in MP4 as bytes: their boxes, segments for HLS that are copies of them, and chunks with sound."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from half_written import pictures_and_plan

from edgecam.clock import NS_PER_S
from edgecam.formats.mp4_fragments import Run, read_moof
from edgecam.formats.mp4_tracks import SoundTrack
from edgecam.recording.mp4_writer import Mp4Writer
from sandbox.cameras.film import Film

TIMESCALE = 90_000
PIECE_S = 1024 / 48_000
"""Of sound."""


@dataclass(frozen=True)
class FoundFragment:
    """A fragment, from its `moof` to the next."""

    begin: int
    end: int
    runs: tuple[Run, ...]


def boxes(content: bytes) -> list[tuple[str, int, int]]:
    """Kind, begin and end of each box of a file, one after another up to its end."""
    found, at = [], 0
    while at < len(content):
        size, kind = struct.unpack_from(">I4s", content, at)
        assert size >= 8
        assert at + size <= len(content)
        found.append((kind.decode(), at, at + size))
        at += size
    return found


def fragments(content: bytes) -> list[FoundFragment]:
    """All of a file."""
    begins = [begin for kind, begin, _ in boxes(content) if kind == "moof"]
    ends = [*begins[1:], len(content)]
    moofs = [content[begin : begin + int.from_bytes(content[begin : begin + 4])] for begin in begins]
    return [
        FoundFragment(begin, end, read_moof(moof))
        for begin, end, moof in zip(begins, ends, moofs, strict=True)
    ]


def picture_count(content: bytes) -> int:
    """How many its fragments name."""
    return sum(len(each.runs[0].samples) for each in fragments(content))


def init_segment(content: bytes) -> bytes:
    """What a player reads first: `ftyp` and `moov`, without the length, which belongs to this chunk alone."""
    end = next(end for kind, _, end in boxes(content) if kind == "moov")
    place = content.index(b"mehd") + 8
    return content[:place] + bytes(8) + content[place + 8 : end]


def segment(content: bytes, first: int, start: int, only: Sequence[FoundFragment] | None = None) -> bytes:
    """The fragments of a chunk as a segment: copied, with their number and their time changed.

    Args:
        content: Of the chunk.
        first: The number of the first fragment.
        start: What is added to times, in units of `TIMESCALE`.
        only: Some of the fragments, one after another; all by default.
    """
    made = b""
    for number, each in enumerate(only or fragments(content), start=first):
        copied = bytearray(content[each.begin : each.end])
        struct.pack_into(">I", copied, 20, number)
        struct.pack_into(">Q", copied, 60, struct.unpack_from(">Q", copied, 60)[0] + start)
        made += copied
    return made


def playlist(folder: Path, segments: Sequence[tuple[bytes, float]], init: bytes) -> Path:
    """An HLS playlist of segments and their seconds."""
    (folder / "init.mp4").write_bytes(init)
    lines = ["#EXTM3U", "#EXT-X-VERSION:7", "#EXT-X-TARGETDURATION:10", '#EXT-X-MAP:URI="init.mp4"']
    for number, (content, seconds) in enumerate(segments):
        (folder / f"{number}.m4s").write_bytes(content)
        lines += [f"#EXTINF:{seconds:.6f},", f"{number}.m4s"]
    path = folder / "list.m3u8"
    path.write_text("\n".join([*lines, "#EXT-X-ENDLIST", ""]))
    return path


def aac(folder: Path, seconds: float) -> tuple[list[bytes], bytes]:
    """A tone as AAC-LC at 48 kHz: its pieces of 1,024 samples, and the decoder's configuration."""
    path = folder / "tone.aac"
    made = f"-f lavfi -i sine=frequency=440:sample_rate=48000 -t {seconds} -ac 2 -c:a aac -b:a 32k -f adts"
    subprocess.run(["ffmpeg", "-v", "error", "-y", *made.split(), str(path)], check=True)
    content, pieces, at = path.read_bytes(), [], 0
    while at < len(content):
        length = (content[at + 3] & 3) << 11 | content[at + 4] << 3 | content[at + 5] >> 5  # ADTS, 1.A.2.2
        pieces.append(content[at + 7 : at + length])
        at += length
    return pieces, bytes.fromhex("1190")


def write_with_sound(path: Path, film: Film, begin_s: float, end_s: float) -> None:
    """Six seconds of `film` as a chunk with a tone between two times."""
    pieces, record = aac(path.parent, 6)
    pictures, plan = pictures_and_plan(film)
    writer = Mp4Writer(path, plan, sound=SoundTrack("mp4a", 2, 48_000, record))
    heard_s = begin_s
    for place, picture in enumerate(pictures, start=1):
        at_s = picture.number / film.fps
        while heard_s < min(end_s, at_s):
            piece = pieces[round(heard_s / PIECE_S) % len(pieces)]
            writer.add_sound(piece, round(heard_s * NS_PER_S), round(PIECE_S * NS_PER_S))
            heard_s += PIECE_S
        at_ns = picture.number * NS_PER_S // film.fps
        writer.add(picture.data, at_ns, at_ns, is_keyframe=picture.is_keyframe)
        if place % film.fps == 0:
            writer.flush()
    assert writer.finish(6 * NS_PER_S)
