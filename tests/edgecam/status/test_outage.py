"""What is wrong, and which lines come of it: moments by hand, whatever fails."""

from __future__ import annotations

import logging

import pytest

from edgecam.errors import BrokerError
from edgecam.redaction import SECRETS
from edgecam.status.outage import FAULT_REASON, REPEAT_AFTER_S, Lines, Outage, OutageLog, OutagePolicy

POLICY = OutagePolicy(
    lines=Lines(
        "it is away", "it is back after %(lasted_s).0f s, %(failures)d attempts", severe="it refuses"
    ),
    reason_of=lambda error: error.reason if isinstance(error, BrokerError) else FAULT_REASON,
    needs_person=lambda reason: reason == "refused",
    quiet_failures=lambda reason: 1 if reason == "away" else 0,
    settled_after_s=100.0,
)
AWAY = BrokerError("no answer", reason="away")


@pytest.fixture
def outages(caplog: pytest.LogCaptureFixture) -> OutageLog:
    caplog.set_level(logging.INFO)
    return OutageLog(POLICY, logging.getLogger("here"), about={"camera": "lobby"}, detail=lambda: "; 7 wait")


def lines(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [f"{record.levelname} {record.getMessage()}" for record in caplog.records]


def test_outage_of_which_nothing_was_logged_ends_without_a_line(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(AWAY, 0.0)
    assert outages.outage == Outage("away", "no answer")
    assert outages.lasted_s(4.0) == 4.0
    outages.recovered(5.0)
    assert lines(caplog) == []
    assert outages.outage is None
    assert outages.lasted_s(6.0) is None
    assert outages.failures_total == 1


def test_outage_is_logged_when_it_begins_hourly_and_when_it_ends(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(AWAY, 10.0)
    outages.failed(AWAY, 11.0)
    outages.failed(AWAY, 11.0 + REPEAT_AFTER_S - 1)
    outages.passes(11.0 + REPEAT_AFTER_S)  # nothing is tried meanwhile
    outages.recovered(3710.0)
    assert lines(caplog) == [
        "WARNING it is away: no answer; 7 wait",
        "WARNING it is away, for 60 min now: no answer; 7 wait",
        "INFO it is back after 3700 s, 3 attempts; 7 wait",
    ]
    assert {(record.name, record.camera) for record in caplog.records} == {("here", "lobby")}  # type: ignore[attr-defined]


def test_each_reason_of_an_outage_is_logged_and_one_that_needs_a_person_as_an_error(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    for number in range(20):
        outages.failed(AWAY if number % 2 else BrokerError("no right", reason="refused"), 10.0 * number)
    assert [line.partition(":")[0] for line in lines(caplog)] == [
        "ERROR it refuses",
        "WARNING it is away, for 0 min now",
    ]


def test_outage_that_comes_and_goes_stays_one_until_it_has_settled(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    for now_s in (0.0, 40.0, 80.0):
        outages.failed(BrokerError("no right", reason="refused"), now_s)
        outages.recovered(now_s + 20)
        outages.passes(now_s + 39)
    assert len(lines(caplog)) == 2
    outages.passes(200.0)
    outages.failed(BrokerError("no right", reason="refused"), 201.0)
    assert len(lines(caplog)) == 3


def test_fault_of_ours_has_a_traceback_where_it_is_handed_over(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    error = ValueError()
    assert outages.failed(error, 0.0) == Outage(FAULT_REASON, "ValueError")
    outages.lasts(Outage("other", "it is so"), 1.0, error)
    assert [record.exc_info is not None for record in caplog.records] == [False, True]


def test_secret_in_an_outage_is_hidden(outages: OutageLog) -> None:
    SECRETS.remember("in-the-message")
    try:
        outages.lasts(Outage("away", "found in-the-message"), 0.0)
    finally:
        SECRETS.forget("in-the-message")
    assert outages.outage == Outage("away", "found ***")
