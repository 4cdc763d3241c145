"""The bucket from which cores fetch artifacts, and what lies in it."""

from __future__ import annotations

from collections.abc import Mapping

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from constructs import Construct

from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.customer_keys import use_for_artifacts
from stacks.functions.nag import acknowledge

_COPY_TIMEOUT = cdk.Duration.minutes(10)


class ArtifactStore(Construct):
    """The artifact bucket: a new one, or an existing one by name.

    Attributes:
        bucket: The bucket.
    """

    def __init__(self, scope: Construct, construct_id: str, *, existing: str | None) -> None:
        super().__init__(scope, construct_id)
        self.bucket: s3.IBucket = (
            s3.Bucket.from_bucket_name(self, "Bucket", existing) if existing else self._new_bucket()
        )

    def _new_bucket(self) -> s3.Bucket:
        bucket = s3.Bucket(
            self,
            "Bucket",
            encryption=s3.BucketEncryption.S3_MANAGED,
            enforce_ssl=True,
            minimum_tls_version=1.2,
            block_public_access=s3.BlockPublicAccess.BLOCK_ALL,
            object_ownership=s3.ObjectOwnership.BUCKET_OWNER_ENFORCED,
            versioned=True,
            # Cores may have to fetch an earlier version again, even when the stacks are long gone.
            removal_policy=cdk.RemovalPolicy.RETAIN,
        )
        acknowledge(
            bucket,
            "AwsSolutions-S1",
            "It holds container images, no data of anybody; who wants to know which core fetched one "
            "switches on CloudTrail data events, without a second bucket to look after in every account.",
        )
        return bucket


class StoredArtifact(Construct):
    """A file asset, copied to the artifact bucket under a name that stays.

    The asset bucket is the CDK's own: its names are hashes, `cdk gc` may empty it, and cores have no rights
    there.

    Attributes:
        resource: The custom resource that copies.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        function: HandlerFunction,
        source: cdk.FileAssetLocation,
        bucket_name: str,
        key: str,
    ) -> None:
        super().__init__(scope, construct_id)
        self.key = key
        self.resource = cdk.CustomResource(
            self,
            "Copy",
            resource_type="Custom::EdgecamArtifact",
            service_token=function.function.attr_arn,
            service_timeout=_COPY_TIMEOUT,
            properties={
                "SourceBucket": source.bucket_name,
                "SourceKey": source.object_key,
                "Bucket": bucket_name,
                "Key": key,
            },
        )
        self.resource.node.add_dependency(function)


class ArtifactCopier(HandlerFunction):
    """The function that copies artifacts; it may read these assets and write these keys."""

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        copies: Mapping[str, cdk.FileAssetLocation],
        bucket_arn: str,
        key: str | None = None,
    ) -> None:
        """Make the function.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            copies: Key of each artifact → the asset that it is copied from.
            bucket_arn: The artifact bucket.
            key: The KMS key of the user's that encrypts it.
        """
        super().__init__(
            scope,
            construct_id,
            FunctionSpec(
                description="Copies component artifacts to the bucket from which cores fetch them.",
                code=FunctionCode(module="greengrass.artifact"),
                timeout=_COPY_TIMEOUT,
                statements=[
                    *_copy_statements(scope, copies, bucket_arn),
                    *use_for_artifacts(key, bucket_arn, list(copies), writes=True),
                ],
            ),
        )


def _copy_statements(
    scope: Construct, copies: Mapping[str, cdk.FileAssetLocation], bucket_arn: str
) -> list[iam.PolicyStatement]:
    assets = [
        cdk.Stack.of(scope).format_arn(
            service="s3", region="", account="", resource=source.bucket_name, resource_name=source.object_key
        )
        for source in copies.values()
    ]
    return [
        iam.PolicyStatement(sid="ReadAssets", actions=["s3:GetObject"], resources=assets),
        # Listing shows whether an artifact is there; without it S3 answers 403 for "no such key".
        iam.PolicyStatement(
            sid="SeeArtifacts",
            actions=["s3:ListBucket"],
            resources=[bucket_arn],
            conditions={"StringEquals": {"s3:prefix": list(copies)}},
        ),
        iam.PolicyStatement(
            sid="WriteArtifacts",
            actions=["s3:PutObject", "s3:AbortMultipartUpload"],
            resources=[f"{bucket_arn}/{key}" for key in copies],
        ),
    ]
