"""What every variant needs: artifact bucket, the cores' role, thing groups."""

from __future__ import annotations

import os
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from constructs import Construct

from container.image.inputs import VARIANTS
from fleet.camera_secrets import open_sites, policies_of
from fleet.foreign_secrets import foreign_secrets
from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from stacks.delivery.artifact_store import ArtifactStore
from stacks.delivery.image_repository import ImageRepository
from stacks.greengrass.core_role import CoreDeviceRole
from stacks.greengrass.cores import set_up_cores
from stacks.greengrass.fleet_guard import FleetGuard
from stacks.greengrass.thing_groups import make_thing_groups

_MOST_WARNINGS = 20
"""About secrets of another account or Region."""


class FoundationStack(cdk.Stack):
    """Deployed once for all variants, before all other stacks: they come after its guard.

    Attributes:
        artifact_bucket: Where variants put their artifacts, each below its own name.
        thing_groups: Stacks beside this one, of a large fleet, in which its thing groups are made.
        image_repository: Where variants put their images, where `image.delivery` is `ecr`.
    """

    def __init__(self, scope: Construct, construct_id: str, *, fleet: Fleet, **stack: Any) -> None:
        super().__init__(
            scope,
            construct_id,
            description="edgecam: artifact bucket, role of the cores, thing groups",
            **stack,
        )
        guard = FleetGuard(self, "Guard", fleet=fleet)
        store = ArtifactStore(self, "Artifacts", existing=fleet.aws.artifact_bucket)
        self.artifact_bucket: s3.IBucket = store.bucket
        cores = CoreDeviceRole(self, "Cores", existing=fleet.aws.token_exchange_role, names=names_of(fleet))
        for variant in VARIANTS:
            cores.grant_artifacts(store.bucket.bucket_arn, variant, key=fleet.aws.artifact_key)
        self._grant_secrets(fleet, cores)
        self._warn_of_foreign_secrets(fleet)
        if fleet.has_devices:
            cores.grant_own_devices()
        self.image_repository: ecr.IRepository | None = None
        if fleet.image.delivery == "ecr":
            self.image_repository = ImageRepository(self, "Images").repository
            cores.grant_images(self.image_repository.repository_arn)
        if fleet.image.delivery != "s3":
            self._keep_bucket_known(store.bucket)
        self.thing_groups = make_thing_groups(self, fleet, **stack)
        self.deploy_before(*self.thing_groups)
        set_up_cores(self, fleet, cores)
        cdk.CfnOutput(
            self, "ArtifactBucketName", value=store.bucket.bucket_name, description="Artifact bucket."
        )
        cdk.CfnOutput(
            self, "CoreRoleName", value=cores.role.role_name, description="Token exchange role of the cores."
        )
        guard.precede_the_stack()

    def deploy_before(self, *stacks: cdk.Stack) -> None:
        """None of these is deployed where this one refuses to become another fleet's."""
        for stack in stacks:
            stack.add_stack_dependency(self, "whose fleet these stacks are")

    def _grant_secrets(self, fleet: Fleet, cores: CoreDeviceRole) -> None:
        cores.grant_secrets(policies_of(fleet))
        if fleet.aws.camera_secrets is not None:
            cores.grant_own_secrets(fleet.aws.camera_secrets)
        if fleet.aws.secret_keys and fleet.secret_ids():
            cores.grant_secret_keys(fleet.aws.secret_keys)
        if found := open_sites(fleet):
            cdk.Annotations.of(self).add_warning_v2(
                "edgecam:secrets-of-a-group",
                f"sites {', '.join(found)}: every core may read their camera secrets, since only the names "
                "of their thing groups are known. Say in cores.provisioning.things which cores the groups "
                "have, by names or patterns, and only those may.",
            )

    def _warn_of_foreign_secrets(self, fleet: Fleet) -> None:
        # Where the settings name no account, the CDK's command line names that of the credentials.
        account = fleet.aws.account or os.environ.get("CDK_DEFAULT_ACCOUNT")
        region = fleet.aws.region or os.environ.get("CDK_DEFAULT_REGION")
        found = foreign_secrets(fleet, account=account, region=region)
        if len(found) > _MOST_WARNINGS:
            found = [*found[:_MOST_WARNINGS], f"{len(found) - _MOST_WARNINGS} further secrets are foreign"]
        for sentence in found:
            cdk.Annotations.of(self).add_warning_v2("edgecam:foreign-secret", sentence)

    def _keep_bucket_known(self, bucket: s3.IBucket) -> None:
        """Export what stacks that deliver by bucket import, so that changing to another is one deploy.

        This stack is deployed first, and CloudFormation takes back no export while it is imported.
        """
        if cdk.Token.is_unresolved(bucket.bucket_name):
            self.export_value(bucket.bucket_name)
            self.export_value(bucket.bucket_arn)
