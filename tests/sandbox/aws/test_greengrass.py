"""The plug-in's Greengrass API, through boto3 as a user has it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.server import EmbeddedAws

Recipe = Callable[..., str]


def arn_of(name: str, version: str) -> str:
    return f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{name}:versions:{version}"


@pytest.fixture
def make_group(embedded_aws: EmbeddedAws) -> Callable[[str], str]:
    """Makes a thing group, which has to be there to be deployed to; returns its ARN."""

    def made(name: str) -> str:
        group: dict[str, str] = embedded_aws.client("iot").create_thing_group(
            thingGroupName=name.replace(".", "-")
        )
        return group["thingGroupArn"]

    return made


@pytest.fixture
def greengrass(embedded_aws: EmbeddedAws) -> Any:
    return embedded_aws.client("greengrassv2")


def test_component_version_is_registered_and_read_back(
    greengrass: Any, recipe_text: Recipe, component_name: str
) -> None:
    text = recipe_text(component_name, "1.483920.120394", "true")
    created = greengrass.create_component_version(inlineRecipe=text.encode(), tags={"team": "video"})
    assert created["arn"] == arn_of(component_name, "1.483920.120394")
    assert created["status"]["componentState"] == "DEPLOYABLE"
    described = greengrass.describe_component(arn=created["arn"])
    assert described["componentVersion"] == "1.483920.120394"
    assert described["tags"] == {"team": "video"}
    got = greengrass.get_component(arn=created["arn"], recipeOutputFormat="JSON")
    assert json.loads(got["recipe"]) == json.loads(text)


def test_yaml_recipe_is_taken_as_well_as_json(greengrass: Any, component_name: str) -> None:
    text = f"""
RecipeFormatVersion: "2020-01-25"
ComponentName: {component_name}
ComponentVersion: "1.0.0"
Manifests:
  - Platform: {{os: linux}}
    Lifecycle: {{run: "true"}}
    Artifacts: []
