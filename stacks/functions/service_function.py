"""A Lambda function that a service of AWS calls, with what synth knows packed beside its code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda
from constructs import Construct

from stacks.functions.code import FunctionCode
from stacks.functions.custom_resource_function import HandlerFunction, code_asset


class ServiceFunction(Construct):
    """One function, with one role.

    Attributes:
        function: The function.
        policy: What it may do, beside writing its own log.
        log_group_name: Where its output goes.
    """

    def __init__(
        self,
        scope: Construct,
        construct_id: str,
        *,
        description: str,
        code: FunctionCode,
        timeout: cdk.Duration,
        statements: Sequence[iam.PolicyStatement],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Make the function.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            description: What it is for, for who reads the console.
            code: Which handler, its files and its data.
            timeout: How long it may take.
            statements: What it may do, beside writing its log.
            environment: Its environment variables.
        """
        super().__init__(scope, construct_id)
        asset = code_asset(self, code)
        made = HandlerFunction(
            self,
            "Service",
            description=description,
            code=code,
            packed=cdk.FileAssetLocation(
                bucket_name=asset.s3_bucket_name,
                object_key=asset.s3_object_key,
                http_url=asset.http_url,
                s3_object_url=asset.s3_object_url,
            ),
            timeout=timeout,
            statements=statements,
            environment=environment,
        )
        self.function: aws_lambda.CfnFunction = made.function
        self.policy = made.policy
        self.log_group_name = made.log_group_name

    def let_call(self, service: str, source_arn: str) -> aws_lambda.CfnPermission:
        """Let `service` invoke this function for the resource `source_arn` of this account alone."""
        return aws_lambda.CfnPermission(
            self,
            "Permission",
            action="lambda:InvokeFunction",
            function_name=self.function.attr_arn,
            principal=service,
            source_account=cdk.Stack.of(self).account,
            source_arn=source_arn,
        )
