"""The bucket of the recordings, as a resource of a stack."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from constructs import Construct

from fleet.bucket_parts import Part
from fleet.physical_names import PhysicalNames
from fleet.settings.gcp import Gcp, RecordingBucket
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.packing import GCS_BUCKET, command, content_hash
from stacks.gcp.login import login_properties, read_secrets

_TIMEOUT = cdk.Duration.minutes(5)


class GcsBucket(Construct):
    """The bucket, whose settings each deploy reconciles; stacks/handlers/gcs/bucket.py has the rules.

    Attributes:
        resource: The custom resource.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        gcp: Gcp,
        names: PhysicalNames,
        bucket: RecordingBucket,
        prefixes: Sequence[str],
        parts: Sequence[Part],
        checked_with: str,
        secret_keys: Sequence[str] = (),
    ) -> None:
        """Make the bucket.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            gcp: The settings.
            names: Of the fleet.
            bucket: Those of the bucket, which is made.
            prefixes: Below which `bucket.writers` put their sites' objects, empty text for all of it.
            parts: Those of sites that have writers of their own.
            checked_with: What leads to a check of the bucket when it changes.
            secret_keys: KMS keys of the user's that encrypt secrets.
        """
        super().__init__(scope, construct_id)
        region = cdk.Stack.of(self).region
        function = HandlerFunction(
            self,
            "Maker",
            FunctionSpec(
                description="Makes the bucket of the recordings at Google, and sees to its settings.",
                code=GCS_BUCKET.code,
                timeout=_TIMEOUT,
                statements=read_secrets(
                    self, gcp.login.secret if gcp.login is not None else None, secret_keys
                ),
                environment={"STORAGE_EMULATOR_HOST": gcp.endpoint} if gcp.endpoint else None,
            ),
            packed=_packed(self),
            # Granted at Google under this name before there is a function: see design/google-side.md.
            role_name=names.role("GcsBucket", region),
        )
        self.resource = cdk.CustomResource(
            self,
            "Bucket",
            resource_type="Custom::EdgecamGcsBucket",
            service_token=function.function.attr_arn,
            service_timeout=_TIMEOUT,
            properties={**_properties(gcp, bucket, prefixes, parts), "Checked": checked_with},
        )
        self.resource.node.add_dependency(function)


def _packed(scope: Construct) -> cdk.FileAssetLocation:
    content = content_hash()
    return cdk.Stack.of(scope).synthesizer.add_file_asset(
        source_hash=content,
        executable=command(GCS_BUCKET, content),
        display_name="function that makes buckets",
    )


def _properties(
    gcp: Gcp, bucket: RecordingBucket, prefixes: Sequence[str], parts: Sequence[Part]
) -> Mapping[str, Any]:
    """As texts, which is what CloudFormation makes of them; what is not set is left out."""
    texts = {
        "Bucket": bucket.name,
        "Project": gcp.project,
        "Location": bucket.location,
        "StorageClass": bucket.storage_class,
        "NearlineAfterDays": bucket.to_nearline_after_days,
        "DeleteAfterDays": bucket.delete_after_days,
        "DeleteWithStack": "true" if bucket.delete_with_stack else "false",
    }
    return {
        **{key: str(value) for key, value in texts.items() if value is not None},
        "Login": login_properties(gcp.login),
        "Writers": list(bucket.writers),
        "Prefixes": list(prefixes),
        **(
            {"Parts": [{"Prefix": part.prefix, "Writers": list(part.writers)} for part in parts]}
            if parts
            else {}
        ),
    }
