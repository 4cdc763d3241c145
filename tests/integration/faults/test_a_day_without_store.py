"""An outage of a day, at speed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox.faults.outage_day import CAMERAS, CHUNK_S, SPOOL_BYTES

ROOT = Path(__file__).resolve().parents[3]
MOST_GROWTH_MB = 10
"""The simulation's own list of 8,640 checksums has the greater part of it."""


@pytest.fixture(scope="module")
def outcome() -> dict[str, Any]:
    """Of a process of its own, so that its memory is nobody else's."""
    command = [sys.executable, "-m", "sandbox.faults.outage_day", "--seconds", "12"]
    done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True, timeout=180)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_what_was_recorded_in_a_day_is_stored_afterwards_or_counted_as_evicted(
    outcome: dict[str, Any],
) -> None:
    assert outcome["recorded"] >= CAMERAS * 24 * 3600 / CHUNK_S
    assert (outcome["lost"], outcome["duplicated"]) == (0, 0)
    assert outcome["stored"] > 0
    assert outcome["evicted"] > 0


def test_memory_and_spool_stay_bounded(outcome: dict[str, Any]) -> None:
    assert outcome["notes"]["grown_mb"] < MOST_GROWTH_MB
    assert outcome["notes"]["spool_most_bytes"] <= SPOOL_BYTES


def test_the_newest_recording_plays(outcome: dict[str, Any]) -> None:
    assert outcome["notes"]["newest_plays"]


def test_the_store_was_tried_every_half_minute_and_no_more(outcome: dict[str, Any]) -> None:
    half_minutes = outcome["notes"]["hours"] * 120
    assert half_minutes / 3 < outcome["notes"]["attempts"] <= half_minutes * 1.3
