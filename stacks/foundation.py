"""What every variant needs: artifact bucket, the cores' role, thing groups."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iot as iot
from aws_cdk import aws_s3 as s3
from constructs import Construct

from container.image_inputs import VARIANTS
from stacks.artifact_store import ArtifactStore
from stacks.core_device import CoreDeviceRole
from stacks.settings import Fleet


class FoundationStack(cdk.Stack):
    """Deployed once for all variants.

    Attributes:
        artifact_bucket: Where variants put their artifacts, each below its own name.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, **stack: Any) -> None:
        super().__init__(
            scope,
            construct_id,
            description="edgecam: artifact bucket, role of the cores, thing groups",
            **stack,
        )
        store = ArtifactStore(self, "Artifacts", existing=fleet.aws.artifact_bucket)
        self.artifact_bucket: s3.IBucket = store.bucket
        cores = CoreDeviceRole(self, "Cores", existing=fleet.aws.token_exchange_role, things=_things(fleet))
        for variant in VARIANTS:
            cores.grant_artifacts(store.bucket.bucket_arn, variant)
        cores.grant_secrets(fleet.secret_arns())
        if fleet.has_devices:
            cores.grant_own_devices()
        for site in fleet.sites.values():
            if site.create_thing_group:
                iot.CfnThingGroup(self, f"ThingGroup-{site.thing_group}", thing_group_name=site.thing_group)
        cdk.CfnOutput(
            self, "ArtifactBucketName", value=store.bucket.bucket_name, description="Artifact bucket."
        )
        cdk.CfnOutput(
            self, "CoreRoleName", value=cores.role.role_name, description="Token exchange role of the cores."
        )


def _things(fleet: Fleet) -> list[str] | None:
    """The names of all cores, or None when some are known by their group only."""
    things = [site.thing for site in fleet.sites.values()]
    return None if None in things else [thing for thing in things if thing is not None]
