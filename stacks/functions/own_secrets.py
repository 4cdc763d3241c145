"""The secrets of a stack's own account and Region, as IAM names them."""

from __future__ import annotations

import aws_cdk as cdk
from constructs import Construct


def own_secrets(scope: Construct) -> str:
    """How the ARNs of those secrets begin, up to their names."""
    stack = cdk.Stack.of(scope)
    return f"arn:{stack.partition}:secretsmanager:{stack.region}:{stack.account}:secret:"
