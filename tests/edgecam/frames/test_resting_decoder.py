"""Decoders of keyframes take turns, and rest between them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from coded_pictures import H264_CAPS
from judged_pictures import access_units, ffmpeg

from edgecam.capture.access_unit import AccessUnit
from edgecam.capture.coded import SampleCoded
from edgecam.codecs.jpeg import is_whole
from edgecam.codecs.video import H264
from edgecam.config.camera import Frames
from edgecam.errors import SourceError
from edgecam.frames.decode_gate import DecodeBatch
from edgecam.frames.decoder import Picture
from edgecam.frames.resting_decoder import RestingDecoder
from edgecam.frames.turns import Turns
from edgecam.gstreamer.gst import Gst

Eventually = Callable[..., Any]
START = datetime(2026, 1, 1, tzinfo=UTC)
CAPS = Gst.Caps.from_string(H264_CAPS)
GROUP = 5
UNUSED_THREADS = 2
"""GLib's pool keeps so many for a while, with their last names (g_thread_pool_set_max_unused_threads)."""


@pytest.fixture(scope="module")
def units() -> list[bytes]:
    """Of a small film with a keyframe in every `GROUP` pictures."""
    film = ("-f", "lavfi", "-i", "testsrc2=size=160x120:rate=10:duration=3", "-pix_fmt", "yuv420p")
    coder = (
        "-c:v",
        "libx264",
        "-x264-params",
        f"keyint={GROUP}:min-keyint={GROUP}:bframes=0:aud=1:scenecut=0",
    )
    return access_units(ffmpeg(*film, *coder, "-f", "h264", "-"))


class Camera:
    """A decoder, and what came of it.

    Args:
        turns: Those of its decoder.
        on_picture: Called with each picture before it is kept.
        timeout_s: Of its decoder.
    """

    def __init__(
        self, turns: Turns, on_picture: Callable[[Picture], None] = lambda _: None, timeout_s: float = 20.0
    ) -> None:
        self.pictures: list[Picture] = []
        self.faults: list[SourceError] = []
        self._on_picture = on_picture
        self.decoder = RestingDecoder(
            name="cam",
            codec=H264,
            frames=Frames(),
            on_picture=self._take,
            on_fault=self.faults.append,
            turns=turns,
            timeout_s=timeout_s,
        )

    def _take(self, picture: Picture) -> None:
        self._on_picture(picture)
        self.pictures.append(picture)

    @property
    def shown(self) -> list[int]:
        """The numbers of the pictures that came."""
        return [int(picture.captured_s) for picture in self.pictures]

    def push(self, units: list[bytes], number: int, *, is_complete: bool = True) -> bool:
        is_keyframe = number % GROUP == 0
        buffer = Gst.Buffer.new_wrapped(units[number])
        buffer.pts = number * Gst.SECOND // 10
        if not is_keyframe:
            buffer.set_flags(Gst.BufferFlags.DELTA_UNIT)
        coded = SampleCoded(Gst.Sample.new(buffer, CAPS, None, None))
        unit = AccessUnit(buffer.pts, is_keyframe, len(units[number]), START, float(number), coded)
        return self.decoder.push(DecodeBatch((unit,), unit, is_complete=is_complete))


@pytest.fixture
def camera() -> Iterator[Callable[..., Camera]]:
    made: list[Camera] = []

    def make(*arguments: Any, **settings: Any) -> Camera:
        made.append(Camera(*arguments, **settings))
        return made[-1]

    yield make
    for each in made:
        each.decoder.close()


class Held:
    """A turn that lasts until it is let go."""

    def __init__(self) -> None:
        self.has_begun, self._may_end = threading.Event(), threading.Event()

    def take_turn(self) -> None:
        self.has_begun.set()
        self._may_end.wait(20)

    def end(self) -> None:
        self._may_end.set()


def threads_of_pipelines() -> int:
    """GStreamer's names for the threads of queues and sources: an element, a colon, a pad."""
    names = [path.read_text() for path in Path("/proc/self/task").glob("*/comm")]
    return sum(":src" in name for name in names)


