"""The private key of a device: read from PEM, and what it signs.

Signed with awscrt, which the node has anyway for the nucleus; `cryptography` would be another 15 MB in the
image. A key never leaves memory and never is in an error: what is wrong with one is described without it.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from edgecam.errors import CredentialsError
from edgecam.json_text import parse_json

ES256 = "ES256"
RS256 = "RS256"
"""The two ways of signing that Cloud IoT Core takes
(https://cloud.google.com/iot/docs/how-tos/credentials/jwts#jwt_header)."""

_LEAST_RSA_BITS = 2048  # what the registry takes, and what is still good
_COORDINATE_BYTES = 32  # of P-256: a signature in a token is r and s, each of this length (RFC 7518, 3.4)
_WANTED = "an RSA key (2048 bits or more) or a P-256 key, as PEM without a passphrase"

# Its content ends at the next five hyphens, so that no text is crossed twice.
_PEM = re.compile(r"-----BEGIN ([A-Z0-9 ]+)-----([^-]*(?:-(?!----)[^-]*)*)-----END \1-----")
_LINE_END = re.compile(r"\s|\\r|\\n")  # an environment file holds a PEM in one line, with \n written out
_LINE_LENGTH = 64  # of PEM, RFC 7468

# Object identifiers, DER: what a PKCS8 key says it is, and the curve, which SEC1 says as well.
_OID_RSA = bytes.fromhex("06092a864886f70d010101")
_OID_EC = bytes.fromhex("06072a8648ce3d0201")
_OID_P256 = bytes.fromhex("06082a8648ce3d030107")
_HEAD_BYTES = 40  # of PKCS8, where its identifiers are


class _Block(NamedTuple):
    """One part of a PEM text."""

    label: str
    der: bytes


@dataclass(frozen=True, repr=False)
class SigningKey:
    """A private key, ready to sign. Safe to use from any thread; shows nothing of itself.

    Attributes:
        algorithm: `ES256` or `RS256`, by its own type.
    """

    algorithm: str
    _handle: Any

    def __repr__(self) -> str:
        return f"SigningKey({self.algorithm})"

    def sign(self, content: bytes) -> bytes:
        """The signature of `content` as a JSON Web Token has it (RFC 7518, 3.3 and 3.4)."""
        from awscrt.crypto import EC, RSASignatureAlgorithm

        digest = hashlib.sha256(content).digest()
        if self.algorithm == RS256:
            return bytes(self._handle.sign(RSASignatureAlgorithm.PKCS1_5_SHA256, digest))
        return bytes(EC.decode_der_signature_to_padded_pair(self._handle.sign(digest), _COORDINATE_BYTES))


@dataclass(frozen=True)
class PrivateKey:
    """A device's key as it was found.

    Attributes:
        signing: The key.
        version: What its maker calls it, or None where it has none.
        fingerprint: Tells one key from another, and nothing of it.
    """

    signing: SigningKey = field(compare=False)
    version: str | None
    fingerprint: str

    @property
    def name(self) -> str:
        """For a sentence: `ES256 key, version 3`."""
        return f"{self.signing.algorithm} key" + (f", version {self.version}" if self.version else "")


def parse_private_key(text: str, place: str, device: str) -> PrivateKey:
    """The key in `text`: PEM, or the JSON object that the stack EdgecamCloudIot keeps as a secret.

    Args:
        text: `{"device": …, "key_version": "3", "private_key": "-----BEGIN PRIVATE KEY-----…"}`, or that PEM.
        place: Where it comes from, for errors: `secret arn:…`.
        device: The device's full name, `projects/…/devices/…`.

    Raises:
        CredentialsError: what was expected there and what was found, nothing of the text.
    """
    if not text.lstrip().startswith("{"):
        return _private_key(text, None, place)
    document = _document(text, place)
    owner = document.get("device")
    if owner is not None and owner != device:
        raise CredentialsError(
            f"{place}: expected the key of device {device}, found that of {str(owner)[:300]}"
        )
    version = document.get("key_version")
    return _private_key(document["private_key"], None if version is None else str(version), place)


def parse_signing_key(pem: str, place: str) -> SigningKey:
    """The key in a PEM text: PKCS8, PKCS1 (`RSA PRIVATE KEY`) or SEC1 (`EC PRIVATE KEY`).

    Raises:
        CredentialsError: see `parse_private_key`.
    """
    return _signing_key(_private_block(pem, place), place)


def _private_key(pem: str, version: str | None, place: str) -> PrivateKey:
    block = _private_block(pem, place)
    return PrivateKey(_signing_key(block, place), version, hashlib.sha256(block.der).hexdigest()[:16])


def _document(text: str, place: str) -> dict[str, Any]:
    wanted = 'expected a JSON object {"key_version": "…", "private_key": "-----BEGIN PRIVATE KEY-----…"}'
    try:
        document = parse_json(text)
    except ValueError:
        raise CredentialsError(f"{place}: {wanted} or a PEM text, found neither") from None
    if not isinstance(document, dict) or not isinstance(document.get("private_key"), str):
        keys = ", ".join(sorted(document)) if isinstance(document, dict) else "none"
        raise CredentialsError(f"{place}: {wanted}, found the keys {keys or 'none'}")
    return document


def _private_block(pem: str, place: str) -> _Block:
    """The part with the private key; openssl writes others before it."""
    blocks = [(label, body) for label, body in _PEM.findall(pem)]
    for label, body in blocks:
        if label == "ENCRYPTED PRIVATE KEY" or "ENCRYPTED" in body:
            raise CredentialsError(f"{place}: expected {_WANTED}, found one with a passphrase")
        if label.endswith("PRIVATE KEY"):
            return _Block(label, _decoded(body, place))
    found = ", ".join(label for label, _ in blocks) or "no PEM text"
    raise CredentialsError(f"{place}: expected {_WANTED}, found {found}")


def _decoded(body: str, place: str) -> bytes:
    try:
        return base64.b64decode(_LINE_END.sub("", body), validate=True)
    except binascii.Error:
        raise CredentialsError(f"{place}: expected {_WANTED}, found a PEM text that is damaged") from None


def _signing_key(block: _Block, place: str) -> SigningKey:
    try:
        if block.label == "RSA PRIVATE KEY" or _OID_RSA in block.der[:_HEAD_BYTES]:
            return _rsa(block, place)
        if block.label == "EC PRIVATE KEY" or _OID_EC in block.der[:_HEAD_BYTES]:
            return _ec(block, place)
    except (
        RuntimeError,
        ValueError,
    ):  # what awscrt raises; its texts know nothing of the key, and say little
        raise CredentialsError(f"{place}: expected {_WANTED}, found a key that cannot be read") from None
    raise CredentialsError(f"{place}: expected {_WANTED}, found a key of another kind")


def _rsa(block: _Block, place: str) -> SigningKey:
    from awscrt.crypto import RSA

    encoded = base64.b64encode(block.der).decode()
    lines = [encoded[start : start + _LINE_LENGTH] for start in range(0, len(encoded), _LINE_LENGTH)]
    ends = f"-----BEGIN {block.label}-----", f"-----END {block.label}-----"
    key = SigningKey(RS256, RSA.new_private_key_from_pem_data("\n".join([ends[0], *lines, ends[1], ""])))
    bits = len(key.sign(b"")) * 8  # awscrt tells a key's size by its signatures alone
    if bits < _LEAST_RSA_BITS:
        raise CredentialsError(f"{place}: expected {_WANTED}, found an RSA key of {bits} bits")
    return key


def _ec(block: _Block, place: str) -> SigningKey:
    from awscrt.crypto import EC

    if _OID_P256 not in block.der:
        raise CredentialsError(f"{place}: expected {_WANTED}, found a key on another curve")
    return SigningKey(ES256, EC.new_key_from_der_data(block.der))
