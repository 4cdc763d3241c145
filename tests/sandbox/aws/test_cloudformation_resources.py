"""What the plug-in adds to CloudFormation, through real stacks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from sandbox.aws.clients import ACCOUNT, REGION
from sandbox.aws.server import EmbeddedAws

Recipe = Callable[..., str]


class Stack:
    """One stack that is created, updated and looked at."""

    def __init__(self, aws: EmbeddedAws, name: str, until: Callable[..., Any]) -> None:
        self.cloudformation = aws.client("cloudformation")
        self.name = name
        self.until = until

    def deploy(self, resources: dict[str, Any], outputs: dict[str, Any] | None = None) -> str:
        """Create or update; returns the status at the end."""
        request = {
            "StackName": self.name,
            "TemplateBody": json.dumps({"Resources": resources, "Outputs": outputs or {}}),
            "Capabilities": ["CAPABILITY_IAM"],
        }
        try:
            self.cloudformation.describe_stacks(StackName=self.name)
        except self.cloudformation.exceptions.ClientError:
            self.cloudformation.create_stack(**request)
        else:
            self.cloudformation.update_stack(**request)
        return str(self.until(self._ended, f"stack {self.name} has settled"))

    def _ended(self) -> str | None:
        status = self._describe()["StackStatus"]
        return None if status.endswith("_IN_PROGRESS") else status

    def _describe(self) -> dict[str, Any]:
        stack: dict[str, Any] = self.cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        return stack

    def output(self, key: str) -> str:
        outputs = {entry["OutputKey"]: entry["OutputValue"] for entry in self._describe()["Outputs"]}
        return str(outputs[key])

    def reasons(self) -> str:
        events = self.cloudformation.describe_stack_events(StackName=self.name)["StackEvents"]
        return "\n".join(event.get("ResourceStatusReason", "") for event in events)


@pytest.fixture
def stack(embedded_aws: EmbeddedAws, component_name: str, until: Callable[..., Any]) -> Iterator[Stack]:
    # What is deployed here goes to a thing group of this name, which has to be there.
    embedded_aws.client("iot").create_thing_group(thingGroupName=component_name.replace(".", "-"))
    created = Stack(embedded_aws, component_name.replace(".", "-"), until)
    yield created
    created.cloudformation.delete_stack(StackName=created.name)


def component(text: str) -> dict[str, Any]:
    return {
        "Type": "AWS::GreengrassV2::ComponentVersion",
        "UpdateReplacePolicy": "Retain",
        "Properties": {"InlineRecipe": text, "Tags": {"team": "video"}},
    }


def deployment(name: str, merge: str = "{}") -> dict[str, Any]:
    return {
        "Type": "AWS::GreengrassV2::Deployment",
        "Properties": {
            "TargetArn": f"arn:aws:iot:{REGION}:{ACCOUNT}:thinggroup/{name.replace('.', '-')}",
            "DeploymentName": "site",
            "Components": {
                name: {
                    "ComponentVersion": {"Fn::GetAtt": ["Component", "ComponentVersion"]},
                    "ConfigurationUpdate": {"Merge": merge, "Reset": ["/Node"]},
                }
            },
            "DeploymentPolicies": {
                "FailureHandlingPolicy": "ROLLBACK",
                "ComponentUpdatePolicy": {"Action": "NOTIFY_COMPONENTS", "TimeoutInSeconds": 60},
            },
        },
    }


TRUST_LAMBDA = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
    ],
}
OUTPUTS = {"Deployment": {"Value": {"Fn::GetAtt": ["Deployment", "DeploymentId"]}}}


def test_component_and_deployment_come_from_a_template(
    embedded_aws: EmbeddedAws, stack: Stack, recipe_text: Recipe, component_name: str
) -> None:
    resources = {
        "Component": component(recipe_text(component_name, "1.0.0", "true")),
        "Deployment": deployment(component_name, '{"Node": {"Camera": 1}}'),
    }
    assert stack.deploy(resources, OUTPUTS) == "CREATE_COMPLETE", stack.reasons()
    greengrass = embedded_aws.client("greengrassv2")
    got = greengrass.get_deployment(deploymentId=stack.output("Deployment"))
    assert got["components"] == {
        component_name: {
            "componentVersion": "1.0.0",
            "configurationUpdate": {"merge": '{"Node": {"Camera": 1}}', "reset": ["/Node"]},
        }
    }
    assert got["deploymentPolicies"]["componentUpdatePolicy"]["timeoutInSeconds"] == 60


def test_changed_deployment_is_replaced_and_its_component_is_left_alone(
    embedded_aws: EmbeddedAws, stack: Stack, recipe_text: Recipe, component_name: str
) -> None:
    resources = {
        "Component": component(recipe_text(component_name, "1.0.0", "true")),
        "Deployment": deployment(component_name),
    }
    stack.deploy(resources, OUTPUTS)
    first = stack.output("Deployment")
    resources["Deployment"] = deployment(component_name, '{"node": 2}')
    assert stack.deploy(resources, OUTPUTS) == "UPDATE_COMPLETE", stack.reasons()
    second = stack.output("Deployment")
    assert second != first
    greengrass = embedded_aws.client("greengrassv2")
    assert greengrass.get_deployment(deploymentId=second)["isLatestForTarget"]
    with pytest.raises(greengrass.exceptions.ResourceNotFoundException):
        greengrass.get_deployment(deploymentId=first)


def test_changed_recipe_under_the_same_version_rolls_the_stack_back(
    stack: Stack, recipe_text: Recipe, component_name: str
) -> None:
    stack.deploy({"Component": component(recipe_text(component_name, "1.0.0", "true"))})
    status = stack.deploy({"Component": component(recipe_text(component_name, "1.0.0", "false"))})
    assert status == "UPDATE_ROLLBACK_COMPLETE"
    assert "already exists" in stack.reasons()


def test_replaced_component_version_is_retained(
    embedded_aws: EmbeddedAws, stack: Stack, recipe_text: Recipe, component_name: str
) -> None:
    stack.deploy({"Component": component(recipe_text(component_name, "1.0.0", "true"))})
    status = stack.deploy({"Component": component(recipe_text(component_name, "1.0.1", "true"))})
    assert status == "UPDATE_COMPLETE", stack.reasons()
    listed = embedded_aws.client("greengrassv2").list_component_versions(
        arn=f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{component_name}"
    )["componentVersions"]
    assert {entry["componentVersion"] for entry in listed} == {"1.0.0", "1.0.1"}


def test_role_alias_comes_from_a_template_and_is_updated_in_place(
    embedded_aws: EmbeddedAws, stack: Stack, component_name: str
) -> None:
    name = component_name.rpartition(".")[2]

    def alias(duration_s: int) -> dict[str, Any]:
        return {
            "Type": "AWS::IoT::RoleAlias",
            "Properties": {
                "RoleAlias": name,
                "RoleArn": f"arn:aws:iam::{ACCOUNT}:role/{name}",
                "CredentialDurationSeconds": duration_s,
            },
        }

    outputs = {"Arn": {"Value": {"Fn::GetAtt": ["Alias", "RoleAliasArn"]}}}
    assert stack.deploy({"Alias": alias(3600)}, outputs) == "CREATE_COMPLETE", stack.reasons()
    assert stack.output("Arn") == f"arn:aws:iot:{REGION}:{ACCOUNT}:rolealias/{name}"
    assert stack.deploy({"Alias": alias(7200)}, outputs) == "UPDATE_COMPLETE", stack.reasons()
    described = embedded_aws.client("iot").describe_role_alias(roleAlias=name)["roleAliasDescription"]
    assert described["credentialDurationSeconds"] == 7200


def test_python_lambda_reaches_greengrass_through_boto3(
    embedded_aws: EmbeddedAws, stack: Stack, recipe_text: Recipe, component_name: str
) -> None:
    """The stacks register component versions this way."""
    code = """
