"""Acknowledging a finding of cdk-nag where the resource stands: which one, on what, and why."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct


def acknowledge(scope: IConstruct, finding: str, reason: str) -> None:
    """Accept `finding`, such as `AwsSolutions-S1`, on `scope`."""
    cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))


def acknowledge_wildcard(scope: IConstruct, resource: str, reason: str) -> None:
    """Accept that a policy names `resource`, an ARN with an asterisk in it."""
    written = _as_nag_writes(cdk.Stack.of(scope).resolve(resource))
    acknowledge(scope, f"AwsSolutions-IAM5[Resource::{written}]", reason)


def acknowledge_wildcards(
    scope: IConstruct, statements: Iterable[iam.PolicyStatement], reasons: Mapping[str, str]
) -> None:
    """Accept the resources of `statements` that have an asterisk.

    Args:
        scope: The policy.
        statements: Those in it.
        reasons: Why, by what such an ARN has after the account, or by `*` for all resources.
    """
    for arn in sorted({arn for each in statements for arn in each.resources if "*" in arn}):
        acknowledge_wildcard(scope, arn, reasons[arn.split(":", 5)[-1]])


def _as_nag_writes(value: Any) -> str:
    """A resolved ARN as cdk-nag 3 writes it in a finding: references and variables between angle brackets."""
    if isinstance(value, str):
        return re.sub(r"\$\{([^}]+)\}", r"<\1>", value)
    ((function, arguments),) = value.items()
    if function == "Fn::Join":
        separator, parts = arguments
        return str(separator).join(map(_as_nag_writes, parts))
    if function == "Fn::ImportValue":
        return str(arguments)
    return f"<{arguments if isinstance(arguments, str) else '.'.join(arguments)}>"
