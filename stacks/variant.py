"""A stack target: what is deployed of one variant."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from fleet.physical_names import names_of
from fleet.settings.fleet import Fleet
from stacks.delivery.delivery import Delivery, by_bucket, by_registry, by_repository
from stacks.greengrass.component import Component
from stacks.greengrass.recipe import Recipe
from stacks.rollout.site_stacks import SiteStacks
from stacks.rollout.waves import Waves


class VariantStack(cdk.Stack):
    """Image → artifact → component version → one deployment for each site of the variant.

    Attributes:
        variant: Its name.
        component: The component version that the sites get.
        deployments: Of each site, by its name.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        variant: str,
        fleet: Fleet,
        artifact_bucket: s3.IBucket,
        image_repository: ecr.IRepository | None = None,
        **stack: Any,
    ) -> None:
        super().__init__(scope, construct_id, **stack)
        self.variant = variant
        delivery = self._deliver(fleet, artifact_bucket, image_repository)
        self.component = self._register(fleet, delivery, artifact_bucket)
        self._say(artifact_bucket, image_repository)
        further = SiteStacks(
            self,
            fleet=fleet,
            bucket=artifact_bucket,
            **{**stack, "description": f"edgecam {variant}: deployments of sites"},
        )
        self.deployments = further.deploy(fleet.sites_of(variant), self.component)
        removing = further.remove_with_stack(fleet.sites_of(variant), self.deployments)
        further.go_back(fleet.sites_of(variant), self.deployments, removing)
        if fleet.waves:
            Waves(self, "Waves", fleet=fleet, deployments=self.deployments, removing=removing)

    def deploy_after(self, needed: IDependable) -> None:
        """No site is deployed before `needed` is there."""
        for deployed in self.deployments.values():
            deployed.node.add_dependency(needed)

    def deploy_after_stacks(self, *needed: cdk.Stack) -> None:
        """Nothing of this variant is deployed before these stacks."""
        for stack in needed:
            self.add_stack_dependency(stack, "what the cores' targets and rights are made of")

    def _deliver(self, fleet: Fleet, bucket: s3.IBucket, repository: ecr.IRepository | None) -> Delivery:
        if fleet.image.delivery == "registry":
            return by_registry(variant=self.variant, image=fleet.image)
        if repository is not None:
            return by_repository(self, variant=self.variant, image=fleet.image, repository=repository)
        return by_bucket(
            self, variant=self.variant, image=fleet.image, bucket=bucket, key=fleet.aws.artifact_key
        )

    def _register(self, fleet: Fleet, delivery: Delivery, bucket: s3.IBucket) -> Component:
        component = Component(
            self,
            "Component",
            recipe=Recipe(
                variant=self.variant,
                name=names_of(fleet).component(self.variant),
                artifacts=delivery.artifacts,
                known_bucket=fleet.aws.artifact_bucket,
            ),
            bucket_name=bucket.bucket_name,
            key=fleet.aws.artifact_key,
        )
        if delivery.needed:
            component.resource.node.add_dependency(*delivery.needed)
        return component

    def _say(self, bucket: s3.IBucket, repository: ecr.IRepository | None) -> None:
        component = self.component.resource
        # Also where nothing new is put there: the foundation cannot take back what a deployed stack imports.
        cdk.CfnOutput(self, "ArtifactBucket", value=bucket.bucket_name, description="Where the image lies.")
        if repository is not None:
            cdk.CfnOutput(
                self, "ImageRepository", value=repository.repository_uri, description="Where the image lies."
            )
        cdk.CfnOutput(
            self, "ComponentArn", value=component.get_att_string("Arn"), description="With its version."
        )
        cdk.CfnOutput(
            self,
            "ComponentVersion",
            value=component.get_att_string("ComponentVersion"),
            description="From content.",
        )
