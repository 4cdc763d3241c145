"""Custom::EdgecamArtifact against an embedded AWS."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stacks.handlers.greengrass import artifact

Event = dict[str, Any]
PARTS_BYTES = 9 * 1024 * 1024
"""More than boto3 copies in one piece."""


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    return aws("s3")


@pytest.fixture
def event(s3: Any) -> Event:
    """A request to copy a file that is in the asset bucket."""
    names = {kind: f"{kind}-{uuid.uuid4().hex[:12]}" for kind in ("assets", "artifacts")}
    for name in names.values():
        s3.create_bucket(Bucket=name)
    s3.put_object(Bucket=names["assets"], Key="hash", Body=os.urandom(PARTS_BYTES))
    return {
        "RequestType": "Create",
        "ResourceProperties": {
            "SourceBucket": names["assets"],
            "SourceKey": "hash",
            "Bucket": names["artifacts"],
            "Key": "frame-grabber/tag-amd64.tar.gz",
        },
    }


def body(s3: Any, bucket: str, key: str) -> bytes:
    content: bytes = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return content


def copied(s3: Any, event: Event) -> bytes:
    return body(s3, event["ResourceProperties"]["Bucket"], event["ResourceProperties"]["Key"])


def test_artifact_is_copied_whole_and_named_by_its_uri(s3: Any, event: Event) -> None:
    properties = event["ResourceProperties"]
    assert artifact.apply(event, s3).physical_id == f"s3://{properties['Bucket']}/{properties['Key']}"
    assert copied(s3, event) == body(s3, properties["SourceBucket"], "hash")


def test_artifact_that_is_there_is_left_as_it_is(s3: Any, event: Event) -> None:
    properties = event["ResourceProperties"]
    s3.put_object(Bucket=properties["Bucket"], Key=properties["Key"], Body=b"first")
    artifact.apply({**event, "RequestType": "Update"}, s3)
    assert copied(s3, event) == b"first"


def test_artifact_with_a_longer_name_does_not_count(s3: Any, event: Event) -> None:
    properties = event["ResourceProperties"]
    s3.put_object(Bucket=properties["Bucket"], Key=f"{properties['Key']}.part", Body=b"other")
    artifact.apply(event, s3)
    assert len(copied(s3, event)) == PARTS_BYTES


def test_rollback_to_an_artifact_whose_asset_has_gone_succeeds(s3: Any, event: Event) -> None:
    artifact.apply(event, s3)
    s3.delete_object(Bucket=event["ResourceProperties"]["SourceBucket"], Key="hash")
    artifact.apply({**event, "RequestType": "Update"}, s3)
    assert len(copied(s3, event)) == PARTS_BYTES


def test_deleting_keeps_the_artifact(s3: Any, event: Event) -> None:
    artifact.apply(event, s3)
    artifact.apply({**event, "RequestType": "Delete"}, s3)
    assert len(copied(s3, event)) == PARTS_BYTES


def test_deleting_what_was_never_copied_does_nothing(s3: Any, event: Event) -> None:
    artifact.apply({**event, "RequestType": "Delete"}, s3)
    assert s3.list_objects_v2(Bucket=event["ResourceProperties"]["Bucket"])["KeyCount"] == 0
