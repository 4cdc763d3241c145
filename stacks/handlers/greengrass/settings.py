"""Custom::EdgecamSettings: settings of sites, put into the artifact bucket under the hashes of their bytes.

- Create-only: a name is its content's hash, so what is there already is left as it is, and the asset is read
  only where something is missing: a rollback works when the asset has gone.
- Deleting keeps them: a core that is started again, or goes back, still needs what it was deployed with.

Properties: SourceBucket, SourceKey (JSON: hash → content in base64), Bucket, Folder, Hashes. The resource's
id is the folder's URI.
"""

from __future__ import annotations

import base64
import hashlib
import json
from typing import Any

import boto3

from ..cloudformation import CloudFormationResponse, Event, RequestFailed, logger, respond
from .artifact_bucket import writing


def handler(event: Event, context: Any) -> None:
    """Lambda's entry point."""
    respond(event, context, lambda request: apply(request, boto3.client("s3")), fallback_id=_uri(event))


def apply(event: Event, s3: Any) -> CloudFormationResponse:
    """Do what CloudFormation asks for, with the S3 client `s3`.

    Raises:
        RequestFailed: S3 refuses, or the asset has other settings than those asked for.
    """
    if event["RequestType"] == "Delete":
        logger.info("keeping what is in %s", _uri(event))
    else:
        with writing(_uri(event)):
            _put_missing(event["ResourceProperties"], s3)
    return CloudFormationResponse(physical_id=_uri(event))


def _put_missing(properties: Any, s3: Any) -> None:
    bucket, folder = properties["Bucket"], properties["Folder"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"{folder}/")
    there = {entry["Key"].rpartition("/")[2] for page in pages for entry in page.get("Contents", [])}
    missing = [name for name in properties["Hashes"] if name not in there]
    if not missing:
        logger.info("all settings are there already")
        return
    source = s3.get_object(Bucket=properties["SourceBucket"], Key=properties["SourceKey"])
    contents = json.loads(source["Body"].read())
    for name in missing:
        content = base64.b64decode(contents.get(name, ""))
        if hashlib.sha256(content).hexdigest() != name:
            raise RequestFailed(
                f"settings {name}: expected their content in the asset, found another or none"
            )
        s3.put_object(Bucket=bucket, Key=f"{folder}/{name}", Body=content)
        logger.info("put %s/%s", folder, name)


def _uri(event: Event) -> str:
    properties = event["ResourceProperties"]
    return f"s3://{properties['Bucket']}/{properties['Folder']}"
