"""The first stack target: a fresh picture of each camera on the cores."""

from __future__ import annotations

from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.artifact_store import ArtifactCopier, StoredArtifact
from stacks.component import Artifact, Component
from stacks.container_image import ContainerImage
from stacks.deployment import SiteDeployment
from stacks.settings import Fleet

VARIANT = "frame-grabber"


class FrameGrabberStack(cdk.Stack):
    """Image → artifact → component version → one deployment a site."""

    def __init__(
        self, scope: Construct, construct_id: str, *, fleet: Fleet, artifact_bucket: s3.IBucket, **stack: Any
    ) -> None:
        super().__init__(
            scope, construct_id, description="edgecam frame grabber: component and its deployments", **stack
        )
        images = [
            ContainerImage(
                self,
                f"Image-{architecture}",
                variant=VARIANT,
                architecture=architecture,
                base=fleet.image.base,
            )
            for architecture in fleet.image.architectures
        ]
        stored = self._store(images, artifact_bucket)
        component = Component(
            self,
            "Component",
            variant=VARIANT,
            name=f"{fleet.aws.component_prefix}.{VARIANT}",
            bucket_name=artifact_bucket.bucket_name,
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
        cdk.CfnOutput(
            self, "ArtifactBucket", value=artifact_bucket.bucket_name, description="Where the image lies."
        )
        cdk.CfnOutput(
            self,
            "ComponentArn",
            value=component.resource.get_att_string("Arn"),
            description="With its version.",
        )
        cdk.CfnOutput(
            self,
            "ComponentVersion",
            value=component.resource.get_att_string("ComponentVersion"),
            description="From content.",
        )
        for name, site in fleet.sites.items():
            deployed = SiteDeployment(self, f"Site-{name}", name=name, site=site, component=component)
            cdk.CfnOutput(
                self,
                f"Deployment{''.join(part.capitalize() for part in name.split('-'))}",
                value=deployed.deployment.attr_deployment_id,
                description=f"Deployment of site {name} to {site.target}.",
            )

    def _store(self, images: list[ContainerImage], bucket: s3.IBucket) -> list[StoredArtifact]:
        keys = {image.architecture: f"{VARIANT}/{image.archive}" for image in images}
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
