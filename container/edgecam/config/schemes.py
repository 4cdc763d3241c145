"""The URI schemes of cameras."""

from __future__ import annotations

SCHEMES = ("rtsp", "rtsps", "pipe", "file", "images", "test", "pipeline")
"""The sources there are. `source.py` has the factory; H.265, MJPEG and audio join there."""
