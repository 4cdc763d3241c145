"""Clients of an embedded AWS that have the rights of a role's policy, and no other."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Sequence
from typing import Any

import boto3

ClientOf = Callable[[str], Any]


def assumed(account: ClientOf, statements: Sequence[Any]) -> ClientOf:
    """Make a role with these statements, take it on, and return a function that makes its clients.

    Args:
        account: Makes clients with the rights of the account.
        statements: Of the role's one policy.
    """
    iam, name = account("iam"), f"role-{uuid.uuid4().hex[:8]}"
    trust = {
        "Effect": "Allow",
        "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
        "Action": "sts:AssumeRole",
    }
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_document([trust]))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="Rights", PolicyDocument=_document(statements))
    keys = account("sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    session = boto3.Session(
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        region_name="us-east-1",
    )
    return lambda service: session.client(service, endpoint_url=iam.meta.endpoint_url)


def _document(statements: Sequence[Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
