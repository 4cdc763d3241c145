"""What the log says of a device that cannot tell its state, and when."""

from __future__ import annotations

import logging

import pytest

from edgecam.cloud_iot.link_outage import SAID_AFTER_FAILURES, LinkStanding
from edgecam.errors import BrokerError, CredentialsError
from edgecam.status.outage import SAID_AGAIN_AFTER_S

AWAY = BrokerError("bridge.example:8883: expected an answer, found none", reason="unreachable")
REFUSED = BrokerError("bridge.example:8883: the bridge refuses the token", reason="unauthorized")


@pytest.fixture(autouse=True)
def everything_is_heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "edgecam.cloud_iot.link_outage")


def fail(standing: LinkStanding, error: Exception, count: int, *, from_s: float = 0.0) -> None:
    for number in range(count):
        standing.failed(error, from_s + number)


def levels(caplog: pytest.LogCaptureFixture) -> list[int]:
    return [record.levelno for record in caplog.records]


def test_a_hiccup_is_not_said(caplog: pytest.LogCaptureFixture) -> None:
    standing = LinkStanding("lobby")
    for now_s in range(0, 100, 10):
        standing.failed(AWAY, now_s)
        standing.told(now_s + 1)
        standing.settled()
    assert levels(caplog) == []
    assert standing.trouble is None


def test_an_outage_is_said_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    standing = LinkStanding("lobby")
    fail(standing, AWAY, SAID_AFTER_FAILURES + 50)
    standing.told(90.0)
    assert levels(caplog) == [logging.WARNING, logging.INFO]
    assert caplog.messages[0].endswith("expected an answer, found none")
    assert caplog.messages[1] == "its state is told again after 90 s"
    assert {record.camera for record in caplog.records} == {"lobby"}  # type: ignore[attr-defined]


def test_a_long_outage_is_said_again_every_hour(caplog: pytest.LogCaptureFixture) -> None:
    standing = LinkStanding("lobby")
    fail(standing, AWAY, SAID_AFTER_FAILURES)
    fail(standing, AWAY, 3, from_s=SAID_AGAIN_AFTER_S + 60)
    assert levels(caplog) == [logging.WARNING, logging.WARNING]
    assert "for 61 min now" in caplog.messages[1]


def test_a_refusal_is_said_as_an_error_when_the_key_asked_for_anew_is_refused_too(
    caplog: pytest.LogCaptureFixture,
) -> None:
    standing = LinkStanding("lobby")
    standing.failed(REFUSED, 0)
    assert levels(caplog) == []
    fail(standing, REFUSED, 5, from_s=1)
    assert levels(caplog) == [logging.ERROR]
    assert standing.trouble is not None
    assert standing.trouble.reason == "unauthorized"


def test_a_missing_key_is_said_at_once(caplog: pytest.LogCaptureFixture) -> None:
    standing = LinkStanding("lobby")
    fail(standing, CredentialsError("secret arn:x: expected its value, found none"), 3)
    assert levels(caplog) == [logging.ERROR]
    assert standing.trouble is not None
    assert standing.trouble.reason == "key"


def test_a_connection_that_breaks_again_and_again_is_one_outage(caplog: pytest.LogCaptureFixture) -> None:
    standing = LinkStanding("lobby")
    for now_s in range(0, 600, 10):  # two nodes as the same device throw each other out
        standing.failed(BrokerError("closed after 5 s", reason="closed"), now_s)
        standing.told(now_s + 5)
    assert levels(caplog) == [logging.WARNING, logging.INFO]


def test_no_password_key_or_token_stands_in_what_is_shown() -> None:
    standing = LinkStanding("lobby")
    token = "eyJhbGciOiJFUzI1NiJ9.eyJhdWQiOiJwIn0.c2lnbmF0dXJlLW9mLWl0"
    key = "-----BEGIN PRIVATE KEY-----\nMIGHAgEA\n-----END PRIVATE KEY-----"
    standing.failed(BrokerError(f"mqtts://me:hunter2@proxy.example {token} {key}", reason="closed"), 0)
    assert standing.trouble is not None
    assert all(hidden not in standing.trouble.message for hidden in ("hunter2", "eyJ", "MIGH"))
