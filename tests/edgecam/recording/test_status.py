"""When a recording's trouble is said: times by hand, and the lines that come of it."""

from __future__ import annotations

import pytest

from edgecam.recording.status import (
    DISK_REASON,
    FULL_REASON,
    SETTLED_AFTER_S,
    RecordingStanding,
)
from edgecam.redaction import SECRETS
from edgecam.status.outage import SAID_AGAIN_AFTER_S, Outage


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture
def standing(caplog: pytest.LogCaptureFixture) -> RecordingStanding:
    caplog.set_level("INFO")
    return RecordingStanding("lobby")


def test_trouble_is_said_at_once_then_hourly_then_its_end(
    standing: RecordingStanding, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(721):  # two hours, an attempt every ten seconds, each with another text
        standing.failed(DISK_REASON, f"chunk {number}: found: Read-only file system", now_s=10.0 * number)
        standing.passes(10.0 * number)
    standing.kept(7205.0)
    assert lines(caplog) == [
        "recording: chunk 0: found: Read-only file system",
        "recording, for 60 min now: chunk 360: found: Read-only file system",
        "recording, for 120 min now: chunk 720: found: Read-only file system",
        "recording again after 7205 s",
    ]
    assert standing.trouble is None


def test_two_reasons_that_take_turns_are_each_said_once_an_hour(
    standing: RecordingStanding, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        standing.failed((DISK_REASON, FULL_REASON)[number % 2], "it is so", now_s=10.0 * number)
    assert len(lines(caplog)) == 2


def test_trouble_that_comes_and_goes_is_one_outage_to_the_log(
    standing: RecordingStanding, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        standing.failed(DISK_REASON, "slow", now_s=20.0 * number)
        standing.passes(20.0 * number)
        standing.kept(20.0 * number + 10)
        standing.passes(20.0 * number + 10)
        assert standing.trouble is None  # health follows it nevertheless
    assert lines(caplog) == ["recording: slow", "recording again after 10 s"]


def test_trouble_after_a_good_while_is_said_at_once(
    standing: RecordingStanding, caplog: pytest.LogCaptureFixture
) -> None:
    standing.failed(DISK_REASON, "first", now_s=0.0)
    standing.kept(10.0)
    standing.kept(10.0 + SETTLED_AFTER_S)
    standing.passes(10.0 + SETTLED_AFTER_S)
    standing.failed(DISK_REASON, "second", now_s=700.0)
    assert lines(caplog)[-1] == "recording: second"


def test_secret_in_the_trouble_is_hidden(standing: RecordingStanding) -> None:
    SECRETS.remember("in-the-message")
    try:
        standing.failed(DISK_REASON, "found in-the-message", now_s=0.0)
    finally:
        SECRETS.forget("in-the-message")
    assert standing.trouble is not None
    assert standing.trouble.message == "found ***"


def test_outage_of_which_nothing_was_said_ends_without_a_line() -> None:
    outage = Outage()
    outage.lasts(0.0)
    assert outage.ended(5.0) is None
    outage.lasts(10.0)
    assert outage.due("away", 10.0) == ""
    assert outage.due("away", 10.0 + SAID_AGAIN_AFTER_S - 1) is None
    assert outage.due("away", 10.0 + SAID_AGAIN_AFTER_S) == "for 60 min now"
    assert outage.ended(3700.0) == 3690.0
