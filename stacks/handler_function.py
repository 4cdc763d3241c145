"""The Lambda function behind a custom resource."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda, aws_logs
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

HANDLERS = Path(__file__).resolve().parent / "handlers"

RUNTIME = "python3.14"
"""The newest Python that Lambda runs; boto3 comes with it."""

_MEMORY_MB = 512
"""Lambda gives processor and network in proportion; copying 100 MB takes seconds with this."""


class HandlerFunction(Construct):
    """A function that CloudFormation calls itself: no framework in between, one function and one role.

    The handler answers CloudFormation in every case, also when it fails; `service_timeout` of the custom
    resource is for the case that it never ran.

    Attributes:
        function: The function.
        policy: What it may do: the given statements, and write its own log.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        module: str,
        timeout: cdk.Duration,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, construct_id)
        code = s3_assets.Asset(self, "Code", path=str(HANDLERS), exclude=["**/__pycache__", "**/*.pyc"])
        log_group = aws_logs.CfnLogGroup(self, "Log", retention_in_days=30)
        log_group.apply_removal_policy(cdk.RemovalPolicy.DESTROY)
        role = iam.Role(self, "Role", assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"))
        self.policy = iam.Policy(self, "Rights", roles=[role], statements=[_own_log(log_group), *statements])
        self.function = aws_lambda.CfnFunction(
            self,
            "Function",
            description=description,
            runtime=RUNTIME,
            handler=f"custom_resources.{module}.handler",
            code=aws_lambda.CfnFunction.CodeProperty(
                s3_bucket=code.s3_bucket_name, s3_key=code.s3_object_key
            ),
            role=role.role_arn,
            timeout=int(timeout.to_seconds()),
            memory_size=_MEMORY_MB,
            logging_config=aws_lambda.CfnFunction.LoggingConfigProperty(log_group=log_group.ref),
        )
        # Without its rights the function would fail, so CloudFormation must not call it earlier, nor take
        # them first.
        self.function.node.add_dependency(self.policy)
        code.add_resource_metadata(self.function, "Code")


def _own_log(log_group: aws_logs.CfnLogGroup) -> iam.PolicyStatement:
    return iam.PolicyStatement(
        sid="WriteOwnLog",
        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
        resources=[log_group.attr_arn],
    )
