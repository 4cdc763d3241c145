"""When the outage of a recording is logged: times by hand, and the lines that come of it."""

from __future__ import annotations

import pytest

from edgecam.recording.status import (
    DISK_REASON,
    FULL_REASON,
    HANGING,
    HANGS_AFTER_S,
    SETTLED_AFTER_S,
    DiskWatch,
    recording_outages,
)
from edgecam.status.outage import Outage, OutageLog


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@pytest.fixture
def outages(caplog: pytest.LogCaptureFixture) -> OutageLog:
    caplog.set_level("INFO")
    return recording_outages("lobby")


def test_outage_is_logged_at_once_then_hourly_then_its_end(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(721):  # two hours, an attempt every ten seconds, each with another text
        outages.lasts(Outage(DISK_REASON, f"chunk {number}: found: Read-only file system"), 10.0 * number)
        outages.passes(10.0 * number)
    outages.recovered(7205.0)
    assert lines(caplog) == [
        "recording: chunk 0: found: Read-only file system",
        "recording, for 60 min now: chunk 360: found: Read-only file system",
        "recording, for 120 min now: chunk 720: found: Read-only file system",
        "recording again after 7205 s",
    ]
    assert outages.outage is None


def test_two_reasons_that_take_turns_are_each_logged_once_an_hour(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(100):
        outages.lasts(Outage((DISK_REASON, FULL_REASON)[number % 2], "it is so"), 10.0 * number)
    assert len(lines(caplog)) == 2


def test_outage_that_comes_and_goes_stays_one(outages: OutageLog, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(100):
        outages.lasts(Outage(DISK_REASON, "slow"), 20.0 * number)
        outages.passes(20.0 * number)
        outages.recovered(20.0 * number + 10)
        outages.passes(20.0 * number + 10)
        assert outages.outage is None  # health follows it nevertheless
    assert lines(caplog) == ["recording: slow", "recording again after 10 s"]


def test_outage_after_a_good_while_is_logged_at_once(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    outages.lasts(Outage(DISK_REASON, "first"), 0.0)
    outages.recovered(10.0)
    outages.recovered(10.0 + SETTLED_AFTER_S)
    outages.passes(10.0 + SETTLED_AFTER_S)
    outages.lasts(Outage(DISK_REASON, "second"), 700.0)
    assert lines(caplog)[-1] == "recording: second"


def test_disk_that_hangs_is_logged_hourly_and_when_it_answers_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO")
    disk = DiskWatch("lobby")
    disk.begins(0.0)
    for now_s in range(0, 3700, 10):
        disk.watch(now_s)
    assert disk.outage(3700.0) == HANGING
    disk.ends()
    disk.watch(3700.0)
    assert lines(caplog) == [
        f"recording: {HANGING.message}",
        f"recording, for 60 min now: {HANGING.message}",
        "the spool's disk answers again",
    ]
    assert disk.outage(3700.0 + HANGS_AFTER_S) is None
