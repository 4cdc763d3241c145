"""Fragments: what is written of samples is what is read of them."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgecam.formats.mp4_boxes import BoxDamaged
from edgecam.formats.mp4_fragments import Run, Sample, checksum, fragment_head, read_moof

TIMES = st.lists(st.integers(1, 9000), min_size=1, max_size=40)


@st.composite
def runs(draw: st.DrawFn, track_id: int) -> Run:
    at = draw(st.integers(0, 1 << 40))
    is_intra = draw(st.booleans())
    samples = []
    for step in draw(TIMES):
        is_keyframe = is_intra or draw(st.booleans())
        composition = draw(st.sampled_from([0, 0, 3600, 1 << 20]))
        is_damaged = draw(st.booleans())
        samples.append(Sample(at, at + composition, draw(st.integers(0, 1 << 20)), is_keyframe, is_damaged))
        at += step
    # A table that says which samples are damaged says which are keyframes, too.
    return Run(track_id, samples, at, is_intra and not any(sample.is_damaged for sample in samples))


@given(runs(1), runs(2))
def test_what_is_read_is_what_was_written(first: Run, second: Run) -> None:
    made = fragment_head(7, [first, second])
    moof_bytes = int.from_bytes(made[:4])
    assert made[4:8] == b"moof"
    assert read_moof(made[:moof_bytes]) == (first, second)
    size = sum(sample.size for run in (first, second) for sample in run.samples)
    assert made[moof_bytes:] == struct.pack(">I4s", size + 8, b"mdat")


@given(runs(1), st.data())
def test_moof_that_is_cut_or_changed_is_refused_or_read_within_its_bounds(
    run: Run, data: st.DataObject
) -> None:
    made = bytearray(fragment_head(1, [run])[:-8])
    made[data.draw(st.integers(0, len(made) - 1))] = data.draw(st.integers(0, 255))
    end = data.draw(st.integers(0, len(made)))
    try:
        read_moof(bytes(made[:end]))
    except BoxDamaged:
        return


def test_time_and_number_of_a_fragment_stand_where_a_player_s_segments_change_them() -> None:
    """A segment for HLS is a copy of the bytes, but for these."""
    made = fragment_head(3, [Run(1, [Sample(4500, 4500, 10, is_keyframe=True)], 9000)])
    assert struct.unpack_from(">I", made, 20) == (3,)
    assert struct.unpack_from(">Q", made, 60) == (4500,)


def test_checksum_changes_with_every_part() -> None:
    parts = [b"moof", b"mdat", b"data"]
    assert checksum(parts) == checksum([b"".join(parts)])
    assert len({checksum(parts), checksum(parts[1:]), checksum([*parts, b"\0"])}) == 3
    assert checksum(parts)[4:8] == b"free"


def test_no_run_is_no_moof() -> None:
    with pytest.raises(BoxDamaged):
        read_moof(b"\0\0\0\x10moof")
