"""Who the function that makes buckets is to Google."""

from __future__ import annotations

import json
import urllib.parse
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import aws as google_aws
from google.auth.credentials import AnonymousCredentials
from google.oauth2 import service_account

from stacks.handlers.cloudformation import RequestFailed
from stacks.handlers.gcs.client import ENDPOINT_VARIABLE, client_for

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/edgecam/providers/aws"


@pytest.fixture(autouse=True)
def lambdas_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a function finds around it."""
    monkeypatch.delenv(ENDPOINT_VARIABLE, raising=False)
    monkeypatch.setenv("AWS_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "123456789012")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test-secret-key")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "test-session")


@pytest.fixture
def secret(aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> Callable[[str], str]:
    """A function that makes a secret; returns its ARN."""
    manager = aws("secretsmanager")
    monkeypatch.setenv("AWS_ENDPOINT_URL", manager.meta.endpoint_url)

    def make(text: str) -> str:
        arn: str = manager.create_secret(Name=uuid.uuid4().hex, SecretString=text)["ARN"]
        return arn

    return make


def credentials_for(login: dict[str, str]) -> Any:
    return client_for({"Project": "our-project", "Login": login})._credentials


def test_federation_signs_who_am_i_with_the_functions_role_and_sends_no_key() -> None:
    credentials = credentials_for({"Audience": AUDIENCE})
    assert isinstance(credentials, google_aws.Credentials)
    token = json.loads(urllib.parse.unquote(credentials.retrieve_subject_token(None)))
    headers = {header["key"].lower(): header["value"] for header in token["headers"]}
    assert token["url"].startswith("https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity")
    assert headers["x-goog-cloud-target-resource"] == AUDIENCE
    assert "123456789012/" in headers["authorization"]
    assert "test-secret-key" not in json.dumps(token)


def test_federation_acts_as_a_service_account_where_one_is_named() -> None:
    credentials = credentials_for({"Audience": AUDIENCE, "ServiceAccount": "maker@p.iam.gserviceaccount.com"})
    assert credentials.service_account_email == "maker@p.iam.gserviceaccount.com"


def test_secret_with_a_service_accounts_key_is_the_other_way(secret: Callable[[str], str]) -> None:
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    key = {
        "type": "service_account",
        "client_email": "maker@p.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
        "private_key": pem.decode(),
    }
    credentials = credentials_for({"Secret": secret(json.dumps(key))})
    assert isinstance(credentials, service_account.Credentials)
    assert credentials.service_account_email == "maker@p.iam.gserviceaccount.com"


@pytest.mark.parametrize("text", ["hunter2", '{"type": "service_account", "private_key": "hunter2"}', "[]"])
def test_secret_that_holds_something_else_is_reported_without_its_content(
    secret: Callable[[str], str], text: str
) -> None:
    with pytest.raises(RequestFailed, match="must hold the JSON key of a service account") as caught:
        credentials_for({"Secret": secret(text)})
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None


def test_secret_that_cannot_be_read_is_named(secret: Callable[[str], str]) -> None:
    missing = secret("x").replace("secret:", "secret:not-")
    with pytest.raises(RequestFailed, match=r"gcp\.login\.secret: .* cannot be read as text"):
        credentials_for({"Secret": missing})


def test_embedded_store_is_asked_without_a_login(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ENDPOINT_VARIABLE, "http://localhost:9")
    client = client_for({"Project": "our-project"})
    assert isinstance(client._credentials, AnonymousCredentials)
    assert client.api_endpoint == "http://localhost:9"


def test_secret_may_be_named_by_its_name(aws: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", aws("secretsmanager").meta.endpoint_url)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    name = f"google/{uuid.uuid4().hex}"
    aws("secretsmanager").create_secret(Name=name, SecretString="no key")
    with pytest.raises(RequestFailed, match=f"{name} must hold the JSON key of a service account"):
        credentials_for({"Secret": name})
