"""Whether what a function may do fits into its role."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import aws_cdk as cdk
from aws_cdk import aws_iam as iam
from constructs import IConstruct

_ROLE_CHARACTERS = 10_240
"""Of all inline policies of a role, without white space (IAM user guide, "IAM and AWS STS quotas")."""

_RESERVED_CHARACTERS = 1_000
"""For the rights to write its own log and to call itself, with the longest names of a stack in them."""

_LONGEST = {"AWS::Partition": "aws-us-gov", "AWS::Region": "ap-southeast-1", "AWS::AccountId": "123456789012"}


def fits_into_role(scope: IConstruct, statements: Sequence[iam.PolicyStatement]) -> bool:
    """Whether a function's role has room for `statements`, which name no resource of a template."""
    documents = cdk.Stack.of(scope).resolve([each.to_statement_json() for each in statements])
    written = json.dumps(_deployed(documents), separators=(",", ":"))
    return len(written) <= _ROLE_CHARACTERS - _RESERVED_CHARACTERS


def _deployed(value: Any) -> Any:
    """What of a template as CloudFormation makes it, where the names of Regions are longest."""
    match value:
        case list():
            return [_deployed(each) for each in value]
        case {"Ref": name}:
            return _LONGEST[name]
        case {"Fn::Join": [separator, parts]}:
            return separator.join(map(_deployed, parts))
        case dict():
            return {key: _deployed(each) for key, each in value.items()}
        case _:
            return value
