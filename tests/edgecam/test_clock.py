"""The one form in which times are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from edgecam.clock import utc_text


@pytest.mark.parametrize(
    ("moment", "text"),
    [
        (datetime(2026, 1, 1, 12, 0, 0, 250_999, tzinfo=UTC), "2026-01-01T12:00:00.250Z"),
        (datetime(2026, 1, 1, 12, tzinfo=UTC), "2026-01-01T12:00:00.000Z"),
        (datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2))), "2025-12-31T22:30:00.000Z"),
    ],
)
def test_times_are_written_in_utc_with_milliseconds(moment: datetime, text: str) -> None:
    assert utc_text(moment) == text
