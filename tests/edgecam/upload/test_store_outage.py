"""What the log has of a bucket that takes nothing, and when."""

from __future__ import annotations

import logging

import pytest

from edgecam.errors import StoreRefused, StoreUnavailable
from edgecam.status.outage import REPEAT_AFTER_S, OutageLog
from edgecam.upload.uploader import OUTAGES, QUIET_FAILURES

AWAY = StoreUnavailable("storage.example: expected an answer, found 503")


class Waiting:
    """How many chunks wait."""

    chunks = 7

    def text(self) -> str:
        return f"; {self.chunks} chunks wait on the core"


@pytest.fixture
def waiting() -> Waiting:
    return Waiting()


@pytest.fixture
def outages(caplog: pytest.LogCaptureFixture, waiting: Waiting) -> OutageLog:
    caplog.set_level(logging.INFO)
    return OutageLog(OUTAGES, logging.getLogger("store"), detail=waiting.text)


def fail(outages: OutageLog, error: Exception, count: int, *, from_s: float = 0.0) -> None:
    for number in range(count):
        outages.failed(error, from_s + number)


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


def test_a_hiccup_is_counted_and_not_logged(outages: OutageLog, caplog: pytest.LogCaptureFixture) -> None:
    for now_s in range(0, 100, 10):
        outages.failed(AWAY, now_s)
        outages.recovered(now_s + 1)
    assert levels(caplog) == []
    assert outages.failures_total == 10
    assert outages.outage is None


def test_an_outage_is_logged_once_and_its_end_too(
    outages: OutageLog, waiting: Waiting, caplog: pytest.LogCaptureFixture
) -> None:
    fail(outages, AWAY, QUIET_FAILURES + 1 + 50)
    waiting.chunks = 5
    outages.recovered(90.0)
    assert levels(caplog) == [logging.WARNING, logging.INFO]
    assert "found 503; 7 chunks wait" in caplog.messages[0]
    assert "storing again after 90 s" in caplog.messages[1]
    assert "5 chunks wait" in caplog.messages[1]


def test_a_long_outage_is_logged_again_every_hour(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    fail(outages, AWAY, QUIET_FAILURES + 1)
    fail(outages, AWAY, 3, from_s=REPEAT_AFTER_S + 60)
    assert levels(caplog) == [logging.WARNING, logging.WARNING]
    assert "for 61 min now" in caplog.messages[1]


def test_a_refusal_is_logged_at_once_as_an_error(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    fail(outages, StoreRefused("gs://b: found 403; grant it"), 5)
    assert levels(caplog) == [logging.ERROR]
    assert outages.outage is not None
    assert outages.outage.reason == "refused"


def test_a_refusal_in_an_outage_is_logged_besides(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    fail(outages, AWAY, 5)
    fail(outages, StoreRefused("gs://b: found 403; grant it"), 5, from_s=10)
    assert levels(caplog) == [logging.WARNING, logging.ERROR]


def test_no_password_stands_in_what_is_shown(outages: OutageLog) -> None:
    fail(outages, StoreUnavailable("https://me:hunter2@proxy.example is away"), 1)
    assert outages.outage is not None
    assert "hunter2" not in outages.outage.message
