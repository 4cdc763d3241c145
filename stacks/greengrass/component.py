"""A Greengrass component: its recipe, registered as a version."""

from __future__ import annotations

from collections.abc import Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import Construct

from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction
from stacks.functions.customer_keys import use_for_artifacts
from stacks.functions.nag import acknowledge_wildcard
from stacks.greengrass.recipe import Artifact, Recipe

_REGISTRATION_TIMEOUT = cdk.Duration.minutes(10)


class Component(Construct):
    """A component version, registered or adopted.

    `AWS::GreengrassV2::ComponentVersion` is not used: versions are kept when they are superseded (a rollback
    on a core needs the former one), so that going back to an earlier tree would create a version that exists,
    which ends in a conflict. The custom resource adopts it; its rules are in
    stacks/handlers/greengrass/component_version.py.

    Attributes:
        resource: The custom resource; what deploys this version depends on it.
        name: The component's name.
        version: Its version, known at synth, so that `cdk diff` shows it.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        recipe: Recipe,
        bucket_name: str,
        key: str | None = None,
    ) -> None:
        """Register the component.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            recipe: What is registered.
            bucket_name: The artifact bucket, as CloudFormation will know it.
            key: The KMS key of the user's that encrypts it.

        Raises:
            ValueError: the recipe is too large.
        """
        super().__init__(scope, construct_id)
        recipe.check_size()
        self.name = recipe.name
        self.version = recipe.version
        registrar = self._registrar(recipe.artifacts, bucket_name, key)
        self.resource = cdk.CustomResource(
            self,
            "Version",
            resource_type="Custom::GreengrassComponentVersion",
            service_token=registrar.function.attr_arn,
            service_timeout=_REGISTRATION_TIMEOUT,
            properties={
                "ComponentArn": _component_arn(self, self.name),
                "ComponentName": self.name,
                "ComponentVersion": self.version,
                "Recipe": recipe.render(version=self.version, bucket=bucket_name),
            },
        )
        self.resource.node.add_dependency(registrar)

    def _registrar(self, artifacts: Sequence[Artifact], bucket_name: str, key: str | None) -> HandlerFunction:
        function = HandlerFunction(
            self,
            "Registrar",
            FunctionSpec(
                description="Registers versions of a Greengrass component.",
                code=FunctionCode(module="greengrass.component_version"),
                timeout=_REGISTRATION_TIMEOUT,
                statements=_statements(self, self.name, bucket_name, artifacts, key),
            ),
        )
        acknowledge_wildcard(
            function.policy,
            f"{_component_arn(self, self.name)}:versions:*",
            "A version is derived from content: this role registers and removes versions of one component.",
        )
        return function


def _statements(
    scope: Construct, name: str, bucket_name: str, artifacts: Sequence[Artifact], key: str | None
) -> list[iam.PolicyStatement]:
    component = _component_arn(scope, name)
    bucket_arn = cdk.Stack.of(scope).format_arn(service="s3", region="", account="", resource=bucket_name)
    keys = [artifact.key for artifact in artifacts if artifact.key]
    register = [
        iam.PolicyStatement(
            sid="RegisterVersions",
            actions=[
                "greengrass:CreateComponentVersion",
                "greengrass:DeleteComponent",
                "greengrass:DescribeComponent",
                "greengrass:ListComponentVersions",
                "greengrass:TagResource",
            ],
            resources=[component, f"{component}:versions:*"],
        ),
    ]
    if not keys:
        return register
    # Greengrass reads the artifacts with the caller's rights, to write their digests into the recipe.
    read = iam.PolicyStatement(
        sid="ReadArtifacts", actions=["s3:GetObject"], resources=[f"{bucket_arn}/{name}" for name in keys]
    )
    return [*register, read, *use_for_artifacts(key, bucket_arn, keys)]


def _component_arn(scope: Construct, name: str) -> str:
    """ARN of the component, without a version."""
    return cdk.Stack.of(scope).format_arn(
        service="greengrass",
        resource="components",
        resource_name=name,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )
