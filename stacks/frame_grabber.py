"""The first stack target: a fresh picture of each camera on the cores."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_s3 as s3
from constructs import Construct

from container.image.inputs import FRAME_GRABBER
from fleet.settings.fleet import Fleet
from stacks.variant import VariantStack


class FrameGrabberStack(VariantStack):
    """The sites of variant `frame-grabber`."""

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, artifact_bucket: s3.IBucket, **stack: Any
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            variant=FRAME_GRABBER,
            fleet=fleet,
            artifact_bucket=artifact_bucket,
            description="edgecam frame grabber: component and its deployments",
            **stack,
        )
