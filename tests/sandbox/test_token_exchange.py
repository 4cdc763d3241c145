"""The token exchange endpoint."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.credentials import ContainerProvider

from sandbox.aws.clients import ACCOUNT, Credentials, client
from sandbox.aws.server import EmbeddedAws
from sandbox.cloud import Cloud
from sandbox.errors import CloudError
from sandbox.token_exchange import TokenExchange

CREDENTIALS = Credentials("AKIDEXAMPLE", "secret", "session", "2030-01-01T00:00:00Z")


@pytest.fixture
def exchange() -> Iterator[TokenExchange]:
    with TokenExchange(lambda: CREDENTIALS) as running:
        yield running


def ask(url: str, token: str | None, method: str = "GET") -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(url, method=method, headers={"Authorization": token} if token else {})
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error) if error.code != 501 else {}


def test_token_of_the_core_is_exchanged_for_credentials(exchange: TokenExchange) -> None:
    assert ask(exchange.url, exchange.issue()) == (
        200,
        {
            "AccessKeyId": "AKIDEXAMPLE",
            "SecretAccessKey": "secret",
            "Token": "session",
            "Expiration": "2030-01-01T00:00:00Z",
        },
    )


@pytest.mark.parametrize("token", [None, "", "wrong"])
def test_missing_or_wrong_token_is_forbidden(exchange: TokenExchange, token: str | None) -> None:
    exchange.issue()
    status, answer = ask(exchange.url, token)
    assert status == 403
    assert "SecretAccessKey" not in answer


def test_revoked_token_is_forbidden(exchange: TokenExchange) -> None:
    token = exchange.issue()
    exchange.revoke(token)
    assert ask(exchange.url, token)[0] == 403


def test_other_path_is_a_bad_request(exchange: TokenExchange) -> None:
    assert ask(exchange.url.replace("credentialprovider", "other"), exchange.issue())[0] == 400


def test_other_method_is_refused(exchange: TokenExchange) -> None:
    assert ask(exchange.url, exchange.issue(), "POST")[0] == 501


def test_sdk_finds_the_endpoint_by_environment(exchange: TokenExchange) -> None:
    provider = ContainerProvider(
        environ={
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": exchange.url,
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": exchange.issue(),
        }
    )
    found = provider.load().get_frozen_credentials()
    assert tuple(found)[:3] == ("AKIDEXAMPLE", "secret", "session")


def test_credentials_that_cannot_be_had_are_a_server_error() -> None:
    def provider() -> Credentials:
        raise CloudError("the cloud is away")

    with TokenExchange(provider) as exchange:
        assert ask(exchange.url, exchange.issue())[0] == 500


def test_credentials_of_the_role_alias_work_in_the_embedded_aws(embedded_aws: EmbeddedAws) -> None:
    cloud = Cloud(url=embedded_aws.url, thing_name="core", role_alias="SandboxTestRoleAlias")
    with TokenExchange(cloud.credentials) as exchange:
        _, answer = ask(exchange.url, exchange.issue())
    credentials = Credentials(
        answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], answer["Expiration"]
    )
    caller = client("sts", embedded_aws.url, credentials).get_caller_identity()
    assert caller["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SandboxTestCore/core"


def test_role_that_does_not_trust_aws_iot_gives_no_credentials(embedded_aws: EmbeddedAws) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    role = embedded_aws.client("iam").create_role(
        RoleName="NotForCores", AssumeRolePolicyDocument=json.dumps(trust)
    )
    embedded_aws.client("iot").create_role_alias(roleAlias="NotForCores", roleArn=role["Role"]["Arn"])
    cloud = Cloud(url=embedded_aws.url, thing_name="core", role_alias="NotForCores")
    with pytest.raises(CloudError, match="does not trust"):
        cloud.credentials()


def test_credentials_of_the_core_have_the_rights_of_its_role_and_no_others(embedded_aws: EmbeddedAws) -> None:
    cloud = Cloud(url=embedded_aws.url, thing_name="core", role_alias="SandboxTestRoleAlias")
    iam = client("iam", embedded_aws.url, cloud.credentials())
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.list_roles()


def test_unknown_role_alias_is_told_by_name(embedded_aws: EmbeddedAws) -> None:
    cloud = Cloud(url=embedded_aws.url, thing_name="core", role_alias="NoSuchAlias")
    with pytest.raises(CloudError, match="NoSuchAlias"):
        cloud.credentials()
