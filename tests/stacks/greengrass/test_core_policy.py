"""What the policy that is made for a core's certificate allows: with its own thing, and with others."""

from __future__ import annotations

from typing import Any

import pytest
from core_statements import provisioned
from fleets import EXISTING, FLEET, Synthesize, of_type
from policy_evaluation import ACCOUNT, REGION, Statement, allows, resolved, statements_of, text_of

from stacks.greengrass.core_policy import (
    MOST_POLICY_CHARACTERS,
    PLACEHOLDER,
    characters,
    core_policy,
)

MANY = """
sites:
  a: {thing: core, cameras: [{id: a, uri: "test://"}]}
  b: {thing: core-2, cameras: [{id: a, uri: "test://"}]}
  c: {thing: core-22, cameras: [{id: a, uri: "test://"}]}
  d: {thing: cor, cameras: [{id: a, uri: "test://"}]}
  e: {thing: other, cameras: [{id: a, uri: "test://"}]}
  f: {thing_group: lobby-cores, cameras: [{id: a, uri: "test://"}]}
cores: {provisioning: {things: {lobby-cores: ["lobby-core-*"]}}}
"""
"""Five things, names of which begin like each other, and a group."""

FEW = 'sites: {a: {thing: core, cameras: [{id: a, uri: "test://"}]}}'
IOT = f"arn:aws:iot:{REGION}:{ACCOUNT}"
DEPLOYMENT = "shadow/name/AWSManagedGreengrassV2Deployment"

ACTIONS = {
    "connect": ("iot:Connect", "client/{}"),
    "connect once more": ("iot:Connect", "client/{}#2"),
    "deploy by shadow": ("iot:Publish", f"topic/$aws/things/{{}}/{DEPLOYMENT}/update"),
    "deploy by shadow, by HTTPS": ("iot:UpdateThingShadow", "thing/{}"),
    "deploy by named shadow, by HTTPS": (
        "iot:UpdateThingShadow",
        "thing/{}/AWSManagedGreengrassV2Deployment",
    ),
    "forget a shadow": ("iot:DeleteThingShadow", "thing/{}"),
    "read the shadow": ("iot:GetThingShadow", "thing/{}"),
    "hear of deployments": ("iot:Subscribe", f"topicfilter/$aws/things/{{}}/{DEPLOYMENT}/get/accepted"),
    "be notified of deployments": ("iot:Receive", f"topic/$aws/things/{{}}/{DEPLOYMENT}/get/accepted"),
    "hear of jobs": ("iot:Subscribe", "topicfilter/$aws/things/{}/jobs/notify-next"),
    "end a job": ("iot:Publish", "topic/$aws/things/{}/jobs/J/update"),
    "tell its health": ("iot:Publish", "topic/$aws/things/{}/greengrassv2/health/json"),
    "tell its telemetry": ("iot:Publish", "topic/$aws/things/{}/greengrass/health/json"),
    "tell a camera's state": ("iot:Publish", "topic/edgecam/{}/door/state"),
}
NEVER = {
    "connect as anybody": ("iot:Connect", "client/{}-a"),
    "hear every state": ("iot:Subscribe", "topicfilter/edgecam/#"),
    "hear everything": ("iot:Subscribe", "topicfilter/#"),
    "hear its own cameras' states": ("iot:Subscribe", "topicfilter/edgecam/{}/door/state"),
    "hear all jobs": ("iot:Subscribe", "topicfilter/$aws/things/+/jobs/#"),
    "take another role": ("iot:AssumeRoleWithCertificate", "rolealias/Admin"),
    "retain": ("iot:RetainPublish", "topic/edgecam/{}/door/state"),
}


def printed(template: dict[str, Any], thing: str) -> list[Statement]:
    """The policy that an output prints for a certificate of one's own."""
    document = text_of(template["Outputs"]["CorePolicy"]["Value"], {})
    return statements_of(document.replace(PLACEHOLDER, thing))


@pytest.fixture(params=[provisioned, printed])
def policy_of(request: pytest.FixtureRequest, synthesize: Synthesize) -> Any:
    template = synthesize(MANY)["EdgecamFoundation"]
    return lambda thing: request.param(template, thing)


