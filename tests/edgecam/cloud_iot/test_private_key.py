"""Private keys of devices: every form that openssl writes is read; what is wrong is said without the key."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from edgecam.cloud_iot.private_key import parse_private_key, parse_signing_key
from edgecam.errors import CredentialsError

PKCS8 = serialization.PrivateFormat.PKCS8
TRADITIONAL = serialization.PrivateFormat.TraditionalOpenSSL
DEVICE = "projects/p/locations/europe-west1/registries/g/devices/lobby"
RSA_KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def pem(key: PrivateKey, form: serialization.PrivateFormat = PKCS8, password: bytes | None = None) -> str:
    lock = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, form, lock).decode()


def read(text: str) -> str:
    return parse_private_key(text, "file /run/key.pem", DEVICE).signing.algorithm


@pytest.mark.parametrize("form", [PKCS8, TRADITIONAL])
@pytest.mark.parametrize(("key", "algorithm"), [(RSA_KEY, "RS256"), (EC_KEY, "ES256")])
def test_key_says_by_itself_how_it_signs(
    key: PrivateKey, algorithm: str, form: serialization.PrivateFormat
) -> None:
    assert read(pem(key, form)) == algorithm


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", " "),
        lambda text: "\n\n" + text.rstrip(),
        lambda text: "-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n" + text,
    ],
    ids=["written-out-line-ends", "windows", "one-line", "blank-lines", "parameters-first"],
)
def test_pem_is_read_as_it_survives_environment_files_and_editors(change: Callable[[str], str]) -> None:
    assert read(change(pem(EC_KEY, TRADITIONAL))) == "ES256"
    assert read(change(pem(RSA_KEY))) == "RS256"


def test_secret_gives_key_and_version() -> None:
    secret = {"device": DEVICE, "key_version": 7, "algorithm": "ES256", "private_key": pem(EC_KEY)}
    found = parse_private_key(json.dumps(secret), "secret arn:x", DEVICE)
    assert (found.version, found.name) == ("7", "ES256 key, version 7")


def test_two_keys_differ_and_one_equals_itself_in_another_form() -> None:
    found = [
        parse_private_key(text, "file", DEVICE) for text in (pem(EC_KEY), pem(EC_KEY) + "\n", pem(RSA_KEY))
    ]
    assert found[0] == found[1]
    assert found[0] != found[2]


UNUSABLE = [
    ("", "no PEM text"),
    ("secret-but-no-pem", "no PEM text"),
    (pem(EC_KEY, password=b"lock"), "passphrase"),
    (pem(RSA_KEY, TRADITIONAL, b"lock"), "passphrase"),
    (pem(ec.generate_private_key(ec.SECP384R1())), "another curve"),
    (pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "1024 bits"),
    (pem(ed25519.Ed25519PrivateKey.generate()), "another kind"),
    (pem(EC_KEY).replace("MIGH", "????"), "damaged"),
    ("-----BEGIN EC PRIVATE KEY-----\nBggqhkjOPQMBBw==\n-----END EC PRIVATE KEY-----", "cannot be read"),
    (
        EC_KEY.public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "PUBLIC KEY",
    ),
    ('{"key_version": "1"}', "the keys key_version"),
    ('{"private_key": 7}', "the keys private_key"),
    ('{"private_key', "neither"),
    (json.dumps({"device": DEVICE + "-2", "private_key": pem(EC_KEY)}), "found that of"),
]
"""What is given, and what is said of it."""


# Named by what is said: the keys are others in each process, and workers have to agree on the tests' names.
@pytest.mark.parametrize(("text", "found"), UNUSABLE, ids=[said for _, said in UNUSABLE])
def test_what_is_no_usable_key_is_said_with_its_place_and_without_the_key(text: str, found: str) -> None:
    with pytest.raises(CredentialsError, match=found) as caught:
        read(text)
    assert "file /run/key.pem" in str(caught.value)
    assert "secret-but-no-pem" not in str(caught.value)
    assert not any(line in str(caught.value) for line in text.splitlines() if len(line) == 64)


def test_key_shows_nothing_of_itself() -> None:
    found = parse_private_key(pem(EC_KEY), "file", DEVICE)
    assert "BEGIN" not in repr(found)
    assert repr(parse_signing_key(pem(EC_KEY), "file")) == "SigningKey(ES256)"
