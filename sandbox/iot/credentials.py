"""What a device may be made of: its id, its public keys, its metadata. Rules of the API, on messages."""

from __future__ import annotations

import re

from sandbox.iot import names, tokens
from sandbox.iot.errors import ApiError, Status
from sandbox.iot.messages import Message, PublicKeyFormat

MOST_CREDENTIALS = 3
"""https://cloud.google.com/iot/docs/reference/cloudiot/rest/v1/projects.locations.registries.devices"""
MOST_METADATA = 500
MOST_METADATA_BYTES = 256 * 1024
MOST_METADATA_VALUE_BYTES = 32 * 1024


def check_id(name: str, what: str) -> None:
    """That `name` may be the id of a registry or a device."""
    if not names.is_id(name):
        raise ApiError(
            Status.INVALID_ARGUMENT,
            f"{what}: expected 3 to 255 letters, digits or -._+~%, first a letter, found {name!r}",
        )


def check_device(device: Message) -> None:
    """That credentials and metadata are such as the service takes."""
    if len(device.credentials) > MOST_CREDENTIALS:
        raise ApiError(
            Status.INVALID_ARGUMENT,
            f"device.credentials: expected {MOST_CREDENTIALS} at most, found {len(device.credentials)}",
        )
    for credential in device.credentials:
        tokens.read_key(_format_of(credential), credential.public_key.key)
    _check_metadata(dict(device.metadata))


def valid_keys(device: Message, now_s: float) -> list[tokens.PublicKey]:
    """The keys whose signatures count now."""
    return [
        tokens.read_key(_format_of(credential), credential.public_key.key)
        for credential in device.credentials
        if not _is_over(credential, now_s)
    ]


def _format_of(credential: Message) -> str:
    found = credential.public_key.format
    try:
        name: str = PublicKeyFormat(found).name
    except ValueError:
        name = ""
    if not name or name.startswith("UNSPECIFIED"):
        raise ApiError(
            Status.INVALID_ARGUMENT,
            f"public_key.format: expected RSA_PEM, RSA_X509_PEM, ES256_PEM or ES256_X509_PEM, found {found}",
        )
    return name


def _is_over(credential: Message, now_s: float) -> bool:
    # "1970-01-01T00:00:00Z" stands for never, as no time at all does.
    expires_s: float = credential.expiration_time.seconds
    return 0 < expires_s <= now_s


def _check_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > MOST_METADATA:
        raise ApiError(
            Status.INVALID_ARGUMENT,
            f"metadata: expected at most {MOST_METADATA}, found {len(metadata)}",
        )
    for key, value in metadata.items():
        if not re.fullmatch(r"[a-zA-Z][a-zA-Z0-9._+~%-]{0,127}", key):
            raise ApiError(Status.INVALID_ARGUMENT, f"metadata: {key!r} cannot be a key")
        if len(value.encode()) > MOST_METADATA_VALUE_BYTES:
            raise ApiError(Status.INVALID_ARGUMENT, f"metadata: the value of {key!r} is longer than 32 KB")
    if sum(len((key + value).encode()) for key, value in metadata.items()) > MOST_METADATA_BYTES:
        raise ApiError(Status.INVALID_ARGUMENT, "metadata: expected 256 KB at most")
