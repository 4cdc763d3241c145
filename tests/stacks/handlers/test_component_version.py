"""Custom::GreengrassComponentVersion against an embedded AWS."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.clients import listed
from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.greengrass import component_version

Event = dict[str, Any]


@pytest.fixture
def greengrass(aws: Callable[[str], Any]) -> Any:
    return aws("greengrassv2")


@pytest.fixture
def name() -> str:
    return f"com.example.{uuid.uuid4().hex[:8]}"


def recipe(name: str, version: str, **more: Any) -> str:
    manifest = {"Platform": {"os": "linux"}, "Artifacts": [], "Lifecycle": {"run": "true"}}
    return json.dumps(
        {
            "RecipeFormatVersion": "2020-01-25",
            "ComponentName": name,
            "ComponentVersion": version,
            "Manifests": [{**manifest, **more}],
        }
    )


def request(name: str, version: str, kind: str = "Create", *, stack: str = "Edgecam", **more: Any) -> Event:
    return {
        "RequestType": kind,
        "StackId": f"arn:aws:cloudformation:us-east-1:123456789012:stack/{stack}/{uuid.uuid4()}",
        "ResourceProperties": {
            "ComponentArn": f"arn:aws:greengrass:us-east-1:123456789012:components:{name}",
            "ComponentName": name,
            "ComponentVersion": version,
            "Recipe": recipe(name, version, **more),
        },
    }


def versions(greengrass: Any, name: str) -> list[str]:
    arn = f"arn:aws:greengrass:us-east-1:123456789012:components:{name}"
    found = listed(greengrass, "list_component_versions", arn=arn)
    return sorted(version["componentVersion"] for version in found)


def test_version_is_created_and_named_in_the_attributes(greengrass: Any, name: str) -> None:
    answer = component_version.apply(request(name, "1.0.1"), greengrass)
    arn = f"arn:aws:greengrass:us-east-1:123456789012:components:{name}:versions:1.0.1"
    assert answer.attributes == {"Arn": arn, "ComponentVersion": "1.0.1"}
    assert greengrass.describe_component(arn=arn)["status"]["componentState"] == "DEPLOYABLE"


def test_repeated_request_adopts_the_version(greengrass: Any, name: str) -> None:
    first = component_version.apply(request(name, "1.0.1"), greengrass)
    assert component_version.apply(request(name, "1.0.1"), greengrass) == first
    assert versions(greengrass, name) == ["1.0.1"]


def test_going_back_to_an_earlier_version_adopts_it_and_keeps_the_later_one(
    greengrass: Any, name: str
) -> None:
    for version, kind in (("1.0.1", "Create"), ("1.0.2", "Update"), ("1.0.1", "Update")):
        component_version.apply(request(name, version, kind), greengrass)
    assert versions(greengrass, name) == ["1.0.1", "1.0.2"]


def test_id_stays_the_same_from_version_to_version(greengrass: Any, name: str) -> None:
    ids = {
        component_version.apply(request(name, version, kind), greengrass).physical_id
        for version, kind in (("1.0.1", "Create"), ("1.0.2", "Update"))
    }
    assert ids == {name}


def test_version_of_another_recipe_is_refused_and_left_alone(greengrass: Any, name: str) -> None:
    component_version.apply(request(name, "1.0.1"), greengrass)
    with pytest.raises(
        RequestFailed, match="was registered from another recipe, and a version cannot be changed"
    ):
        component_version.apply(request(name, "1.0.1", Lifecycle={"run": "false"}), greengrass)
    assert versions(greengrass, name) == ["1.0.1"]


def test_version_that_somebody_else_registered_is_refused(greengrass: Any, name: str) -> None:
    greengrass.create_component_version(inlineRecipe=recipe(name, "1.0.1").encode())
    with pytest.raises(RequestFailed, match="was registered from another recipe"):
        component_version.apply(request(name, "1.0.1"), greengrass)


def test_version_of_another_fleets_stack_is_not_adopted(greengrass: Any, name: str) -> None:
    """It would go with that stack, while the cores of this one still name it."""
    component_version.apply(request(name, "1.0.1"), greengrass)
    with pytest.raises(RequestFailed, match=r"is a version of the stack Edgecam, which would remove it"):
        component_version.apply(request(name, "1.0.1", stack="Edgecam-staging"), greengrass)
    component_version.apply(request(name, "1.0.1"), greengrass)


def test_missing_artifact_fails_with_the_services_reason(greengrass: Any, name: str) -> None:
    event = request(name, "1.0.1", Artifacts=[{"Uri": "s3://no-such-bucket/image.tar.gz"}])
    with pytest.raises(
        RequestFailed, match=r"is FAILED, not DEPLOYABLE: s3://no-such-bucket/image\.tar\.gz: "
    ):
        component_version.apply(event, greengrass)


def test_failed_version_is_created_again_once_its_artifact_is_there(
    greengrass: Any, name: str, aws: Callable[[str], Any]
) -> None:
    bucket = f"artifacts-{uuid.uuid4().hex[:8]}"
    event = request(name, "1.0.1", Artifacts=[{"Uri": f"s3://{bucket}/image.tar.gz"}])
    with pytest.raises(RequestFailed):
        component_version.apply(event, greengrass)
    aws("s3").create_bucket(Bucket=bucket)
    aws("s3").put_object(Bucket=bucket, Key="image.tar.gz", Body=b"image")
    arn = component_version.apply(event, greengrass).attributes["Arn"]
    assert greengrass.describe_component(arn=arn)["status"]["componentState"] == "DEPLOYABLE"


def test_invalid_recipe_is_refused_with_the_services_words(greengrass: Any, name: str) -> None:
    with pytest.raises(RequestFailed, match=r"Greengrass refuses .*not-a-version"):
        component_version.apply(request(name, "not-a-version"), greengrass)


def test_deleting_removes_the_versions_of_this_stack_only(greengrass: Any, name: str) -> None:
    component_version.apply(request(name, "1.0.1"), greengrass)
    component_version.apply(request(name, "1.0.2", "Update"), greengrass)
    component_version.apply(request(name, "2.0.0", stack="Other"), greengrass)
    component_version.apply(request(name, "1.0.2", "Delete"), greengrass)
    assert versions(greengrass, name) == ["2.0.0"]


def test_stack_made_again_starts_clean(greengrass: Any, name: str) -> None:
    component_version.apply(request(name, "1.0.1"), greengrass)
    component_version.apply(request(name, "1.0.1", "Delete"), greengrass)
    component_version.apply(request(name, "1.0.1", Lifecycle={"run": "changed"}), greengrass)
    assert versions(greengrass, name) == ["1.0.1"]


def test_deleting_what_was_never_registered_succeeds(greengrass: Any, name: str) -> None:
    component_version.apply(request(name, "1.0.1", "Delete"), greengrass)
