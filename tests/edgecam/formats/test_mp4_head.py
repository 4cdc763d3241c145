"""The head of a chunk: the same for every chunk of a stream but for its length and its index."""

from __future__ import annotations

import struct

import pytest

from edgecam.formats.mp4_boxes import BoxDamaged
from edgecam.formats.mp4_head import finished, head, read_head
from edgecam.formats.mp4_index import INDEX_BYTES, Index
from edgecam.formats.mp4_tracks import SoundTrack, VideoTrack

AVC = bytes.fromhex("01640014ffe1000467640014010001 68".replace(" ", ""))
AAC = bytes.fromhex("1190")  # AAC-LC, 48 kHz, two channels
PICTURES = VideoTrack("avc1", 1920, 1080, AVC)
SOUND = SoundTrack("mp4a", 2, 48_000, AAC)


def test_heads_of_one_stream_differ_in_length_and_index_alone() -> None:
    made = head([PICTURES])
    index = Index(1, 90_000)
    index.add(1000, 0, is_keyframe=True)
    ended = [finished(made, duration, index.to_bytes(duration)) for duration in (90_000, 900_000)]
    place = read_head(made).mehd
    without = [each[: place.inside] + bytes(place.end - place.inside) + each[place.end :] for each in ended]
    assert ended[0] != ended[1]
    assert without[0][:-INDEX_BYTES] == without[1][:-INDEX_BYTES]
    assert struct.unpack_from(">Q", ended[1], place.inside + 4) == (900_000,)


def test_head_says_what_its_tracks_are() -> None:
    made = head([VideoTrack("hvc1", 640, 360, b"record", lead=7200), SOUND])
    found = read_head(made + b"fragments")
    assert found.data == made
    pictures, sound = found.tracks
    assert (pictures.track_id, pictures.timescale, pictures.lead, pictures.is_video) == (
        1,
        90_000,
        7200,
        True,
    )
    assert (sound.track_id, sound.timescale, sound.lead, sound.is_video) == (2, 48_000, 0, False)


@pytest.mark.parametrize("form", ["hvc1", "mp4v", "mp4a", "Opus"])
def test_every_coding_has_a_row(form: str) -> None:
    track = PICTURES if form in ("hvc1", "mp4v") else SOUND
    assert form.encode() in head([PICTURES, type(track)(**{**vars(track), "coding": form})])


def test_what_is_no_head_of_ours_is_refused_wherever_it_is_cut() -> None:
    made = head([PICTURES])
    for end in range(len(made)):
        with pytest.raises(BoxDamaged):
            read_head(made[:end])
    for at in range(0, len(made) - INDEX_BYTES, 4):
        changed = made[:at] + b"\xff\xff\xff\xff" + made[at + 4 :]
        try:
            found = read_head(changed)
        except BoxDamaged:
            continue
        assert len(found.data) <= len(changed)
