"""A Lambda function that a service of AWS calls, with what synth knows packed beside its code."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from aws_cdk import aws_lambda
from aws_cdk import aws_s3_assets as s3_assets
from constructs import Construct

from stacks.handler_function import HANDLERS, HandlerFunction

PACKAGE = "services"


class ServiceFunction(Construct):
    """One of `handlers/services`, with one role.

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
        module: str,
        timeout: cdk.Duration,
        statements: Sequence[iam.PolicyStatement],
        data: Mapping[str, Any] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Make the function.

        Args:
            scope: The stack.
            construct_id: The construct's id.
            description: What it is for, for who reads the console.
            module: Which of the handlers.
            timeout: How long it may take.
            statements: What it may do, beside writing its log.
            data: Files beside its code, by name: what is written there as JSON. Of any size, while
                environment variables end at 4 KB.
            environment: Its environment variables.
        """
        super().__init__(scope, construct_id)
        asset = self._asset(data or {})
        made = HandlerFunction(
            self,
            "Service",
            description=description,
            module=module,
            package=PACKAGE,
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

    def _asset(self, data: Mapping[str, Any]) -> s3_assets.Asset:
        with tempfile.TemporaryDirectory() as folder:
            package = Path(folder) / PACKAGE
            # The CDK takes a copy at once; its name comes from the content and not from this folder.
            shutil.copytree(
                HANDLERS / PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__", "*.pyc")
            )
            for name, values in data.items():
                (package / name).write_text(json.dumps(values, indent=0), encoding="utf-8")
            return s3_assets.Asset(self, "Code", path=folder)