@pytest.mark.parametrize("thing", ["core", "core-2", "lobby-core-7"])
@pytest.mark.parametrize("what", ACTIONS)
def test_core_may_do_what_a_core_does_with_its_own_thing(policy_of: Any, thing: str, what: str) -> None:
    action, resource = ACTIONS[what]
    assert allows(policy_of(thing), action, f"{IOT}:{resource.format(thing)}")


@pytest.mark.parametrize(
    ("thing", "other"),
    [
        ("core", "core-2"),
        ("core-2", "core"),
        ("core-2", "core-22"),
        ("core", "cor"),
        ("core", "other"),
        ("core", "lobby-core-7"),
        ("lobby-core-7", "core"),
        ("lobby-core-7", "lobby-core-8"),
        ("lobby-core-7", "lobby-core-77"),
    ],
)
@pytest.mark.parametrize("what", ACTIONS)
def test_core_may_do_nothing_with_another_thing(policy_of: Any, thing: str, other: str, what: str) -> None:
    action, resource = ACTIONS[what]
    assert not allows(policy_of(thing), action, f"{IOT}:{resource.format(other)}")


@pytest.mark.parametrize("what", NEVER)
def test_core_may_do_nothing_that_a_core_does_not_do(policy_of: Any, what: str) -> None:
    action, resource = NEVER[what]
    assert not allows(policy_of("core"), action, f"{IOT}:{resource.format('core')}")


def test_core_gets_credentials_by_the_role_alias_of_cores(policy_of: Any) -> None:
    alias = f"{IOT}:rolealias/EdgecamCoreRoleAlias"
    assert allows(policy_of("core"), "iot:AssumeRoleWithCertificate", alias)


def test_core_may_ask_greengrass_what_every_nucleus_asks_and_nothing_that_changes_anything(
    policy_of: Any,
) -> None:
    asked = {
        action
        for statement in policy_of("core")
        if "*" in statement["Resource"]
        for action in statement["Action"]
    }
    assert asked == {
        "greengrass:GetComponentVersionArtifact",
        "greengrass:GetDeploymentConfiguration",
        "greengrass:ListThingGroupsForCoreDevice",
        "greengrass:ResolveComponentCandidates",
    }


def test_foundation_makes_no_policy_that_several_cores_share(synthesize: Synthesize) -> None:
    for fleet in (FEW, FLEET, MANY):
        policies = of_type(synthesize(fleet)["EdgecamFoundation"], "AWS::IoT::Policy")
        assert {policy["PolicyName"] for policy in policies} <= {"EdgecamClaimPolicy"}


def test_policy_is_printed_where_the_role_alias_is_known(synthesize: Synthesize) -> None:
    assert "CorePolicy" in synthesize(FEW)["EdgecamFoundation"]["Outputs"]
    assert "CorePolicy" not in synthesize(FLEET + EXISTING)["EdgecamFoundation"]["Outputs"]


@pytest.mark.parametrize("region", ["ap-southeast-2", "eu-central-1", "us-gov-east-1"])
def test_policy_of_the_longest_name_fits_into_what_aws_iot_takes(region: str) -> None:
    partition = "aws-us-gov" if "gov" in region else "aws"

    def arn(kind: str, name: str) -> str:
        return f"arn:{partition}:iot:{region}:{ACCOUNT}:{kind}/{name}"

    document = core_policy("n" * 128, arn=arn, role_alias_arn=arn("rolealias", "EdgecamCoreRoleAlias"))
    assert characters(document) <= MOST_POLICY_CHARACTERS


def test_template_of_provisioning_fits_into_what_aws_iot_takes(synthesize: Synthesize) -> None:
    (found,) = of_type(synthesize(MANY)["EdgecamFoundation"], "AWS::IoT::ProvisioningTemplate")
    assert len(text_of(found["TemplateBody"], {})) <= 10_240


def test_role_of_provisioning_may_make_policies_only_where_each_core_gets_one(synthesize: Synthesize) -> None:
    def made(fleet: str) -> list[str]:
        return [
            resource
            for policy in of_type(synthesize(fleet)["EdgecamFoundation"], "AWS::IAM::Policy")
            for statement in resolved(policy["PolicyDocument"], {})["Statement"]
            if "iot:CreatePolicy" in statement["Action"]
            for resource in statement["Resource"]
            if ":policy/" in resource
        ]

    assert made(MANY) == [f"{IOT}:policy/*"]
    assert made(MANY.replace("provisioning: {", "provisioning: {iot_policy: Ours, ")) == []
