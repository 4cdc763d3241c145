"""The Cloud IoT API as the handlers see it: the same for Google's library and for ClearBlade's.

Names are the API's whole ones: `projects/P/locations/R/registries/G/devices/D`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, TypeVar

from ..cloudformation import RequestFailed, logger

T = TypeVar("T")

MOST_CREDENTIALS = 3
"""A device has no more (https://cloud.google.com/iot/docs/concepts/device-security)."""

NOT_FOUND = 404
CONFLICT = 409
UNREACHABLE = 503
_PASSING = (429, 502, UNREACHABLE, 504)
"""Retried: a fleet's devices are made side by side, and the API has quotas a minute."""

_RETRY_FOR_S = 40.0
"""Of one call; a request makes up to six, and a function has five minutes."""

_ADVICE = {
    400: "see gcp.registry in fleet.yaml",
    401: "see gcp.login (Google) or gcp.registry.secret (ClearBlade) in fleet.yaml",
    403: "the login needs the rights of design/google-side.md",
    404: "see gcp.project and gcp.registry in fleet.yaml",
    409: "somebody else changed it at this moment: deploy again",
    429: "deploy again in a minute",
}


class Rejected(Exception):  # noqa: N818 - an answer of the API, which may be the expected one
    """The API refused a request.

    Attributes:
        code: The HTTP status.
    """

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Credential:
    """A public key of a device.

    Attributes:
        format: In the API's words: `ES256_PEM` or `RSA_PEM`.
        key: PEM.
        expires: When it ends; None for never.
    """

    format: str
    key: str
    expires: datetime | None

    def is_of(self, public_pem: str) -> bool:
        """Whether it holds this key; white space at the ends does not count."""
        return self.key.strip() == public_pem.strip()


@dataclass(frozen=True, kw_only=True)
class Device:
    """A device as the API has it.

    Attributes:
        credentials: Its public keys.
        metadata: Its labels, ours and others'.
        state: The newest state that it sent, or nothing.
    """

    credentials: tuple[Credential, ...]
    metadata: Mapping[str, str]
    state: bytes


@dataclass(frozen=True, kw_only=True)
class Registry:
    """A registry as the API has it.

    Attributes:
        event_topics: The Pub/Sub topics that its devices' events go to.
    """

    event_topics: tuple[str, ...]


class DeviceManager(Protocol):
    """What the handlers ask of either library. Every method raises `Rejected`."""

    def registry(self, registry: str) -> Registry | None:
        """The registry, or None where there is none."""

    def make_registry(self, registry: str, event_topics: tuple[str, ...]) -> None:
        """Make it, for MQTT alone."""

    def change_registry(self, registry: str, event_topics: tuple[str, ...]) -> None:
        """Replace its topics."""

    def has_devices(self, registry: str) -> bool:
        """Whether any device is in it."""

    def delete_registry(self, registry: str) -> None:
        """Remove it."""

    def device(self, name: str) -> Device | None:
        """The device, or None where there is none."""

    def make_device(
        self, name: str, credentials: tuple[Credential, ...], metadata: Mapping[str, str]
    ) -> None:
        """Make it."""

    def change_device(
        self, name: str, credentials: tuple[Credential, ...], metadata: Mapping[str, str]
    ) -> None:
        """Replace its keys and its metadata."""

    def delete_device(self, name: str) -> None:
        """Remove it."""


def split(name: str) -> tuple[str, str]:
    """The name of what holds it, and the id: `…/registries/G` and `D` of `…/registries/G/devices/D`."""
    above, _, identity = name.rpartition("/")
    return above.rpartition("/")[0], identity


def with_retries(call: Callable[[], T]) -> T:
    """What `call` returns, retried while the error is a passing one.

    A call whose response was lost may have had its effect: the retry then finds `CONFLICT` or `NOT_FOUND`.

    Raises:
        Rejected: in the end.
    """
    deadline, pause_s = time.monotonic() + _RETRY_FOR_S, 1.0
    while True:
        try:
            return call()
        except Rejected as error:
            if error.code not in _PASSING or time.monotonic() + pause_s > deadline:
                raise
            logger.info("trying again: %s %s", error.code, error)
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 8.0)


@contextlib.contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn a rejection into a sentence for CloudFormation's events."""
    try:
        yield
    except Rejected as error:
        advice = _ADVICE.get(
            error.code, "deploy again; if it stays so, the provider's status page may say more"
        )
        raise RequestFailed(f"{what} is refused ({error.code} {error}): {advice}") from error
