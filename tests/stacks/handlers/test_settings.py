"""Custom::EdgecamSettings against an embedded AWS."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.greengrass import settings

Event = dict[str, Any]
CONTENTS = {hashlib.sha256(content).hexdigest(): content for content in (b"first", b"second")}


@pytest.fixture
def s3(aws: Callable[[str], Any]) -> Any:
    return aws("s3")


@pytest.fixture
def event(s3: Any) -> Event:
    """A request to put what an asset has."""
    names = {kind: f"{kind}-{uuid.uuid4().hex[:12]}" for kind in ("assets", "artifacts")}
    for name in names.values():
        s3.create_bucket(Bucket=name)
    asset = {name: base64.b64encode(content).decode() for name, content in CONTENTS.items()}
    s3.put_object(Bucket=names["assets"], Key="hash.json", Body=json.dumps(asset))
    return {
        "RequestType": "Create",
        "ResourceProperties": {
            "SourceBucket": names["assets"],
            "SourceKey": "hash.json",
            "Bucket": names["artifacts"],
            "Folder": "frame-grabber/settings",
            "Hashes": sorted(CONTENTS),
        },
    }


def there(s3: Any, event: Event) -> dict[str, bytes]:
    bucket = event["ResourceProperties"]["Bucket"]
    listed = s3.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {entry["Key"]: s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read() for entry in listed}


EVERYTHING = {f"frame-grabber/settings/{name}": content for name, content in CONTENTS.items()}


def test_settings_are_put_under_the_hashes_of_their_bytes(s3: Any, event: Event) -> None:
    bucket = event["ResourceProperties"]["Bucket"]
    assert settings.apply(event, s3).physical_id == f"s3://{bucket}/frame-grabber/settings"
    assert there(s3, event) == EVERYTHING


def test_what_is_there_is_left_and_what_is_missing_is_put(s3: Any, event: Event) -> None:
    first = sorted(EVERYTHING)[0]
    s3.put_object(Bucket=event["ResourceProperties"]["Bucket"], Key=first, Body=b"left")
    settings.apply({**event, "RequestType": "Update"}, s3)
    assert there(s3, event) == EVERYTHING | {first: b"left"}


def test_rollback_when_the_asset_has_gone_succeeds(s3: Any, event: Event) -> None:
    settings.apply(event, s3)
    s3.delete_object(Bucket=event["ResourceProperties"]["SourceBucket"], Key="hash.json")
    settings.apply({**event, "RequestType": "Update"}, s3)
    assert there(s3, event) == EVERYTHING


def test_deleting_keeps_what_cores_may_still_need(s3: Any, event: Event) -> None:
    settings.apply(event, s3)
    settings.apply({**event, "RequestType": "Delete"}, s3)
    assert there(s3, event) == EVERYTHING


def test_asset_with_other_content_is_an_error(s3: Any, event: Event) -> None:
    properties = {**event["ResourceProperties"], "Hashes": ["0" * 64]}
    with pytest.raises(RequestFailed, match=f"settings {'0' * 64}: expected their content"):
        settings.apply({**event, "ResourceProperties": properties}, s3)


def test_refusal_names_where_the_settings_were_to_go(s3: Any, event: Event) -> None:
    bucket = event["ResourceProperties"]["Bucket"]
    s3.delete_bucket(Bucket=bucket)
    with pytest.raises(
        RequestFailed, match=f"^s3://{bucket}/frame-grabber/settings cannot be written: .*NoSuch"
    ):
        settings.apply(event, s3)
