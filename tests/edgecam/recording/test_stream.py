"""What a recording knows of one time line: order, discontinuities, format. Over values, without a thread."""

from __future__ import annotations

import pytest
from access_units import unit

from edgecam.capture.access_unit import AccessUnit
from edgecam.clock import NS_PER_S
from edgecam.codecs.video import H264, JPEG
from edgecam.config.recording import ChunkFormat
from edgecam.errors import SourceUnsupported
from edgecam.recording.chunk_cutter import StreamFormat
from edgecam.recording.decode_times import DEPTH_LIMIT
from edgecam.recording.stream import Stream


def stream() -> Stream:
    return Stream(ChunkFormat.MP4)


def group(begin_s: float, order: tuple[int, ...] = (0, 1, 2, 3)) -> list[AccessUnit]:
    """A group of pictures, ten a second, sent in the order of showing that `order` gives."""
    return [unit(begin_s + place / 10, key=place == 0) for place in order]


def test_first_units_are_held_back_until_the_second_keyframe_shows_the_order() -> None:
    made, first, second = stream(), group(0, (0, 3, 1, 2)), group(0.4)
    assert made.offer(first) == []
    assert made.depth == 0
    assert made.offer(second[:1]) == [*first, second[0]]
    assert made.depth == 1


def test_first_units_are_held_back_until_there_are_more_than_any_stream_reorders() -> None:
    made = stream()
    units = [unit(place / 10, key=place == 0) for place in range(DEPTH_LIMIT + 1)]
    assert made.offer(units[:-1]) == []
    assert made.offer(units[-1:]) == units


def test_units_pass_at_once_when_the_format_is_known() -> None:
    made, first = stream(), group(0)
    made.offer(first)
    assert made.flush() == first
    made.format_of(first[0])
    later = group(0.4)
    assert made.offer(later) == later
    assert made.flush() == []


def test_lookahead_begins_again_while_no_keyframe_came() -> None:
    made = stream()
    units = [unit(place / 10) for place in range(DEPTH_LIMIT + 2)]
    assert made.offer(units) == units
    assert made.offer(units[:1]) == []


def test_depth_is_that_of_this_chunk_and_the_one_before() -> None:
    made = stream()
    made.offer(group(0, (0, 3, 1, 2)))
    made.flush()
    depths = []
    for at_s, order in ((0, (0, 3, 1, 2)), (0.4, (0, 1, 2, 3)), (0.8, (0, 1, 2, 3)), (1.2, (0, 1, 2, 3))):
        units = group(at_s, order)
        depths.append(made.plan(made.format_of(units[0])).depth)
        for each in units:
            made.pts_of(each)
    assert depths == [1, 1, 1, 0]


def test_interval_in_the_head_of_a_file_is_the_same_for_all_chunks_until_it_is_another() -> None:
    made = stream()
    found = made.format_of(unit(0, key=True))
    planned = []
    at_s = 0.0
    for interval_s in (0.1, 0.1003, 0.0996, 0.104, 0.05):
        for _ in range(40):
            made.pts_of(unit(at_s))
            at_s += interval_s
        planned.append(made.plan(found).interval_ns)
    assert planned == [100_000_000] * 4 + [50_000_000]


def test_unit_without_a_time_gets_the_next_one_and_none_before_the_first() -> None:
    made = stream()
    assert made.pts_of(unit(None)) is None
    assert [made.pts_of(each) for each in (unit(0, key=True), unit(0.1))] == [0, NS_PER_S // 10]
    assert made.pts_of(unit(None)) == NS_PER_S // 5
    assert made.interval_ns == NS_PER_S // 10


def test_format_names_codec_size_and_the_parameter_sets_that_mp4_holds_once() -> None:
    made, keyframe = stream(), unit(0, key=True)
    assert made.format_of(keyframe) == StreamFormat("h264", 64, 48, b"\x01\x64\x00\x14")
    assert made.codec is H264
    assert Stream(ChunkFormat.MPEGTS).format_of(keyframe) == StreamFormat("h264", 64, 48, b"")


def test_size_of_a_jpeg_without_a_size_in_its_caps_is_read_from_its_head() -> None:
    head = b"\xff\xd8\xff\xc0\x00\x11\x08\x00\x30\x00\x40\x03\x01\x22\x00\x02\x11\x01\x03\x11\x01"
    made = stream()
    found = made.format_of(unit(0, key=True, content=head, caps="image/jpeg"))
    assert (made.codec, found) == (JPEG, StreamFormat("mjpeg", 64, 48))
    assert made.format_of(unit(1, key=True, caps="image/jpeg")) == StreamFormat("mjpeg", 0, 0)


@pytest.mark.parametrize(
    ("chunk_format", "caps", "found"),
    [
        (ChunkFormat.MP4, "video/x-raw,width=64,height=48", "raw video"),
        (ChunkFormat.MPEGTS, "image/jpeg,width=64,height=48", "JPEG"),
        (ChunkFormat.MP4, "video/x-vp8", "video/x-vp8"),
    ],
)
def test_what_the_container_cannot_hold_is_refused_in_a_sentence(
    chunk_format: ChunkFormat, caps: str, found: str
) -> None:
    made = Stream(chunk_format)
    with pytest.raises(SourceUnsupported, match=f"as {chunk_format.value} .* found {found}; choose H.264"):
        made.format_of(unit(0, key=True, caps=caps))
    assert made.codec is None


def test_plan_of_a_chunk_needs_a_keyframe_that_can_be_recorded() -> None:
    made, keyframe = stream(), unit(0, key=True)
    made.offer(group(0, (0, 3, 2, 1)))
    made.flush()
    found = StreamFormat("h264", 64, 48, b"sets")
    with pytest.raises(RuntimeError):
        made.plan(found)
    made.format_of(keyframe)
    plan = made.plan(found)
    assert (plan.codec, plan.width, plan.height, plan.record, plan.depth) == (H264, 64, 48, b"sets", 2)
