"""When a camera is connected to again, and with which login: errors and moments by hand."""

from __future__ import annotations

from random import Random

import pytest

from edgecam.backoff import LONGEST_DELAY_S, STABLE_AFTER_S, Backoff
from edgecam.errors import (
    CredentialsError,
    InstallationError,
    SourceRefused,
    SourceSilent,
    SourceUnauthorized,
)
from edgecam.node.reconnects import Reconnects
from edgecam.status.reports import CameraState


@pytest.fixture
def reconnects() -> Reconnects:
    return Reconnects(is_fed_from_outside=False, backoff=Backoff(Random(1)))


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (SourceRefused("x"), CameraState.DISCONNECTED, "refused"),
        (SourceSilent("x"), CameraState.STALLED, "silent"),
        (CredentialsError("x"), CameraState.DISCONNECTED, "credentials"),
        (InstallationError("x"), CameraState.DISCONNECTED, "installation"),
        (ZeroDivisionError("x"), CameraState.DISCONNECTED, "fault"),
    ],
)
def test_error_says_state_and_reason(
    reconnects: Reconnects, error: Exception, state: CameraState, reason: str
) -> None:
    reconnects.begin()
    retry = reconnects.failed(error, 1.0)
    assert (retry.state, retry.reason) == (state, reason)


def test_login_is_fetched_again_once_after_a_refusal(reconnects: Reconnects) -> None:
    assert not reconnects.begin()
    reconnects.failed(SourceUnauthorized("401"), 1.0)
    assert reconnects.begin()
    assert not reconnects.begin()


def test_refusals_make_attempts_rare(reconnects: Reconnects) -> None:
    retries = [reconnects.failed(SourceUnauthorized("401"), 0.0) for _ in range(12)]
    assert [retry.is_slowed for retry in retries[:3]] == [False, False, True]
    assert retries[-1].delay_s > 5 * LONGEST_DELAY_S


def test_delay_is_the_first_again_after_a_connection_that_lived(reconnects: Reconnects) -> None:
    for _ in range(8):
        reconnects.failed(SourceRefused("x"), 0.0)
    reconnects.begin()
    reconnects.connected(100.0)
    assert reconnects.failed(SourceRefused("x"), 100.0 + STABLE_AFTER_S).delay_s < 0.5
    for _ in range(8):
        reconnects.failed(SourceRefused("x"), 0.0)
    reconnects.begin()  # it never connects
    assert reconnects.failed(SourceRefused("x"), 10_000.0).delay_s > 1


def test_source_that_a_program_feeds_is_read_again_within_a_second() -> None:
    fed = Reconnects(is_fed_from_outside=True)
    assert max(fed.failed(SourceRefused("x"), 0.0).delay_s for _ in range(20)) <= 0.5


def test_connections_after_the_first_are_counted(reconnects: Reconnects) -> None:
    assert reconnects.total == 0
    for expected in range(3):
        reconnects.begin()
        assert reconnects.total == expected
