"""The second stack target: the frame grabber, and recordings that reach Google Cloud Storage."""

from __future__ import annotations

from typing import Any

from aws_cdk import aws_s3 as s3
from constructs import Construct

from container.image_inputs import GCS_UPLOADER
from stacks.settings import Fleet
from stacks.variant import VariantStack


class GcsUploaderStack(VariantStack):
    """The sites of variant `gcs-uploader`.

    On AWS the cores need no right beyond fetching their artifacts: federation shows Google a signed request
    for sts:GetCallerIdentity, which everybody may make.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, artifact_bucket: s3.IBucket, **stack: Any
    ) -> None:
        super().__init__(
            scope,
            construct_id,
            variant=GCS_UPLOADER,
            fleet=fleet,
            artifact_bucket=artifact_bucket,
            description="edgecam GCS uploader: component, its deployments and the bucket of the recordings",
            **stack,
        )