"""
    created = greengrass.create_component_version(inlineRecipe=text.encode())
    answer = greengrass.get_component(arn=created["arn"], recipeOutputFormat="YAML")
    assert f"ComponentName: {component_name}".encode() in answer["recipe"]


def test_same_version_conflicts_even_with_the_same_recipe(
    greengrass: Any, recipe_text: Recipe, component_name: str
) -> None:
    text = recipe_text(component_name, "1.0.0", "true").encode()
    greengrass.create_component_version(inlineRecipe=text)
    with pytest.raises(greengrass.exceptions.ConflictException) as caught:
        greengrass.create_component_version(inlineRecipe=text)
    assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 409


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        ({"RecipeFormatVersion": "2021-01-25"}, "RecipeFormatVersion"),
        ({"ComponentName": "with space"}, "ComponentName"),
        ({"ComponentName": "x" * 129}, "ComponentName"),
        ({"ComponentVersion": "1.0"}, "ComponentVersion"),
        ({"ComponentVersion": "1.1000000.0"}, "ComponentVersion"),
        ({"ComponentVersion": "1.0.0-" + "x" * 60}, "ComponentVersion"),
        ({"Manifests": {}}, "Manifests"),
        ({"Manifests": [{"Artifacts": [{"Uri": "no-scheme"}]}]}, "Uri"),
        ({"ComponentDependencies": {"a": {"DependencyType": "MEDIUM"}}}, "DependencyType"),
        ({"ComponentConfiguration": {"DefaultConfiguration": []}}, "DefaultConfiguration"),
        ({"ComponentDescription": "x" * 16_000}, "16000"),
    ],
)
def test_recipe_that_the_service_refuses_is_refused(
    greengrass: Any, recipe_text: Recipe, component_name: str, spoil: dict[str, Any], complaint: str
) -> None:
    recipe = {**json.loads(recipe_text(component_name, "1.0.0", "true")), **spoil}
    with pytest.raises(greengrass.exceptions.ValidationException, match=complaint):
        greengrass.create_component_version(inlineRecipe=json.dumps(recipe).encode())


def test_artifact_gets_its_digest_and_a_missing_one_fails_the_version(
    embedded_aws: EmbeddedAws,
    greengrass: Any,
    recipe_text: Recipe,
    component_name: str,
    make_group: Callable[[str], str],
) -> None:
    s3 = embedded_aws.client("s3")
    s3.create_bucket(Bucket=f"{component_name}-bucket")
    s3.put_object(Bucket=f"{component_name}-bucket", Key="image.tar.gz", Body=b"an image")
    there = {"Uri": f"s3://{component_name}-bucket/image.tar.gz"}
    created = greengrass.create_component_version(
        inlineRecipe=recipe_text(component_name, "1.0.0", "true", Artifacts=[there]).encode()
    )
    recipe = json.loads(greengrass.get_component(arn=created["arn"])["recipe"])
    artifact = recipe["Manifests"][0]["Artifacts"][0]
    assert artifact["Digest"] == base64.b64encode(hashlib.sha256(b"an image").digest()).decode()
    missing = {"Uri": f"s3://{component_name}-bucket/nothing"}
    failed = greengrass.create_component_version(
        inlineRecipe=recipe_text(component_name, "1.0.1", "true", Artifacts=[missing]).encode()
    )
    assert failed["status"]["componentState"] == "FAILED"
    assert list(failed["status"]["errors"]) == [missing["Uri"]]
    with pytest.raises(greengrass.exceptions.ValidationException, match="FAILED"):
        greengrass.create_deployment(
            targetArn=make_group("any"), components={component_name: {"componentVersion": "1.0.1"}}
        )


def test_versions_are_listed_and_deleted(greengrass: Any, recipe_text: Recipe, component_name: str) -> None:
    versions = [f"1.0.{number}" for number in range(5)]
    for version in versions:
        greengrass.create_component_version(
            inlineRecipe=recipe_text(component_name, version, "true").encode()
        )
    component_arn = arn_of(component_name, "").removesuffix(":versions:")
    pages = greengrass.get_paginator("list_component_versions").paginate(
        arn=component_arn, PaginationConfig={"PageSize": 2}
    )
    listed = [entry["componentVersion"] for page in pages for entry in page["componentVersions"]]
    assert sorted(listed) == versions
    known = [
        entry["latestVersion"]["componentVersion"]
        for page in greengrass.get_paginator("list_components").paginate()
        for entry in page["components"]
        if entry["componentName"] == component_name
    ]
    assert known == ["1.0.4"]
    greengrass.delete_component(arn=arn_of(component_name, "1.0.4"))
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.describe_component(arn=arn_of(component_name, "1.0.4"))
    greengrass.create_component_version(inlineRecipe=recipe_text(component_name, "1.0.4", "true").encode())


def test_tags_are_added_and_removed(greengrass: Any, recipe_text: Recipe, component_name: str) -> None:
    arn = greengrass.create_component_version(
        inlineRecipe=recipe_text(component_name, "1.0.0", "true").encode()
    )["arn"]
    greengrass.tag_resource(resourceArn=arn, tags={"a": "1", "b": "2"})
    greengrass.untag_resource(resourceArn=arn, tagKeys=["a"])
    assert greengrass.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}


def test_newer_deployment_replaces_the_earlier_one_of_its_target(
    greengrass: Any, recipe_text: Recipe, component_name: str, make_group: Callable[[str], str]
) -> None:
    greengrass.create_component_version(inlineRecipe=recipe_text(component_name, "1.0.0", "true").encode())
    request = {
        "targetArn": make_group(component_name),
        "deploymentName": "site",
        "components": {
            component_name: {
                "componentVersion": "1.0.0",
                "configurationUpdate": {"merge": '{"a": 1}', "reset": ["/b"]},
            },
            "aws.greengrass.TokenExchangeService": {"componentVersion": "2.0.3"},
        },
        "deploymentPolicies": {"failureHandlingPolicy": "ROLLBACK"},
    }
    first = greengrass.create_deployment(**request)["deploymentId"]
    second = greengrass.create_deployment(**request)["deploymentId"]
    got = greengrass.get_deployment(deploymentId=second)
    assert got["components"] == request["components"]
    assert (got["deploymentStatus"], got["isLatestForTarget"], got["revisionId"]) == ("ACTIVE", True, "2")
    assert greengrass.get_deployment(deploymentId=first)["deploymentStatus"] == "INACTIVE"
    target = {"targetArn": request["targetArn"]}
    latest = greengrass.list_deployments(**target)["deployments"]
    assert [entry["deploymentId"] for entry in latest] == [second]
    assert len(greengrass.list_deployments(**target, historyFilter="ALL")["deployments"]) == 2
    with pytest.raises(greengrass.exceptions.ConflictException):
        greengrass.delete_deployment(deploymentId=second)
    greengrass.cancel_deployment(deploymentId=second)
    greengrass.delete_deployment(deploymentId=second)
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.get_deployment(deploymentId=second)


@pytest.mark.parametrize(
    ("target", "component", "complaint"),
    [
        ("arn:aws:s3:::bucket", {}, "targetArn"),
        (None, {"componentVersion": "9.9.9"}, "does not exist"),
        (None, {"configurationUpdate": {"merge": "{not json"}}, "JSON"),
        (None, {"configurationUpdate": {"merge": "[1]"}}, "object"),
    ],
)
def test_deployment_that_the_service_refuses_is_refused(
    greengrass: Any,
    recipe_text: Recipe,
    component_name: str,
    target: str | None,
    component: dict[str, Any],
    complaint: str,
    make_group: Callable[[str], str],
) -> None:
    greengrass.create_component_version(inlineRecipe=recipe_text(component_name, "1.0.0", "true").encode())
    with pytest.raises(greengrass.exceptions.ValidationException, match=complaint):
        greengrass.create_deployment(
            targetArn=target or make_group("any"),
            components={component_name: {"componentVersion": "1.0.0", **component}},
        )


def test_core_is_asked_to_run_the_newest_deployment_of_thing_and_groups(
    embedded_aws: EmbeddedAws, greengrass: Any, component_name: str, make_group: Callable[[str], str]
) -> None:
    iot = embedded_aws.client("iot")
    thing = component_name.rpartition(".")[2]
    thing_arn = iot.create_thing(thingName=thing)["thingArn"]
    group_arn = make_group(f"{thing}-group")
    iot.add_thing_to_thing_group(thingGroupName=f"{thing}-group", thingName=thing)
    superseded = greengrass.create_deployment(targetArn=thing_arn, components={})["deploymentId"]
    to_thing = greengrass.create_deployment(targetArn=thing_arn, components={})["deploymentId"]
    to_group = greengrass.create_deployment(targetArn=group_arn, components={})
    to_other = greengrass.create_deployment(targetArn=make_group("another"), components={})["deploymentId"]
    answer = greengrass.list_effective_deployments(coreDeviceThingName=thing)["effectiveDeployments"]
    assert {entry["deploymentId"] for entry in answer} == {to_thing, to_group["deploymentId"]}
    assert {superseded, to_other}.isdisjoint({entry["deploymentId"] for entry in answer})
    assert {entry["coreDeviceExecutionStatus"] for entry in answer} == {"QUEUED"}


def test_core_that_never_reported_is_not_found(greengrass: Any) -> None:
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.get_core_device(coreDeviceThingName="nobody")


def test_operation_that_is_not_offered_says_so(greengrass: Any) -> None:
    with pytest.raises(ClientError, match="no Greengrass operation"):
        greengrass.get_connectivity_info(thingName="nobody")
