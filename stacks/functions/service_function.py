"""A Lambda function that a service of AWS calls, with what synth knows packed beside its code."""

from __future__ import annotations

import aws_cdk as cdk
from aws_cdk import aws_lambda
from constructs import Construct

from stacks.functions.custom_resource_function import FunctionSpec, HandlerFunction, code_asset


class ServiceFunction(Construct):
    """One function, with one role.

    Attributes:
        function: The function.
        policy: What it may do, beside writing its own log.
        log_group_name: Where its output goes.
    """

    def __init__(self, scope: Construct, construct_id: str, spec: FunctionSpec) -> None:
        super().__init__(scope, construct_id)
        asset = code_asset(self, spec.code)
        made = HandlerFunction(
            self,
            "Service",
            spec,
            packed=cdk.FileAssetLocation(
                bucket_name=asset.s3_bucket_name,
                object_key=asset.s3_object_key,
                http_url=asset.http_url,
                s3_object_url=asset.s3_object_url,
            ),
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
