"""Acknowledging a finding of cdk-nag where the resource stands: which one, on what, and why."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import IConstruct


def acknowledge(scope: IConstruct, finding: str, reason: str) -> None:
    """Accept `finding` (such as `AwsSolutions-S1`, or `AwsSolutions-IAM5[Resource::*]`) on `scope`."""
    cdk.Validations.of(scope).acknowledge(cdk.Acknowledgment(id=finding, reason=reason))