import boto3, json, urllib.request
def handler(event, context):
    recipe = event["ResourceProperties"]["Recipe"]
    answer = {"Status": "SUCCESS", "PhysicalResourceId": "x", "Data": {},
              **{key: event[key] for key in ("StackId", "RequestId", "LogicalResourceId")}}
    if event["RequestType"] != "Delete":
        client = boto3.client("greengrassv2")
        arn = client.create_component_version(inlineRecipe=recipe.encode())["arn"]
        client.tag_resource(resourceArn=arn, tags={"by": "lambda"})
        state = client.describe_component(arn=arn)["status"]["componentState"]
        answer["Data"] = {"State": state, "Arn": arn}
    request = urllib.request.Request(event["ResponseURL"], json.dumps(answer).encode(), method="PUT")
    urllib.request.urlopen(request)
"""
    component_arn = f"arn:aws:greengrass:{REGION}:{ACCOUNT}:components:{component_name}"
    actions = [
        f"greengrass:{name}" for name in ("CreateComponentVersion", "DescribeComponent", "TagResource")
    ]
    registers = {"Effect": "Allow", "Action": actions, "Resource": [component_arn, f"{component_arn}:*"]}
    rights = {
        "PolicyName": "Registers",
        "PolicyDocument": {"Version": "2012-10-17", "Statement": [registers]},
    }
    resources = {
        "Role": {
            "Type": "AWS::IAM::Role",
            "Properties": {"AssumeRolePolicyDocument": TRUST_LAMBDA, "Policies": [rights]},
        },
        "Function": {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "python3.13",
                "Handler": "index.handler",
                "Code": {"ZipFile": code},
                "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                "Timeout": 30,
            },
        },
        "Component": {
            "Type": "Custom::Component",
            "Properties": {
                "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                "ServiceTimeout": 25,
                "Recipe": recipe_text(component_name, "1.0.0", "true"),
            },
        },
    }
    outputs = {key: {"Value": {"Fn::GetAtt": ["Component", key]}} for key in ("State", "Arn")}
    assert stack.deploy(resources, outputs) == "CREATE_COMPLETE", stack.reasons()
    assert stack.output("State") == "DEPLOYABLE"
    tags = embedded_aws.client("greengrassv2").list_tags_for_resource(resourceArn=stack.output("Arn"))
    assert tags["tags"] == {"by": "lambda"}


def test_log_group_that_exists_is_refused(stack: Stack, embedded_aws: EmbeddedAws) -> None:
    name = f"/aws/greengrass/{stack.name}"
    embedded_aws.client("logs").create_log_group(logGroupName=name)
    group = {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": name}}
    assert stack.deploy({"Group": group}) == "ROLLBACK_COMPLETE"
    assert f'"/properties/LogGroupName":"{name}"' in stack.reasons()
    assert embedded_aws.client("logs").describe_log_groups(logGroupNamePrefix=name)["logGroups"]
