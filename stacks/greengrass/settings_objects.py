"""Settings of sites that fit into no deployment: objects in the artifact bucket, named by their hashes."""

from __future__ import annotations

import base64
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_s3 as s3
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from fleet.component_settings import PackedSettings
from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.customer_keys import use_for_artifacts
from stacks.functions.nag import acknowledge_wildcard

_TIMEOUT = cdk.Duration.minutes(10)


class SettingsObjects(Construct):
    """The objects of one stack. They travel in one asset: rights and resources do not grow with the sites.

    Attributes:
        resource: The custom resource that puts them there; what is deployed with them depends on it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        settings: Sequence[PackedSettings],
        variant: str,
        bucket: s3.IBucket,
        key: str | None,
    ) -> None:
        """Put settings into the bucket.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            settings: Of the sites.
            variant: Whose cores may read them.
            bucket: The artifact bucket.
            key: The KMS key of the user's that encrypts it.
        """
        super().__init__(scope, construct_id)
        contents = {each.hash: base64.b64encode(each.content).decode() for each in settings}
        asset = _asset(self, contents)
        folder = f"{variant}/settings"
        writer = HandlerFunction(
            self,
            "Writer",
            FunctionSpec(
                description="Puts settings of sites to the artifacts of their component.",
                code=FunctionCode(module="greengrass.settings"),
                timeout=_TIMEOUT,
                statements=[
                    *_statements(self, asset, f"{bucket.bucket_arn}/{folder}/*", bucket, folder),
                    *use_for_artifacts(key, bucket.bucket_arn, [f"{folder}/*"], writes=True),
                ],
            ),
        )
        acknowledge_wildcard(
            writer.policy,
            f"{_as_imported(bucket)}/{folder}/*",
            "Settings are named by their content, which changes with the fleet file.",
        )
        self.resource = cdk.CustomResource(
            self,
            "Objects",
            resource_type="Custom::EdgecamSettings",
            service_token=writer.function.attr_arn,
            service_timeout=_TIMEOUT,
            properties={
                "SourceBucket": asset.s3_bucket_name,
                "SourceKey": asset.s3_object_key,
                "Bucket": bucket.bucket_name,
                "Folder": folder,
                "Hashes": sorted(contents),
            },
        )
        self.resource.node.add_dependency(writer)


def _as_imported(bucket: s3.IBucket) -> str:
    """The ARN as the template of another stack will have it: until then it is no import, and has no name."""
    if cdk.Token.is_unresolved(bucket.bucket_name):
        imported: str = cdk.Stack.of(bucket).export_value(bucket.bucket_arn)
        return imported
    return bucket.bucket_arn


def _asset(scope: Construct, contents: dict[str, str]) -> s3_assets.Asset:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "settings.json"
        path.write_text(json.dumps(contents, sort_keys=True, indent=0), encoding="utf-8")
        return s3_assets.Asset(scope, "Contents", path=str(path))


def _statements(
    scope: Construct, asset: s3_assets.Asset, objects: str, bucket: s3.IBucket, folder: str
) -> list[iam.PolicyStatement]:
    source = cdk.Stack.of(scope).format_arn(
        service="s3",
        region="",
        account="",
        resource=asset.s3_bucket_name,
        resource_name=asset.s3_object_key,
    )
    return [
        iam.PolicyStatement(sid="ReadAsset", actions=["s3:GetObject"], resources=[source]),
        # Listing shows whether an object is there; without it S3 answers 403 for "no such key".
        iam.PolicyStatement(
            sid="SeeSettings",
            actions=["s3:ListBucket"],
            resources=[bucket.bucket_arn],
            conditions={"StringEquals": {"s3:prefix": f"{folder}/"}},
        ),
        iam.PolicyStatement(sid="WriteSettings", actions=["s3:PutObject"], resources=[objects]),
    ]
