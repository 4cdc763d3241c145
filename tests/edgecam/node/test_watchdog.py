"""What a connection's progress amounts to: moments and counts by hand, no pipeline."""

from __future__ import annotations

import math

import pytest

from edgecam.errors import SourceSilent, SourceUnreachable, SourceUnsupported, SourceWithoutKeyframe
from edgecam.node.watchdog import FirstPicture, Limits, Progress, Verdict, Watchdog, error_of

LIMITS = Limits(silence_s=5.0, picture_s=10.0, max_fps=1.0)


def delivering(units: int, last_picture_s: float | None = 0.0) -> Progress:
    return Progress(units, had_keyframe=True, last_picture_s=last_picture_s)


@pytest.mark.parametrize(
    ("progress", "verdict"),
    [
        (Progress(0), Verdict.NO_ANSWER),
        (Progress(7), Verdict.AWAITS_KEYFRAME),
        (Progress(7, had_keyframe=True), Verdict.NO_PICTURE),
        (Progress(7, had_keyframe=True, is_recorded=True), Verdict.AWAITS_DECODER),
    ],
)
def test_first_picture_that_is_late_says_what_came_in_its_place(progress: Progress, verdict: Verdict) -> None:
    first = FirstPicture(100.0, timeout_s=10.0)
    assert first.check(progress, 109.9) is Verdict.CONTINUE
    assert first.check(progress, 110.0) is verdict


def test_keyframe_is_waited_for_as_long_as_pictures_come_and_for_ten_minutes() -> None:
    first = FirstPicture(100.0, timeout_s=10.0)
    verdicts = [first.check(Progress(now_s), now_s) for now_s in range(101, 710)]
    assert set(verdicts[9:]) == {Verdict.AWAITS_KEYFRAME}
    assert first.check(Progress(710), 710.0) is Verdict.NO_KEYFRAME


def test_camera_that_falls_silent_while_a_keyframe_is_waited_for_has_stalled() -> None:
    first = FirstPicture(100.0, timeout_s=10.0)
    assert first.check(Progress(7), 115.0) is Verdict.AWAITS_KEYFRAME
    assert first.check(Progress(7), 124.9) is Verdict.AWAITS_KEYFRAME
    assert first.check(Progress(7), 125.0) is Verdict.STALLED


def test_decoder_that_is_slow_ends_no_recording_for_two_minutes() -> None:
    watchdog = Watchdog(0.0, LIMITS.max_fps)
    recorded = [
        watchdog.check(
            Progress(now_s, had_keyframe=True, last_picture_s=0.0, is_recorded=True), LIMITS, now_s
        )
        for now_s in range(1, 131)
    ]
    assert recorded[8:10] == [Verdict.CONTINUE, Verdict.AWAITS_DECODER]
    assert recorded[-2:] == [Verdict.AWAITS_DECODER, Verdict.NO_PICTURE]


def test_decoder_that_has_lost_pictures_waits_for_a_keyframe_as_well() -> None:
    watchdog = Watchdog(0.0, LIMITS.max_fps)
    assert watchdog.check(Progress(1, last_picture_s=0.0), LIMITS, 11.0) is Verdict.AWAITS_KEYFRAME
    assert watchdog.check(Progress(1, last_picture_s=0.0), LIMITS, 16.0) is Verdict.STALLED


def test_source_that_waits_for_its_producer_has_the_whole_time_from_then_on() -> None:
    first = FirstPicture(100.0, timeout_s=10.0)
    first.restart(3600.0)
    assert first.check(Progress(0), 3609.9) is Verdict.CONTINUE
    assert first.poll_s(3609.95) == pytest.approx(0.05)
    assert first.check(Progress(0), 3610.0) is Verdict.NO_ANSWER


def test_silence_is_noticed_a_poll_before_its_limit_and_never_after() -> None:
    watchdog = Watchdog(0.0, LIMITS.max_fps)
    assert watchdog.check(delivering(1), LIMITS, 1.0) is Verdict.CONTINUE
    assert LIMITS.poll_s == 0.4
    assert watchdog.check(delivering(1), LIMITS, 5.5) is Verdict.CONTINUE
    assert watchdog.check(delivering(1), LIMITS, 5.6) is Verdict.STALLED


def test_short_limit_is_looked_at_more_often() -> None:
    assert Limits(silence_s=0.5, picture_s=1.0, max_fps=10.0).poll_s == pytest.approx(0.1)


def test_units_without_pictures_are_noticed_in_time() -> None:
    watchdog = Watchdog(0.0, LIMITS.max_fps)
    verdicts = [watchdog.check(delivering(now_s), LIMITS, now_s) for now_s in range(1, 11)]
    assert verdicts == [Verdict.CONTINUE] * 9 + [Verdict.NO_PICTURE]


def test_units_suffice_where_no_pictures_are_wanted() -> None:
    watchdog = Watchdog(0.0, LIMITS.max_fps)
    limits = Limits(silence_s=5.0, picture_s=math.inf, max_fps=1.0)
    assert {watchdog.check(Progress(now_s), limits, now_s) for now_s in range(1, 1000)} == {Verdict.CONTINUE}


def test_time_without_picture_begins_again_after_a_stall_and_with_another_pace() -> None:
    watchdog = Watchdog(0.0, LIMITS.max_fps)
    assert watchdog.check(delivering(1), LIMITS, 4.0) is Verdict.CONTINUE
    watchdog.resume(60.0)
    assert watchdog.check(delivering(2), LIMITS, 69.0) is Verdict.CONTINUE
    slower = Limits(silence_s=5.0, picture_s=10.0, max_fps=0.1)
    assert watchdog.check(delivering(3), slower, 70.0) is Verdict.CONTINUE
    assert watchdog.check(delivering(4), slower, 79.0) is Verdict.CONTINUE
    assert watchdog.check(delivering(5), slower, 80.0) is Verdict.NO_PICTURE


@pytest.mark.parametrize(
    ("verdict", "kind", "text"),
    [
        (Verdict.STALLED, SourceSilent, "nothing has come for 5 s"),
        (Verdict.NO_ANSWER, SourceUnreachable, "within 5 s, found no answer"),
        (Verdict.NO_KEYFRAME, SourceWithoutKeyframe, "found 7 pictures that need one"),
        (Verdict.NO_PICTURE, SourceUnsupported, "found H.264 data that yields none"),
    ],
)
def test_each_verdict_has_an_error_that_says_what_was_found(
    verdict: Verdict, kind: type[Exception], text: str
) -> None:
    error = error_of(verdict, name="rtsp://cam/x", waited_s=5.0, units=7, codec="H.264")
    assert type(error) is kind
    assert str(error).startswith("rtsp://cam/x: expected ")
    assert text in str(error)
