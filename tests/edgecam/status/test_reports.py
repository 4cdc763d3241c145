"""What a person makes of a camera at a glance."""

from __future__ import annotations

from dataclasses import replace

import pytest
from reporting import away, recorded, report, stalled, waiting

from edgecam.status.reports import CameraReport, CameraState, Condition

NO_PICTURE = {"frame": None, "frame_age_s": None}


@pytest.mark.parametrize(
    ("camera", "condition"),
    [
        (report(), Condition.DELIVERING),
        (report(makes_frames=False, **NO_PICTURE), Condition.DELIVERING),
        (recorded(), Condition.DELIVERING),
        (waiting(), Condition.WAITING),
        (report(state=CameraState.CONNECTING, **NO_PICTURE), Condition.WAITING),
        (report(state=CameraState.CONNECTING, frame_age_s=31.0), Condition.WAITING),
        (report(**NO_PICTURE), Condition.WAITING),
        (away(), Condition.TROUBLE),
        (stalled(), Condition.TROUBLE),
        (report(frame_age_s=31.0), Condition.TROUBLE),
        (report(reason="disk", message="no space left", **NO_PICTURE), Condition.TROUBLE),
        (recorded(problem="the disk is read-only"), Condition.TROUBLE),
        (replace(waiting(), recording=recorded(problem="no room").recording), Condition.TROUBLE),
    ],
)
def test_camera_is_in_trouble_when_something_has_failed_and_waits_when_nothing_has_come(
    camera: CameraReport, condition: Condition
) -> None:
    assert camera.condition is condition
