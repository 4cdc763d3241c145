"""The repository from which cores pull images."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_ecr as ecr
from constructs import Construct

UNTAGGED_DAYS = 14
"""When what is left of a broken or repeated push goes. What a component names has a tag, for ever."""


class ImageRepository(Construct):
    """A repository whose images stay what and where they are.

    No rule ever removes an image with a tag: a core that was offline for a year, or rolls back, may ask for
    it by its digest, and neither ECR nor Greengrass knows which cores will. One costs about a cent a month.

    Attributes:
        repository: The repository.
    """

    def __init__(self, scope: Construct, construct_id: str) -> None:
        super().__init__(scope, construct_id)
        self.repository: ecr.IRepository = ecr.Repository(
            self,
            "Repository",
            image_tag_mutability=ecr.TagMutability.IMMUTABLE,
            image_scan_on_push=True,
            lifecycle_rules=[
                ecr.LifecycleRule(
                    description="What no tag names, no component names",
                    tag_status=ecr.TagStatus.UNTAGGED,
                    max_image_age=cdk.Duration.days(UNTAGGED_DAYS),
                )
            ],
            # Cores may have to pull an earlier version again, even when the stacks are long gone.
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
