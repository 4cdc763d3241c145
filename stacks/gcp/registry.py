"""The registry of the devices, and each device, as resources of a stack."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from fleet.devices import FleetDevice
from fleet.physical_names import PhysicalNames
from fleet.settings.gcp import Gcp
from fleet.settings.registry import Registry
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.nag import acknowledge, acknowledge_wildcard
from stacks.functions.packing import (
    CLOUD_IOT_AT_CLEARBLADE,
    CLOUD_IOT_AT_GOOGLE,
    Function,
    command,
    content_hash,
)
from stacks.gcp.login import login_properties, read_secrets

_TIMEOUT = cdk.Duration.minutes(5)

_SECRET_ACTIONS = [
    "secretsmanager:CreateSecret",
    "secretsmanager:DeleteSecret",
    "secretsmanager:DescribeSecret",
    "secretsmanager:GetSecretValue",
    "secretsmanager:PutSecretValue",
    "secretsmanager:RestoreSecret",
    # A secret is made with a tag.
    "secretsmanager:TagResource",
    "secretsmanager:UpdateSecretVersionStage",
]


class DeviceRegistry(Construct):
    """The function behind both kinds of resources, and the registry, where the settings ask for one.

    Attributes:
        function: The function.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        gcp: Gcp,
        registry: Registry,
        names: PhysicalNames,
        secret_keys: Sequence[str] = (),
    ) -> None:
        """Make the function and the registry.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            gcp: The settings.
            registry: Those of the registry.
            names: Of the fleet.
            secret_keys: KMS keys of the user's that encrypt secrets.
        """
        super().__init__(scope, construct_id)
        self._gcp, self._settings = gcp, registry
        self._main = cdk.Stack.of(self)
        self._owner = self._main.stack_name
        self._export = f"{self._owner}-DeviceMaker"
        self._imported = cdk.Fn.import_value(self._export)
        login = (
            gcp.login.secret if gcp.login is not None and registry.provider == "google" else registry.secret
        )
        packed = _function(registry)
        secrets = _secrets(self, names)
        self.function = HandlerFunction(
            self,
            "Maker",
            FunctionSpec(
                description="Makes the registry of the devices, the devices, and their keys.",
                code=packed.code,
                timeout=_TIMEOUT,
                statements=[*read_secrets(self, login, secret_keys), _keys(secrets)],
                environment={"CLOUD_IOT_ENDPOINT": registry.endpoint} if registry.endpoint else None,
            ),
            packed=_packed(self, packed),
            # Granted at Google under this name before there is a function: see design/google-side.md.
            role_name=names.role("CloudIot", cdk.Stack.of(self).region),
            runtime=f"python{packed.python}",
        )
        acknowledge_wildcard(
            self.function.policy,
            secrets,
            "It makes and removes one secret for each device, also of those that are in the fleet no longer, "
            "and Secrets Manager ends a name by chance.",
        )
        acknowledge(
            self.function.function,
            "AwsSolutions-L1",
            "Google's library for Cloud IoT, whose last release this is, needs protobuf 4, which loads on no "
            "newer Python.",
        )
        self._resource = self._made() if registry.create else None

    def export_function(self) -> None:
        """Let other stacks of this account and Region use the function.

        By a fixed name, not one that the CDK makes of ids. The export locks the function, as it should:
        CloudFormation keeps it as long as there are devices that only it can remove.
        """
        cdk.CfnOutput(
            self._main,
            "DeviceMaker",
            value=self.function.function.attr_arn,
            description="What makes devices, for the stacks that hold those of a part of the sites.",
            export_name=self._export,
        )

    def device(
        self, device: FleetDevice, *, checked_with: str, stack: cdk.Stack | None = None
    ) -> cdk.CustomResource:
        """Make a device.

        Args:
            device: Which one.
            checked_with: What leads to a check of the device when it changes.
            stack: The stack of the device, deployed after this one; default this one.
        """
        settings = self._settings
        properties = {
            **self._where(),
            "Device": device.id,
            "Secret": device.secret,
            "Algorithm": settings.algorithm,
            "KeyVersion": str(settings.key_version),
            "KeyDays": str(settings.key_days),
            "RecoveryDays": str(settings.recovery_days),
            "Checked": checked_with,
        }
        name = f"Device-{device.site}-{device.camera}"
        if stack is not None and stack is not self._main:
            # A device that moves to another stack has the same owner, and stays the device that it is.
            properties["OwnerStack"] = self._owner
            return _custom(stack, name, "Device", function=self._imported, properties=properties)
        made = self._own(name, "Device", properties)
        if self._resource is not None:
            made.node.add_dependency(self._resource)
        return made

    def _made(self) -> cdk.CustomResource:
        topic = self._settings.event_topic
        return self._own(
            "Registry", "Registry", {**self._where(), "EventTopics": [topic] if topic is not None else []}
        )

    def _where(self) -> dict[str, Any]:
        """The properties that name the registry, its provider and the login."""
        settings = self._settings
        login: dict[str, str] = {} if settings.secret is None else {"Secret": settings.secret}
        return {
            "Project": self._gcp.project,
            "Region": settings.region,
            "Registry": settings.name,
            "Provider": settings.provider,
            "Login": login if settings.provider == "clearblade" else login_properties(self._gcp.login),
        }

    def _own(self, construct_id: str, kind: str, properties: Mapping[str, Any]) -> cdk.CustomResource:
        function = self.function.function.attr_arn
        resource = _custom(self, construct_id, kind, function=function, properties=properties)
        resource.node.add_dependency(self.function)
        return resource


def _custom(
    scope: Construct, construct_id: str, kind: str, *, function: str, properties: Mapping[str, Any]
) -> cdk.CustomResource:
    return cdk.CustomResource(
        scope,
        construct_id,
        resource_type=f"Custom::EdgecamCloudIot{kind}",
        service_token=function,
        service_timeout=_TIMEOUT,
        properties=properties,
    )


def _function(registry: Registry) -> Function:
    function = CLOUD_IOT_AT_GOOGLE if registry.provider == "google" else CLOUD_IOT_AT_CLEARBLADE
    if registry.endpoint is None:
        return function
    # An embedded AWS runs functions with this machine's Python, and modules in machine code fit one alone.
    return replace(function, python=f"{sys.version_info.major}.{sys.version_info.minor}")


def _packed(scope: Construct, function: Function) -> cdk.FileAssetLocation:
    content = content_hash(function)
    return cdk.Stack.of(scope).synthesizer.add_file_asset(
        source_hash=content,
        executable=command(function, content),
        display_name="function that makes devices",
    )


def _keys(secrets: str) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid="KeepDeviceKeys", actions=_SECRET_ACTIONS, resources=[secrets])


def _secrets(scope: Construct, names: PhysicalNames) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=f"{names.device_secrets}/*",
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
