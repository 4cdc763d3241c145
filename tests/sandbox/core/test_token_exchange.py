"""The token exchange endpoint."""

from __future__ import annotations

import dataclasses
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.credentials import ContainerProvider

from sandbox.aws.clients import ACCOUNT, Credentials, client
from sandbox.aws.server import EmbeddedAws
from sandbox.aws.thing import Device
from sandbox.core.token_exchange import TokenExchange
from sandbox.errors import CloudError

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


DeviceOf = Callable[..., Device]
ALIAS = "SandboxTestRoleAlias"


@pytest.fixture
def thing() -> str:
    return f"core-{uuid.uuid4().hex[:8]}"


def test_credentials_of_the_role_alias_work_in_the_embedded_aws(
    embedded_aws: EmbeddedAws, device_of: DeviceOf, thing: str
) -> None:
    device = device_of(thing)
    with TokenExchange(lambda: device.credentials(ALIAS)) as exchange:
        _, answer = ask(exchange.url, exchange.issue())
    credentials = Credentials(
        answer["AccessKeyId"], answer["SecretAccessKey"], answer["Token"], answer["Expiration"]
    )
    caller = client("sts", embedded_aws.url, credentials).get_caller_identity()
    (principal,) = embedded_aws.client("iot").list_thing_principals(thingName=thing)["principals"]
    certificate_id = principal.rpartition("/")[2]
    assert caller["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/SandboxTestCore/{certificate_id}"


def test_role_that_does_not_trust_aws_iot_gives_no_credentials(
    embedded_aws: EmbeddedAws, device_of: DeviceOf, thing: str
) -> None:
    trust = {"Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}}]}
    role = embedded_aws.client("iam").create_role(
        RoleName="NotForCores", AssumeRolePolicyDocument=json.dumps(trust)
    )
    embedded_aws.client("iot").create_role_alias(roleAlias="NotForCores", roleArn=role["Role"]["Arn"])
    with pytest.raises(CloudError, match="does not trust"):
        device_of(thing, "NotForCores").credentials("NotForCores")


def test_credentials_of_the_core_have_the_rights_of_its_role_and_no_others(
    embedded_aws: EmbeddedAws, device_of: DeviceOf, thing: str
) -> None:
    iam = client("iam", embedded_aws.url, device_of(thing).credentials(ALIAS))
    with pytest.raises(iam.exceptions.ClientError, match="AccessDenied"):
        iam.list_roles()


def test_unknown_role_alias_is_reported_by_name(device_of: DeviceOf, thing: str) -> None:
    with pytest.raises(CloudError, match="Role alias NoSuchAlias does not exist"):
        device_of(thing, "NoSuchAlias").credentials("NoSuchAlias")


def test_certificate_gets_credentials_by_the_alias_that_its_policy_allows_only(
    embedded_aws: EmbeddedAws, device_of: DeviceOf, thing: str
) -> None:
    role = embedded_aws.client("iam").get_role(RoleName="SandboxTestCore")["Role"]["Arn"]
    embedded_aws.client("iot").create_role_alias(roleAlias=f"Other-{thing}", roleArn=role)
    with pytest.raises(CloudError, match="do not allow iot:AssumeRoleWithCertificate for Other-"):
        device_of(thing).credentials(f"Other-{thing}")


def test_certificate_gets_no_credentials_in_the_name_of_another_thing(
    device_of: DeviceOf, thing: str
) -> None:
    device_of(f"{thing}-2")
    impostor = dataclasses.replace(device_of(thing), thing_name=f"{thing}-2")
    with pytest.raises(CloudError, match=f"not attached to the thing {thing}-2"):
        impostor.credentials(ALIAS)


def test_certificate_that_was_revoked_gets_no_credentials(
    embedded_aws: EmbeddedAws, device_of: DeviceOf, thing: str
) -> None:
    device, iot = device_of(thing), embedded_aws.client("iot")
    (principal,) = iot.list_thing_principals(thingName=thing)["principals"]
    iot.update_certificate(certificateId=principal.rpartition("/")[2], newStatus="INACTIVE")
    with pytest.raises(CloudError, match="active certificate"):
        device.credentials(ALIAS)


def test_account_gets_no_credentials_of_cores(embedded_aws: EmbeddedAws) -> None:
    request = urllib.request.Request(f"{embedded_aws.url}/role-aliases/{ALIAS}/credentials")
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(request, timeout=5)
    caught.value.close()
