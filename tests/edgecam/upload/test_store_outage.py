"""What the log says of an outage, and when."""

from __future__ import annotations

import logging

import pytest

from edgecam.errors import StoreRefused, StoreUnavailable
from edgecam.status.outage import SAID_AGAIN_AFTER_S
from edgecam.upload.store_outage import SAID_AFTER_FAILURES, Standing

AWAY = StoreUnavailable("storage.example: expected an answer, found 503")


def fail(standing: Standing, error: Exception, count: int, *, from_s: float = 0.0) -> None:
    for number in range(count):
        standing.failed(error, now_s=from_s + number, waiting=lambda: 7)


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


@pytest.fixture(autouse=True)
def everything_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edgecam.upload.store_outage")


def test_a_hiccup_is_counted_and_not_said(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing()
    for now_s in range(0, 100, 10):
        standing.failed(AWAY, now_s=now_s, waiting=lambda: 7)
        standing.stored(now_s=now_s + 1, waiting=lambda: 6)
    assert levels(caplog) == []
    assert standing.failures_total == 10
    assert standing.trouble is None


def test_an_outage_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing()
    fail(standing, AWAY, SAID_AFTER_FAILURES + 50)
    standing.stored(now_s=90.0, waiting=lambda: 5)
    assert levels(caplog) == [logging.WARNING, logging.INFO]
    assert "found 503; 7 chunks wait" in caplog.messages[0]
    assert "storing again after 90 s" in caplog.messages[1]
    assert "5 chunks wait" in caplog.messages[1]


def test_a_long_outage_is_said_again_every_hour(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing()
    fail(standing, AWAY, SAID_AFTER_FAILURES)
    fail(standing, AWAY, 3, from_s=SAID_AGAIN_AFTER_S + 60)
    assert levels(caplog) == [logging.WARNING, logging.WARNING]
    assert "for 61 min now" in caplog.messages[1]


def test_a_refusal_is_said_at_once_as_an_error(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing()
    fail(standing, StoreRefused("gs://b: found 403; grant it"), 5)
    assert levels(caplog) == [logging.ERROR]
    assert standing.trouble is not None
    assert standing.trouble.reason == "refused"


def test_a_refusal_in_an_outage_is_said_besides(caplog: pytest.LogCaptureFixture) -> None:
    standing = Standing()
    fail(standing, AWAY, 5)
    fail(standing, StoreRefused("gs://b: found 403; grant it"), 5, from_s=10)
    assert levels(caplog) == [logging.WARNING, logging.ERROR]


def test_no_password_stands_in_what_is_shown() -> None:
    standing = Standing()
    fail(standing, StoreUnavailable("https://me:hunter2@proxy.example is away"), 1)
    assert standing.trouble is not None
    assert "hunter2" not in standing.trouble.message
