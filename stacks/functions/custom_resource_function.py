"""The Lambda function behind a custom resource."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda, aws_logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.functions.code import FunctionCode
from stacks.functions.runtime import RUNTIME

_MEMORY_MB = 512
"""Lambda gives processor and network in proportion; copying 100 MB takes seconds with this."""


@dataclass(frozen=True, kw_only=True)
class FunctionSpec:
    """What every function has.

    Attributes:
        description: What it is for, for who reads the console.
        code: Which handler, its files and its data.
        timeout: How long it may take.
        statements: What it may do, beside writing its log.
        environment: Its environment variables.
    """

    description: str
    code: FunctionCode
    timeout: cdk.Duration
    statements: Sequence[iam.PolicyStatement]
    environment: Mapping[str, str] | None = None


class HandlerFunction(Construct):
    """A function that CloudFormation calls itself: no framework in between, one function and one role.

    The handler responds to CloudFormation in every case, also when it fails; `service_timeout` of the custom
    resource is for a handler that never ran.

    Attributes:
        function: The function.
        role: What it runs as.
        policy: What it may do: the given statements, and write its own log.
        log_group_name: Where its output goes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        spec: FunctionSpec,
        *,
        packed: cdk.FileAssetLocation | None = None,
        role_name: str | None = None,
        runtime: str = RUNTIME,
    ) -> None:
        """Make the function.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            spec: What the function is.
            packed: Where code is that needs more than boto3; default `spec.code` as it is.
            role_name: The name of its role, where it has to be known before the role exists.
            runtime: What it runs on, in Lambda's words.
        """
        super().__init__(scope, construct_id)
        log_group = aws_logs.CfnLogGroup(self, "Log", retention_in_days=30)
        log_group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        self.log_group_name: str = log_group.ref
        self.role = role = iam.Role(
            self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"), role_name=role_name
        )
        self.policy = iam.Policy(
            self, "Rights", roles=[role], statements=[_own_log(log_group), *spec.statements]
        )
        if packed is None:
            asset = code_asset(self, spec.code)
        bucket, key = (
            (packed.bucket_name, packed.object_key) if packed else (asset.s3_bucket_name, asset.s3_object_key)
        )
        self.function = aws_lambda.CfnFunction(
            self,
            "Function",
            description=spec.description,
            runtime=runtime,
            handler=spec.code.handler,
            code=aws_lambda.CfnFunction.CodeProperty(s3_bucket=bucket, s3_key=key),
            role=role.role_arn,
            timeout=int(spec.timeout.to_seconds()),
            memory_size=_MEMORY_MB,
            environment=_variables(spec.environment),
            logging_config=aws_lambda.CfnFunction.LoggingConfigProperty(log_group=log_group.ref),
        )
        # The function would fail without its rights: they are made before it and removed after it.
        self.function.node.add_dependency(self.policy)
        if packed is None:
            asset.add_resource_metadata(self.function, "Code")


def code_asset(scope: Construct, code: FunctionCode) -> s3_assets.Asset:
    """The code as an asset of a stack, named by its content. The CDK copies the folder at once."""
    with tempfile.TemporaryDirectory() as folder:
        code.write(Path(folder))
        return s3_assets.Asset(scope, "Code", path=folder)


def _variables(environment: Mapping[str, str] | None) -> aws_lambda.CfnFunction.EnvironmentProperty | None:
    return aws_lambda.CfnFunction.EnvironmentProperty(variables=dict(environment)) if environment else None


def _own_log(log_group: aws_logs.CfnLogGroup) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="WriteOwnLog",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[log_group.attr_arn],
    )
