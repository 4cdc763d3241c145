"""Tokens of devices: what is in them, that anybody can verify them, and when they are used up."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from edgecam.cloud_iot.jwt import Token, make_token
from edgecam.cloud_iot.private_key import PrivateKey, parse_private_key
from sandbox.clocks import BEGINNING, ManualClock, SteppingClock

RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
FORMS = [serialization.PrivateFormat.PKCS8, serialization.PrivateFormat.TraditionalOpenSSL]


def private_key(
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    form: serialization.PrivateFormat = serialization.PrivateFormat.PKCS8,
) -> PrivateKey:
    pem = key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()).decode()
    return parse_private_key(pem, "file /run/key.pem", "projects/p/…/devices/lobby")


def parts(token: Token) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    head, claims, signature = token.text.split(".")
    decoded = [base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)) for part in (head, claims, signature)]
    return json.loads(decoded[0]), json.loads(decoded[1]), f"{head}.{claims}".encode(), decoded[2]


def made(clock: ManualClock | SteppingClock, *, valid_s: int = 100) -> Token:
    return make_token(private_key(EC_KEY), project="my-project", valid_s=valid_s, clock=clock)


def test_token_says_project_and_times_of_the_core_s_clock() -> None:
    head, claims, _, _ = parts(made(ManualClock(), valid_s=3600))
    assert head == {"alg": "ES256", "typ": "JWT"}
    begins_s = BEGINNING.timestamp()
    assert claims == {"aud": "my-project", "iat": begins_s, "exp": begins_s + 3600}


def test_token_is_never_valid_for_more_than_a_day() -> None:
    _, claims, _, _ = parts(made(ManualClock(), valid_s=1_000_000))
    assert claims["exp"] - claims["iat"] == 86_400


@pytest.mark.parametrize("form", FORMS)
def test_rs256_signature_is_verified_by_the_public_key(form: serialization.PrivateFormat) -> None:
    key = private_key(RSA_KEY, form)
    head, _, signed, signature = parts(make_token(key, project="p", valid_s=60, clock=ManualClock()))
    assert head["alg"] == "RS256"
    RSA_KEY.public_key().verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())


@pytest.mark.parametrize("form", FORMS)
def test_es256_signature_is_verified_by_the_public_key(form: serialization.PrivateFormat) -> None:
    key = private_key(EC_KEY, form)
    for _ in range(64):  # about every second r or s begins with a zero bit, some with a zero byte
        _, _, signed, signature = parts(make_token(key, project="p", valid_s=60, clock=ManualClock()))
        assert len(signature) == 64
        halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
        EC_KEY.public_key().verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))


def test_token_is_used_up_by_the_time_that_passes() -> None:
    clock = ManualClock()
    token = made(clock)
    assert token.used(clock) == 0
    clock.advance(50)
    assert token.used(clock) == pytest.approx(0.5)
    clock.advance(50)
    assert token.used(clock) == pytest.approx(1)


def test_clock_that_is_set_forward_uses_a_token_up_and_one_set_back_does_not_prolong_it() -> None:
    clock = SteppingClock()
    token = made(clock)
    clock.step(60)
    assert 0.6 <= token.used(clock) < 0.7
    clock.step(-3600)
    assert 0 <= token.used(clock) < 0.1


def test_token_does_not_show_in_its_repr() -> None:
    token = made(ManualClock())
    assert token.text not in repr(token)
    assert "eyJ" not in repr(token)
