"""The packed function where CloudFormation calls it: an embedded AWS makes buckets in an embedded store."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from google.auth.credentials import AnonymousCredentials
from google.cloud.storage import Client

from sandbox.gcs.server import EmbeddedGcs
from stacks.functions.runtime import RUNTIME

ROLE = "arn:aws:iam::123456789012:role/any"
ENDED = ("COMPLETE", "FAILED")


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedGcs]:
    with EmbeddedGcs(folder=tmp_path_factory.mktemp("gcs")) as gcs:
        yield gcs


@pytest.fixture
def google(store: EmbeddedGcs) -> Client:
    return Client(project="p", credentials=AnonymousCredentials(), client_options={"api_endpoint": store.url})


@pytest.fixture(scope="module")
def code(aws: Callable[[str], Any], packed: Path) -> dict[str, str]:
    """Where the function's zip lies."""
    bucket = f"code-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=bucket)
    aws("s3").upload_file(str(packed), bucket, "function.zip")
    return {"S3Bucket": bucket, "S3Key": "function.zip"}


@pytest.fixture
def stack(
    aws: Callable[[str], Any], code: dict[str, str], store: EmbeddedGcs, eventually: Callable[..., Any]
) -> Callable[..., str]:
    """A function that creates, updates or deletes the stack of a bucket; returns how that ended."""
    client = aws("cloudformation")

    def template(name: str, more: dict[str, Any], **properties: Any) -> str:
        function = {
            "Runtime": RUNTIME,
            "Handler": "handlers.gcs.bucket.handler",
            "Role": ROLE,
            "Code": code,
            "Timeout": 60,
            "Environment": {"Variables": {"STORAGE_EMULATOR_HOST": store.url}},
        }
        bucket = {
            "ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]},
            "ServiceTimeout": "60",
            "Bucket": name,
            "Project": "our-project",
            "Location": "US",
            "StorageClass": "STANDARD",
            "DeleteWithStack": "false",
            "NearlineAfterDays": "30",
            "Login": {},
            **properties,
        }
        resources = {
            "Maker": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Bucket": {"Type": "Custom::EdgecamGcsBucket", "Properties": bucket},
            **more,
        }
        return json.dumps({"Resources": resources})

    def act(kind: str, name: str, more: dict[str, Any] | None = None, **properties: Any) -> str:
        if kind == "delete":
            arn = client.describe_stacks(StackName=name)["Stacks"][0]["StackId"]
            client.delete_stack(StackName=name)
        else:
            body = template(name, more or {}, **properties)
            arn = getattr(client, f"{kind}_stack")(StackName=name, TemplateBody=body)["StackId"]

        def ended() -> str:
            status: str = client.describe_stacks(StackName=arn)["Stacks"][0]["StackStatus"]
            return status if status.endswith(ENDED) and "CLEANUP" not in status else ""

        status: str = eventually(ended)
        return status

    return act


@pytest.fixture
def name() -> str:
    return f"recordings-{uuid.uuid4().hex[:8]}"


def test_bucket_is_made_reconciled_and_removed_with_its_stack(
    stack: Callable[..., str], google: Client, name: str
) -> None:
    assert stack("create", name) == "CREATE_COMPLETE"
    assert google.get_bucket(name).iam_configuration.public_access_prevention == "enforced"
    assert stack("update", name, NearlineAfterDays="40") == "UPDATE_COMPLETE"
    assert [rule["condition"] for rule in google.get_bucket(name).lifecycle_rules] == [{"age": 40}]
    assert stack("delete", name) == "DELETE_COMPLETE"
    assert google.lookup_bucket(name) is None


def test_rollback_leaves_nothing_behind(
    stack: Callable[..., str], google: Client, name: str, store: EmbeddedGcs
) -> None:
    # The first bucket has no writers; the second is made, and then its writers are refused.
    store.organisation.own_members_only = True
    fails = {
        "Type": "Custom::EdgecamGcsBucket",
        "DependsOn": "Bucket",
        "Properties": {
            "ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]},
            "ServiceTimeout": "60",
            "Bucket": f"{name}-elsewhere",
            "Project": "our-project",
            "Location": "EU",
            "Writers": ["serviceAccount:uploader@our-project.iam.gserviceaccount.com"],
            "StorageClass": "STANDARD",
            "DeleteWithStack": "true",
        },
    }
    assert stack("create", name, {"Fails": fails}) == "ROLLBACK_COMPLETE"
    assert google.lookup_bucket(name) is None
    assert google.lookup_bucket(f"{name}-elsewhere") is None
    store.organisation.own_members_only = False


def test_recordings_outlive_the_stack(stack: Callable[..., str], google: Client, name: str) -> None:
    stack("create", name)
    google.bucket(name).blob("a").upload_from_string("x")
    assert stack("delete", name) == "DELETE_COMPLETE"
    assert google.bucket(name).blob("a").exists()


def test_refusal_is_what_the_stacks_events_say(
    stack: Callable[..., str], google: Client, name: str, aws: Callable[[str], Any]
) -> None:
    google.create_bucket(name)
    assert stack("create", name) == "ROLLBACK_COMPLETE"
    events = aws("cloudformation").describe_stack_events(StackName=name)["StackEvents"]
    reasons = [event.get("ResourceStatusReason", "") for event in events]
    assert any("this stack did not make it: set gcp.bucket.create: false" in reason for reason in reasons)
    assert google.lookup_bucket(name) is not None
