"""Variables in IAM policies: a core has rights to what bears its own name."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest

from sandbox.aws.clients import Credentials, client
from sandbox.aws.server import EmbeddedAws
from sandbox.aws.thing import Device

KEYS = "arn:aws:secretsmanager:us-east-1:123456789012:secret:edgecam/devices/${credentials-iot:ThingName}/*"
MayRead = Callable[[str, str, str], bool]
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"Service": "credentials.iot.amazonaws.com", "AWS": "123456789012"},
            "Action": "sts:AssumeRole",
        }
    ],
}


@pytest.fixture
def thing() -> str:
    return f"core-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def secret(embedded_aws: EmbeddedAws) -> Callable[[str], str]:
    """Makes the secret of a device of a thing; returns its name."""

    def make(thing: str) -> str:
        name = f"edgecam/devices/{thing}/gate/key"
        embedded_aws.client("secretsmanager").create_secret(Name=name, SecretString="x")
        return name

    return make


def role_with(aws: EmbeddedAws, version: str, **statement: Any) -> str:
    """A role that may read secrets; returns its name."""
    name = f"Core-{uuid.uuid4().hex[:8]}"
    aws.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    allowed = {"Effect": "Allow", "Action": "secretsmanager:GetSecretValue", "Resource": KEYS, **statement}
    document = {"Version": version, "Statement": [allowed]}
    aws.client("iam").put_role_policy(RoleName=name, PolicyName="Keys", PolicyDocument=json.dumps(document))
    arn = f"arn:aws:iam::123456789012:role/{name}"
    aws.client("iot").create_role_alias(roleAlias=name, roleArn=arn)
    return name


@pytest.fixture
def may_read(embedded_aws: EmbeddedAws, device_of: Callable[..., Device]) -> Callable[[str, str, str], bool]:
    """Whether the core of a thing may read a secret, by the credentials that its role alias gives."""

    def asked(role: str, thing: str, secret: str) -> bool:
        credentials = device_of(thing, role).credentials(role)
        manager = client("secretsmanager", embedded_aws.url, credentials)
        try:
            manager.get_secret_value(SecretId=secret)
        except manager.exceptions.ClientError as error:
            if error.response["Error"]["Code"] != "AccessDeniedException":
                raise
            return False
        return True

    return asked


def test_core_reads_the_key_of_its_own_device(
    embedded_aws: EmbeddedAws, may_read: MayRead, thing: str, secret: Callable[[str], str]
) -> None:
    assert may_read(role_with(embedded_aws, "2012-10-17"), thing, secret(thing))


def test_core_cannot_read_another_cores_key(
    embedded_aws: EmbeddedAws, may_read: MayRead, thing: str, secret: Callable[[str], str]
) -> None:
    role = role_with(embedded_aws, "2012-10-17")
    # Nor that of one whose name begins like its own.
    for other in (f"other-{thing}", f"{thing}-2"):
        assert not may_read(role, thing, secret(other))


def test_policy_of_the_older_version_has_no_variables(
    embedded_aws: EmbeddedAws, may_read: MayRead, thing: str, secret: Callable[[str], str]
) -> None:
    assert not may_read(role_with(embedded_aws, "2008-10-17"), thing, secret(thing))


def test_variable_that_a_request_does_not_have_matches_nothing(
    embedded_aws: EmbeddedAws, thing: str, secret: Callable[[str], str]
) -> None:
    role, name = role_with(embedded_aws, "2012-10-17"), secret(thing)
    session = embedded_aws.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::123456789012:role/{role}", RoleSessionName=thing
    )["Credentials"]
    credentials = Credentials(session["AccessKeyId"], session["SecretAccessKey"], session["SessionToken"], "")
    manager = client("secretsmanager", embedded_aws.url, credentials)
    with pytest.raises(manager.exceptions.ClientError, match="AccessDenied"):
        manager.get_secret_value(SecretId=name)


def test_variables_work_in_conditions_too(
    embedded_aws: EmbeddedAws, may_read: MayRead, thing: str, secret: Callable[[str], str]
) -> None:
    name = secret(thing)
    for wanted, expected in (("${credentials-iot:ThingName}", True), (f"{thing}-2", False)):
        condition = {"StringEquals": {"credentials-iot:ThingName": wanted}}
        role = role_with(embedded_aws, "2012-10-17", Resource="*", Condition=condition)
        assert may_read(role, thing, name) is expected
