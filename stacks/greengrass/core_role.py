"""What core devices may do in AWS: the role that they assume with their certificates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_iot as iot
from constructs import Construct

from fleet.camera_secrets import THING, Grant, exact_secret
from fleet.physical_names import PhysicalNames
from stacks.functions.customer_keys import decrypt_secrets, use_for_artifacts
from stacks.functions.nag import acknowledge_wildcard
from stacks.functions.own_secrets import own_secrets
from stacks.greengrass.core_policy import PLACEHOLDER, core_policy

_LOG_GROUPS = "/aws/greengrass/*"
"""Where aws.greengrass.LogManager and the nucleus write (Greengrass v2 developer guide, monitoring logs)."""


class CoreDeviceRole(Construct):
    """The token exchange role of the cores: the named one, or a new one with a role alias.

    Attributes:
        role: The role.
    """

    def __init__(
        self, scope: Construct, construct_id: str, *, existing: str | None, names: PhysicalNames
    ) -> None:
        """Import or make the role.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            existing: Name of the role that the cores have already.
            names: Of the fleet.
        """
        super().__init__(scope, construct_id)
        self._names = names
        self.role: iam.IRole = (
            iam.Role.from_role_name(self, "Role", existing) if existing else self._new_role()
        )

    def grant_artifacts(self, bucket_arn: str, prefix: str, *, key: str | None = None) -> None:
        """Let cores fetch what lies below `prefix`. A nucleus asks for the bucket's Region first.

        Args:
            bucket_arn: The artifact bucket.
            prefix: Of the objects' names.
            key: The KMS key of the user's that encrypts the bucket.
        """
        artifacts = f"{bucket_arn}/{prefix}/*"
        policy = iam.Policy(
            self,
            f"Artifacts-{prefix}",
            roles=[self.role],
            statements=[
                _allow("FetchArtifacts", "s3:GetObject", [artifacts]),
                _allow("FindBucket", "s3:GetBucketLocation", [bucket_arn]),
                *use_for_artifacts(key, bucket_arn, [f"{prefix}/*"]),
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

    def grant_secrets(self, policies: Sequence[Sequence[Grant]]) -> None:
        """Let each core read these secrets of its site; the first policy is the role's own."""
        for number, grants in enumerate(policies):
            statements = [
                iam.PolicyStatement(
                    actions=["secretsmanager:GetSecretValue"],
                    resources=[exact_secret(each, own_secrets(self)) for each in grant.secrets],
                    conditions=grant.conditions or None,
                )
                for grant in grants
            ]
            if number == 0:
                iam.Policy(self, "CameraSecrets", roles=[self.role], statements=statements)
            else:
                iam.ManagedPolicy(
                    self, f"CameraSecrets-{number + 1}", roles=[self.role], statements=statements
                )

    def grant_secret_keys(self, keys: Sequence[str]) -> None:
        """Let cores decrypt the secrets that they may read."""
        iam.Policy(self, "SecretKeys", roles=[self.role], statements=decrypt_secrets(keys))

    def grant_own_secrets(self, names: str) -> None:
        """Let each core read the secrets whose names have its own where `{thing}` is in `names`."""
        beginning, _, end = names.partition(THING)
        self._grant_own("OwnCameraSecrets", "ReadOwnCameraSecrets", beginning.rstrip("/"), end)

    def grant_logs(self, arns: Sequence[str]) -> None:
        """Let cores write what is in these log groups; a new role may do that already."""
        actions = ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"]
        policy = iam.Policy(
            self,
            "Logs",
            roles=[self.role],
            statements=[iam.PolicyStatement(sid="WriteLogs", actions=actions, resources=list(arns))],
        )
        for arn in arns:
            acknowledge_wildcard(policy, arn, "A core names its streams by date and thing.")

    def grant_own_devices(self) -> None:
        """Let each core read the keys of its own devices, and of no other core's."""
        self._grant_own("DeviceKeys", "ReadOwnDeviceKeys", self._names.device_secrets, "/*")

    def _grant_own(self, construct_id: str, sid: str, folder: str, end: str) -> None:
        """Let each core read the secrets named `folder/THING` and `end`.

        The variable is the name that the core has shown its certificate for when it took on the role: both
        nuclei send it along (AWS IoT Core developer guide, "Authorizing direct calls to AWS services").
        """
        own = f"${{credentials-iot:ThingName}}{end}"
        secrets = cdk.Stack.of(self).format_arn(
            service="secretsmanager",
            resource="secret",
            resource_name=f"{folder}/{own}" if folder else own,
            arn_format=cdk.ArnFormat.COLON_RESOURCE_NAME,
        )
        policy = iam.Policy(
            self,
            construct_id,
            roles=[self.role],
            statements=[_allow(sid, "secretsmanager:GetSecretValue", [secrets])],
        )
        acknowledge_wildcard(
            policy,
            secrets,
            "A core has the secrets of its own cameras, and Secrets Manager ends a name by chance.",
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
        alias = iot.CfnRoleAlias(self, "RoleAlias", role_alias=self._names.role_alias, role_arn=role.role_arn)
        cdk.CfnOutput(
            self, "RoleAliasName", value=alias.ref, description="iotRoleAlias of the cores' nucleus."
        )
        return role


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