def test_decoders_rest_between_keyframes_and_hold_no_thread(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    before, all_made = threads_of_pipelines(), [camera(Turns(1)) for _ in range(3 * UNUSED_THREADS)]
    eventually(lambda: threads_of_pipelines() >= len(all_made))
    for made in all_made:
        assert made.push(units, 0)
        eventually(lambda made=made: made.decoder.is_resting)
    eventually(lambda: threads_of_pipelines() <= before + UNUSED_THREADS)


def test_a_decoder_shows_every_keyframe_that_it_wakes_for(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    made = camera(Turns(1))
    for count, number in enumerate((0, 5, 10, 5, 20)):  # times may go back: another connection's
        assert made.push(units, number)
        eventually(lambda count=count: len(made.pictures) == count + 1 and made.decoder.is_resting)
    assert made.shown == [0, 5, 10, 5, 20]
    assert all(is_whole(picture.jpeg) for picture in made.pictures)
    assert made.faults == []


def test_it_stays_awake_for_pictures_that_need_others_and_rests_again_after(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    made = camera(Turns(1))
    made.push(units, 0)
    eventually(lambda: made.decoder.is_resting)
    for number in range(5, 9):
        assert made.push(units, number, is_complete=False)
        assert not made.decoder.is_resting
    eventually(lambda: len(made.pictures) >= 4)
    assert made.push(units, 10)
    eventually(lambda: made.decoder.is_resting)
    assert made.shown == [0, 5, 6, 7, 8, 10]


def test_the_newest_keyframe_waits_for_its_turn_and_no_other(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    turns, held = Turns(1), Held()
    turns.request(held)
    eventually(held.has_begun.is_set)
    made = camera(turns)
    assert all(made.push(units, number) for number in (0, 5, 10))
    assert made.shown == []
    held.end()
    eventually(lambda: made.decoder.is_resting)
    assert made.shown == [10]
    assert made.decoder.dropped_units == 2


def test_a_keyframe_that_waits_is_not_shown_after_what_is_newer(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    turns, held = Turns(1), Held()
    turns.request(held)
    eventually(held.has_begun.is_set)
    made = camera(turns)
    made.push(units, 0)
    for number in (5, 6):
        assert made.push(units, number, is_complete=False)
    held.end()
    made.push(units, 10)
    eventually(lambda: made.decoder.is_resting)
    assert made.shown == [5, 6, 10]
    assert made.decoder.dropped_units == 1


def test_so_many_turns_are_taken_at_a_time_and_a_fault_ends_none_of_their_threads(
    eventually: Eventually,
) -> None:
    class Faulty:
        def take_turn(self) -> None:
            raise RuntimeError("out of turn")

    turns, held = Turns(2), [Held() for _ in range(5)]
    for _ in range(3):
        turns.request(Faulty())
    for each in held:
        turns.request(each)
    eventually(lambda: sum(each.has_begun.is_set() for each in held) == 2)
    held[0].end()
    eventually(held[2].has_begun.is_set)
    assert not held[3].has_begun.is_set()
    for each in held:
        each.end()
    eventually(held[4].has_begun.is_set)


def test_a_disk_that_hangs_keeps_nobody_else_waiting(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    disk, turns = threading.Event(), Turns(1)
    slow = camera(turns, on_picture=lambda _: disk.wait(20) and None, timeout_s=0.1)
    quick = camera(turns)
    for number in (0, 5, 10):
        assert slow.push(units, number)
        assert quick.push(units, number)
        eventually(lambda number=number: number in quick.shown)
    assert not slow.decoder.is_resting
    assert slow.shown == []
    disk.set()
    eventually(lambda: slow.shown == [0, 5, 10])
    assert slow.push(units, 15)
    eventually(lambda: slow.decoder.is_resting)


def test_what_cannot_be_decoded_is_a_fault_and_costs_its_own_camera_alone(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    turns = Turns(1)
    bad, good = camera(turns), camera(turns)
    key = units[0]
    rubbish = [key[: len(key) // 2] + b"\xff" * 2000] * 30
    for number in range(0, 30, 5):
        bad.push(rubbish, number)
        assert good.push(units, number)
        eventually(lambda number=number: number in good.shown)
    assert good.faults == []
    assert good.decoder.damaged == 0
    assert bad.shown == []
    assert bad.decoder.damaged > 0


def test_one_that_is_closed_takes_no_more_turns(
    units: list[bytes], camera: Callable[..., Camera], eventually: Eventually
) -> None:
    turns, held = Turns(1), Held()
    turns.request(held)
    eventually(held.has_begun.is_set)
    closed, other = camera(turns), camera(turns)
    closed.push(units, 0)
    other.push(units, 0)
    closed.decoder.close()
    held.end()
    eventually(lambda: other.shown == [0])
    assert closed.shown == []
