"""A stack target: what is deployed of one variant."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct, IDependable

from stacks.artifact_store import ArtifactCopier, StoredArtifact
from stacks.component import Artifact, Component
from stacks.container_image import ContainerImage
from stacks.deployment import SiteDeployment
from stacks.devices import node_of
from stacks.settings import Fleet


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
        **stack: Any,
    ) -> None:
        super().__init__(scope, construct_id, **stack)
        self.variant = variant
        images = [
            ContainerImage(
                self,
                f"Image-{architecture}",
                variant=variant,
                architecture=architecture,
                base=fleet.image.base,
            )
            for architecture in fleet.image.architectures
        ]
        stored = self._store(images, artifact_bucket)
        self.component = self._register(fleet, images, stored, artifact_bucket)
        self._say(artifact_bucket)
        self.deployments = {
            name: SiteDeployment(
                self,
                f"Site-{name}",
                name=name,
                site=site,
                node=node_of(fleet, name, secrets=self._secrets()),
                component=self.component,
            )
            for name, site in fleet.sites_of(variant).items()
        }
        for name, deployed in self.deployments.items():
            cdk.CfnOutput(
                self,
                f"Deployment{''.join(part.capitalize() for part in name.split('-'))}",
                value=deployed.deployment.attr_deployment_id,
                description=f"Deployment of site {name} to {fleet.sites[name].target}.",
            )

    def deploy_after(self, needed: IDependable) -> None:
        """No site is deployed before `needed` is there."""
        for deployed in self.deployments.values():
            deployed.node.add_dependency(needed)

    def _secrets(self) -> str:
        """How the ARN of a secret begins, wherever this stack is deployed to."""
        return self.format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name="",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )

    def _store(self, images: list[ContainerImage], bucket: s3.IBucket) -> list[StoredArtifact]:
        keys = {image.architecture: f"{self.variant}/{image.archive}" for image in images}
        copier = ArtifactCopier(
            self,
            "ArtifactCopier",
            copies={keys[image.architecture]: image.location for image in images},
            bucket_arn=bucket.bucket_arn,
        )
        return [
            StoredArtifact(
                self,
                f"Artifact-{image.architecture}",
                function=copier,
                source=image.location,
                bucket_name=bucket.bucket_name,
                key=keys[image.architecture],
            )
            for image in images
        ]

    def _register(
        self, fleet: Fleet, images: list[ContainerImage], stored: list[StoredArtifact], bucket: s3.IBucket
    ) -> Component:
        component = Component(
            self,
            "Component",
            variant=self.variant,
            name=f"{fleet.aws.component_prefix}.{self.variant}",
            bucket_name=bucket.bucket_name,
            known_bucket=fleet.aws.artifact_bucket,
            artifacts=[
                Artifact(
                    architecture=image.architecture,
                    image=image.name,
                    key=artifact.key,
                    content_hash=image.content_hash,
                )
                for image, artifact in zip(images, stored, strict=True)
            ],
        )
        for artifact in stored:
            component.resource.node.add_dependency(artifact)
        return component

    def _say(self, bucket: s3.IBucket) -> None:
        component = self.component.resource
        cdk.CfnOutput(self, "ArtifactBucket", value=bucket.bucket_name, description="Where the image lies.")
        cdk.CfnOutput(
            self, "ComponentArn", value=component.get_att_string("Arn"), description="With its version."
        )
        cdk.CfnOutput(
            self,
            "ComponentVersion",
            value=component.get_att_string("ComponentVersion"),
            description="From content.",
        )
