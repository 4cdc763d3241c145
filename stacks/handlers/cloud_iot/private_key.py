"""The private key of a device, and the document that carries it to the node."""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

FORMATS = {"ES256": "ES256_PEM", "RS256": "RSA_PEM"}
"""What the API calls a public key of each algorithm."""

_RSA_BITS = 2048


@dataclass(frozen=True, kw_only=True)
class Key:
    """A private key, as the secret holds it. It never shows itself.

    Attributes:
        device: The whole name of the device that it is for.
        key_version: Which of its keys it is.
        algorithm: ES256 or RS256.
        private_key: PKCS8, PEM.
    """

    device: str
    key_version: str
    algorithm: str
    private_key: str = field(repr=False)

    @classmethod
    def made(cls, device: str, key_version: str, algorithm: str) -> Key:
        """A new one."""
        private: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
        if algorithm == "ES256":
            private = ec.generate_private_key(ec.SECP256R1())
        else:
            private = rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
        pem = private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return cls(device=device, key_version=key_version, algorithm=algorithm, private_key=pem.decode())

    @classmethod
    def read(cls, text: str) -> Key | None:
        """The key in a secret's text; None when that is something else."""
        try:
            document = json.loads(text)
            return cls(**{name: str(document[name]) for name in cls.__dataclass_fields__})
        except (ValueError, RecursionError, KeyError, TypeError):
            return None

    def text(self) -> str:
        """What the secret holds."""
        return json.dumps({name: getattr(self, name) for name in self.__dataclass_fields__})

    def public_pem(self) -> str:
        """The public key, as it is registered."""
        private = serialization.load_pem_private_key(self.private_key.encode(), password=None)
        return (
            private.public_key()
            .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )
