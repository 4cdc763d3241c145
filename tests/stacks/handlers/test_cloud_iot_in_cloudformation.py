"""The packed function where CloudFormation calls it: deploy, rotate, destroy, in embedded clouds."""

from __future__ import annotations

import json
import sys
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cloud_iot_handler import secret_lines

from sandbox.errors import CloudError
from sandbox.iot.server import EmbeddedCloudIot

PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"
"""An embedded AWS runs functions with this machine's."""

ENDED = ("COMPLETE", "FAILED")
RIGHTS = [
    f"secretsmanager:{action}"
    for action in (
        *("CreateSecret", "DeleteSecret", "DescribeSecret", "GetSecretValue", "PutSecretValue"),
        *("RestoreSecret", "TagResource", "UpdateSecretVersionStage"),
    )
]
TRUST = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
SECRETS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:edgecam/devices/*"


@pytest.fixture(scope="module", params=["google", "clearblade"])
def provider(request: pytest.FixtureRequest) -> str:
    found: str = request.param
    return found


@pytest.fixture(scope="module")
def code(aws: Callable[[str], Any], provider: str, packed_for: Callable[..., Path]) -> dict[str, str]:
    """Where the function's zip lies."""
    bucket = f"code-{uuid.uuid4().hex[:8]}"
    aws("s3").create_bucket(Bucket=bucket)
    aws("s3").upload_file(str(packed_for(f"cloud-iot-{provider}", PYTHON)), bucket, "function.zip")
    return {"S3Bucket": bucket, "S3Key": "function.zip"}


class DeviceStack:
    """A stack with a registry and devices, named after its cameras."""

    def __init__(self, aws: Callable[[str], Any], code: dict[str, str], provider: str, endpoint: str) -> None:
        self.name = f"devices-{uuid.uuid4().hex[:8]}"
        self.registry = f"projects/our-project/locations/us-central1/registries/{self.name}"
        self.secrets = aws("secretsmanager")
        self._client = aws("cloudformation")
        self._code, self._provider, self._endpoint = code, provider, endpoint

    def secret(self, camera: str) -> str:
        """The name of a camera's secret."""
        return f"edgecam/devices/{self.name}/{camera}/key"

    def create(self, **cameras: dict[str, str]) -> str:
        """Create it, with properties of its devices; its id."""
        body = self._template(cameras)
        arn: str = self._client.create_stack(
            StackName=self.name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"]
        )["StackId"]
        return arn

    def update(self, **cameras: dict[str, str]) -> str:
        """Update it; its id."""
        body = self._template(cameras)
        arn: str = self._client.update_stack(
            StackName=self.name, TemplateBody=body, Capabilities=["CAPABILITY_IAM"]
        )["StackId"]
        return arn

    def delete(self) -> str:
        """Delete it; its id."""
        arn: str = self._client.describe_stacks(StackName=self.name)["Stacks"][0]["StackId"]
        self._client.delete_stack(StackName=self.name)
        return arn

    def ended(self, arn: str) -> str:
        """How it has ended, or nothing."""
        status: str = self._client.describe_stacks(StackName=arn)["Stacks"][0]["StackStatus"]
        return status if status.endswith(ENDED) and "CLEANUP" not in status else ""

    def events(self) -> str:
        """Everything that CloudFormation has to tell of it."""
        found: str = json.dumps(
            self._client.describe_stack_events(StackName=self.name)["StackEvents"], default=str
        )
        return found

    def _template(self, cameras: dict[str, dict[str, str]]) -> str:
        role = {
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [TRUST]},
            "Policies": [
                {
                    "PolicyName": "Keys",
                    "PolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [{"Effect": "Allow", "Action": RIGHTS, "Resource": SECRETS}],
                    },
                }
            ],
        }
        function = {
            "Runtime": f"python{PYTHON}",
            "Handler": "handlers.cloud_iot.resources.handler",
            "Role": {"Fn::GetAtt": ["Role", "Arn"]},
            "Code": self._code,
            "Timeout": 60,
            "Environment": {"Variables": {"CLOUD_IOT_ENDPOINT": self._endpoint}},
        }
        where = {
            "ServiceToken": {"Fn::GetAtt": ["Maker", "Arn"]},
            "ServiceTimeout": "60",
            "Project": "our-project",
            "Region": "us-central1",
            "Registry": self.name,
            "Provider": self._provider,
            "Login": {},
        }
        key = {"Algorithm": "ES256", "KeyVersion": "1", "KeyDays": "30", "RecoveryDays": "7"}
        resources = {
            "Role": {"Type": "AWS::IAM::Role", "Properties": role},
            "Maker": {"Type": "AWS::Lambda::Function", "Properties": function},
            "Registry": {
                "Type": "Custom::EdgecamCloudIotRegistry",
                "Properties": {**where, "EventTopics": []},
            },
        }
        before = "Registry"
        for camera, properties in cameras.items():
            # One after the other, so that what a failure finds made is certain.
            resources[camera.capitalize()] = {
                "Type": "Custom::EdgecamCloudIotDevice",
                "DependsOn": before,
                "Properties": {
                    **where,
                    **key,
                    "Device": f"gate-{camera}",
                    "Secret": self.secret(camera),
                    **properties,
                },
            }
            before = camera.capitalize()
        maker = {"Value": {"Fn::GetAtt": ["Maker", "Arn"]}, "Export": {"Name": f"{self.name}-DeviceMaker"}}
        return json.dumps({"Resources": resources, "Outputs": {"DeviceMaker": maker}})


class FurtherStack(DeviceStack):
    """A stack beside another one, with devices that are made by the other one's function."""

    def __init__(self, main: DeviceStack, place: str) -> None:
        self.name = f"{main.name}-Sites-{place}"
        self._main, self._client = main, main._client

    def _template(self, cameras: dict[str, dict[str, str]]) -> str:
        function = {"Fn::ImportValue": f"{self._main.name}-DeviceMaker"}
        devices = {
            name: {
                "Type": resource["Type"],
                "Properties": {
                    **resource["Properties"],
                    "ServiceToken": function,
                    "OwnerStack": self._main.name,
                },
            }
            for name, resource in json.loads(self._main._template(cameras))["Resources"].items()
            if resource["Type"] == "Custom::EdgecamCloudIotDevice"
        }
        return json.dumps({"Resources": devices})


@pytest.fixture
def stack(
    aws: Callable[[str], Any], code: dict[str, str], provider: str, cloud_iot: EmbeddedCloudIot
) -> DeviceStack:
    return DeviceStack(aws, code, provider, cloud_iot.url)


def keys(cloud_iot: EmbeddedCloudIot, stack: DeviceStack, camera: str) -> list[str]:
    found = cloud_iot.device(f"{stack.registry}/devices/gate-{camera}")["credentials"]
    return [each["publicKey"]["key"] for each in found]


def test_deploy_rotate_and_destroy_leave_exactly_what_is_documented(
    stack: DeviceStack, cloud_iot: EmbeddedCloudIot, eventually: Callable[..., Any]
) -> None:
    def outcome(arn: str) -> str:
        status: str = eventually(lambda: stack.ended(arn))
        return status

    assert outcome(stack.create(north={}, south={})) == "CREATE_COMPLETE", stack.events()
    assert sorted(cloud_iot.devices(stack.registry)) == ["gate-north", "gate-south"]
    first = {camera: keys(cloud_iot, stack, camera) for camera in ("north", "south")}
    text = stack.secrets.get_secret_value(SecretId=stack.secret("north"))["SecretString"]

    assert outcome(stack.update(north={"KeyVersion": "2"}, south={})) == "UPDATE_COMPLETE", stack.events()
    assert len(keys(cloud_iot, stack, "north")) == 2
    assert keys(cloud_iot, stack, "north")[:1] == first["north"]
    assert keys(cloud_iot, stack, "south") == first["south"]

    events = stack.events()
    assert outcome(stack.delete()) == "DELETE_COMPLETE"
    with pytest.raises(CloudError, match="NOT_FOUND"):
        cloud_iot.devices(stack.registry)
    for camera in ("north", "south"):
        left = stack.secrets.describe_secret(SecretId=stack.secret(camera))
        assert left["DeletedDate"]
    assert not [line for line in secret_lines(text) if line in events]


def test_rollback_leaves_a_key_that_can_be_restored_and_of_the_failure_nothing(
    stack: DeviceStack, cloud_iot: EmbeddedCloudIot, eventually: Callable[..., Any]
) -> None:
    arn = stack.create(north={}, south={"Device": "no"})
    assert eventually(lambda: stack.ended(arn)) == "ROLLBACK_COMPLETE"
    assert "is refused (400 " in stack.events()
    with pytest.raises(CloudError, match="NOT_FOUND"):
        cloud_iot.devices(stack.registry)
    assert stack.secrets.describe_secret(SecretId=stack.secret("north"))["DeletedDate"]
    with pytest.raises(stack.secrets.exceptions.ResourceNotFoundException):
        stack.secrets.describe_secret(SecretId=stack.secret("south"))


def test_device_that_moves_to_a_further_stack_keeps_its_key_and_goes_with_it(
    stack: DeviceStack, cloud_iot: EmbeddedCloudIot, eventually: Callable[..., Any]
) -> None:
    def outcome(of: DeviceStack, arn: str) -> str:
        status: str = eventually(lambda: of.ended(arn))
        return status

    further = FurtherStack(stack, "07")
    assert outcome(stack, stack.create(north={}, south={})) == "CREATE_COMPLETE", stack.events()
    before = keys(cloud_iot, stack, "north")

    assert outcome(further, further.create(north={})) == "CREATE_COMPLETE", further.events()
    # What no longer has it here must not take it from there.
    assert outcome(stack, stack.update(south={})) == "UPDATE_COMPLETE", stack.events()
    assert keys(cloud_iot, stack, "north") == before
    assert "DeletedDate" not in stack.secrets.describe_secret(SecretId=stack.secret("north"))

    assert outcome(further, further.delete()) == "DELETE_COMPLETE"
    assert cloud_iot.devices(stack.registry) == ["gate-south"]
    assert stack.secrets.describe_secret(SecretId=stack.secret("north"))["DeletedDate"]
    assert outcome(stack, stack.delete()) == "DELETE_COMPLETE"
    with pytest.raises(CloudError, match="NOT_FOUND"):
        cloud_iot.devices(stack.registry)
