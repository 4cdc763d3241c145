"""edgecam: the newest picture of every camera on the core, and its recording in the cloud."""

from __future__ import annotations

__version__ = "0.2.0"
