"""How long faults last in these tests."""

from __future__ import annotations

import os

OUTAGE_S = float(os.environ.get("EDGECAM_OUTAGE_S", "10"))
"""Seconds; `bench/faults.py` takes a minute."""
