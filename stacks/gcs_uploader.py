"""The second stack target: the frame grabber, and recordings that reach Google Cloud Storage."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from container.image.inputs import GCS_UPLOADER
from fleet.bucket_parts import own_parts, shared_prefixes, shares_everything, sites_without_writers
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from stacks.gcp.bucket import GcsBucket
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
        settings = fleet.gcp.bucket if fleet.gcp is not None else None
        if fleet.gcp is None or settings is None or not settings.create:
            return
        bucket = GcsBucket(
            self,
            "Recordings",
            gcp=fleet.gcp,
            names=names_of(fleet),
            bucket=settings,
            prefixes=shared_prefixes(fleet),
            parts=own_parts(fleet),
            # A new version for the cores is an occasion to see whether their bucket still is as it should be.
            checked_with=self.component.version,
            secret_keys=fleet.aws.secret_keys,
        )
        self.deploy_after(bucket.resource)
        if shares_everything(fleet):
            cdk.Annotations.of(self).add_warning_v2(
                "edgecam:shared-bucket",
                "gcp.bucket.writers: each of them may read what every site stores, and replace "
                "every site's latest/ and status/. Say writers at the sites, each for its own part.",
            )
        if found := sites_without_writers(fleet):
            cdk.Annotations.of(self).add_warning_v2(
                "edgecam:nobody-writes",
                f"sites {', '.join(found)}: nobody may store what they record in gs://{settings.name}. Say "
                "writers at each site, the identities of its cores at Google (design/google-side.md has "
                "them), or in gcp.bucket.writers. A right that was given by hand is not seen here.",
            )
        cdk.CfnOutput(
            self,
            "RecordingBucket",
            value=bucket.resource.get_att_string("Uri"),
            description="Where recordings go.",
        )
