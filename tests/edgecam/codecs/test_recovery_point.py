"""Recovery points: which pictures that a parser takes for keyframes are none."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from judged_pictures import access_units, ffmpeg, white_with_intra_refresh

from edgecam.codecs.recovery_point import HEAD_BYTES, MOST_PICTURES, pictures_to_recovery
from edgecam.codecs.video import H264, H265, JPEG

SLICE = b"\x00\x00\x01\x41\x9a\x24\x6c"  # first_mb_in_slice 0, slice_type 5 (P)
INTRA_SLICE = b"\x00\x00\x01\x41\x88\x84"  # slice_type 7 (I)


def recovery_point(count_bits: str) -> bytes:
    """A message of type 6 with this number, in H.264's unit."""
    bits = count_bits + "000"
    bits += "1" + "0" * (-(len(bits) + 1) % 8)
    payload = int(bits, 2).to_bytes(len(bits) // 8)
    return b"\x00\x00\x01\x06\x06" + bytes([len(payload)]) + payload + b"\x80"


def test_each_round_of_a_refresh_begins_at_a_recovery_point_and_only_the_first_picture_is_whole() -> None:
    units = [unit[:HEAD_BYTES] for unit in white_with_intra_refresh(pictures=60)]
    found = [pictures_to_recovery(H264, unit, has_lengths=False) for unit in units]
    assert found[0] == 0
    begun = [number for number, count in enumerate(found) if count]
    assert begun
    assert {later - earlier for earlier, later in pairwise(begun)} == {20}
    assert all(0 < found[number] < 20 for number in begun)


@pytest.mark.parametrize(
    ("kind", "count_bits", "expected"), [(1, "00100", 2), (1, "00101", 0), (1, "1", 0), (21, "00100", 0)]
)
def test_a_picture_of_h265_is_whole_by_its_kind_or_after_what_its_message_says(
    kind: int, count_bits: str, expected: int
) -> None:
    payload = int((count_bits + "1").ljust(8, "0"), 2).to_bytes()
    message = b"\x00\x00\x01\x4e\x01\x06\x01" + payload + b"\x80"
    head = message + b"\x00\x00\x01" + bytes([kind << 1, 1, 0xD0, 0x80])
    assert pictures_to_recovery(H265, head, has_lengths=False) == expected


def test_a_recovery_point_before_an_intra_picture_is_a_keyframe() -> None:
    settings = "open-gop=1:keyint=10:bframes=2:b-adapt=0:aud=1:scenecut=0"
    coder = ("-c:v", "libx264", "-preset", "ultrafast", "-x264-params", settings, "-f", "h264", "-")
    units = access_units(ffmpeg("-f", "lavfi", "-i", "testsrc=size=320x240:rate=10:duration=4", *coder))
    assert any(b"\x00\x00\x01\x06\x06" in unit[:HEAD_BYTES] for unit in units)
    assert {pictures_to_recovery(H264, unit[:HEAD_BYTES], has_lengths=False) for unit in units} == {0}


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (recovery_point("00101") + SLICE, 4),
        (recovery_point("1") + SLICE, 0),
        (recovery_point("00101") + INTRA_SLICE, 0),
        (recovery_point("0000000000000010000000000000000") + SLICE, MOST_PICTURES),
        (recovery_point("00101"), 0),
        (recovery_point("00000000"), 0),
        (b"\x00\x00\x01\x06\xff\xff\xff", 0),
        (b"", 0),
    ],
)
def test_what_the_message_says_is_bounded_and_what_is_cut_short_says_nothing(
    head: bytes, expected: int
) -> None:
    assert pictures_to_recovery(H264, head, has_lengths=False) == expected


def test_units_with_lengths_say_the_same() -> None:
    units = [recovery_point("00101")[3:], SLICE[3:]]
    head = b"".join(len(unit).to_bytes(4) + unit for unit in units)
    assert pictures_to_recovery(H264, head, has_lengths=True) == 4
    assert pictures_to_recovery(JPEG, head, has_lengths=True) == 0


@given(st.binary(max_size=200), st.sampled_from([H264, H265]), st.booleans())
def test_any_bytes_have_an_answer_within_bounds(head: bytes, codec: object, has_lengths: bool) -> None:
    assert 0 <= pictures_to_recovery(codec, head, has_lengths=has_lengths) <= MOST_PICTURES  # type: ignore[arg-type]
