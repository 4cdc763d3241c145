"""Where a second stream begins in a pipe that stays open, whatever is read at a time."""

from __future__ import annotations

import shlex
import subprocess
from functools import cache

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edgecam.sources.stream_form import StreamForm, form_of
from edgecam.sources.stream_starts import ClockReferences, Heads, Piece, StreamStarts

MUXERS = {
    "FLV": "flvmux streamable=true",
    "MPEG-TS": "mpegtsmux",
    "fragmented MP4": "mp4mux fragment-duration=500 streamable=true",
    "Matroska": "matroskamux streamable=true",
}


@cache
def stream(form: str, pictures: int = 20) -> bytes:
    line = (
        f"videotestsrc num-buffers={pictures} ! video/x-raw,width=160,height=90,framerate=10/1 "
        f"! x264enc tune=zerolatency key-int-max=10 ! h264parse config-interval=-1 ! {MUXERS[form]} ! fdsink"
    )
    return subprocess.run(
        ["gst-launch-1.0", "-q", *shlex.split(line)], capture_output=True, check=True
    ).stdout


def watch(form: str) -> StreamStarts:
    return ClockReferences() if form == "MPEG-TS" else Heads()


def split(starts: StreamStarts, data: bytes, sizes: list[int]) -> Piece:
    """What belongs to the first stream, read in pieces of these sizes over and over, and what follows."""
    own, at, turn = b"", 0, 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        piece = starts.split(data[at : at + size])
        at, turn = at + size, turn + 1
        own += piece.own
        if piece.other is not None:
            return Piece(own, piece.other + data[at:])
    return Piece(own + starts.rest())


@pytest.mark.parametrize("form", MUXERS)
@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 70_000), min_size=1, max_size=4))
def test_a_second_stream_is_found_wherever_it_is_cut(form: str, sizes: list[int]) -> None:
    first, second = stream(form), stream(form, 15)
    own, other = split(watch(form), first + second, sizes)
    assert other is not None
    # What of a head was read before it was known as one has gone to the first stream.
    assert other.endswith(second)
    assert len(other) - len(second) <= 3 * 188
    assert first.startswith(own[: len(first)])
    assert split(watch(form), other, [4096]).other is None


@pytest.mark.parametrize("form", MUXERS)
@settings(deadline=None, max_examples=25)
@given(sizes=st.lists(st.integers(1, 70_000), min_size=1, max_size=4))
def test_one_stream_is_one_and_whole(form: str, sizes: list[int]) -> None:
    assert split(watch(form), stream(form, 40), sizes) == (stream(form, 40), None)


@pytest.mark.parametrize("form", MUXERS)
def test_a_stream_that_was_cut_off_ends_where_the_next_begins(form: str) -> None:
    first, second = stream(form), stream(form, 15)
    _, other = split(watch(form), first[: len(first) // 2 + 77] + second, [4096])
    assert other is not None
    assert other.endswith(second)


def packets(clocks: list[int | None]) -> bytes:
    """A table of programs and a packet with this clock, 90 kHz, for each."""
    table = b"\x47\x40\x00\x10" + bytes(184)
    found = b""
    for clock in clocks:
        field = b"" if clock is None else b"\x07\x10" + (clock << 15).to_bytes(6)
        found += table + b"\x47\x41\x00\x30" + field.ljust(184, b"\xff")
    return found


def test_one_stray_clock_is_no_new_stream_and_neither_is_a_wrap() -> None:
    for clocks in (
        [90_000, 93_000, 500, 96_000, 99_000],
        [(1 << 33) - 3000, 0, 3000],
        [90_000, 90_000 * 60, 90_000 * 61],
    ):
        data = packets([*clocks])
        assert split(ClockReferences(), data, [188]) == (data, None)


def test_what_is_held_back_is_bounded() -> None:
    starts = ClockReferences()
    starts.split(packets([900_000, 903_000, 500]))
    junk = (b"\x47\x41\x01\x10" + bytes(184)) * 8000
    assert len(starts.split(junk).own) > 400_000


@given(st.binary(max_size=2000), st.integers(1, 500))
def test_any_bytes_are_handed_on_in_their_order(data: bytes, size: int) -> None:
    for starts in (ClockReferences(), Heads()):
        own, other = split(starts, data, [size])
        assert own + (other or b"") == data or other is not None


@pytest.mark.parametrize(
    ("start", "form"),
    [
        (b"\0\0\0\x01\x67\x42\xc0\x28", StreamForm.H264),
        (b"\0\0\x01\x09\x10\0\0\x01", StreamForm.H264),
        (b"\0\0\0\x01\x40\x01\x0c\x01", StreamForm.H265),
        (b"\0\0\0\x01\x46\x01\x10\0", StreamForm.H265),
        (b"\0\0\x01\xba\x44\0\0\0", StreamForm.CONTAINER),
        (b"FLV\x01\x05\0\0\0\x09", StreamForm.CONTAINER),
        (b"\x47" + bytes(187), None),
        (b"\x47" + bytes(187) + b"\x47", StreamForm.MPEGTS),
        (b"\x47" + bytes(188), StreamForm.CONTAINER),
        (b"\0\0\0\x10ftypisom\0\0\0\0", None),
        (b"\0\0\0\x10ftypisom\0\0\0\0\0\0\0\x01mdat", StreamForm.LATE_MP4),
        (b"hello world", StreamForm.CONTAINER),
        (b"", None),
    ],
)
def test_a_stream_is_known_by_its_first_bytes(start: bytes, form: StreamForm | None) -> None:
    assert form_of(start) is form
