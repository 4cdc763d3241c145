"""What a running node reports of its cameras, as conditions to wait for."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from edgecam.node.node import Node
from edgecam.status.reports import CameraReport, CameraState


def report(node: Node, number: int = 0) -> CameraReport:
    """The report of the camera with this place in the configuration."""
    return node.reports()[number]


def has_pictures(node: Node, count: int = 1, number: int = 0) -> Callable[[], bool]:
    """Whether at least `count` pictures have been written."""
    return lambda: report(node, number).frames_total >= count


def state_is(
    node: Node, state: CameraState, reason: str | None = None, number: int = 0
) -> Callable[[], bool]:
    """Whether a camera is in a state, for a reason."""
    return lambda: (report(node, number).state, report(node, number).reason) == (state, reason)


def frame_document(node: Node, camera_id: str = "c0") -> dict[str, Any]:
    """What frame.json beside the picture holds."""
    content: dict[str, Any] = json.loads(node.frame_path(camera_id).with_suffix(".json").read_text())
    return content
