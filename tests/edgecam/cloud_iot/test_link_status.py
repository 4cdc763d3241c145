"""What the log has of a device whose state cannot be published, and what its report shows."""

from __future__ import annotations

import logging

import pytest

from edgecam.cloud_iot.link_status import OUTAGES, QUIET_FAILURES, LinkStatus, is_refusal
from edgecam.errors import BrokerError, CredentialsError
from edgecam.status.outage import REPEAT_AFTER_S, OutageLog
from edgecam.status.reports import LinkReport
from sandbox.clocks import ManualClock

AWAY = BrokerError("bridge.example:8883: expected an answer, found none", reason="unreachable")
REFUSED = BrokerError("bridge.example:8883: the bridge refuses the token", reason="unauthorized")


@pytest.fixture
def outages(caplog: pytest.LogCaptureFixture) -> OutageLog:
    caplog.set_level(logging.INFO)
    return OutageLog(OUTAGES, logging.getLogger("link"), about={"camera": "lobby"})


def fail(outages: OutageLog, error: Exception, count: int, *, from_s: float = 0.0) -> None:
    for number in range(count):
        outages.failed(error, from_s + number)


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


def test_a_hiccup_is_not_logged(outages: OutageLog, caplog: pytest.LogCaptureFixture) -> None:
    for now_s in range(0, 100, 10):
        outages.failed(AWAY, now_s)
        outages.recovered(now_s + 1)
        outages.settled()
    assert levels(caplog) == []
    assert outages.outage is None


def test_an_outage_is_logged_once_and_its_end_too(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    fail(outages, AWAY, QUIET_FAILURES + 1 + 50)
    outages.recovered(90.0)
    assert levels(caplog) == [logging.WARNING, logging.INFO]
    assert caplog.messages[0].endswith("expected an answer, found none")
    assert caplog.messages[1] == "its state is published again after 90 s"
    assert {record.camera for record in caplog.records} == {"lobby"}  # type: ignore[attr-defined]


def test_a_long_outage_is_logged_again_every_hour(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    fail(outages, AWAY, QUIET_FAILURES + 1)
    fail(outages, AWAY, 3, from_s=REPEAT_AFTER_S + 60)
    assert levels(caplog) == [logging.WARNING, logging.WARNING]
    assert "for 61 min now" in caplog.messages[1]


def test_a_refusal_is_logged_as_an_error_when_the_key_that_was_fetched_again_is_refused_too(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    outages.failed(REFUSED, 0)
    assert levels(caplog) == []
    fail(outages, REFUSED, 5, from_s=1)
    assert levels(caplog) == [logging.ERROR]
    assert outages.outage is not None
    assert outages.outage.reason == "unauthorized"


def test_a_missing_key_is_logged_at_once(outages: OutageLog, caplog: pytest.LogCaptureFixture) -> None:
    fail(outages, CredentialsError("secret arn:x: expected its value, found none"), 3)
    assert levels(caplog) == [logging.ERROR]
    assert outages.outage is not None
    assert outages.outage.reason == "key"


def test_a_connection_that_breaks_again_and_again_is_one_outage(
    outages: OutageLog, caplog: pytest.LogCaptureFixture
) -> None:
    for now_s in range(0, 600, 10):  # two nodes as the same device throw each other out
        outages.failed(BrokerError("closed after 5 s", reason="closed"), now_s)
        outages.recovered(now_s + 5)
    assert levels(caplog) == [logging.WARNING, logging.INFO]


def test_no_password_key_or_token_stands_in_what_is_shown(outages: OutageLog) -> None:
    token = "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJwIn0.c2lnbmF0dXJlLW9mLWl0"
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----"
    outages.failed(BrokerError(f"mqtts://me:hunter2@proxy.example {token} {key}", reason="closed"), 0)
    assert outages.outage is not None
    assert all(hidden not in outages.outage.message for hidden in ("hunter2", "eyJ", "MIGH"))


def test_report_counts_connections_and_dates_the_present_state() -> None:
    clock = ManualClock()
    status = LinkStatus("lobby", clock)
    assert status.report(0) == LinkReport(is_connected=False, sent_total=0, reconnects_total=0)
    status.connecting()
    status.connected()
    up = clock.now()
    clock.advance(5)
    status.connecting()  # the token was renewed
    status.connected()
    assert status.report(3) == LinkReport(is_connected=True, sent_total=3, reconnects_total=1, since=up)
    clock.advance(5)
    status.disconnected()
    assert is_refusal(status.failed(REFUSED))
    lost = status.report(3)
    assert (lost.is_connected, lost.reason, lost.since) == (False, "unauthorized", clock.now())
    status.published()
    assert status.report(4).reason is None
