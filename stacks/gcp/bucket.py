"""The bucket of the recordings, as a resource of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.core_device import exact_secret
from stacks.gcp.packing import TAG_DIGITS, content_hash
from stacks.handler_function import HandlerFunction
from stacks.settings_gcp import Gcp, Login

PACKED_FOLDER = "build/handlers"
"""Where the function's zip is made, below the folder in which the CDK command line runs."""

_TIMEOUT = cdk.Duration.minutes(5)


class GcsBucket(Construct):
    """Makes the bucket and sees to its settings (stacks/handlers/custom_resources/gcs_bucket.py says how).

    Attributes:
        resource: The custom resource.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        gcp: Gcp,
        prefixes: Sequence[str],
        checked_with: str,
    ) -> None:
        """Make the bucket.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            gcp: The settings; a bucket is made by them.
            prefixes: Below which sites put their objects, empty text for the whole bucket.
            checked_with: What leads to a check of the bucket when it changes.
        """
        super().__init__(scope, construct_id)
        region = cdk.Stack.of(self).region
        function = HandlerFunction(
            self,
            "Maker",
            description="Makes the bucket of the recordings at Google, and sees to its settings.",
            module="gcs_bucket",
            timeout=_TIMEOUT,
            statements=_statements(gcp.login),
            packed=_packed(self),
            # Google is told this name before there is a function: see design/google-side.md.
            role_name=f"EdgecamGcsBucket-{region}",
            environment={"STORAGE_EMULATOR_HOST": gcp.endpoint} if gcp.endpoint else None,
        )
        self.resource = cdk.CustomResource(
            self,
            "Bucket",
            resource_type="Custom::EdgecamGcsBucket",
            service_token=function.function.attr_arn,
            service_timeout=_TIMEOUT,
            properties={**_properties(gcp, prefixes), "Checked": checked_with},
        )
        self.resource.node.add_dependency(function)


def _packed(scope: Construct) -> cdk.FileAssetLocation:
    content = content_hash()
    tag = content[:TAG_DIGITS]
    return cdk.Stack.of(scope).synthesizer.add_file_asset(
        source_hash=content,
        executable=["stacks/gcp/build", "--tag", tag, "--output", f"{PACKED_FOLDER}/gcs-bucket-{tag}.zip"],
        display_name="function that makes buckets",
    )


def _statements(login: Login | None) -> list[iam.PolicyStatement]:
    """What the function may do on AWS: nothing, unless its login is a secret."""
    if login is None or login.secret is None:
        return []
    action, secret = "secretsmanager:GetSecretValue", exact_secret(login.secret)
    return [iam.PolicyStatement(sid="ReadLogin", actions=[action], resources=[secret])]


def _properties(gcp: Gcp, prefixes: Sequence[str]) -> Mapping[str, Any]:
    """As texts, which is what CloudFormation makes of them; what is not set is left out."""
    bucket, login = gcp.bucket, gcp.login or Login.model_construct()
    texts = {
        "Bucket": bucket.name,
        "Project": gcp.project,
        "Location": bucket.location,
        "StorageClass": bucket.storage_class,
        "NearlineAfterDays": bucket.to_nearline_after_days,
        "DeleteAfterDays": bucket.delete_after_days,
        "DeleteWithStack": "true" if bucket.delete_with_stack else "false",
    }
    names = {
        "Audience": login.audience,
        "ServiceAccount": login.service_account,
        "Secret": login.secret,
    }
    return {
        **{key: str(value) for key, value in texts.items() if value is not None},
        "Login": {key: value for key, value in names.items() if value is not None},
        "Writers": list(bucket.writers),
        "Prefixes": list(prefixes),
    }
