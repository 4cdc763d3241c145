"""What core devices may do in AWS: the role that they take on with their certificates."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from stacks.core_policy import PLACEHOLDER, core_policy
from stacks.devices import SECRETS
from stacks.nag import acknowledge_wildcard

ROLE_ALIAS = "EdgecamCoreRoleAlias"

_LOG_GROUPS = "/aws/greengrass/*"
"""Where aws.greengrass.LogManager and the nucleus write (Greengrass v2 developer guide, monitoring logs)."""


class CoreDeviceRole(Construct):
    """The token exchange role of the cores: the named one, or a new one with a role alias.

    Attributes:
        role: The role.
    """

    def __init__(self, scope: Construct, construct_id: str, *, existing: str | None) -> None:
        """Import or make the role.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            existing: Name of the role that the cores have already.
        """
        super().__init__(scope, construct_id)
        self.role: iam.IRole = (
            iam.Role.from_role_name(self, "Role", existing) if existing else self._new_role()
        )

    def grant_artifacts(self, bucket_arn: str, prefix: str) -> None:
        """Let cores fetch what lies below `prefix`. A nucleus asks for the bucket's Region first."""
        artifacts = f"{bucket_arn}/{prefix}/*"
        policy = iam.Policy(
            self,
            f"Artifacts-{prefix}",
            roles=[self.role],
            statements=[
                _allow("FetchArtifacts", "s3:GetObject", [artifacts]),
                _allow("FindBucket", "s3:GetBucketLocation", [bucket_arn]),
            ],
        )
        acknowledge_wildcard(
            policy,
            artifacts,
            "An artifact's name changes with its content, and a core may go back to an earlier version.",
        )

    def grant_images(self, repository_arn: str) -> None:
        """Let cores pull what is in our repository."""
        policy = iam.Policy(
            self,
            "Images",
            roles=[self.role],
            statements=[
                _allow("LogIn", "ecr:GetAuthorizationToken", ["*"]),
                iam.PolicyStatement(
                    sid="PullImages",
                    actions=["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
                    resources=[repository_arn],
                ),
            ],
        )
        acknowledge_wildcard(
            policy,
            "*",
            "ecr:GetAuthorizationToken knows no resources: it logs in to the account's registry.",
        )

    def grant_secrets(self, arns: Sequence[str], *, beginning: str | None = None) -> None:
        """Let cores read exactly these secrets, or those whose names begin like this (`cameras/*`)."""
        if not arns:
            return
        resources = [exact_secret(arn) for arn in arns] if beginning is None else [_secrets(self, beginning)]
        policy = iam.Policy(
            self,
            "CameraSecrets",
            roles=[self.role],
            statements=[_allow("ReadCameraSecrets", "secretsmanager:GetSecretValue", resources)],
        )
        if beginning is not None:
            acknowledge_wildcard(
                policy,
                resources[0],
                "A policy has no room for all secrets of a large fleet, and each new camera would change it: "
                "the settings say how their names begin.",
            )

    def grant_logs(self, group_arns: Sequence[str]) -> None:
        """Let cores write these log groups; a new role may do that already."""
        actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        iam.Policy(
            self,
            "Logs",
            roles=[self.role],
            statements=[iam.PolicyStatement(sid="WriteLogs", actions=actions, resources=list(group_arns))],
        )

    def grant_own_devices(self) -> None:
        """Let each core read the keys of its own devices, and of no other core's.

        The variable is the name that the core has shown its certificate for when it took on the role: both
        nuclei send it along (AWS IoT Core developer guide, "Authorizing direct calls to AWS services").
        """
        keys = cdk.Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{SECRETS}/${{credentials-iot:ThingName}}/*",
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        policy = iam.Policy(
            self,
            "DeviceKeys",
            roles=[self.role],
            statements=[_allow("ReadOwnDeviceKeys", "secretsmanager:GetSecretValue", [keys])],
        )
        acknowledge_wildcard(
            policy, keys, "A core has the devices of its cameras, and Secrets Manager ends a name by chance."
        )

    def _new_role(self) -> iam.Role:
        role = iam.Role(
            self,
            "Role",
            assumed_by=iam.ServicePrincipal("credentials.iot.amazonaws.com"),
            description="Taken on by Greengrass cores that run edgecam.",
            inline_policies={"Minimum": iam.PolicyDocument(statements=[_write_logs(self)])},
        )
        acknowledge_wildcard(
            role,
            _log_groups(self),
            "A core names its log groups after Region, component and thing; they all begin like this.",
        )
        alias = iot.CfnRoleAlias(self, "RoleAlias", role_alias=ROLE_ALIAS, role_arn=role.role_arn)
        cdk.CfnOutput(
            self, "RoleAliasName", value=alias.ref, description="iotRoleAlias of the cores' nucleus."
        )
        return role


def exact_secret(arn: str) -> str:
    """The secret as a resource of an IAM policy.

    Secrets Manager adds a hyphen and six random characters to a secret's name. An ARN without them is
    completed with six question marks, as its documentation asks for; a whole one stays exactly as it is.
    """
    return arn if re.search(r"-[A-Za-z0-9]{6}$", arn) else f"{arn}-??????"


def _secrets(scope: Construct, beginning: str) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="secretsmanager",
        resource="secret",
        resource_name=beginning,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def _allow(sid: str, action: str, resources: Sequence[str]) -> iam.PolicyStatement:
    return iam.PolicyStatement(sid=sid, actions=[action], resources=list(resources))


def _write_logs(scope: Construct) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="WriteLogs",
        actions=[
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:PutLogEvents",
            "logs:DescribeLogStreams",
        ],
        resources=[_log_groups(scope)],
    )


def _log_groups(scope: Construct) -> str:
    return cdk.Stack.of(scope).format_arn(
        service="logs",
        resource="log-group",
        resource_name=_LOG_GROUPS,
        arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
    )


def core_policy_of(scope: Construct, role_alias: str) -> dict[str, Any]:
    """The IoT policy of a core's certificate, with `PLACEHOLDER` where the thing's name belongs."""
    stack = cdk.Stack.of(scope)

    def arn(kind: str, name: str) -> str:
        return stack.format_arn(service="iot", resource=kind, resource_name=name)

    return core_policy(PLACEHOLDER, arn=arn, role_alias_arn=arn("rolealias", role_alias))
