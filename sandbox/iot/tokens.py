"""Tokens of devices: JSON Web Tokens (RFC 7519), signed with RS256 or ES256 (RFC 7518).

What is asked of them: https://cloud.google.com/iot/docs/how-tos/credentials/jwts
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Sequence
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from sandbox.iot.errors import (
    ApiError,
    RefusedError,
    Status,
    Why,
)

SKEW_S = 600
"""How far a device's clock may be off."""
MOST_LIFE_S = 24 * 3600
_ES256_BYTES = 64
_LEAST_RSA_BITS = 2048

PublicKey = rsa.RSAPublicKey | ec.EllipticCurvePublicKey


def read_key(key_format: str, pem: str) -> PublicKey:
    """The public key of a credential.

    Args:
        key_format: `RSA_PEM`, `RSA_X509_PEM`, `ES256_PEM` or `ES256_X509_PEM`.
        pem: A public key, or for the X509 formats a certificate.

    Raises:
        ApiError: it is something else.
    """
    try:
        if key_format.endswith("_X509_PEM"):
            key: Any = x509.load_pem_x509_certificate(pem.encode()).public_key()
        else:
            key = serialization.load_pem_public_key(pem.encode())
    except ValueError:
        raise ApiError(
            Status.INVALID_ARGUMENT, f"public_key.key: expected PEM for {key_format}, found something else"
        ) from None
    if key_format.startswith("RSA") and isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return key
    on_p256 = isinstance(getattr(key, "curve", None), ec.SECP256R1)
    if key_format.startswith("ES256") and isinstance(key, ec.EllipticCurvePublicKey) and on_p256:
        return key
    raise ApiError(
        Status.INVALID_ARGUMENT,
        f"public_key.key: expected a key for {key_format} (RSA from 2048 bits on, or P-256), found another",
    )


def check_token(token: str, keys: Sequence[PublicKey], project: str, now_s: float) -> float:
    """Whether `token` opens a connection; returns until when, seconds since 1970.

    The service closes it when the token has been over for as long as the skew; here that happens at once, so
    that nobody has to wait ten minutes to see how a device does without its token.

    Raises:
        RefusedError: it does not.
    """
    head, claims, signed, signature = _parts(token)
    _check_signature(head.get("alg"), keys, signed, signature)
    if claims.get("aud") != project:
        raise RefusedError(Why.AUDIENCE, f"aud: expected {project!r}, found {claims.get('aud')!r}")
    issued_s, expires_s = _seconds(claims, "iat"), _seconds(claims, "exp")
    if expires_s - issued_s > MOST_LIFE_S + SKEW_S:
        raise RefusedError(
            Why.TOKEN_LIFE, f"expected a token for at most 24 h, found {expires_s - issued_s:.0f} s"
        )
    if issued_s > now_s + SKEW_S:
        raise RefusedError(Why.TOKEN_EARLY, f"iat is {issued_s - now_s:.0f} s in the future")
    if expires_s + SKEW_S < now_s:
        raise RefusedError(
            Why.TOKEN_EXPIRED, f"the authorization token expired {now_s - expires_s:.0f} s ago"
        )
    # A device whose clock is slow connects with a token that is over; it has the skew's time.
    return expires_s if expires_s > now_s else expires_s + SKEW_S


def _parts(token: str) -> tuple[dict[str, Any], dict[str, Any], bytes, bytes]:
    try:
        head, claims, signature = token.split(".")
        documents = [json.loads(_decoded(part)) for part in (head, claims)]
        if not all(isinstance(document, dict) for document in documents):
            raise ValueError
        return documents[0], documents[1], f"{head}.{claims}".encode("ascii"), _decoded(signature)
    except (ValueError, binascii.Error):
        raise RefusedError(Why.MALFORMED_TOKEN, "the password is not a JSON Web Token") from None


def _decoded(part: str) -> bytes:
    # ClearBlade is strict about it: no padding, and none of base64's two other characters.
    if not re.fullmatch(r"[A-Za-z0-9_-]+", part):
        raise ValueError
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _seconds(claims: dict[str, Any], name: str) -> float:
    found = claims.get(name)
    if isinstance(found, bool) or not isinstance(found, int | float):
        raise RefusedError(Why.MALFORMED_TOKEN, f"{name}: expected seconds since 1970, found {found!r}")
    return float(found)


def _check_signature(algorithm: object, keys: Sequence[PublicKey], signed: bytes, signature: bytes) -> None:
    if algorithm not in ("RS256", "ES256"):
        raise RefusedError(Why.ALGORITHM, f"alg: expected RS256 or ES256, found {algorithm!r}")
    if not any(_is_signed_by(key, algorithm, signed, signature) for key in keys):
        raise RefusedError(
            Why.SIGNATURE,
            f"none of the device's {len(keys)} valid keys made this {algorithm} signature",
        )


def _is_signed_by(key: PublicKey, algorithm: object, signed: bytes, signature: bytes) -> bool:
    try:
        if isinstance(key, rsa.RSAPublicKey) and algorithm == "RS256":
            key.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())
            return True
        if (
            isinstance(key, ec.EllipticCurvePublicKey)
            and algorithm == "ES256"
            and len(signature) == _ES256_BYTES
        ):
            halves = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
            key.verify(encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))
            return True
    except InvalidSignature:
        pass
    return False
