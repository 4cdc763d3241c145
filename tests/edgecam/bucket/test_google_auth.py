"""Tokens, by each way, from a token service on this machine."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google_service import GoogleService

from edgecam.bucket.google_auth import (
    RENEW_BEFORE_S,
    Anonymous,
    Tokens,
    open_login,
)
from edgecam.bucket.google_credentials import Endpoints
from edgecam.clock import SystemClock
from edgecam.config.storage import Google, GoogleLogin
from edgecam.errors import StoreError, StoreRefused, StoreUnavailable
from edgecam.redaction import HIDDEN, SECRETS
from sandbox.aws.clients import Credentials
from sandbox.core.token_exchange import TokenExchange

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/edge/providers/aws"
ACCOUNT = "uploader@example.iam.gserviceaccount.com"
AWS_SECRET = "aws-secret-key-of-the-core"


class SteppingClock(SystemClock):
    """The machine's clock, and time that the test adds."""

    def __init__(self) -> None:
        self.added_s = 0.0

    def monotonic_s(self) -> float:
        return super().monotonic_s() + self.added_s


@pytest.fixture
def service() -> Iterator[GoogleService]:
    running = GoogleService()
    yield running
    running.stop()


@pytest.fixture
def core(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """A core with a token exchange endpoint; counts how often it was asked."""
    asked: list[int] = []

    def credentials() -> Credentials:
        asked.append(1)
        until = datetime.now(UTC) + timedelta(hours=1)
        return Credentials("ASIAEXAMPLE", AWS_SECRET, "aws-session-token", until.isoformat())

    with TokenExchange(credentials) as exchange:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", exchange.url)
        monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", exchange.issue())
        monkeypatch.setenv("AWS_REGION", "eu-central-1")
        yield asked


@pytest.fixture
def clock() -> SteppingClock:
    return SteppingClock()


@pytest.fixture
def federated(service: GoogleService, clock: SteppingClock) -> Callable[..., Tokens]:
    """Opens a login by federation."""

    def open_it(**more: Any) -> Tokens:
        endpoints = Endpoints(token_url=f"{service.url}/v1/token", iam_url=f"{service.url}/sa")
        login = open_login(Google(audience=AUDIENCE, **more), clock=clock, emulated=True, endpoints=endpoints)
        assert isinstance(login, Tokens)
        return login

    return open_it


@pytest.mark.usefixtures("core")
def test_core_proves_to_google_who_it_is_to_aws(
    service: GoogleService, federated: Callable[..., Tokens]
) -> None:
    assert federated().token() == "google-token-1"
    (exchanged,) = service.exchanged
    assert exchanged["form"]["audience"] == AUDIENCE
    assert exchanged["form"]["subject_token_type"] == "urn:ietf:params:aws:token-type:aws4_request"
    request, headers = exchanged["request"], exchanged["headers"]
    assert request["method"] == "POST"
    assert request["url"].startswith("https://sts.eu-central-1.amazonaws.com?Action=GetCallerIdentity")
    assert headers["x-goog-cloud-target-resource"] == AUDIENCE
    assert headers["x-amz-security-token"] == "aws-session-token"
    assert headers["authorization"].startswith("AWS4-HMAC-SHA256 Credential=ASIAEXAMPLE/")
    assert "/eu-central-1/sts/aws4_request" in headers["authorization"]
    assert AWS_SECRET not in json.dumps(exchanged)


@pytest.mark.usefixtures("core")
def test_federated_identity_acts_as_a_service_account(
    service: GoogleService, federated: Callable[..., Tokens]
) -> None:
    login = federated(service_account=ACCOUNT)
    assert login.token() == "google-token-2"
    assert service.impersonated == [f"/sa/{ACCOUNT}:generateAccessToken Bearer google-token-1"]
    assert ACCOUNT in login.identity()


def test_token_and_aws_credentials_are_kept_while_they_are_good(
    service: GoogleService, core: list[int], federated: Callable[..., Tokens]
) -> None:
    login = federated()
    assert {login.token() for _ in range(5)} == {"google-token-1"}
    login.refused("google-token-1")
    assert login.token() == "google-token-2"
    assert len(core) == 1
    assert service.given == 2


@pytest.mark.usefixtures("core")
def test_token_is_renewed_before_it_expires_and_nobody_waits(
    federated: Callable[..., Tokens], clock: SteppingClock, eventually: Callable[..., Any]
) -> None:
    login = federated()
    login.token()
    clock.added_s = 3600 - RENEW_BEFORE_S + 1
    assert login.token() == "google-token-1"
    eventually(lambda: login.token() == "google-token-2")


@pytest.mark.usefixtures("core")
def test_good_token_serves_while_the_token_service_is_away(
    service: GoogleService,
    federated: Callable[..., Tokens],
    clock: SteppingClock,
    caplog: pytest.LogCaptureFixture,
    eventually: Callable[..., Any],
) -> None:
    login = federated()
    login.token()
    service.failure = (400, {"error": "invalid_grant", "error_description": "no"})
    clock.added_s = 3600 - RENEW_BEFORE_S + 1
    with caplog.at_level(logging.WARNING):
        assert login.token() == "google-token-1"
        eventually(lambda: "could not be renewed yet" in caplog.text)
    clock.added_s = 3600
    with pytest.raises(StoreRefused):
        login.token()


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("lives_s", [10**9, -5])
def test_life_of_a_token_that_cannot_be_is_not_believed(
    service: GoogleService, federated: Callable[..., Tokens], clock: SteppingClock, lives_s: int
) -> None:
    service.lives_s = lives_s
    login = federated()
    login.token()
    clock.added_s = 12 * 3600 + 1
    assert login.token() == "google-token-2"


@pytest.mark.usefixtures("core")
@pytest.mark.parametrize("lives_s", [10**18, "often", [1]])
def test_life_of_a_token_that_is_no_time_is_a_fault_of_the_service(
    service: GoogleService, federated: Callable[..., Tokens], lives_s: Any
) -> None:
    service.lives_s = lives_s
    with pytest.raises(StoreError):
        federated().token()


@pytest.mark.usefixtures("core")
def test_expired_token_is_not_given(federated: Callable[..., Tokens], clock: SteppingClock) -> None:
    login = federated()
    login.token()
    clock.added_s = 3600 - 20
    assert login.token() == "google-token-2"


@pytest.mark.usefixtures("core")
def test_many_threads_fetch_one_token(service: GoogleService, federated: Callable[..., Tokens]) -> None:
    login = federated()
    tokens: list[str] = []
    threads = [threading.Thread(target=lambda: tokens.append(login.token())) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert tokens == ["google-token-1"] * 8
    assert service.given == 1


@pytest.mark.usefixtures("core")
def test_refusal_names_the_way_and_what_to_check(
    service: GoogleService, federated: Callable[..., Tokens]
) -> None:
    service.failure = (403, {"error": "unauthorized_client", "error_description": "the role is not mapped"})
    with pytest.raises(StoreRefused, match="federation") as caught:
        federated().token()
    assert "the role is not mapped" in str(caught.value)
    assert "google.audience" in str(caught.value)
    assert AWS_SECRET not in str(caught.value)


def test_core_without_credentials_says_what_the_recipe_needs(
    federated: Callable[..., Tokens], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    with pytest.raises(StoreUnavailable, match=r"aws\.greengrass\.TokenExchangeService"):
        federated().token()


@pytest.mark.usefixtures("core")
def test_token_exchange_that_refuses_is_worth_another_attempt(
    federated: Callable[..., Tokens], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "of-another-start")
    with pytest.raises(StoreUnavailable, match="the core's AWS credentials cannot be had now"):
        federated().token()


@pytest.mark.usefixtures("core")
def test_token_service_that_is_away_is_worth_another_attempt(clock: SteppingClock, free_port: int) -> None:
    endpoints = Endpoints(token_url=f"http://127.0.0.1:{free_port}/v1/token")
    login = open_login(Google(audience=AUDIENCE), clock=clock, emulated=False, endpoints=endpoints)
    with pytest.raises(StoreUnavailable, match="refused"):
        login.token()


@pytest.mark.usefixtures("core")
def test_tokens_are_hidden_wherever_they_turn_up(federated: Callable[..., Tokens]) -> None:
    login = federated()
    token = login.token()
    assert SECRETS.hide(f"sent {token}") == f"sent {HIDDEN}"
    login.refused(token)
    assert SECRETS.hide(f"sent {token} again") == f"sent {token} again"


@pytest.fixture
def key_file(tmp_path: Path, service: GoogleService) -> Path:
    """A service account's key file that names the token service of this machine."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = tmp_path / "key.json"
    content = {
        "type": "service_account",
        "project_id": "p",
        "client_email": ACCOUNT,
        "private_key": pem.decode(),
        "token_uri": f"{service.url}/key/token",
    }
    path.write_text(json.dumps(content))
    return path


def test_key_file_gives_tokens(key_file: Path, clock: SteppingClock) -> None:
    login = open_login(Google(credentials_file=str(key_file)), clock=clock, emulated=True)
    assert login.token() == "google-token-1"
    assert login.identity() == f"{ACCOUNT} (login: service-account)"


def test_missing_or_broken_key_file_is_reported(tmp_path: Path, clock: SteppingClock) -> None:
    (tmp_path / "broken.json").write_text("{}")
    for name in ("absent.json", "broken.json"):
        login = open_login(Google(credentials_file=str(tmp_path / name)), clock=clock, emulated=False)
        with pytest.raises(StoreRefused, match=r"google\.credentials_file"):
            login.token()


def test_application_default_takes_the_file_that_the_environment_names(
    key_file: Path, clock: SteppingClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(key_file))
    login = open_login(Google(), clock=clock, emulated=False)
    assert login.token() == "google-token-1"


def test_without_any_login_the_ways_are_named(
    clock: SteppingClock, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(StoreRefused, match=r"GOOGLE_APPLICATION_CREDENTIALS or `google\.credentials_file`"):
        open_login(Google(), clock=clock, emulated=False).token()


def test_emulator_asks_for_no_login_unless_one_is_set() -> None:
    assert isinstance(open_login(Google(), clock=SystemClock(), emulated=True), Anonymous)
    explicit = Google(login=GoogleLogin.FEDERATION, audience=AUDIENCE)
    assert isinstance(open_login(explicit, clock=SystemClock(), emulated=True), Tokens)
