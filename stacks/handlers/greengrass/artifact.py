"""Custom::EdgecamArtifact: a file of the CDK's asset bucket, copied to the artifact bucket.

- Create-only: a key names its content, so an artifact that is there already is left as it is, and copying
  again after a failure or a rollback does nothing.
- Deleting keeps the artifact: earlier component versions, and cores that fetch late, still need it.

Properties: SourceBucket, SourceKey, Bucket, Key. The resource's id is the artifact's URI.
"""

from __future__ import annotations

from typing import Any

import boto3

from ..cloudformation import CloudFormationResponse, Event, logger, respond
from .artifact_bucket import writing


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    respond(event, context, lambda request: apply(request, boto3.client("s3")), fallback_id=_uri(event))


def apply(event: Event, s3: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with the S3 client `s3`.

    Raises:
        RequestFailed: S3 refuses, with its words and the remedy.
    """
    properties = event["ResourceProperties"]
    bucket, key = properties["Bucket"], properties["Key"]
    if event["RequestType"] == "Delete":
        logger.info("keeping %s", _uri(event))
    elif _exists(s3, bucket, key):
        logger.info("%s is there already", _uri(event))
    else:
        source = {"Bucket": properties["SourceBucket"], "Key": properties["SourceKey"]}
        with writing(_uri(event)):
            # In parts, side by side, without passing through here.
            s3.copy(source, bucket, key)
        logger.info("copied %s", _uri(event))
    return CloudFormationResponse(physical_id=_uri(event))


def _exists(s3: Any, bucket: str, key: str) -> bool:
    listed = s3.list_objects_v2(Bucket=bucket, Prefix=key, MaxKeys=1)
    return any(entry["Key"] == key for entry in listed.get("Contents", []))


def _uri(event: Event) -> str:
    properties = event["ResourceProperties"]
    return f"s3://{properties['Bucket']}/{properties['Key']}"
